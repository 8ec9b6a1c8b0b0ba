#ifndef POP3_POLICY_SESSION_H
#define POP3_POLICY_SESSION_H

#include "guid.h"
#include "seq-range-array.h"
#include "str.h"
#include "pop3-policy-download.h"
#include "pop3-policy-login.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-settings.h"

/* One POP3 session as the policy sees it, from the creation of its user to
   the SESSION record. doc/session.md tells the story of a session. */

struct client;
struct mail_user;
struct mail_search_context;
struct mailbox;
struct mailbox_transaction_context;
struct ostream;
struct pop3_policy_client;
struct pop3_policy_sender;

enum pop3_policy_session_state {
	/* LOGIN was sent, its answer was not read yet */
	POP3_POLICY_SESSION_LOGIN,
	/* the login was refused: nothing happens any more but the end */
	POP3_POLICY_SESSION_REFUSED,
	/* the policy is known, the mailbox was not seen yet */
	POP3_POLICY_SESSION_ACCEPTED,
	/* the mailbox is being prepared: repair, due work, view */
	POP3_POLICY_SESSION_PREPARING,
	/* RFC 1939's TRANSACTION: the view is fixed */
	POP3_POLICY_SESSION_TRANSACTION,
	/* UPDATE failed, nothing more may be removed */
	POP3_POLICY_SESSION_UPDATE_FAILED,
	/* QUIT's changes were committed, the sync before its +OK is to come */
	POP3_POLICY_SESSION_COMMITTED,
	/* the SESSION record was sent */
	POP3_POLICY_SESSION_ENDED
};

/* A message that was sent whole. */
struct pop3_policy_fetched {
	uint32_t uid;
	guid_128_t guid;
	uoff_t size;
	/* offset in the output at which its reply ended */
	uoff_t output_end;
	/* once the reply was handed to the kernel: how many bytes the client
	   had sent by then, read or not. A QUIT that ends behind them, whole,
	   confirms the message. */
	bool flushed;
	uoff_t input_seen;
};

/* What the SESSION record says of a retrieved message. */
struct pop3_policy_retrieved {
	uint32_t uid;
	guid_128_t guid;
	uoff_t size;
	enum pop3_policy_action action;
};

/* A message that would have been removed (enforcement=observe). */
struct pop3_policy_would {
	uint32_t uid;
	guid_128_t guid;
	uoff_t size;
	enum pop3_policy_reason reason;
};

struct pop3_policy_session {
	pool_t pool;
	struct mail_user *user;
	struct event *event;
	struct pop3_policy_settings set;
	struct pop3_policy_client *service;
	guid_128_t id;
	enum pop3_policy_session_state state;

	/* LOGIN: the request, and its answer */
	unsigned int login_id;
	string_t *login_text;
	struct pop3_policy_login *login;
	/* when the answer was read, monotonic nanoseconds */
	uint64_t login_nsecs;
	/* &login->policy */
	const struct pop3_policy *policy;

	/* NULL until the POP3 client exists, and after it is gone */
	struct client *client;
	struct timeout *to_refuse;

	/* the POP3 client's mailbox, only to compare with: it is kept when the
	   mailbox is gone */
	const struct mailbox *pop3_box;
	/* the mailbox, from its preparation until the client's end */
	struct mailbox *box;
	/* the preparation was completed: identity and numbers can be told */
	bool prepared;
	/* messages in the mailbox when the view was made */
	uint32_t messages;
	guid_128_t box_guid;
	uint32_t uidvalidity, uidnext;
	/* what the database knows of it, NULL if nothing. Points to login. */
	struct pop3_policy_maildrop *drop;

	/* the view, fixed once prepared. filter is FALSE if all is shown;
	   hidden are all UIDs that are not, but those below view_from. */
	bool filter;
	ARRAY_TYPE(seq_range) hidden;
	uint32_t view_from;
	/* the search that has to see hidden messages too */
	struct mail_search_context *unfiltered_search;

	/* sent whole and not taken back by RSET, by time */
	ARRAY(struct pop3_policy_fetched) fetched;
	ARRAY_TYPE(seq_range) fetched_uids;
	/* first message in fetched that is not flushed yet */
	unsigned int fetched_unflushed;
	/* our part of the client's output, valid as long as the client is;
	   NULL if the login was refused */
	struct ostream *output;
	/* a RETR or TOP is under way, and its +OK begins there in output */
	bool fetching;
	uoff_t fetch_offset;
	struct pop3_policy_download download;
	/* UIDs of messages whose DELE was refused */
	ARRAY_TYPE(seq_range) refused;
	/* UIDs that the client's DELE asks to remove, once in UPDATE */
	ARRAY_TYPE(seq_range) dele;
	/* UIDs that Dovecot would mark \Seen, once in UPDATE */
	ARRAY_TYPE(seq_range) seen;
	/* pop3_delete_type=flag: the keyword that DELE sets, else NULL */
	struct mail_keywords *deleted_kw;
	/* the storage's expunge and keyword functions are called for us */
	bool passing;
	/* UIDs that others removed, which the audit has been told */
	ARRAY_TYPE(seq_range) gone;

	/* no POP3 session: nobody logged in, only what is due is removed */
	bool sweep;
	/* a sweep that only looks */
	bool dry_run;
	/* what was removed, or would be, because it was due */
	unsigned int due_counts[POP3_POLICY_REASON_COUNT];

	/* results of UPDATE */
	uint32_t intent_no;
	/* intents whose outcome waits for the sync */
	ARRAY_TYPE(pop3_policy_intent) committed_intents;
	ARRAY(struct pop3_policy_retrieved) retrieved;
	/* expunged; what UPDATE is expunging, and how many it expunged */
	ARRAY_TYPE(seq_range) removed, removing;
	unsigned int update_removed;
	ARRAY(struct pop3_policy_would) would;
	/* a mass deletion, if mass_mode says so: how many unread messages are
	   deleted, of how many */
	unsigned int mass_deleted, mass_unread;
	enum pop3_policy_mode mass_mode;
	uint32_t anchor_uid;
	guid_128_t anchor_guid;
	/* the database's anchor is missing in the mailbox */
	bool anchor_missing;
	/* quit, drop, timeout, kick, update-failed, refused, error */
	const char *ended_by;
};

/* Create a session for a user and send LOGIN. Returns NULL if the settings
   are wrong (*error_r tells); a service that cannot be reached is found out
   by pop3_policy_session_login(). */
struct pop3_policy_session *
pop3_policy_session_create(struct mail_user *user, const char **error_r);
/* The same for a sweep, which has no POP3 client. */
struct pop3_policy_session *
pop3_policy_session_create_sweep(struct mail_user *user, const char **error_r);
void pop3_policy_session_free(struct pop3_policy_session **session);

/* The session of a user, NULL if it has none. */
struct pop3_policy_session *pop3_policy_session_get(struct mail_user *user);

/* Read the answer to LOGIN, waiting for it up to the timeout.
   Returns 0 if ok, -1 and *error_r (for the log) if there is none. */
int pop3_policy_session_login(struct pop3_policy_session *session,
			      const char **error_r);
/* Ask LOGIN again for a fresh policy, after a stale intent. As above. */
int pop3_policy_session_login_again(struct pop3_policy_session *session,
				    const char **error_r);

/* TRUE if a master user logged in as the mailbox's owner. */
bool pop3_policy_session_is_master(const struct pop3_policy_session *session);

/* What this session is to pop3-policy-sender.h; valid as long as the session
   is, and the mailbox's identity does not change. */
void pop3_policy_session_sender(struct pop3_policy_session *session,
				struct pop3_policy_sender *sender_r);

/* Begin a message of this session: verb, id, user, session. */
void pop3_policy_session_wire(struct pop3_policy_session *session,
			      string_t *dest, const char *verb,
			      unsigned int id);
/* Add who and where: dsession, auth_user, rip, device. */
void pop3_policy_session_wire_origin(struct pop3_policy_session *session,
				     string_t *dest);
/* Add the mailbox: guid, uidvalidity. */
void pop3_policy_session_wire_mailbox(struct pop3_policy_session *session,
				      string_t *dest);
/* Send a message that has no answer; failures are logged. */
void pop3_policy_session_send(struct pop3_policy_session *session,
			      const string_t *text);

/* Send EVENT. uids may be NULL; uidnext is left out if 0, text if NULL. */
void pop3_policy_session_event(struct pop3_policy_session *session,
			       const char *event, const char *reason,
			       const ARRAY_TYPE(seq_range) *uids,
			       uint32_t uidnext, const char *text);

/* Send the SESSION record and enter ENDED. Called again it does nothing. */
void pop3_policy_session_end(struct pop3_policy_session *session,
			     const char *ended_by);

#endif
