/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4: a transaction has the limits of each quota root. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "settings.h"
#include "quota-private.h"
#include "pop3-policy-deliver-box.h"
#include "pop3-policy-evict-quota.h"
#include "pop3-policy-evict.h"

/* The quota plugin may not be loaded. */
#pragma weak quota_get_mail_user_quota
#pragma weak quota_root_is_visible
#pragma weak quota_root_setting_parser_info
#pragma weak quota_transaction_root_expunged

#define EVICT_USER_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_evict_user_module)

struct evict_user {
	union mail_user_module_context module_ctx;
	enum quota_alloc_result (*test_alloc)(
		struct quota_transaction_context *ctx, uoff_t size,
		struct mailbox *expunged_box, uoff_t expunged_size,
		const struct quota_overrun **overruns_r, const char **error_r);
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_evict_user_module,
				  &mail_user_module_register);

/* TRUE if what leaves INBOX counts in this root. */
static bool root_has_inbox(struct quota_root *root, struct mailbox *inbox)
{
	const struct quota_root_settings *set;
	const char *error;
	bool ignore;

	if (!quota_root_is_visible(root, inbox))
		return FALSE;
	if (settings_get_filter(inbox->event, "quota", root->set_filter_name,
				&quota_root_setting_parser_info, 0,
				&set, &error) < 0) {
		e_error(inbox->event, "pop3-policy: %s", error);
		return FALSE;
	}
	ignore = set->quota_ignore;
	settings_free(set);
	return !ignore;
}

static void
root_excess(const struct quota_transaction_context *ctx,
	    const struct quota_transaction_root_context *root, uoff_t size,
	    struct pop3_policy_evict_sum *excess_r)
{
	excess_r->bytes = pop3_policy_evict_excess(
		ctx->bytes_used - (int64_t)root->bytes_expunged,
		root->bytes_ceil, root->bytes_over, size);
	excess_r->messages = pop3_policy_evict_excess(
		ctx->count_used - (int64_t)root->count_expunged,
		root->count_ceil, root->count_over, 1);
}

/* What has to go for all roots. Returns FALSE if a root is exceeded that INBOX
   does not count in. */
static bool
roots_need(struct quota_transaction_context *ctx, struct mailbox *inbox,
	   uoff_t size, struct pop3_policy_evict_sum *need_r)
{
	struct pop3_policy_evict_sum excess;
	struct quota_root *const *roots;
	unsigned int i, count;

	i_zero(need_r);
	roots = array_get(&ctx->quota->all_roots, &count);
	for (i = 0; i < count; i++) {
		if (!roots[i]->set->quota_enforce ||
		    !quota_root_is_visible(roots[i], ctx->box))
			continue;
		root_excess(ctx, &ctx->roots[i], size, &excess);
		if (excess.bytes == 0 && excess.messages == 0)
			continue;
		if (!root_has_inbox(roots[i], inbox))
			return FALSE;
		need_r->bytes = I_MAX(need_r->bytes, excess.bytes);
		need_r->messages = I_MAX(need_r->messages, excess.messages);
	}
	return TRUE;
}

static void
roots_freed(struct quota_transaction_context *ctx, struct mailbox *inbox,
	    const struct pop3_policy_evict_sum *freed)
{
	struct quota_root *const *roots;
	unsigned int i, count;

	/* The transaction's own sums stay as they are: they only tell whether
	   the roots have to be looked at. */
	roots = array_get(&ctx->quota->all_roots, &count);
	for (i = 0; i < count; i++) {
		if (root_has_inbox(roots[i], inbox)) {
			quota_transaction_root_expunged(&ctx->roots[i],
				freed->messages, freed->bytes);
		}
	}
}

static bool
evict(struct quota_transaction_context *ctx, uoff_t size, struct mail *mail)
{
	struct mail_user *user = ctx->quota->user;
	struct mail_namespace *ns = mail_namespace_find_inbox(user->namespaces);
	struct mailbox *inbox = mailbox_alloc(ns->list, "INBOX", 0);
	struct pop3_policy_evict_sum need, freed;
	bool ret;

	ret = roots_need(ctx, inbox, size, &need) &&
		pop3_policy_evict(user, mail, &need, ctx->quota->vsizes,
				  &freed);
	if (ret)
		roots_freed(ctx, inbox, &freed);
	mailbox_free(&inbox);
	return ret;
}

static enum quota_alloc_result
evict_or_refuse(struct quota_transaction_context *ctx, uoff_t size,
		struct mailbox *expunged_box, uoff_t expunged_size,
		const struct quota_overrun **overruns_r, const char **error_r)
{
	struct mail_user *user = ctx->quota->user;
	struct evict_user *euser = EVICT_USER_CONTEXT_REQUIRE(user);
	enum quota_alloc_result ret;
	struct mail *mail;

	ret = euser->test_alloc(ctx, size, expunged_box, expunged_size,
				overruns_r, error_r);
	if (ret != QUOTA_ALLOC_RESULT_OVER_QUOTA &&
	    ret != QUOTA_ALLOC_RESULT_OVER_QUOTA_LIMIT)
		return ret;
	switch (pop3_policy_evict_ask(ctx->box, &mail)) {
	case POP3_POLICY_EVICT_NO:
		return ret;
	case POP3_POLICY_EVICT_LATER:
		if (overruns_r != NULL)
			*overruns_r = NULL;
		return QUOTA_ALLOC_RESULT_OK;
	case POP3_POLICY_EVICT_NOW:
		break;
	}
	if (ret == QUOTA_ALLOC_RESULT_OVER_QUOTA_LIMIT ||
	    !evict(ctx, size, mail))
		return ret;
	ret = euser->test_alloc(ctx, size, expunged_box, expunged_size,
				overruns_r, error_r);
	if (ret != QUOTA_ALLOC_RESULT_OK)
		pop3_policy_evict_in_vain(user);
	return ret;
}

static enum quota_alloc_result
evict_test_alloc(struct quota_transaction_context *ctx, uoff_t size,
		 struct mailbox *expunged_box, uoff_t expunged_size,
		 const struct quota_overrun **overruns_r, const char **error_r)
{
	struct pop3_policy_evict_sum others;
	enum quota_alloc_result ret;

	pop3_policy_deliver_others(ctx->box, &others);
	ctx->bytes_used += others.bytes;
	ctx->count_used += others.messages;
	ret = evict_or_refuse(ctx, size, expunged_box, expunged_size,
			      overruns_r, error_r);
	ctx->bytes_used -= others.bytes;
	ctx->count_used -= others.messages;
	if (ret == QUOTA_ALLOC_RESULT_OK)
		pop3_policy_deliver_allocated(ctx->box, size);
	return ret;
}

void pop3_policy_evict_quota_init(struct mail_user *user)
{
	struct evict_user *euser;
	struct quota *quota;

	if (quota_get_mail_user_quota == NULL)
		return;
	quota = quota_get_mail_user_quota(user);
	if (quota == NULL)
		return;
	euser = p_new(user->pool, struct evict_user, 1);
	euser->test_alloc = quota->test_alloc;
	quota->test_alloc = evict_test_alloc;
	MODULE_CONTEXT_SET(user, pop3_policy_evict_user_module, euser);
}
