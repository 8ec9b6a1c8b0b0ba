#ifndef POP3_POLICY_IMAP_USE_H
#define POP3_POLICY_IMAP_USE_H

/* Remembers whose mailbox IMAP used, so that it is written at most once an hour
   for each user. While the database is away only the names are kept. None is
   ever dropped: without it messages that were seen by IMAP could be removed as
   unretrieved. */

struct pop3_policy_pool;
struct pop3_policy_writer;
struct pop3_policy_imap_use;

struct pop3_policy_imap_use *
pop3_policy_imap_use_init(struct pop3_policy_writer *writer,
			  struct pop3_policy_pool *pool);
/* Flushes. */
void pop3_policy_imap_use_deinit(struct pop3_policy_imap_use **use);

void pop3_policy_imap_use_note(struct pop3_policy_imap_use *use,
			       const char *name);
/* Hand what is kept of this user to the writer, so that it can be waited
   for. */
void pop3_policy_imap_use_flush_user(struct pop3_policy_imap_use *use,
				     const char *name);
/* Hand all that is kept to the writer, though the database may be away. */
void pop3_policy_imap_use_flush(struct pop3_policy_imap_use *use);

#endif
