#ifndef POP3_POLICY_WRITER_LOG_H
#define POP3_POLICY_WRITER_LOG_H

/* The writer and its log: for pop3-policy-writer*.c. What is queued is appended
   before it can be sent, and what becomes of it after that.

   While the disk is full what is queued stays in memory and goes on to the
   database; it is appended as soon as that works again. */

struct pop3_policy_writer;
struct pop3_policy_batch;
struct pop3_policy_record;

struct pop3_policy_writer_log {
	struct pop3_policy_log *log;
	/* microseconds that the database's clock is ahead of the host's */
	int64_t clock_offset;
	/* something could not be appended: records that were settled
	   meanwhile */
	bool behind;
	ARRAY_TYPE(uint64_t) missed;
	/* until what was appended is put on the disk, while the database is
	   away; until it is looked what need not be kept any more; until
	   appending is tried again */
	struct timeout *to_sync, *to_expire, *to_retry;
	/* until it is looked whether this record is settled, and so whether the
	   database answers */
	struct timeout *to_unanswered;
	uint64_t unanswered_id;
	/* those who wait for that */
	struct pop3_policy_writer_durable *durables;
	struct timeout *to_durable;

	/* records are being read again, up to this one; others wait */
	struct pop3_policy_log_reader *reader;
	uint64_t read_last_id;
	/* of those, the ones that are in memory; ascending */
	ARRAY_TYPE(uint64_t) in_memory;
	/* records that were read since it was begun */
	unsigned int read_count;

	/* another service goes on with our chain */
	bool cloned;
};

/* --- pop3-policy-writer-log.c --- */

/* Open the log of the writer's chain. Returns 0 if ok, -1 + *error_r. */
int pop3_policy_writer_log_init(struct pop3_policy_writer *writer,
				const char **error_r);
void pop3_policy_writer_log_deinit(struct pop3_policy_writer *writer);
/* The chain has another id now: begin a log for that, with everything that is
   queued. */
void pop3_policy_writer_log_renew(struct pop3_policy_writer *writer);

/* Microseconds since 1970, by the database's clock. */
int64_t pop3_policy_writer_time(const struct pop3_policy_writer *writer);

/* It is about to be queued. Returns 0 if it is in the log, or need not be, -1 if
   that cannot be written. */
int pop3_policy_writer_log_record(struct pop3_policy_writer *writer,
				  struct pop3_policy_record *record);
/* It is settled, and will not be written. */
void pop3_policy_writer_log_dropped(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record);
/* The second one takes the place of the first. */
void pop3_policy_writer_log_replaced(struct pop3_policy_writer *writer,
				     struct pop3_policy_record *record,
				     struct pop3_policy_record *quarantine);
/* It is about to be sent. */
void pop3_policy_writer_log_batch(struct pop3_policy_writer *writer,
				  const struct pop3_policy_batch *batch);
/* Its rows were sealed, if they can be; its end is about to be sent. */
void pop3_policy_writer_log_sealed(struct pop3_policy_writer *writer,
				   const struct pop3_policy_batch *batch);
/* It is durable, and the writer's head is its own. */
void pop3_policy_writer_log_committed(struct pop3_policy_writer *writer,
				      const struct pop3_policy_batch *batch);
/* The chain was opened, its head is the writer's. Returns 0 if ok, -1 if the log
   cannot be written. */
int pop3_policy_writer_log_opened(struct pop3_policy_writer *writer);

static inline int pop3_policy_log_id_cmp(const uint64_t *id1,
					 const uint64_t *id2)
{
	return *id1 < *id2 ? -1 : *id1 > *id2 ? 1 : 0;
}

/* --- pop3-policy-writer-replay.c --- */

enum pop3_policy_writer_head {
	/* go on from there */
	POP3_POLICY_WRITER_HEAD_OK,
	/* the same: the database was put back to it, and what it lost was
	   copied to the end of the log */
	POP3_POLICY_WRITER_HEAD_BACK,
	/* the log does not reach back to it */
	POP3_POLICY_WRITER_HEAD_TOO_OLD,
	/* it is not ours */
	POP3_POLICY_WRITER_HEAD_FOREIGN,
	/* the log cannot be read or written */
	POP3_POLICY_WRITER_HEAD_ERROR
};

/* What is a head, and its epoch, to the log? */
enum pop3_policy_writer_head
pop3_policy_writer_log_find_head(struct pop3_policy_writer *writer,
				 const struct pop3_policy_log_head *head,
				 int64_t epoch, const char **error_r);
/* Queue what is in the log and neither settled nor in memory, before all
   others. The chain is open. */
void pop3_policy_writer_replay_begin(struct pop3_policy_writer *writer);
/* Read some more of it, if what was read before is sent. */
void pop3_policy_writer_replay_more(struct pop3_policy_writer *writer);
void pop3_policy_writer_replay_end(struct pop3_policy_writer *writer);

/* --- pop3-policy-writer-adopt.c --- */

/* Look for logs of the dead now and then. */
void pop3_policy_writer_adopt_init(struct pop3_policy_writer *writer);
void pop3_policy_writer_adopt_deinit(struct pop3_policy_writer *writer);
/* Look now. */
void pop3_policy_writer_adopt_look(struct pop3_policy_writer *writer);
/* If one was found, take it over once nothing is under way. */
void pop3_policy_writer_adopt_more(struct pop3_policy_writer *writer);
/* The connection is lost: not now. */
void pop3_policy_writer_adopt_cancel(struct pop3_policy_writer *writer);

#endif
