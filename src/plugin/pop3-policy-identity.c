/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage.h"
#include "pop3-policy-identity.h"

int pop3_policy_mail_guid(struct mail *mail, guid_128_t guid_r)
{
	const char *guid;

	if (mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0)
		return -1;
	if (*guid == '\0')
		guid_128_empty(guid_r);
	else
		mail_generate_guid_128_hash(guid, guid_r);
	return 0;
}

int pop3_policy_identity_check(struct mailbox_transaction_context *t,
			       uint32_t uid, const guid_128_t guid,
			       enum pop3_policy_identity *identity_r)
{
	struct mail *mail = mail_alloc(t, MAIL_FETCH_GUID, NULL);
	guid_128_t mail_guid;
	int ret = 0;

	if (!mail_set_uid(mail, uid))
		*identity_r = POP3_POLICY_IDENTITY_MISSING;
	else if (pop3_policy_mail_guid(mail, mail_guid) == 0) {
		*identity_r = !guid_128_is_empty(guid) &&
			guid_128_cmp(mail_guid, guid) == 0 ?
			POP3_POLICY_IDENTITY_SAME : POP3_POLICY_IDENTITY_OTHER;
	} else if (mail->expunged ||
		   mailbox_get_last_mail_error(mail->box) ==
		   MAIL_ERROR_EXPUNGED) {
		*identity_r = POP3_POLICY_IDENTITY_MISSING;
	} else {
		ret = -1;
	}
	mail_free(&mail);
	return ret;
}
