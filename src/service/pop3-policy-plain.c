/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "strnum.h"
#include "pop3-policy-plain.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-writer.h"

/* How often it is looked. Not at the same moment as other services do: two that
   see the same rows take numbers for them twice. */
#define POP3_POLICY_PLAIN_MIN_MSECS 700
#define POP3_POLICY_PLAIN_MAX_MSECS 1300
/* Rows in one record. After an upgrade there may be many, of years. */
#define POP3_POLICY_PLAIN_MAX_ROWS 200

/* Besides today and yesterday one of so many days before is looked at each time,
   so that all are within the hour. */
#define POP3_POLICY_PLAIN_FIRST_DAY 2
#define POP3_POLICY_PLAIN_DAYS 3660

/* of pop3.chain_plain(), after chain, number and how many */
#define POP3_POLICY_PLAIN_PARAM_FROM 3

struct pop3_policy_plain {
	struct pop3_policy_writer *writer;
	struct pop3_policy_pool *pool;
	struct timeout *to;
	/* of rows from before a service chained them */
	unsigned int days_ago;
	/* the question that is asked, NULL if none is: its callback may come
	   after the end */
	struct pop3_policy_plain **question;
	/* the record that is under way */
	struct pop3_policy_record *record;
};

static void pop3_policy_plain_tick(struct pop3_policy_plain *plain);

static void pop3_policy_plain_schedule(struct pop3_policy_plain *plain)
{
	unsigned int msecs = i_rand_minmax(POP3_POLICY_PLAIN_MIN_MSECS,
					   POP3_POLICY_PLAIN_MAX_MSECS);

	timeout_remove(&plain->to);
	plain->to = timeout_add_short(msecs, pop3_policy_plain_tick, plain);
}

static void
pop3_policy_plain_settled(enum pop3_policy_record_status status ATTR_UNUSED,
			  const struct pop3_policy_db_result *result
			  ATTR_UNUSED, void *context)
{
	struct pop3_policy_plain *plain = context;

	plain->record = NULL;
	pop3_policy_plain_schedule(plain);
}

static void pop3_policy_plain_take(struct pop3_policy_plain *plain,
				   unsigned int rows, const char *oldest,
				   const char *newest)
{
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_CHAIN_PLAIN,
					   NULL, rows);
	pop3_policy_record_add_num(record, rows);
	pop3_policy_record_add(record, oldest);
	pop3_policy_record_add(record, newest);
	plain->record = record;
	pop3_policy_writer_add_awaited(plain->writer, record,
				       pop3_policy_plain_settled, plain);
}

static void pop3_policy_plain_callback(struct pop3_policy_db_result *result,
				       void *context)
{
	struct pop3_policy_plain **question = context;
	struct pop3_policy_plain *plain = *question;
	const char *count, *oldest, *newest;
	unsigned int rows;

	i_free(question);
	if (plain == NULL)
		return;
	plain->question = NULL;
	count = pop3_policy_db_result_get(result, 0, 0);
	oldest = pop3_policy_db_result_get(result, 0, 1);
	newest = pop3_policy_db_result_get(result, 0, 2);
	if (pop3_policy_db_result_status(result) != POP3_POLICY_DB_OK ||
	    count == NULL || str_to_uint(count, &rows) < 0) {
		pop3_policy_plain_schedule(plain);
	} else if (rows > 0 && oldest != NULL && newest != NULL) {
		/* there may be more of that day */
		pop3_policy_plain_take(plain, rows, oldest, newest);
	} else {
		plain->days_ago = plain->days_ago >= POP3_POLICY_PLAIN_DAYS ?
			POP3_POLICY_PLAIN_FIRST_DAY : plain->days_ago + 1;
		pop3_policy_plain_schedule(plain);
	}
}

static void pop3_policy_plain_tick(struct pop3_policy_plain *plain)
{
	const char *params[] = {
		dec2str(POP3_POLICY_PLAIN_MAX_ROWS), dec2str(plain->days_ago)
	};
	struct pop3_policy_db *db;

	timeout_remove(&plain->to);
	db = pop3_policy_pool_is_ready(plain->pool) &&
		!pop3_policy_pool_is_overloaded(plain->pool) ?
		pop3_policy_pool_reader(plain->pool) : NULL;
	if (db == NULL) {
		pop3_policy_plain_schedule(plain);
		return;
	}
	plain->question = i_new(struct pop3_policy_plain *, 1);
	*plain->question = plain;
	pop3_policy_db_send(db, POP3_POLICY_STMT_PLAIN_WAITING, params,
			    pop3_policy_plain_callback, plain->question);
	pop3_policy_db_sync(db, NULL, NULL);
}

struct pop3_policy_plain *
pop3_policy_plain_init(struct pop3_policy_writer *writer,
		       struct pop3_policy_pool *pool)
{
	struct pop3_policy_plain *plain;

	plain = i_new(struct pop3_policy_plain, 1);
	plain->writer = writer;
	plain->pool = pool;
	plain->days_ago = POP3_POLICY_PLAIN_FIRST_DAY;
	pop3_policy_plain_schedule(plain);
	return plain;
}

void pop3_policy_plain_deinit(struct pop3_policy_plain **_plain)
{
	struct pop3_policy_plain *plain = *_plain;

	*_plain = NULL;
	timeout_remove(&plain->to);
	if (plain->question != NULL)
		*plain->question = NULL;
	if (plain->record != NULL)
		pop3_policy_writer_forget(plain->writer, &plain->record);
	i_free(plain);
}

const char *pop3_policy_plain_from(const struct pop3_policy_record *record)
{
	return record->kind != POP3_POLICY_RECORD_CHAIN_PLAIN ? NULL :
		record->params[POP3_POLICY_PLAIN_PARAM_FROM];
}
