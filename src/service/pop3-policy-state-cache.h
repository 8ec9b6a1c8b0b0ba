#ifndef POP3_POLICY_STATE_CACHE_H
#define POP3_POLICY_STATE_CACHE_H

#include "seq-range-array.h"

/* What this host knows of the maildrops of users, for logins while the database
   cannot be asked. It is learned from the answers to logins, and changed by what
   sessions on this host record afterwards, exactly as the database changes its
   own state then; where that cannot be known, the user is forgotten. What other
   hosts did meanwhile is not known.

   Nothing in it is used to remove anything. */

struct pop3_policy_db_result;
struct pop3_policy_record_session;
struct pop3_policy_state_cache;
struct pop3_policy_wire_message;

#define POP3_POLICY_GUID_SIZE 33

struct pop3_policy_state_maildrop {
	/* 0: the database has not given it one yet */
	char *id;
	/* 32 hex digits */
	char guid[POP3_POLICY_GUID_SIZE];
	uint32_t uidvalidity, uidnext;
	/* -1: not known */
	int64_t messages;
	/* 0 and "": none */
	uint32_t anchor_uid;
	char anchor_guid[POP3_POLICY_GUID_SIZE];
	/* the highest hidden message; 0 and "": not known */
	uint32_t hidden_uid;
	char hidden_guid[POP3_POLICY_GUID_SIZE];
	/* 0: all are shown */
	uint32_t view_from;
	/* not created while empty */
	ARRAY_TYPE(seq_range) hidden, spared, postponed;
	/* not created while not known */
	ARRAY_TYPE(seq_range) retrieved;
};

/* The answer to a login, which may be told again. */
struct pop3_policy_state_answer {
	/* of the policy that it was given by */
	const char *version;
	/* as pop3_policy_login_reply_items() wrote them */
	const char *items;
	unsigned int item_count;
	/* it holds until then, by the database's clock: seconds since 1970 */
	double until;
};

struct pop3_policy_state_kept;

struct pop3_policy_state_user {
	struct pop3_policy_state_user *prev, *next;
	char *name;
	/* the cache's serial of the last change, and of the last time that
	   there may have been one */
	unsigned int changed, touched;
	/* NULL if the database has to be asked */
	struct pop3_policy_state_kept *kept;
	/* FALSE: only the changes are counted */
	bool known;
	/* when the database said so, seconds of a clock that nobody sets */
	time_t learned;
	/* most recently used first */
	ARRAY(struct pop3_policy_state_maildrop *) maildrops;
};

/* users: how many are kept, those used last; 0 for none. secs: how long they
   are found, after the database was asked; 0: never. */
struct pop3_policy_state_cache *
pop3_policy_state_cache_init(unsigned int users, unsigned int secs);
void pop3_policy_state_cache_deinit(struct pop3_policy_state_cache **cache);
/* FALSE if it finds none. */
bool
pop3_policy_state_cache_is_used(const struct pop3_policy_state_cache *cache);

struct pop3_policy_state_mark {
	unsigned int changed, touched, touched_all;
};
/* Before POP3_POLICY_STMT_MAILDROP_STATE is sent: to be given to _learn(). */
void pop3_policy_state_cache_mark(struct pop3_policy_state_cache *cache,
				  const char *username,
				  struct pop3_policy_state_mark *mark_r);
/* What the database answered. Not taken over if something was recorded since the
   mark, which the answer may not have. answer is the same as it may be told
   again, NULL if it may not. */
void pop3_policy_state_cache_learn(struct pop3_policy_state_cache *cache,
				   const struct pop3_policy_state_mark *mark,
				   const char *username,
				   const struct pop3_policy_db_result *state,
				   const struct pop3_policy_state_answer *answer);
/* Returns NULL if the user is not known, or was learned too long ago. Valid until
   the next call of any of these functions. */
const struct pop3_policy_state_user *
pop3_policy_state_cache_find(struct pop3_policy_state_cache *cache,
			     const char *username);
/* How it stands is not known any more, until the next answer of the database. */
void pop3_policy_state_cache_forget(struct pop3_policy_state_cache *cache,
				    const char *username);

/* --- pop3-policy-state-answer.c: the answer itself --- */

/* What the database says of the user's maildrops may have changed: it has to be
   asked again. What is known for while it cannot be stays. */
void pop3_policy_state_cache_touch(struct pop3_policy_state_cache *cache,
				   const char *username);
/* The same of all users. */
void pop3_policy_state_cache_touch_all(struct pop3_policy_state_cache *cache);
/* The last answer to a login of this user, by a policy of this version, if it is
   still what the database would say now (its time, seconds since 1970), as far as
   _touch() was told of all changes. NULL if not, or if there is none. Valid until
   the next call of any of these functions. */
const struct pop3_policy_state_answer *
pop3_policy_state_cache_answer(struct pop3_policy_state_cache *cache,
			       const char *username, const char *version,
			       double now,
			       const struct pop3_policy_state_user **user_r);

/* --- pop3-policy-state-change.c: what was recorded --- */

/* What an intent means, if its outcome is committed. */
struct pop3_policy_state_change {
	uint32_t no;
	bool postponed;
	char guid[POP3_POLICY_GUID_SIZE];
	uint32_t uidvalidity;
	/* hidden, the highest of them; of them those whose removal is
	   postponed; removed or moved; marked as deleted */
	ARRAY_TYPE(seq_range) hide, postpone, gone, flag;
	uint32_t last_uid;
	char last_guid[POP3_POLICY_GUID_SIZE];
};

/* Read an INTENT that was found to be right; postponed: nothing is removed. */
struct pop3_policy_state_change *
pop3_policy_state_change_create(pool_t pool, bool postponed,
				const struct pop3_policy_wire_message *intent);
/* It was committed, or postponed. */
void pop3_policy_state_cache_change(struct pop3_policy_state_cache *cache,
				    const char *username,
				    const struct pop3_policy_state_change *change);
/* A session ended. retrieved are the UIDs of its items, and stay those of them
   that were not removed or moved. */
void pop3_policy_state_cache_session(struct pop3_policy_state_cache *cache,
	const struct pop3_policy_record_session *data,
	const ARRAY_TYPE(seq_range) *retrieved,
	const ARRAY_TYPE(seq_range) *stay,
	const ARRAY_TYPE(seq_range) *removed);
/* The messages are gone, or their state is void; guid NULL: of any mailbox that
   the user has. */
void pop3_policy_state_cache_gone(struct pop3_policy_state_cache *cache,
				  const char *username, const char *guid,
				  const char *uidvalidity,
				  const ARRAY_TYPE(seq_range) *uids);
/* Postponed removals were decided: the messages are in the view. */
void pop3_policy_state_cache_kept(struct pop3_policy_state_cache *cache,
				  const char *username, const char *guid,
				  const char *uidvalidity,
				  const ARRAY_TYPE(seq_range) *uids);

#endif
