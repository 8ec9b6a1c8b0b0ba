#ifndef POP3_POLICY_SERVICE_SETTINGS_H
#define POP3_POLICY_SERVICE_SETTINGS_H

/* The service's own settings file: lines of "key = value", "#" begins a
   comment line. A value may be quoted. Times are written as "60 s", "500 ms",
   "4s", "1 min"; a bare number is refused. */

struct pop3_policy_service_settings {
	/* libpq connection string or URI; "" means libpq's own defaults
	   (PGHOST and the others in the environment) */
	const char *connect;
	/* the same for administrators' calls; "" means connect with the user
	   pop3_admin */
	const char *admin_connect;
	/* connections for policy and state, besides the one that writes */
	unsigned int reader_connections;
	/* directory of the chain id; "" means Dovecot's state_dir and
	   "/pop3-policy" */
	const char *state_dir;
	/* file of the keys that seal what is recorded; "" means "audit.key" in
	   state_dir */
	const char *key_file;
	/* seconds that an intent to remove may stay without outcome */
	unsigned int intent_lease;
	/* seconds that what was written stays in the log */
	unsigned int log_keep;
	/* milliseconds that a record nobody waits for may be held back, so
	   that several go in one transaction */
	unsigned int batch_interval;
	/* seconds that polls are counted before they are written */
	unsigned int poll_interval;
	/* write a session row for each poll that found nothing */
	bool record_polls;
	/* record the clients' addresses, and Dovecot's session ids, which are
	   made of them */
	bool record_address;
	/* record Message-IDs */
	bool record_message_id;
	/* seconds before mail expires that its owner is told */
	unsigned int notice_expiry_time;
	/* seconds that a user's state is used while the database cannot be
	   asked, from when it was; and of how many users it is kept */
	unsigned int offline_time;
	unsigned int offline_users;
	/* answer logins without asking, where nothing changed */
	bool login_cache;
	/* milliseconds after which a request is answered with a failure */
	unsigned int query_timeout;
};

/* Read a file. Strings are allocated from the pool. Returns 0 if ok, -1 and
   *error_r, which names file, line, setting, value and what is allowed. */
int pop3_policy_service_settings_read(pool_t pool, const char *path,
				      struct pop3_policy_service_settings *set_r,
				      const char **error_r);

#endif
