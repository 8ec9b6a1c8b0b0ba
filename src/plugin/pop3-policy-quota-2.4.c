/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4's quota plugin. It looks its settings up whenever it needs them:
   they are overridden for the user. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "settings.h"
#include "quota-private.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"

/* The quota plugin may not be loaded. */
#pragma weak quota_get_mail_user_quota
#pragma weak quota_get_resource
#pragma weak quota_root_is_visible
#pragma weak quota_setting_parser_info
#pragma weak quota_root_setting_parser_info

/* Settings as they are overridden, NULL where they are not. */
struct pop3_policy_quota_limits {
	/* of the settings' names */
	const char *prefix;
	const char *storage_size, *storage_grace, *message_count;
};

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

bool pop3_policy_quota_user_has(struct mail_user *user)
{
	return user_quota(user) != NULL;
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

/* With one root the override beats whatever the configuration has for it, be
   it for a protocol or a namespace. With several it must not touch the others,
   and what is more specific than the root's own block stays. */
static const char *root_override_prefix(struct quota_root *root)
{
	if (array_count(&root->quota->all_roots) == 1)
		return "*/";
	return t_strdup_printf("quota/%s/", root->set_filter_name);
}

static void
override_limits(struct event *event, const struct pop3_policy_quota_limits *set)
{
	struct settings_instance *instance = settings_instance_find(event);

	if (set->storage_size != NULL) {
		settings_override(instance, t_strconcat(set->prefix,
				  "quota_storage_size", NULL),
				  set->storage_size,
				  SETTINGS_OVERRIDE_TYPE_CODE);
		settings_override(instance, t_strconcat(set->prefix,
				  "quota_storage_grace", NULL),
				  set->storage_grace,
				  SETTINGS_OVERRIDE_TYPE_CODE);
	}
	if (set->message_count != NULL) {
		settings_override(instance, t_strconcat(set->prefix,
				  "quota_message_count", NULL),
				  set->message_count,
				  SETTINGS_OVERRIDE_TYPE_CODE);
	}
}

static const char *size_setting(int64_t bytes)
{
	return bytes <= 0 ? "unlimited" : t_strdup_printf("%"PRId64"B", bytes);
}

static const char *count_setting(int64_t messages)
{
	/* Dovecot counts messages in 32 bits */
	return messages <= 0 || messages >= UINT_MAX ? "unlimited" :
		dec2str(messages);
}

/* The root has read its settings already, as they are for this list. */
static void
root_read_again(struct quota_root *root, struct mailbox_list *list)
{
	const struct quota_settings *quota_set = NULL;
	const struct quota_root_settings *set = NULL;
	struct event *event = event_create(list->event);
	const char *error;

	settings_event_add_filter_name(event,
		t_strdup_printf("quota_%s", root->backend.name));
	/* the first one makes "quota" known as the beginning of an override */
	if (settings_get(event, &quota_setting_parser_info, 0, &quota_set,
			 &error) < 0 ||
	    settings_get_filter(event, "quota", root->set_filter_name,
				&quota_root_setting_parser_info, 0,
				&set, &error) < 0)
		e_error(event, "pop3-policy: %s", error);
	event_unref(&event);
	settings_free(quota_set);
	if (set == NULL)
		return;
	settings_free(root->set);
	root->set = set;
	root->bytes_limit = set->quota_storage_size > INT64_MAX ? 0 :
		set->quota_storage_size;
	root->count_limit = set->quota_message_count;
}

/* What is overridden for a user would hold as well for the owners of shared
   mailboxes, who inherit the user's settings. */
static void
remember_configured(struct mail_user *user, const struct quota_root *root,
		    const struct pop3_policy_quota_limits *overridden)
{
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);
	struct pop3_policy_quota_limits *set;

	if (delivery == NULL)
		return;
	set = p_new(user->pool, struct pop3_policy_quota_limits, 1);
	set->prefix = p_strdup(user->pool, overridden->prefix);
	if (overridden->storage_size != NULL) {
		set->storage_size = p_strdup(user->pool,
			size_setting(root->set->quota_storage_size));
		set->storage_grace = p_strdup(user->pool,
			size_setting(root->set->quota_storage_grace));
	}
	if (overridden->message_count != NULL) {
		set->message_count = p_strdup(user->pool,
			count_setting(root->set->quota_message_count));
	}
	delivery->configured = set;
}

void pop3_policy_quota_shared_created(struct mailbox_list *list)
{
	struct mail_namespace *ns = list->ns;
	struct pop3_policy_delivery *delivery =
		pop3_policy_delivery_get(ns->user);
	struct quota *quota = user_quota(ns->owner);
	struct quota_root *root;

	if (delivery == NULL || delivery->configured == NULL || quota == NULL)
		return;
	if (ns->_set_instance == NULL) {
		/* list and mailboxes have the settings of the user who looks
		   at them */
		ns->_set_instance = settings_instance_dup(
			settings_instance_find(list->event));
		event_set_ptr(list->event, SETTINGS_EVENT_INSTANCE,
			      ns->_set_instance);
	}
	override_limits(list->event, delivery->configured);
	override_limits(ns->owner->event, delivery->configured);
	array_foreach_elem(&quota->all_roots, root)
		root_read_again(root, list);
}

void pop3_policy_quota_shared_allocated(struct mailbox *box)
{
	struct settings_instance *instance = box->list->ns->_set_instance;

	if (instance != NULL)
		event_set_ptr(box->event, SETTINGS_EVENT_INSTANCE, instance);
}

bool pop3_policy_quota_set_limits(struct mail_user *user,
				  struct mail_namespace *inbox,
				  int64_t bytes, int64_t messages)
{
	struct quota_root *root = inbox_root(user, inbox);
	struct pop3_policy_quota_limits set;

	if (root == NULL)
		return FALSE;
	i_zero(&set);
	set.prefix = root_override_prefix(root);
	if (bytes != POP3_POLICY_AS_CONFIGURED) {
		set.storage_size = size_setting(bytes);
		set.storage_grace = "0";
	}
	if (messages != POP3_POLICY_AS_CONFIGURED)
		set.message_count = count_setting(messages);
	remember_configured(user, root, &set);
	override_limits(user->event, &set);
	root_read_again(root, inbox->list);
	return TRUE;
}

bool pop3_policy_quota_waits_for_namespaces(void)
{
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
