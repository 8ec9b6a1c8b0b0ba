/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.3: a transaction has one limit, the lowest of all quota roots. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "quota-private.h"
#include "pop3-policy-deliver-box.h"
#include "pop3-policy-evict-quota.h"
#include "pop3-policy-evict.h"

/* The quota plugin may not be loaded. */
#pragma weak quota_get_mail_user_quota
#pragma weak quota_root_is_namespace_visible
#pragma weak quota_root_rule_find

#define EVICT_USER_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_evict_user_module)

struct evict_user {
	union mail_user_module_context module_ctx;
	enum quota_alloc_result (*test_alloc)(
		struct quota_transaction_context *ctx, uoff_t size,
		const char **error_r);
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_evict_user_module,
				  &mail_user_module_register);

/* TRUE if what leaves INBOX counts in all roots that the mailbox has. */
static bool inbox_counts(struct quota_transaction_context *ctx)
{
	struct mail_namespace *inbox =
		mail_namespace_find_inbox(ctx->quota->user->namespaces);
	const struct quota_rule *rule;
	struct quota_root *root;

	array_foreach_elem(&ctx->quota->roots, root) {
		if (!quota_root_is_namespace_visible(root, ctx->box->list->ns))
			continue;
		rule = quota_root_rule_find(root->set, "INBOX");
		if (!quota_root_is_namespace_visible(root, inbox) ||
		    (rule != NULL && rule->ignore))
			return FALSE;
	}
	return TRUE;
}

static void free_limit(uint64_t *ceil, uint64_t over, uint64_t freed)
{
	/* there is room again for what goes beyond the excess */
	if (*ceil != UINT64_MAX && freed > over)
		*ceil += freed - over;
}

static void free_limits(struct quota_transaction_context *ctx,
			const struct pop3_policy_evict_sum *freed)
{
	free_limit(&ctx->bytes_ceil, ctx->bytes_over, freed->bytes);
	free_limit(&ctx->bytes_ceil2, ctx->bytes_over, freed->bytes);
	free_limit(&ctx->count_ceil, ctx->count_over, freed->messages);
	ctx->bytes_over -= I_MIN(ctx->bytes_over, freed->bytes);
	ctx->count_over -= I_MIN(ctx->count_over, freed->messages);
}

static enum quota_alloc_result
evict_or_refuse(struct quota_transaction_context *ctx, uoff_t size,
		const char **error_r)
{
	struct mail_user *user = ctx->quota->user;
	struct evict_user *euser = EVICT_USER_CONTEXT_REQUIRE(user);
	struct pop3_policy_evict_sum need, freed;
	enum quota_alloc_result ret;
	struct mail *mail;

	ret = euser->test_alloc(ctx, size, error_r);
	if (ret != QUOTA_ALLOC_RESULT_OVER_QUOTA &&
	    ret != QUOTA_ALLOC_RESULT_OVER_QUOTA_LIMIT)
		return ret;
	switch (pop3_policy_evict_ask(ctx->box, &mail)) {
	case POP3_POLICY_EVICT_NO:
		return ret;
	case POP3_POLICY_EVICT_LATER:
		return QUOTA_ALLOC_RESULT_OK;
	case POP3_POLICY_EVICT_NOW:
		break;
	}
	if (ret == QUOTA_ALLOC_RESULT_OVER_QUOTA_LIMIT || !inbox_counts(ctx))
		return ret;

	need.bytes = pop3_policy_evict_excess(ctx->bytes_used, ctx->bytes_ceil,
					      ctx->bytes_over, size);
	need.messages = pop3_policy_evict_excess(ctx->count_used,
						 ctx->count_ceil,
						 ctx->count_over, 1);
	if (!pop3_policy_evict(user, mail, &need, ctx->quota->set->vsizes,
			       &freed))
		return ret;
	free_limits(ctx, &freed);
	ret = euser->test_alloc(ctx, size, error_r);
	if (ret != QUOTA_ALLOC_RESULT_OK)
		pop3_policy_evict_in_vain(user);
	return ret;
}

static enum quota_alloc_result
evict_test_alloc(struct quota_transaction_context *ctx, uoff_t size,
		 const char **error_r)
{
	struct pop3_policy_evict_sum others;
	enum quota_alloc_result ret;

	pop3_policy_deliver_others(ctx->box, &others);
	ctx->bytes_used += others.bytes;
	ctx->count_used += others.messages;
	ret = evict_or_refuse(ctx, size, error_r);
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
	euser->test_alloc = quota->set->test_alloc;
	quota->set->test_alloc = evict_test_alloc;
	MODULE_CONTEXT_SET(user, pop3_policy_evict_user_module, euser);
}
