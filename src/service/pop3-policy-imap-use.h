#ifndef POP3_POLICY_IMAP_USE_H
#define POP3_POLICY_IMAP_USE_H

/* Remembers whose mailbox IMAP used, so that it is written at most once an hour
   for each user. */

struct pop3_policy_writer;
struct pop3_policy_imap_use;

struct pop3_policy_imap_use *
pop3_policy_imap_use_init(struct pop3_policy_writer *writer);
void pop3_policy_imap_use_deinit(struct pop3_policy_imap_use **use);

void pop3_policy_imap_use_note(struct pop3_policy_imap_use *use,
			       const char *user);

#endif
