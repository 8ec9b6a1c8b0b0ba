/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.3's quota plugin. Its settings belong to one user object, and are
   read when that is created: they are changed in memory. */

#include "lib.h"
#include "array.h"
#include "mail-namespace.h"
#include "mail-storage-service.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "settings-parser.h"
#include "quota-private.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"

/* The quota plugin may not be loaded. */
#pragma weak quota_get_mail_user_quota
#pragma weak quota_get_resource
#pragma weak quota_root_recalculate_relative_rules

/* Not NULL between pass_begin() and pass_end(). */
static enum quota_alloc_result (*quota_test_alloc_super)(
	struct quota_transaction_context *ctx, uoff_t size,
	const char **error_r);

static enum quota_alloc_result
pop3_policy_quota_test_alloc(
	struct quota_transaction_context *ctx ATTR_UNUSED,
	uoff_t size ATTR_UNUSED, const char **error_r)
{
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

/* Namespaces may not have been given to all roots yet: compare names. */
static struct quota_root *
inbox_root(struct mail_user *user, struct mail_namespace *inbox)
{
	struct quota *quota = user_quota(user);
	struct quota_root *root;

	if (quota == NULL || (inbox->flags & NAMESPACE_FLAG_NOQUOTA) != 0)
		return NULL;
	array_foreach_elem(&quota->roots, root) {
		if (!root->no_enforcing &&
		    (root->ns_prefix == NULL ||
		     strcmp(root->ns_prefix, inbox->prefix) == 0))
			return root;
	}
	return NULL;
}

bool pop3_policy_quota_set_limits(struct mail_user *user,
				  struct mail_namespace *inbox,
				  int64_t bytes, int64_t messages)
{
	struct quota_root *root = inbox_root(user, inbox);
	struct quota_root_settings *set;
	struct quota_rule *rule;

	if (root == NULL)
		return FALSE;
	set = root->set;
	/* What the backend reads elsewhere (maildirsize, the filesystem) must
	   not replace it. */
	set->force_default_rule = TRUE;
	if (bytes != POP3_POLICY_AS_CONFIGURED) {
		set->default_rule.bytes_limit = I_MAX(bytes, 0);
		i_zero(&set->grace_rule);
	}
	if (messages != POP3_POLICY_AS_CONFIGURED)
		set->default_rule.count_limit = I_MAX(messages, 0);
	array_foreach_modifiable(&set->rules, rule) {
		/* what is added to no limit would become one */
		if (bytes == POP3_POLICY_UNLIMITED)
			rule->bytes_limit = 0;
		if (messages == POP3_POLICY_UNLIMITED)
			rule->count_limit = 0;
	}
	root->bytes_limit = set->default_rule.bytes_limit;
	root->count_limit = set->default_rule.count_limit;
	quota_root_recalculate_relative_rules(set, root->bytes_limit,
					      root->count_limit);
	return TRUE;
}

bool pop3_policy_quota_waits_for_namespaces(void)
{
	return FALSE;
}

/* Limits belong to the roots of one user, not to the owners of shared
   mailboxes. */
void pop3_policy_quota_shared_created(struct mailbox_list *list ATTR_UNUSED)
{
}

void pop3_policy_quota_shared_allocated(struct mailbox *box ATTR_UNUSED)
{
}

static int
root_get(struct mail_user *user, struct quota_root *root, const char *name,
	 uint64_t *value_r, uint64_t *limit_r)
{
	const char *error;

	switch (quota_get_resource(root, "", name, value_r, limit_r, &error)) {
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

void pop3_policy_quota_set_tempfail(struct mail_user *user, bool tempfail)
{
	struct setting_parser_context *parser;

	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);

	if (delivery == NULL || !delivery->delivers)
		return;
	delivery->tempfail_set = TRUE;
	delivery->tempfail = tempfail;
	/* RCPT and DATA read the settings of the recipient, which the parser
	   changes in place */
	parser = mail_storage_service_user_get_settings_parser(
		user->_service_user);
	if (settings_parse_line(parser, tempfail ? "quota_full_tempfail=yes" :
				"quota_full_tempfail=no") <= 0) {
		e_error(user->event, "pop3-policy: quota_action does not act: "
			"%s", settings_parser_get_error(parser));
	}
}

bool pop3_policy_quota_rcpt_can_answer(struct mail_user *user ATTR_UNUSED,
				       bool tempfail ATTR_UNUSED)
{
	return TRUE;
}

void pop3_policy_quota_version_deinit(void)
{
}

void pop3_policy_quota_pass_begin(struct mail_user *user)
{
	struct quota *quota = user_quota(user);

	i_assert(quota_test_alloc_super == NULL);
	if (quota == NULL)
		return;
	quota_test_alloc_super = quota->set->test_alloc;
	quota->set->test_alloc = pop3_policy_quota_test_alloc;
}

void pop3_policy_quota_pass_end(struct mail_user *user)
{
	if (quota_test_alloc_super == NULL)
		return;
	user_quota(user)->set->test_alloc = quota_test_alloc_super;
	quota_test_alloc_super = NULL;
}

void pop3_policy_quota_move_begin(struct mailbox *source ATTR_UNUSED,
				  struct mailbox *target ATTR_UNUSED)
{
}

void pop3_policy_quota_move_end(struct mailbox *source ATTR_UNUSED)
{
}
