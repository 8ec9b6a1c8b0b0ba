#ifndef POP3_POLICY_KEY_H
#define POP3_POLICY_KEY_H

/* The keys that seal what is recorded: a file that only the service reads, a
   line per key, of its id and 64 hexadecimal digits. The last one is used, the
   others are for checking what was sealed earlier. It is made where there is
   none, and read again when it has changed. */

struct pop3_policy_chain_mac;
struct pop3_policy_key;

/* Read the file, after making it if it is missing. Returns 0 if ok, -1 +
   *error_r, which says what to do. */
int pop3_policy_key_open(struct event *event_parent, const char *path,
			 struct pop3_policy_key **key_r, const char **error_r);
void pop3_policy_key_close(struct pop3_policy_key **key);

/* The key to use now; valid until the next call. Where the file has changed for
   the worse, the one before goes on, and an error is logged. */
struct pop3_policy_chain_mac *
pop3_policy_key_current(struct pop3_policy_key *key);

#endif
