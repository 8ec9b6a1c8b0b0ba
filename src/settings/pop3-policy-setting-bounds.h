#ifndef POP3_POLICY_SETTING_BOUNDS_H
#define POP3_POLICY_SETTING_BOUNDS_H

/* The mail processes' settings, for every version of Dovecot: built-in values
   and what is allowed. */

#define POP3_POLICY_SOCKET_BUILTIN "pop3-policy"
/* of doveadm */
#define POP3_POLICY_ADMIN_SOCKET_BUILTIN "pop3-policy-admin"

#define POP3_POLICY_TIMEOUT_BUILTIN "5s"
#define POP3_POLICY_TIMEOUT_MIN_MSECS 100
#define POP3_POLICY_TIMEOUT_MAX_MSECS (60*1000)
/* behind "is not" */
#define POP3_POLICY_TIMEOUT_ALLOWED \
	"a time between 100 ms and 60 s, such as 5s or 500ms"

/* A name without a slash at its beginning is below the directory of what this
   package installs, POP3_POLICY_DATADIR. */
#define POP3_POLICY_NOTICE_DIR_BUILTIN "notices"

/* without a domain: at the user's */
#define POP3_POLICY_NOTICE_FROM_BUILTIN "postmaster"

#endif
