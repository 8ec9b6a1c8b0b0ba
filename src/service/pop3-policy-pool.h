#ifndef POP3_POLICY_POOL_H
#define POP3_POLICY_POOL_H

#include "pop3-policy-db.h"

/* The service's view of the database: connections for reading, whether
   requests can be served now, and one log line when that changes, however many
   connections there are. */

struct pop3_policy_pool;
struct pop3_policy_pool_waiter;
struct pop3_policy_service_settings;

struct pop3_policy_pool *
pop3_policy_pool_init(struct event *event_parent,
		      const struct pop3_policy_service_settings *set);
void pop3_policy_pool_deinit(struct pop3_policy_pool **pool);

/* A connection with as few outstanding statements as any, or NULL. */
struct pop3_policy_db *pop3_policy_pool_reader(struct pop3_policy_pool *pool);

/* TRUE if so much is outstanding on that connection, for so long, that a new
   question would be answered too late: it had better not be asked. */
bool pop3_policy_pool_is_overloaded(struct pop3_policy_pool *pool);

/* The writer tells: its chain is open; its connection was lost or cannot be
   used; an attempt to connect has begun. */
void pop3_policy_pool_writer_up(struct pop3_policy_pool *pool);
void pop3_policy_pool_writer_down(struct pop3_policy_pool *pool,
				  enum pop3_policy_db_failure failure,
				  const char *error);

/* TRUE if there is a reader and the writer's chain is open. */
bool pop3_policy_pool_is_ready(const struct pop3_policy_pool *pool);

/* TRUE if it is not, and has not been for longer than that short grace: whoever
   can do without the database had better not wait. */
bool pop3_policy_pool_is_away(const struct pop3_policy_pool *pool);

/* Call back as soon as the pool is ready (TRUE), or when it is not within a
   short grace (FALSE). Called back at once, and NULL is returned, if it is
   ready, or if no attempt is under way and the last one did not just fail. */
typedef void pop3_policy_pool_callback_t(bool ready, void *context);
struct pop3_policy_pool_waiter *
pop3_policy_pool_wait(struct pop3_policy_pool *pool,
		      pop3_policy_pool_callback_t *callback, void *context);
void pop3_policy_pool_wait_cancel(struct pop3_policy_pool_waiter **waiter);

/* Log that a statement failed or came too late; not each of them while there
   are many. */
void pop3_policy_pool_complain(struct pop3_policy_pool *pool,
			       const char *error);

/* A reader saw that removals by policy are stopped by "paused" or "breaker", or
   (NULL) that they are not. Logs when that changes. */
void pop3_policy_pool_stopped(struct pop3_policy_pool *pool, const char *by);

/* How long the server may work on one statement. */
unsigned int
pop3_policy_writer_statement_msecs(const struct pop3_policy_service_settings *set);

#endif
