#ifndef POP3_POLICY_WRITER_H
#define POP3_POLICY_WRITER_H

#include "pop3-policy-records.h"

/* The one connection that writes. Records are sent in the order of arrival, in
   batches: a batch is one transaction that also moves the chain's head, and is
   accepted only where the head is the one before it. So after a lost connection
   the head tells which batches hold, and the others are sent again: each record
   exactly once. Before a batch ends its rows are sealed: what is committed is
   sealed.

   A record that the database refuses is quarantined, and does not block the
   others. While the database is away records are kept in memory. */

struct pop3_policy_writer;
struct pop3_policy_writer_waiter;
struct pop3_policy_chain_id;
struct pop3_policy_key;
struct pop3_policy_pool;
struct pop3_policy_service_settings;
struct pop3_policy_state_cache;

/* Takes over *chain and *key. The states are told whose records are queued. */
struct pop3_policy_writer *
pop3_policy_writer_init(struct event *event_parent,
			const struct pop3_policy_service_settings *set,
			struct pop3_policy_pool *pool,
			struct pop3_policy_state_cache *states,
			struct pop3_policy_chain_id **chain,
			struct pop3_policy_key **key);
/* What was not sent stays in the log. */
void pop3_policy_writer_deinit(struct pop3_policy_writer **writer);

/* Queue a record that nobody waits for; it goes out within batch_interval. */
void pop3_policy_writer_add(struct pop3_policy_writer *writer,
			    struct pop3_policy_record *record);
/* Queue a record, send it at once, and call back when it is durable or
   refused; never before this function has returned. */
void pop3_policy_writer_add_awaited(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record,
				    pop3_policy_record_callback_t *callback,
				    void *context);
/* Queue a record, and call back when it is in the log on this host's disk, or
   cannot be put there (ok == FALSE; it is not queued then); never before this
   function has returned. It goes to the database as others do. */
typedef void pop3_policy_writer_durable_callback_t(bool ok, void *context);
void pop3_policy_writer_add_durable(struct pop3_policy_writer *writer,
				    struct pop3_policy_record *record,
				    pop3_policy_writer_durable_callback_t *callback,
				    void *context);
/* The one who waited is gone. If the record was not sent, it will not be. */
void pop3_policy_writer_forget(struct pop3_policy_writer *writer,
			       struct pop3_policy_record **record);
/* What a session postponed (its ID and the intent's number are as it sent them)
   is not to be: it failed. Returns FALSE if there is no record of it that was not
   sent yet. */
bool pop3_policy_writer_cancel_postponed(struct pop3_policy_writer *writer,
					 const char *username,
					 const char *session, const char *no);
/* TRUE if the record is certainly not durable, and will not be once it is
   forgotten. */
bool pop3_policy_writer_can_forget(const struct pop3_policy_writer *writer,
				   const struct pop3_policy_record *record);
/* FALSE if what a session relies on cannot be recorded: the log on this host
   cannot be written, or another service goes on with its chain. */
bool pop3_policy_writer_is_accepting(struct pop3_policy_writer *writer);
/* Send what is queued now. */
void pop3_policy_writer_flush(struct pop3_policy_writer *writer);
/* TRUE if everything is durable. */
bool pop3_policy_writer_is_idle(const struct pop3_policy_writer *writer);

/* Call back when all records of the user that are queued now are durable or
   settled, and send them at once. Returns NULL if there are none; it does not
   call back then. */
typedef void pop3_policy_writer_callback_t(void *context);
struct pop3_policy_writer_waiter *
pop3_policy_writer_wait_user(struct pop3_policy_writer *writer,
			     const char *username,
			     pop3_policy_writer_callback_t *callback,
			     void *context);
void pop3_policy_writer_wait_cancel(struct pop3_policy_writer_waiter **waiter);

#endif
