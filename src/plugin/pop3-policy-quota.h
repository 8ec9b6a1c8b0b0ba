#ifndef POP3_POLICY_QUOTA_H
#define POP3_POLICY_QUOTA_H

struct mailbox;

/* Moves between mailboxes of one quota root need no room, but Dovecot 2.4
   counts the copies before it counts the expunges: the second message of a
   transaction is refused when the quota is full. From _begin() to _end()
   Dovecot's quota plugin, where it is loaded, lets copies into target pass if
   all of target's quota roots are source's roots as well. Not nested. Dovecot
   2.3 does it by itself. */
void pop3_policy_quota_move_begin(struct mailbox *source,
				  struct mailbox *target);
void pop3_policy_quota_move_end(struct mailbox *source);

#endif
