#ifndef POP3_POLICY_WRITER_PRIVATE_H
#define POP3_POLICY_WRITER_PRIVATE_H

/* For pop3-policy-writer.c (the queue), pop3-policy-writer-batch.c (sending,
   and what became of it), pop3-policy-writer-seal.c (what proves its rows),
   pop3-policy-writer-defer.c (what waits for the locks
   of others), pop3-policy-writer-chain.c (opening the chain) and
   pop3-policy-writer-user.c (who waits for whose records). */

#include "hash.h"
#include "pop3-policy-chain-form.h"
#include "pop3-policy-log.h"
#include "pop3-policy-writer.h"
#include "pop3-policy-writer-log.h"

/* The schema version this service was written for. One newer is served, too: it
   has what services of the version before call. */
#define POP3_POLICY_SCHEMA 3

enum pop3_policy_writer_state {
	POP3_POLICY_WRITER_CLOSED = 0,
	/* connected, the chain's head is being asked for */
	POP3_POLICY_WRITER_OPENING,
	POP3_POLICY_WRITER_OPEN
};

struct pop3_policy_record_list {
	struct pop3_policy_record *head, *tail;
	unsigned int count;
	size_t bytes;
	/* of them, by what may be dropped */
	unsigned int drop_counts[POP3_POLICY_DROP_COUNT];
};

struct pop3_policy_batch {
	struct pop3_policy_batch *prev, *next;
	struct pop3_policy_writer *writer;
	int64_t number, first_seq, last_seq;
	/* of its last row; of the row before it until it is sealed */
	unsigned char last_mac[POP3_POLICY_CHAIN_MAC_SIZE];
	struct pop3_policy_record_list records;
	/* its age is the time since it was sent */
	struct event *event;

	/* its end was sent, another may be sent behind it */
	bool ended;
	/* the first failure in it, and whose statement it was: NULL means
	   pop3.batch_begin()'s, or one of those that seal */
	bool failed;
	bool failed_seal;
	struct pop3_policy_record *failed_record;
	enum pop3_policy_db_failure failure;
	char *error;
};

struct pop3_policy_writer_user {
	char *name;
	unsigned int pending;
	/* somebody else holds his rows: his records wait in `deferred' */
	bool deferred;
	struct pop3_policy_writer_waiter *waiters_head, *waiters_tail;
};

struct pop3_policy_writer {
	struct event *event;
	const struct pop3_policy_service_settings *set;
	struct pop3_policy_pool *pool;
	struct pop3_policy_state_cache *states;
	struct pop3_policy_chain_id *chain;
	struct pop3_policy_key *key;
	struct pop3_policy_checkpoint *checkpoint;
	struct pop3_policy_writer_log log;
	struct pop3_policy_db *db;
	enum pop3_policy_writer_state state;
	struct pop3_policy_db_result *open_result;

	/* last batch known to be durable; meaningless before head_known */
	int64_t head_batch, head_seq;
	unsigned char head_mac[POP3_POLICY_CHAIN_MAC_SIZE];
	bool head_known;
	/* of this connection: what others still have under way is refused */
	int64_t epoch;

	uint64_t last_id;
	struct pop3_policy_record_list queue;
	/* sent, not known to be durable; also while disconnected */
	struct pop3_policy_batch *batches_head, *batches_tail;
	unsigned int batch_count;
	/* records of failed batches, until no batch is under way */
	struct pop3_policy_record_list requeue;
	/* records of users whose rows are locked, until they are tried again:
	   the others are not held up by them */
	struct pop3_policy_record_list deferred;
	struct timeout *to_deferred;
	/* a batch failed: those after it fail, too */
	bool failing;
	/* because of his locked rows; he has a record in requeue */
	struct pop3_policy_writer_user *locked_user;
	/* somebody waits for what is queued */
	bool urgent;
	struct timeout *to_send, *to_retry;
	unsigned int retry_msecs;

	HASH_TABLE(char *, struct pop3_policy_writer_user *) users;

	/* that the queue is full was logged since the database went away */
	bool full_logged;
	/* records dropped for lack of memory since it was last logged */
	unsigned int dropped;
	struct pop3_policy_writer_adopt *adopt;
	/* a log was found that is taken over: nothing else is sent */
	bool adopting;
	/* the process ends: what is not written yet stays in the log */
	bool closing;
};

/* --- pop3-policy-writer.c --- */

void pop3_policy_record_list_append(struct pop3_policy_record_list *list,
				    struct pop3_policy_record *record);
void pop3_policy_record_list_remove(struct pop3_policy_record_list *list,
				    struct pop3_policy_record *record);
/* Move all of src before the first of dest. */
void pop3_policy_record_list_prepend_list(struct pop3_policy_record_list *dest,
					  struct pop3_policy_record_list *src);
/* The record is over: tell who waits, and free it. It must be in no list. */
void pop3_policy_writer_settle(struct pop3_policy_writer *writer,
			       struct pop3_policy_record *record,
			       enum pop3_policy_record_status status);

/* Take it out of the queue: it will not be written. It must not have been
   sent. */
void pop3_policy_writer_drop_queued(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record);

/* --- pop3-policy-writer-batch.c --- */

/* Send as much as may be sent. */
void pop3_policy_writer_send(struct pop3_policy_writer *writer);
/* Send the batch's end. */
void pop3_policy_batch_end(struct pop3_policy_batch *batch);
/* One of the statements that seal the batch failed, or may have. */
void pop3_policy_batch_note_seal_failure(struct pop3_policy_batch *batch,
	const struct pop3_policy_db_result *result);
/* The batch is known to be durable. `blind': its answers were lost. */
void pop3_policy_batch_committed(struct pop3_policy_batch *batch, bool blind);
/* Back to the queue: nothing that was sent is durable. */
void pop3_policy_writer_requeue_all(struct pop3_policy_writer *writer);

/* --- pop3-policy-writer-seal.c --- */

/* Number of rows of the chain that it writes. */
static inline unsigned int
pop3_policy_batch_rows(const struct pop3_policy_batch *batch)
{
	return (unsigned int)(batch->last_seq - batch->first_seq + 1);
}
/* Its records were sent: ask for its rows, then seal and end it. */
void pop3_policy_batch_send_rows(struct pop3_policy_batch *batch);

/* --- pop3-policy-writer-defer.c --- */

/* Set aside the user's queued records, and those that are yet to come, for a
   short time. None of them may be under way. */
void pop3_policy_writer_defer_user(struct pop3_policy_writer *writer,
				   struct pop3_policy_writer_user *user);
/* Back to the end of the queue. */
void pop3_policy_writer_undefer(struct pop3_policy_writer *writer);

/* --- pop3-policy-writer-chain.c --- */

/* The connection is there: ask for the head, then go on. */
void pop3_policy_writer_chain_open(struct pop3_policy_writer *writer);
/* What pop3.chain_open() answered. Returns 0, or -1 + *error_r if the schema does
   not fit this service. */
int pop3_policy_writer_parse_head(const struct pop3_policy_db_result *result,
				  struct pop3_policy_log_head *head_r,
				  int64_t *epoch_r, const char **error_r);

/* --- pop3-policy-writer-user.c --- */

void pop3_policy_writer_user_add(struct pop3_policy_writer *writer,
				 struct pop3_policy_record *record);
void pop3_policy_writer_user_settled(struct pop3_policy_writer *writer,
				     struct pop3_policy_record *record);

#endif
