#ifndef POP3_POLICY_IDENTITY_H
#define POP3_POLICY_IDENTITY_H

#include "guid.h"

struct mail;
struct mailbox_transaction_context;

/* The 128-bit GUID of a mail, as Dovecot makes it of the storage's GUID; empty
   if the storage has none. Returns 0 if ok, -1 on storage errors. */
int pop3_policy_mail_guid(struct mail *mail, guid_128_t guid_r);

enum pop3_policy_identity {
	/* no message has this UID (any more) */
	POP3_POLICY_IDENTITY_MISSING,
	/* the message with this UID has another GUID */
	POP3_POLICY_IDENTITY_OTHER,
	POP3_POLICY_IDENTITY_SAME
};

/* Compare a recorded identity with the mailbox. Returns 0 and the result, -1
   on storage errors. */
int pop3_policy_identity_check(struct mailbox_transaction_context *t,
			       uint32_t uid, const guid_128_t guid,
			       enum pop3_policy_identity *identity_r);

#endif
