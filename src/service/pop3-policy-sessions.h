#ifndef POP3_POLICY_SESSIONS_H
#define POP3_POLICY_SESSIONS_H

#include "seq-range-array.h"
#include "pop3-policy-state-cache.h"

/* What a client's sessions have done so far, so that those that end without a
   word, with the process that ran them, are recorded as lost and their intents
   as abandoned. A client has one session at a time, or a few. */

struct pop3_policy_service;
struct pop3_policy_sessions;

/* A maildrop as the database knew it at LOGIN. */
struct pop3_policy_known_maildrop {
	const char *id, *guid, *uidvalidity, *uidnext, *messages;
};

struct pop3_policy_session {
	pool_t pool;
	char *id;
	const char *user;
	const char *dsession, *auth_user, *rip, *device, *tls;
	/* of the first LOGIN that was answered; NULL if none was */
	const char *started;
	/* canonical values of the policy's; NULL if not known */
	const char *view_since, *view_window;
	/* whether what it sends counts for download_daily: "t" or "f"; NULL if
	   not known */
	const char *download;
	/* it has sent a DOWNLOAD */
	bool download_asked;
	ARRAY(struct pop3_policy_known_maildrop) maildrops;
	/* intents that were sent, and have no outcome yet */
	ARRAY_TYPE(seq_range) intents;
	/* numbers of those that were postponed, and have no outcome yet */
	ARRAY_TYPE(seq_range) postponed;
	/* what all of them mean */
	ARRAY(struct pop3_policy_state_change *) changes;
};

struct pop3_policy_sessions *
pop3_policy_sessions_init(struct pop3_policy_service *service);
/* The client is gone. Unless the service is stopping, its sessions are
   recorded. */
void pop3_policy_sessions_deinit(struct pop3_policy_sessions **sessions);

/* Returns NULL if it is not known. */
struct pop3_policy_session *
pop3_policy_sessions_find(struct pop3_policy_sessions *sessions,
			  const char *id);
/* Find or add. */
struct pop3_policy_session *
pop3_policy_sessions_get(struct pop3_policy_sessions *sessions,
			 const char *id, const char *user);
/* The session's own end was recorded, or it ended without a word. Intents without
   an outcome are abandoned. What was postponed holds: the client may have been
   told so. NULL is ignored. */
void pop3_policy_sessions_ended(struct pop3_policy_sessions *sessions,
				struct pop3_policy_session *session);

/* An intent was sent, or is over. A session without LOGIN, that of a delivery,
   is forgotten with its last one. */
void pop3_policy_session_intent_sent(struct pop3_policy_session *session,
				     uint32_t no);
/* Keep what an intent means until its outcome; it is copied. What was postponed is
   not seen by other sessions before that. */
void pop3_policy_session_changed(struct pop3_policy_session *session,
				 const struct pop3_policy_state_change *change);
/* Returns NULL if it is not known. */
const struct pop3_policy_state_change *
pop3_policy_session_change(const struct pop3_policy_session *session,
			   uint32_t no);
void pop3_policy_sessions_intent_over(struct pop3_policy_sessions *sessions,
				      const char *id, uint32_t no);
/* Queue the record that abandons the open intents of a session. */
void pop3_policy_session_abandon(struct pop3_policy_service *service,
				 const char *user, const char *session_id);

#endif
