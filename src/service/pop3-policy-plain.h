#ifndef POP3_POLICY_PLAIN_H
#define POP3_POLICY_PLAIN_H

/* What was recorded in plain SQL, by functions for people or by people, becomes
   part of this service's chain within a second or two. Each service looks for
   such rows; one takes them. */

struct pop3_policy_plain;
struct pop3_policy_pool;
struct pop3_policy_record;
struct pop3_policy_writer;

struct pop3_policy_plain *
pop3_policy_plain_init(struct pop3_policy_writer *writer,
		       struct pop3_policy_pool *pool);
void pop3_policy_plain_deinit(struct pop3_policy_plain **plain);

/* A record that takes such rows: the time of the oldest (seconds since 1970), for
   its batch to find them by. NULL if it is another record. */
const char *pop3_policy_plain_from(const struct pop3_policy_record *record);

#endif
