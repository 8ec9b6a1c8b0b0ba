/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-quota.h"

#if DOVECOT_PREREQ(2, 4, 0)

#include "array.h"
#include "mail-storage-private.h"
#include "quota-private.h"
#include "quota-plugin.h"

/* The quota plugin may not be loaded. */
#pragma weak quota_user_module
#pragma weak quota_root_is_visible

static enum quota_alloc_result (*quota_test_alloc_super)(
	struct quota_transaction_context *ctx, uoff_t size,
	struct mailbox *expunged_box, uoff_t expunged_size,
	const struct quota_overrun **overruns_r, const char **error_r);

static enum quota_alloc_result
pop3_policy_quota_test_alloc(
	struct quota_transaction_context *ctx ATTR_UNUSED,
	uoff_t size ATTR_UNUSED, struct mailbox *expunged_box ATTR_UNUSED,
	uoff_t expunged_size ATTR_UNUSED,
	const struct quota_overrun **overruns_r, const char **error_r)
{
	if (overruns_r != NULL)
		*overruns_r = NULL;
	*error_r = NULL;
	return QUOTA_ALLOC_RESULT_OK;
}

static struct quota *user_quota(struct mailbox *box)
{
	struct quota_user *quser;

	if (quota_root_is_visible == NULL)
		return NULL;
	quser = QUOTA_USER_CONTEXT(box->storage->user);
	return quser == NULL ? NULL : quser->quota;
}

void pop3_policy_quota_move_begin(struct mailbox *source,
				  struct mailbox *target)
{
	struct quota *quota = user_quota(source);
	struct quota_root *root;

	i_assert(quota_test_alloc_super == NULL);
	if (quota == NULL)
		return;
	array_foreach_elem(&quota->all_roots, root) {
		if (quota_root_is_visible(root, target) &&
		    !quota_root_is_visible(root, source))
			return;
	}
	quota_test_alloc_super = quota->test_alloc;
	quota->test_alloc = pop3_policy_quota_test_alloc;
}

void pop3_policy_quota_move_end(struct mailbox *source)
{
	if (quota_test_alloc_super == NULL)
		return;
	user_quota(source)->test_alloc = quota_test_alloc_super;
	quota_test_alloc_super = NULL;
}

#else

void pop3_policy_quota_move_begin(struct mailbox *source ATTR_UNUSED,
				  struct mailbox *target ATTR_UNUSED)
{
}

void pop3_policy_quota_move_end(struct mailbox *source ATTR_UNUSED)
{
}

#endif
