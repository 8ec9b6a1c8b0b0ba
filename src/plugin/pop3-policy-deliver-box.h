#ifndef POP3_POLICY_DELIVER_BOX_H
#define POP3_POLICY_DELIVER_BOX_H

/* Mailboxes that a delivery (lmtp, lda) saves into. From the first save until
   the last of its transactions ended, the delivery holds a lock on the
   maildrop: what the quota is found to have room for is saved before another
   delivery looks. doc/delivery.md tells the story of a delivery. */

struct mail;
struct mailbox;
struct module;
struct pop3_policy_evict_sum;

/* Add and remove the hooks. */
void pop3_policy_deliver_init(struct module *module);
void pop3_policy_deliver_deinit(void);

/* What a quota's check is asked about. */
enum pop3_policy_deliver_stage {
	/* a save that is no delivery's business */
	POP3_POLICY_DELIVER_OTHER,
	/* the message is still to be written, or is only announced: its size
	   is a guess, and the check comes again */
	POP3_POLICY_DELIVER_EARLY,
	/* the message was written: its size is exact */
	POP3_POLICY_DELIVER_WRITTEN
};

/* Where in a delivery a check for this mailbox comes. *mail_r is a mail with
   the headers of what was written (WRITTEN), else NULL. */
enum pop3_policy_deliver_stage
pop3_policy_deliver_stage(struct mailbox *box, struct mail **mail_r);

/* A delivery may save into several mailboxes at once (Sieve), and the quota
   plugin knows only of what is committed, and of the mailbox in question. This
   is what the delivery has allocated in the others; nothing unless the
   message is written, and the maildrop locked. */
void pop3_policy_deliver_others(struct mailbox *box,
				struct pop3_policy_evict_sum *sum_r);
/* The message that was written into this mailbox has found room. */
void pop3_policy_deliver_allocated(struct mailbox *box, uoff_t size);

#endif
