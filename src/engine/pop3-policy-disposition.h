#ifndef POP3_POLICY_DISPOSITION_H
#define POP3_POLICY_DISPOSITION_H

#include "pop3-policy-effective.h"

/* What becomes of a message when a session reaches UPDATE (RFC 1939, sections
   6 and 8), and which rules a policy applies at all. */

enum pop3_policy_action {
	/* ordered by strength: of two rules the stronger one wins */
	POP3_POLICY_ACTION_NONE = 0,
	POP3_POLICY_ACTION_HIDE,
	POP3_POLICY_ACTION_MOVE,
	POP3_POLICY_ACTION_EXPUNGE
};

enum pop3_policy_reason {
	POP3_POLICY_REASON_NONE = 0,
	POP3_POLICY_REASON_DELE,
	POP3_POLICY_REASON_RETRIEVED,
	POP3_POLICY_REASON_EXPIRED_RETRIEVED,
	POP3_POLICY_REASON_EXPIRED_UNRETRIEVED,
	POP3_POLICY_REASON_EXPIRED_HIDDEN,
	POP3_POLICY_REASON_LEAVE_LIMIT,
	POP3_POLICY_REASON_QUOTA,
	POP3_POLICY_REASON_MASS_DELETE,
	POP3_POLICY_REASON_ADMIN,
	POP3_POLICY_REASON_GONE,

	POP3_POLICY_REASON_COUNT
};

/* "none", "hide", "move", "expunge" and "dele", "expired-retrieved", ...
   _parse() returns 0 if known, -1 if not. */
const char *pop3_policy_action_name(enum pop3_policy_action action);
int pop3_policy_action_parse(const char *name,
			     enum pop3_policy_action *action_r);
/* TRUE if it takes a message out of the mailbox. */
bool pop3_policy_action_removes(enum pop3_policy_action action);
const char *pop3_policy_reason_name(enum pop3_policy_reason reason);
int pop3_policy_reason_parse(const char *name,
			     enum pop3_policy_reason *reason_r);

/* What is known of one message at UPDATE. */
struct pop3_policy_message_facts {
	/* the client's DELE stands (not taken back by RSET) */
	bool dele:1;
	/* sent whole, and confirmed by a QUIT that arrived after it */
	bool retrieved:1;
	/* restored by an administrator: spared once by on_retrieve */
	bool spared:1;
	/* the session belongs to a master user: nothing counts as retrieved */
	bool master:1;
	/* the session's DELEs are a mass deletion (pop3-policy-mass-delete.h):
	   enforce makes them hide, whatever on_dele says */
	bool mass_delete:1;
};

struct pop3_policy_disposition {
	enum pop3_policy_action action;
	enum pop3_policy_reason reason;
	/* under enforcement=observe: what enforce would have done instead of
	   `action' by rule `would_reason'; NONE if the same */
	enum pop3_policy_action would_action;
	enum pop3_policy_reason would_reason;
};

/* Decide about one message.
   - A hold (pop3_hold=yes) acts under every enforcement: what would leave the
     mailbox is hidden instead.
   - enforcement=off, observe: a DELE is RFC 1939's (expunge), on_retrieve
     does nothing; observe says in would_* what enforce would have done.
   - enforce: on_dele and on_retrieve as set; where both speak the stronger
     action wins, DELE's reason where they are equal.
   - paused: on_retrieve does not remove (the message stays, to be removed when
     it is retrieved again later); hiding and DELE go on.
   - on_dele=refuse never gets here with dele set (the DELE was answered with
     -ERR); if it does, DELE is ignored. */
void pop3_policy_dispose(const struct pop3_policy *policy,
			 const struct pop3_policy_message_facts *facts,
			 struct pop3_policy_disposition *disposition_r);

/* TRUE if hidden messages and the view_ parameters shape this session's view:
   under enforce, and under a hold (hidden messages only). */
bool pop3_policy_hides(const struct pop3_policy *policy);
bool pop3_policy_filters_view(const struct pop3_policy *policy);
/* TRUE if messages that are due may be removed: enforce, no hold, not paused. */
bool pop3_policy_removes_due(const struct pop3_policy *policy);
/* How the rules act that look at a session or a maildrop as a whole: leave
   limits and mass deletion. */
enum pop3_policy_mode {
	/* enforcement=off, or a hold */
	POP3_POLICY_MODE_NONE = 0,
	/* say what enforce would have done */
	POP3_POLICY_MODE_OBSERVE,
	POP3_POLICY_MODE_ENFORCE
};
enum pop3_policy_mode pop3_policy_mode(const struct pop3_policy *policy);

/* TRUE if leave_max_messages or leave_max_bytes limits anything. */
bool pop3_policy_limits_leaving(const struct pop3_policy *policy);

/* How \Seen is set on retrieved mail: as-configured by Dovecot itself, which
   is so under every enforcement but enforce, else on all of it or on none. */
enum pop3_policy_yes_no
pop3_policy_marks_seen(const struct pop3_policy *policy);

/* TRUE if removals must have a durable intent: every enforcement but off, and
   off with a hold. */
bool pop3_policy_needs_intent(const struct pop3_policy *policy);

/* EXPIRE of RFC 2449 for this policy: the smallest number of whole days
   (rounded down) after which a message may be removed by expire_retrieved,
   expire_unretrieved, or on_retrieve=delete (0) and on_retrieve=hide with
   expire_hidden. Returns -1 for NEVER; also under off, observe and hold. A pause
   changes nothing. */
int pop3_policy_expire_days(const struct pop3_policy *policy);

#endif
