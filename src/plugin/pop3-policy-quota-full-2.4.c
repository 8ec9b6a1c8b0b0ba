/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* quota_action in Dovecot 2.4. lmtp reads quota_full_tempfail before the
   user, and with it the policy, is known. The copy of the settings that it
   looks at when a delivery fails is in the context of the delivery, which
   plugins see when it begins; lda does the same. */

#include "lib.h"
#include "mail-deliver.h"
#include "mail-user.h"
#include "settings.h"
#include "lda-settings.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-quota-version.h"

/* These exist in lmtp and lda only. */
#pragma weak mail_deliver_hook_set
#pragma weak lda_setting_parser_info

static deliver_mail_func_t *next_deliver_mail;

static void set_write(struct pop3_policy_delivery *delivery)
{
	/* the settings are this delivery's alone */
	union {
		const struct lda_settings *read;
		struct lda_settings *write;
	} set = { .read = delivery->lda_set };

	if (delivery->tempfail_set)
		set.write->quota_full_tempfail = delivery->tempfail;
}

static int
pop3_policy_deliver_mail(struct mail_deliver_context *ctx,
			 struct mail_storage **storage_r)
{
	struct pop3_policy_delivery *delivery =
		pop3_policy_delivery_get(ctx->rcpt_user);

	if (delivery != NULL) {
		delivery->lda_set = ctx->set;
		set_write(delivery);
	}
	return next_deliver_mail == NULL ? 0 :
		next_deliver_mail(ctx, storage_r);
}

void pop3_policy_quota_set_tempfail(struct mail_user *user, bool tempfail)
{
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);
	deliver_mail_func_t *old_hook;

	if (delivery == NULL || !delivery->delivers)
		return;
	delivery->tempfail_set = TRUE;
	delivery->tempfail = tempfail;
	if (delivery->lda_set != NULL) {
		set_write(delivery);
		return;
	}
	/* Plugins that were loaded behind ours (Sieve's) replaced the hook
	   without calling the previous one: be in front of them. */
	old_hook = mail_deliver_hook_set(pop3_policy_deliver_mail);
	if (old_hook != pop3_policy_deliver_mail)
		next_deliver_mail = old_hook;
}

bool pop3_policy_quota_rcpt_can_answer(struct mail_user *user, bool tempfail)
{
	const struct lda_settings *set;
	const char *error;
	bool configured;

	if (settings_get(user->event, &lda_setting_parser_info, 0,
			 &set, &error) < 0) {
		e_error(user->event, "pop3-policy: %s", error);
		return FALSE;
	}
	configured = set->quota_full_tempfail;
	settings_free(set);
	return configured == tempfail;
}

void pop3_policy_quota_version_deinit(void)
{
	deliver_mail_func_t *hook;

	if (mail_deliver_hook_set == NULL)
		return;
	hook = mail_deliver_hook_set(NULL);
	if (hook == pop3_policy_deliver_mail)
		hook = next_deliver_mail;
	(void)mail_deliver_hook_set(hook);
}
