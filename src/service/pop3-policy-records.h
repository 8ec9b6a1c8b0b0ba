#ifndef POP3_POLICY_RECORDS_H
#define POP3_POLICY_RECORDS_H

#include "pop3-policy-db.h"

/* What the writer sends, one call of an SQL function each. */

enum pop3_policy_record_kind {
	POP3_POLICY_RECORD_INTENT_STATE = 0,
	POP3_POLICY_RECORD_INTENT,
	POP3_POLICY_RECORD_POSTPONED,
	POP3_POLICY_RECORD_OUTCOME,
	POP3_POLICY_RECORD_ABANDON,
	POP3_POLICY_RECORD_CLAIM,
	POP3_POLICY_RECORD_REPAIR,
	POP3_POLICY_RECORD_EVENT,
	POP3_POLICY_RECORD_CARRY,
	POP3_POLICY_RECORD_SESSION,
	POP3_POLICY_RECORD_POLLS,
	POP3_POLICY_RECORD_IMAP_USE,
	POP3_POLICY_RECORD_USAGE,
	POP3_POLICY_RECORD_NOTICE,
	POP3_POLICY_RECORD_QUARANTINE,
	POP3_POLICY_RECORD_CHAIN_PLAIN,

	POP3_POLICY_RECORD_COUNT
};

struct pop3_policy_record_info {
	enum pop3_policy_stmt stmt;
	/* takes sequence numbers: its first two parameters are the chain and
	   the (first) sequence number, filled in when it is sent */
	bool chained:1;
	/* somebody waits for it; on failure he is told, and it is not kept */
	bool awaited:1;
	/* is not kept in the log: it changes nothing, or only counts, or is
	   made again by itself */
	bool unlogged:1;
	/* changes what pop3.maildrop_state() says of the user's maildrops */
	bool state:1;
};

/* Whether it may be dropped when memory runs out. Nothing is removed or shown
   wrongly without it then. */
enum pop3_policy_record_drop {
	POP3_POLICY_DROP_NEVER = 0,
	/* counters */
	POP3_POLICY_DROP_FIRST,
	/* sessions in which nothing was retrieved */
	POP3_POLICY_DROP_LAST,

	POP3_POLICY_DROP_COUNT
};

enum pop3_policy_record_status {
	/* durable; the result is at hand */
	POP3_POLICY_RECORD_COMMITTED,
	/* durable, but the answer was lost with the connection */
	POP3_POLICY_RECORD_COMMITTED_BLIND,
	/* refused by the database, or given up; it left no trace */
	POP3_POLICY_RECORD_FAILED
};

/* result is NULL unless the status is COMMITTED. */
typedef void
pop3_policy_record_callback_t(enum pop3_policy_record_status status,
			      const struct pop3_policy_db_result *result,
			      void *context);

struct pop3_policy_batch;
struct pop3_policy_writer_durable;
struct pop3_policy_writer_user;

struct pop3_policy_record {
	struct pop3_policy_record *prev, *next;
	pool_t pool;
	enum pop3_policy_record_kind kind;
	/* NULL if it concerns nobody in particular */
	const char *username;
	/* how many sequence numbers it takes */
	unsigned int seqs;
	const char **params;
	unsigned int param_count;
	/* memory, roughly */
	size_t bytes;
	enum pop3_policy_record_drop drop;

	/* when it was made, by the database's clock; microseconds since
	   1970 */
	int64_t time;

	/* --- the writer's --- */
	/* its number in the log, 0 if it is not there */
	uint64_t log_id;
	/* somebody waits until it is on the disk */
	struct pop3_policy_writer_durable *durable;
	/* ascending in the order of arrival */
	uint64_t id;
	struct pop3_policy_writer_user *user;
	/* NULL while it is queued */
	struct pop3_policy_batch *batch;
	struct pop3_policy_db_result *result;
	pop3_policy_record_callback_t *callback;
	void *context;
	/* times that it was canceled for taking too long, or failed for a
	   reason that is not known to stay, in a batch of its own */
	unsigned int failures;
	/* times that it was refused so */
	unsigned int refusals;
	/* is sent in a batch of its own */
	bool single:1;
	/* is in the writer's list of those that wait for a lock */
	bool deferred:1;
	/* is sent long after it was made: it says when that was */
	bool late:1;
	/* was durable once, and lost by a fail-over: nobody waits for it any
	   more, and it is written all the same */
	bool accepted:1;
	/* was read from the log */
	bool from_log:1;
};

const struct pop3_policy_record_info *
pop3_policy_record_info(enum pop3_policy_record_kind kind);
/* The kind that this SQL function takes. Returns FALSE if there is none. */
bool pop3_policy_record_kind(const char *function,
			     enum pop3_policy_record_kind *kind_r);
/* The SQL function's name. */
const char *pop3_policy_record_name(const struct pop3_policy_record *record);

/* Begin a record that takes `seqs' sequence numbers (0 if it is not chained).
   Parameters are then added in the SQL function's order, without chain and
   sequence number. Texts are copied. */
struct pop3_policy_record *
pop3_policy_record_create(enum pop3_policy_record_kind kind,
			  const char *username, unsigned int seqs);
void pop3_policy_record_add(struct pop3_policy_record *record,
			    const char *value);
void pop3_policy_record_add_num(struct pop3_policy_record *record,
				int64_t value);
void pop3_policy_record_free(struct pop3_policy_record **record);

/* Send its statement; record->seqs numbers from first_seq on are its own. */
void pop3_policy_record_send(struct pop3_policy_record *record,
			     struct pop3_policy_db *db, const char *chain_id,
			     int64_t first_seq,
			     pop3_policy_db_callback_t *callback);

/* Its time for a parameter: seconds since 1970. From the data stack. */
const char *pop3_policy_record_time_text(int64_t usecs);
/* What it says, for people: "record_outcome(x, 1, NULL)". At most max_bytes.
   Allocated from the data stack. */
const char *pop3_policy_record_text(const struct pop3_policy_record *record,
				    size_t max_bytes);
/* The record that stands for one that was refused. */
struct pop3_policy_record *
pop3_policy_record_quarantine(const struct pop3_policy_record *record,
			      const char *error);

#endif
