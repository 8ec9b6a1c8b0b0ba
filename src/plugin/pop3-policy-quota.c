/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "pop3-policy-client.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-quota-share.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"

/* Set once the missing quota was complained about. */
static bool quota_warned;

static void warn_no_effect(struct mail_user *user)
{
	const char *problem;

	/* Who only reads mail needs no quota. */
	if (quota_warned || (strcmp(user->service, "lmtp") != 0 &&
			     strcmp(user->service, "lda") != 0))
		return;
	quota_warned = TRUE;
	problem = pop3_policy_quota_is_loaded() ?
		"Dovecot's quota plugin has no enforced quota for INBOX" :
		"Dovecot's quota plugin is not loaded";
	e_warning(user->event, "pop3-policy: quota_storage and quota_messages "
		  "of the policy have no effect: %s", problem);
}

void pop3_policy_quota_apply(struct mail_user *user,
			     struct mail_namespace *inbox,
			     const struct pop3_policy *policy)
{
	int64_t bytes, messages;
	enum pop3_policy_quota_action action;
	bool limited;

	if (pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) !=
	    POP3_POLICY_ENFORCEMENT_ENFORCE)
		return;
	action = pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_ACTION);
	bytes = pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_STORAGE);
	messages = pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_MESSAGES);
	limited = bytes != POP3_POLICY_AS_CONFIGURED ||
		messages != POP3_POLICY_AS_CONFIGURED;

	/* To reject is built in. Where the limits are Dovecot's own, its
	   quota_full_tempfail is meant. */
	if (limited || action != POP3_POLICY_QUOTA_ACTION_REJECT) {
		pop3_policy_quota_set_tempfail(user,
			action == POP3_POLICY_QUOTA_ACTION_DEFER);
	}
	if (limited &&
	    !pop3_policy_quota_set_limits(user, inbox, bytes, messages) &&
	    (bytes > 0 || messages > 0))
		warn_no_effect(user);
}

static int
quota_count(struct mail_user *user, struct pop3_policy_quota_usage *usage_r)
{
	struct mail_namespace *inbox;

	if (!pop3_policy_quota_is_loaded())
		return -1;
	inbox = mail_namespace_find_inbox(user->namespaces);
	return pop3_policy_quota_count(user, inbox, usage_r);
}

int pop3_policy_quota_usage(struct mail_user *user,
			    struct pop3_policy_quota_usage *usage_r)
{
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);

	if (quota_count(user, usage_r) < 0)
		return -1;
	if (delivery != NULL && !delivery->before_known) {
		delivery->before_known = TRUE;
		delivery->before = *usage_r;
	}
	return 0;
}

unsigned int
pop3_policy_quota_level(const struct pop3_policy *policy,
			const struct pop3_policy_quota_usage *usage)
{
	const char *percents =
		policy->values[POP3_POLICY_PARAM_QUOTA_WARN].str;
	unsigned int bytes, messages;

	bytes = pop3_policy_quota_share_level(percents, usage->bytes,
					      usage->bytes_limit);
	messages = pop3_policy_quota_share_level(percents, usage->messages,
						 usage->messages_limit);
	return I_MAX(bytes, messages);
}

bool pop3_policy_quota_tell(struct pop3_policy_client *service,
			    struct mail_user *user,
			    const struct pop3_policy *policy,
			    struct pop3_policy_quota_usage *usage_r,
			    unsigned int *level_r)
{
	string_t *text;
	const char *error;

	*level_r = 0;
	if (quota_count(user, usage_r) < 0)
		return FALSE;
	if (policy != NULL)
		*level_r = pop3_policy_quota_level(policy, usage_r);

	text = t_str_new(128);
	pop3_policy_wire_begin(text, "USAGE", 0);
	pop3_policy_wire_str(text, "user", user->username);
	pop3_policy_wire_num(text, "bytes", usage_r->bytes);
	pop3_policy_wire_num(text, "messages", usage_r->messages);
	if (usage_r->bytes_limit != 0) {
		pop3_policy_wire_num(text, "storage_limit",
				     usage_r->bytes_limit);
	}
	if (usage_r->messages_limit != 0) {
		pop3_policy_wire_num(text, "message_limit",
				     usage_r->messages_limit);
	}
	if (*level_r != 0)
		pop3_policy_wire_num(text, "level", *level_r);
	pop3_policy_wire_end(text);
	if (pop3_policy_client_try_send(service, text, &error) < 0) {
		e_debug(user->event, "pop3-policy: USAGE not sent: %s", error);
	}
	return TRUE;
}
