#ifndef POP3_POLICY_EVICT_H
#define POP3_POLICY_EVICT_H

/* quota_action=evict: hidden mail, then retrieved mail, goes from INBOX until
   a message that is being delivered fits. */

struct mail;
struct mailbox;
struct mail_user;

/* Bytes, as Dovecot's quota counts them, and messages. */
struct pop3_policy_evict_sum {
	uint64_t bytes, messages;
};

enum pop3_policy_evict_answer {
	/* the policy does not evict: the check's result stands */
	POP3_POLICY_EVICT_NO,
	/* the check comes again when the message is written, and decides
	   then */
	POP3_POLICY_EVICT_LATER,
	/* see whether room can be made */
	POP3_POLICY_EVICT_NOW
};

/* A message does not fit into this mailbox's quota: what now? *mail_r is a
   mail with the headers of the message (NOW), else NULL. */
enum pop3_policy_evict_answer
pop3_policy_evict_ask(struct mailbox *box, struct mail **mail_r);

/* By how much an allocation exceeds a limit. used is what the transaction has
   allocated before, ceil what there was room for at its beginning (UINT64_MAX
   without a limit), over by how much the limit was exceeded then. */
uint64_t pop3_policy_evict_excess(int64_t used, uint64_t ceil, uint64_t over,
				  uint64_t alloc);

/* Free at least so much in INBOX, or nothing. vsizes: the quota counts virtual
   sizes, not physical ones. room_for is the message that is being delivered.
   Returns TRUE and what was freed, or FALSE if there is no room; what is
   logged tells why, and whether the sender is asked to try again later is
   set. */
bool pop3_policy_evict(struct mail_user *user, struct mail *room_for,
		       const struct pop3_policy_evict_sum *need, bool vsizes,
		       struct pop3_policy_evict_sum *freed_r);

/* It was freed, but the message does not fit all the same: others filled the
   room, or the quota counts in another way. */
void pop3_policy_evict_in_vain(struct mail_user *user);

#endif
