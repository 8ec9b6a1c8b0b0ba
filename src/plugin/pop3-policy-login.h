#ifndef POP3_POLICY_LOGIN_H
#define POP3_POLICY_LOGIN_H

#include "guid.h"
#include "seq-range-array.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-disposition.h"

/* The service's answer to LOGIN: policy and state of a user. */

struct pop3_policy_session;
struct pop3_policy_wire_line;
struct pop3_policy_wire_message;

/* A maildrop as the database knows it. A field that is "not known" is 0 or an
   empty set. */
struct pop3_policy_maildrop {
	const char *id;
	guid_128_t guid;
	uint32_t uidvalidity;
	/* highest UIDNEXT seen, messages at the end of the last session */
	uint32_t uidnext, messages;
	/* number of messages with state */
	uint32_t tracked;
	/* a message that had the UID before some UIDNEXT, and its GUID */
	uint32_t anchor_uid;
	guid_128_t anchor_guid;
	/* hidden messages, the highest of them and its GUID */
	ARRAY_TYPE(seq_range) hidden;
	uint32_t hidden_uid;
	guid_128_t hidden_guid;
	/* lowest UID that view_since and view_window show */
	uint32_t view_from;
	/* UIDs below it have arrived before the expire_unretrieved limit,
	   those in exempt do not expire so */
	uint32_t before;
	ARRAY_TYPE(seq_range) exempt;
	/* removals that an outage of the database postponed: hidden until they
	   are decided */
	ARRAY_TYPE(seq_range) postponed;
	/* restored messages, spared once by on_retrieve */
	ARRAY_TYPE(seq_range) spared;
	/* what was ever retrieved; known where view_limit or
	   mass_delete_percent is set, and the service tells it */
	bool retrieved_known;
	ARRAY_TYPE(seq_range) retrieved;
	/* recorded by observe mode already */
	ARRAY_TYPE(seq_range) would;
};

/* A message whose time has come. */
struct pop3_policy_due {
	const char *maildrop;
	uint32_t uid;
	guid_128_t guid;
	enum pop3_policy_reason reason;
};
ARRAY_DEFINE_TYPE(pop3_policy_due, struct pop3_policy_due);

/* An intent that its session left open. */
struct pop3_policy_open_intent {
	const char *maildrop;
	guid_128_t session;
	uint32_t no;
};

struct pop3_policy_login {
	pool_t pool;
	/* database time, text as received */
	const char *now;
	/* opaque version of the policy */
	const char *version;
	struct pop3_policy policy;
	/* seconds until login_delay lets the user in, 0 if it does */
	uint32_t wait;
	/* the database cannot be asked: this is what the host knew last */
	bool offline;
	ARRAY(struct pop3_policy_maildrop) maildrops;
	ARRAY_TYPE(pop3_policy_due) due;
	/* postponed removals that are to be decided; dele or retrieved */
	ARRAY_TYPE(pop3_policy_due) postponed;
	ARRAY(struct pop3_policy_open_intent) intents;
};

/* Parse an answer. Returns 0 and the result, to be freed with
   pop3_policy_login_free(), or -1 and *error_r. */
int pop3_policy_login_parse(const struct pop3_policy_wire_message *reply,
			    struct pop3_policy_login **login_r,
			    const char **error_r);
/* Read the policy (p.NAME) from the first line of an answer. What it does not
   have is built-in. Strings are allocated from the pool. Returns 0 / -1 and
   *error_r. */
int pop3_policy_login_parse_policy(pool_t pool,
				   const struct pop3_policy_wire_line *head,
				   struct pop3_policy *policy_r,
				   const char **error_r);
/* The user was asked for again in the same session: take over the policy, and
   what is known of retrievals. A session that is offline stays so. The rest is what the view was made of, and
   stays. */
void pop3_policy_login_refresh(struct pop3_policy_login *login,
			       const struct pop3_policy_login *fresh);
void pop3_policy_login_free(struct pop3_policy_login **login);

#endif
