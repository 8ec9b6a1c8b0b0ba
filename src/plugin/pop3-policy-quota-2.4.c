/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4's quota plugin. It looks its settings up whenever it needs them:
   they are overridden for the user. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "settings.h"
#include "quota-private.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"

/* The quota plugin may not be loaded. */
#pragma weak quota_get_mail_user_quota
#pragma weak quota_get_resource
#pragma weak quota_root_is_visible
#pragma weak quota_setting_parser_info
#pragma weak quota_root_setting_parser_info

/* Not NULL between pass_begin() and pass_end(), or move_begin() and
   move_end(). */
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

bool pop3_policy_quota_is_loaded(void)
{
	return quota_get_mail_user_quota != NULL;
}

static struct quota *user_quota(struct mail_user *user)
{
	return pop3_policy_quota_is_loaded() ?
		quota_get_mail_user_quota(user) : NULL;
}

static struct quota_root *
inbox_root(struct mail_user *user, struct mail_namespace *inbox)
{
	struct quota *quota = user_quota(user);
	struct quota_root *root;

	if (quota == NULL)
		return NULL;
	array_foreach_elem(&quota->all_roots, root) {
		if (root->set->quota_enforce &&
		    array_lsearch_ptr(&root->namespaces, inbox) != NULL)
			return root;
	}
	return NULL;
}

static void
root_override(struct quota_root *root, const char *name, const char *value)
{
	struct mail_user *user = root->quota->user;
	const char *key;

	/* With one root the override beats whatever the configuration has for
	   it, be it for a protocol or a namespace. With several it must not
	   touch the others, and what is more specific than the root's own
	   block stays. */
	if (array_count(&root->quota->all_roots) == 1)
		key = t_strconcat("*/", name, NULL);
	else {
		key = t_strdup_printf("quota/%s/%s",
			settings_section_escape(root->set_filter_name), name);
	}
	settings_override(settings_instance_find(user->event), key, value,
			  SETTINGS_OVERRIDE_TYPE_CODE);
}

/* The root has read its settings already. */
static void root_read_again(struct quota_root *root)
{
	const struct quota_settings *quota_set;
	const struct quota_root_settings *set;
	const char *error;

	/* this makes "quota" known as the beginning of an override */
	if (settings_get(root->quota->user->event, &quota_setting_parser_info,
			 0, &quota_set, &error) < 0 ||
	    settings_get_filter(root->backend.event, "quota",
				root->set_filter_name,
				&quota_root_setting_parser_info, 0,
				&set, &error) < 0) {
		e_error(root->backend.event, "pop3-policy: %s", error);
		return;
	}
	settings_free(quota_set);
	settings_free(root->set);
	root->set = set;
}

bool pop3_policy_quota_set_limits(struct mail_user *user,
				  struct mail_namespace *inbox,
				  int64_t bytes, int64_t messages)
{
	struct quota_root *root = inbox_root(user, inbox);

	if (root == NULL)
		return FALSE;
	if (bytes != POP3_POLICY_AS_CONFIGURED) {
		root_override(root, "quota_storage_size", bytes < 0 ?
			      "unlimited" : t_strdup_printf("%"PRId64"B", bytes));
		root_override(root, "quota_storage_grace", "0");
		root->bytes_limit = I_MAX(bytes, 0);
	}
	if (messages != POP3_POLICY_AS_CONFIGURED) {
		/* Dovecot counts messages in 32 bits */
		root_override(root, "quota_message_count",
			      messages < 0 || messages >= UINT_MAX ?
			      "unlimited" : dec2str(messages));
		root->count_limit = I_MAX(messages, 0);
	}
	root_read_again(root);
	return TRUE;
}

static int
root_get(struct mail_user *user, struct quota_root *root, const char *name,
	 uint64_t *value_r, uint64_t *limit_r)
{
	const char *error;

	switch (quota_get_resource(root, NULL, name, value_r, limit_r,
				   &error)) {
	case QUOTA_GET_RESULT_LIMITED:
	case QUOTA_GET_RESULT_UNLIMITED:
		return 0;
	case QUOTA_GET_RESULT_INTERNAL_ERROR:
		e_error(user->event, "pop3-policy: Usage is not known: %s",
			error);
		return -1;
	default:
		return -1;
	}
}

int pop3_policy_quota_count(struct mail_user *user,
			    struct mail_namespace *inbox,
			    struct pop3_policy_quota_usage *usage_r)
{
	struct quota_root *root = inbox_root(user, inbox);

	if (root == NULL ||
	    root_get(user, root, QUOTA_NAME_STORAGE_BYTES, &usage_r->bytes,
		     &usage_r->bytes_limit) < 0 ||
	    root_get(user, root, QUOTA_NAME_MESSAGES, &usage_r->messages,
		     &usage_r->messages_limit) < 0)
		return -1;
	return 0;
}

void pop3_policy_quota_pass_begin(struct mail_user *user)
{
	struct quota *quota = user_quota(user);

	i_assert(quota_test_alloc_super == NULL);
	if (quota == NULL)
		return;
	quota_test_alloc_super = quota->test_alloc;
	quota->test_alloc = pop3_policy_quota_test_alloc;
}

void pop3_policy_quota_pass_end(struct mail_user *user)
{
	if (quota_test_alloc_super == NULL)
		return;
	user_quota(user)->test_alloc = quota_test_alloc_super;
	quota_test_alloc_super = NULL;
}

void pop3_policy_quota_move_begin(struct mailbox *source,
				  struct mailbox *target)
{
	struct mail_user *user = source->storage->user;
	struct quota *quota = user_quota(user);
	struct quota_root *root;

	if (quota == NULL)
		return;
	array_foreach_elem(&quota->all_roots, root) {
		if (quota_root_is_visible(root, target) &&
		    !quota_root_is_visible(root, source))
			return;
	}
	pop3_policy_quota_pass_begin(user);
}

void pop3_policy_quota_move_end(struct mailbox *source)
{
	pop3_policy_quota_pass_end(source->storage->user);
}
