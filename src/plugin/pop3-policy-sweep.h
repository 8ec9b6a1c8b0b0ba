#ifndef POP3_POLICY_SWEEP_H
#define POP3_POLICY_SWEEP_H

/* What is due in the maildrops of users who do not log in: for doveadm, which
   finds the function by its name. */

struct mail_user;
struct pop3_policy_convert;

struct pop3_policy_sweep_rule {
	const char *reason;
	/* messages removed by it, or that would be */
	unsigned int count;
};

struct pop3_policy_sweep_result {
	/* ended by one without a reason */
	struct pop3_policy_sweep_rule rules[16];
	/* as many as are done at a time: there may be more */
	bool more;
	/* what an earlier session left open was settled, and may be due */
	bool repaired;
};

#define POP3_POLICY_SWEEP_FUNCTION "pop3_policy_sweep"
typedef int
pop3_policy_sweep_t(struct mail_user *user, bool dry_run,
		    struct pop3_policy_convert *convert,
		    struct pop3_policy_sweep_result *result_r,
		    const char **error_r);

/* Repair what was left open in the user's INBOX, and remove what is due, at most
   POP3_POLICY_MAX_DUE messages. A maildrop that was never seen gets its first
   watermark. With convert (else NULL) hidden messages are dealt with, too; see
   pop3-policy-convert.h. dry_run: only look. Returns 0 if ok, -1 and *error_r if not. */
pop3_policy_sweep_t pop3_policy_sweep;

#endif
