/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-describe.h"
#include "pop3-policy-identity.h"

static const char *const message_id_header[] = { "Message-ID", NULL };

struct describer {
	struct mail *mail;
	pool_t pool;
	pop3_policy_uidl_callback_t *uidl;
	void *uidl_context;
};

void pop3_policy_left_out_init(struct pop3_policy_left_out *left_out,
			       pool_t pool)
{
	p_array_init(&left_out->gone, pool, 4);
	p_array_init(&left_out->mismatched, pool, 4);
	p_array_init(&left_out->failed, pool, 4);
}

enum describe_result {
	DESCRIBE_OK,
	DESCRIBE_GONE,
	DESCRIBE_MISMATCH,
	DESCRIBE_FAILED
};

static enum describe_result
describe(const struct describer *describer,
	 struct pop3_policy_removal *removal)
{
	struct mail *mail = describer->mail;
	pool_t pool = describer->pool;
	guid_128_t guid;
	const char *message_id;

	if (!mail_set_uid(mail, removal->uid) ||
	    mail_index_is_expunged(mail->transaction->view, mail->seq))
		return DESCRIBE_GONE;
	if (pop3_policy_mail_guid(mail, guid) < 0) {
		return mail->expunged ||
			mailbox_get_last_mail_error(mail->box) ==
			MAIL_ERROR_EXPUNGED ? DESCRIBE_GONE : DESCRIBE_FAILED;
	}
	if (guid_128_is_empty(removal->guid))
		guid_128_copy(removal->guid, guid);
	else if (guid_128_cmp(removal->guid, guid) != 0)
		return DESCRIBE_MISMATCH;

	if (mail_get_virtual_size(mail, &removal->size) < 0)
		removal->size = 0;
	if (mail_get_first_header(mail, "Message-ID", &message_id) > 0)
		removal->message_id = p_strdup(pool, message_id);
	if (describer->uidl != NULL) {
		removal->uidl = describer->uidl(mail, pool,
						describer->uidl_context);
	}
	return DESCRIBE_OK;
}

void pop3_policy_describe(struct mailbox_transaction_context *t, pool_t pool,
			  pop3_policy_uidl_callback_t *uidl,
			  void *uidl_context,
			  ARRAY_TYPE(pop3_policy_removal) *removals,
			  struct pop3_policy_left_out *left_out)
{
	struct describer describer = {
		.pool = pool, .uidl = uidl, .uidl_context = uidl_context
	};
	struct mailbox_header_lookup_ctx *headers;
	struct pop3_policy_removal *list;
	enum describe_result result;
	unsigned int i, count, kept = 0;

	/* see what other sessions have removed since the view was made */
	(void)mail_index_refresh(t->box->index);

	headers = mailbox_header_lookup_init(t->box, message_id_header);
	describer.mail = mail_alloc(t, MAIL_FETCH_GUID |
				    MAIL_FETCH_VIRTUAL_SIZE, headers);
	mailbox_header_lookup_unref(&headers);

	list = array_get_modifiable(removals, &count);
	for (i = 0; i < count; i++) {
		T_BEGIN {
			result = describe(&describer, &list[i]);
		} T_END;
		switch (result) {
		case DESCRIBE_OK:
			list[kept++] = list[i];
			break;
		case DESCRIBE_GONE:
			seq_range_array_add(&left_out->gone, list[i].uid);
			break;
		case DESCRIBE_MISMATCH:
			seq_range_array_add(&left_out->mismatched, list[i].uid);
			break;
		case DESCRIBE_FAILED:
			seq_range_array_add(&left_out->failed, list[i].uid);
			break;
		}
	}
	array_delete(removals, kept, count - kept);
	mail_free(&describer.mail);
}
