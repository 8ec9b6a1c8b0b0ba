#ifndef DOVEADM_POP3_POLICY_CALLER_H
#define DOVEADM_POP3_POLICY_CALLER_H

/* Who runs this process, for the history of policies and the audit: "anna (uid
   0)", anna being who logged in to the machine, which su and sudo do not
   change. Where the kernel keeps no track of it the terminal's user, or else
   the process's. Allocated from the data stack. */
const char *doveadm_pop3_policy_caller(void);

#endif
