#ifndef POP3_POLICY_LOGIN_REPLY_H
#define POP3_POLICY_LOGIN_REPLY_H

#include "pop3-policy-db.h"

/* Columns of POP3_POLICY_STMT_MAILDROP_STATE. */
enum pop3_policy_state_column {
	POP3_POLICY_STATE_MAILDROP_ID = 0,
	POP3_POLICY_STATE_MAILBOX_GUID,
	POP3_POLICY_STATE_UIDVALIDITY,
	POP3_POLICY_STATE_UIDNEXT,
	POP3_POLICY_STATE_MESSAGES,
	POP3_POLICY_STATE_ANCHOR_UID,
	POP3_POLICY_STATE_ANCHOR_GUID,
	POP3_POLICY_STATE_HIDDEN,
	POP3_POLICY_STATE_HIDDEN_UID,
	POP3_POLICY_STATE_HIDDEN_GUID,
	POP3_POLICY_STATE_VIEW_FROM,
	POP3_POLICY_STATE_BEFORE_UID,
	POP3_POLICY_STATE_EXEMPT,
	POP3_POLICY_STATE_SPARED,
	POP3_POLICY_STATE_WOULD,
	POP3_POLICY_STATE_RETRIEVED,
	POP3_POLICY_STATE_TRACKED,
	POP3_POLICY_STATE_DUE_UID,
	POP3_POLICY_STATE_DUE_GUID,
	POP3_POLICY_STATE_DUE_REASON,
	POP3_POLICY_STATE_INTENT_SESSION,
	POP3_POLICY_STATE_INTENT_NO,
	POP3_POLICY_STATE_POSTPONED,
	POP3_POLICY_STATE_POSTPONED_UID,
	POP3_POLICY_STATE_POSTPONED_GUID,
	POP3_POLICY_STATE_POSTPONED_REASON,
	/* seconds since 1970, or Infinity */
	POP3_POLICY_STATE_FRESH_UNTIL
};

struct pop3_policy_login_reply {
	unsigned int id;
	const char *now;
	/* seconds until login_delay lets the user in; 0: now */
	int64_t wait;
	/* seconds */
	unsigned int lease;
	/* as pop3_policy_user_policy_write() wrote it */
	const char *policy;
	/* tell what was ever retrieved */
	bool retrieved;
	/* nothing is due by time */
	bool no_time;
	/* rows of pop3.maildrop_state(); NULL if the login is not accepted */
	const struct pop3_policy_db_result *state;
};

/* Append the items of the OK of LOGIN. Returns 0 if ok, -1 + *error_r if the rows
   make no sense, or are too much for the protocol. */
int pop3_policy_login_reply_items(string_t *dest,
				  const struct pop3_policy_login_reply *reply,
				  unsigned int *count_r, const char **error_r);
/* Append the OK of LOGIN, with so many items as text. Returns 0 if ok, -1 +
   *error_r if there is no time. */
int pop3_policy_login_reply_write(string_t *dest,
				  const struct pop3_policy_login_reply *reply,
				  const char *items, unsigned int count,
				  const char **error_r);

#endif
