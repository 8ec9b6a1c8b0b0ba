/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage-private.h"
#include "pop3-policy-notice-private.h"

/* Of so many messages headers are looked at. Where there are more, a few
   notices among them make no difference. */
#define MAX_HEADERS 1000

static bool is_notice(struct mail *mail)
{
	const char *value;

	return mail_get_first_header(mail, "Message-ID", &value) > 0 &&
		strstr(value, POP3_POLICY_NOTICE_ID_TAG"@") != NULL;
}

unsigned int
pop3_policy_notice_count(struct mailbox *box,
			 const ARRAY_TYPE(seq_range) *uids)
{
	static const char *const headers[] = { "Message-ID", NULL };
	struct mailbox_header_lookup_ctx *wanted;
	struct mailbox_transaction_context *t;
	const struct seq_range *range;
	struct mail *mail;
	uint32_t seq, seq1, seq2;
	unsigned int count = 0;

	if (array_count(uids) == 0)
		return 0;
	t = mailbox_transaction_begin(box, 0, __func__);
	wanted = mailbox_header_lookup_init(box, headers);
	mail = mail_alloc(t, 0, wanted);
	mailbox_header_lookup_unref(&wanted);
	array_foreach(uids, range) {
		mailbox_get_seq_range(box, range->seq1, range->seq2, &seq1,
				      &seq2);
		for (seq = seq1; seq != 0 && seq <= seq2; seq++) {
			mail_set_seq(mail, seq);
			if (count >= MAX_HEADERS || !is_notice(mail))
				count++;
		}
	}
	mail_free(&mail);
	/* the cache keeps the headers */
	(void)mailbox_transaction_commit(&t);
	return count;
}
