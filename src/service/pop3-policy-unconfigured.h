#ifndef POP3_POLICY_UNCONFIGURED_H
#define POP3_POLICY_UNCONFIGURED_H

/* Dovecot 2.4 starts the service wherever its settings module is installed,
   configured or not. A process that only ended for it would be started again
   and again. */

/* TRUE if the settings file does not exist. */
bool pop3_policy_is_unconfigured(const char *config_path);
/* Refuse every client until the file exists, then return, so that the master
   starts a process that reads it. */
void pop3_policy_unconfigured_run(const char *config_path);

#endif
