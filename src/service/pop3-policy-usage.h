#ifndef POP3_POLICY_USAGE_H
#define POP3_POLICY_USAGE_H

/* What users have on the server. It changes with each delivery, so only the
   last word of each user is written, from time to time. */

struct pop3_policy_pool;
struct pop3_policy_writer;
struct pop3_policy_usage;

struct pop3_policy_usage_data {
	int64_t bytes, messages;
	/* in force; -1 if there is none */
	int64_t storage_limit, message_limit;
	/* percent of quota_warn that is reached; 0: none */
	unsigned int level;
};

/* interval: seconds between writings. */
struct pop3_policy_usage *
pop3_policy_usage_init(struct pop3_policy_writer *writer,
		       struct pop3_policy_pool *pool, unsigned int interval);
/* Flushes. */
void pop3_policy_usage_deinit(struct pop3_policy_usage **usage);

void pop3_policy_usage_set(struct pop3_policy_usage *usage, const char *user,
			   const struct pop3_policy_usage_data *data);
/* The lowest level that is not written yet, UINT_MAX if there is none. */
unsigned int pop3_policy_usage_lowest_level(struct pop3_policy_usage *usage,
					    const char *user);
/* Hand what is known of this user to the writer, so that it can be waited
   for. */
void pop3_policy_usage_flush_user(struct pop3_policy_usage *usage,
				  const char *user);
/* Hand all to the writer, though the database may be away. */
void pop3_policy_usage_flush(struct pop3_policy_usage *usage);

#endif
