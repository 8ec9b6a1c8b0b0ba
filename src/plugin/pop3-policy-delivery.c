/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-client.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-login.h"
#include "pop3-policy-notice.h"
#include "pop3-policy-plugin.h"
#include "pop3-policy-quota-version.h"

/* doveadm, which may go through all users, does not wait for a service that
   does not answer more often than that. */
#define DOVEADM_ASK_AGAIN_SECS 60

static time_t doveadm_ask_again;

/* Services that need the limits, and whether mail is delivered in them. */
static const struct {
	const char *name;
	bool delivers;
} delivery_services[] = {
	{ "lmtp", TRUE },
	{ "lda", TRUE },
	{ "imap", FALSE },
	{ "doveadm", FALSE },
	{ "quota-status", FALSE }
};

static bool service_has_delivery(const char *service, bool *delivers_r)
{
	for (size_t i = 0; i < N_ELEMENTS(delivery_services); i++) {
		if (strcmp(delivery_services[i].name, service) == 0) {
			*delivers_r = delivery_services[i].delivers;
			return TRUE;
		}
	}
	return FALSE;
}

static void limits_send(struct pop3_policy_delivery *delivery)
{
	const char *error;
	string_t *text = str_new(default_pool, 128);

	delivery->limits_text = text;
	delivery->limits_id = pop3_policy_client_next_id(delivery->service);
	pop3_policy_wire_begin(text, "LIMITS", delivery->limits_id);
	pop3_policy_wire_str(text, "user", delivery->user->username);
	pop3_policy_wire_str(text, "session",
			     guid_128_to_string(delivery->id));
	pop3_policy_wire_end(text);
	/* A service that cannot be reached is noticed when its answer is
	   read, and asked again then. */
	if (pop3_policy_client_try_send(delivery->service, text, &error) < 0)
		e_debug(delivery->event, "LIMITS not sent yet: %s", error);
}

struct pop3_policy_delivery *
pop3_policy_delivery_create(struct mail_user *user)
{
	struct pop3_policy_delivery *delivery;
	struct pop3_policy_settings set;
	const char *error;
	bool delivers;

	if (!service_has_delivery(user->service, &delivers))
		return NULL;
	/* where no mail is delivered it is only for the quota */
	if (!delivers && (!pop3_policy_quota_user_has(user) ||
			  doveadm_ask_again > ioloop_time))
		return NULL;
	if (pop3_policy_settings_get(user, &set, &error) < 0) {
		/* mail is delivered all the same */
		e_error(user->event, "pop3-policy: %s", error);
		return NULL;
	}
	delivery = p_new(user->pool, struct pop3_policy_delivery, 1);
	delivery->user = user;
	delivery->set = set;
	delivery->delivers = delivers;
	delivery->event = event_create(user->event);
	event_add_category(delivery->event, &event_category_pop3_policy);
	event_set_append_log_prefix(delivery->event, "pop3-policy: ");
	delivery->service = pop3_policy_client_get(set.socket_path,
						   set.timeout_msecs);
	guid_128_generate(delivery->id);
	limits_send(delivery);
	return delivery;
}

void pop3_policy_delivery_free(struct pop3_policy_delivery **_delivery)
{
	struct pop3_policy_delivery *delivery = *_delivery;

	*_delivery = NULL;
	if (delivery == NULL)
		return;
	str_free(&delivery->limits_text);
	if (delivery->limits != NULL)
		pool_unref(&delivery->limits->pool);
	event_unref(&delivery->event);
}

static int
limits_parse(const struct pop3_policy_wire_message *reply,
	     struct pop3_policy_limits **limits_r, const char **error_r)
{
	pool_t pool = pool_alloconly_create("pop3-policy limits", 2048);
	struct pop3_policy_limits *limits =
		p_new(pool, struct pop3_policy_limits, 1);
	uint32_t told = 0;

	limits->pool = pool;
	limits->version = p_strdup(pool,
		pop3_policy_wire_get_str(&reply->head, "version"));
	if (limits->version == NULL ||
	    pop3_policy_wire_get_uint32(&reply->head, "told", &told) < 0) {
		*error_r = "LIMITS: version is missing, or told is wrong";
		pool_unref(&pool);
		return -1;
	}
	if (pop3_policy_login_parse_policy(pool, &reply->head, &limits->policy,
					   error_r) < 0) {
		pool_unref(&pool);
		return -1;
	}
	limits->told_level = told;
	limits->cached = pop3_policy_wire_get_flag(&reply->head, "cached");
	*limits_r = limits;
	return 0;
}

static int
limits_wait(struct pop3_policy_delivery *delivery, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	int ret;

	ret = pop3_policy_client_wait(delivery->service, delivery->limits_id,
				      delivery->limits_text, &reply, error_r);
	if (ret < 0)
		return -1;
	if (ret > 0) {
		ret = limits_parse(reply, &delivery->limits, error_r);
	} else {
		*error_r = t_strdup(pop3_policy_wire_get_str(&reply->head,
							     "text"));
		if (*error_r == NULL)
			*error_r = "the service refused without a reason";
		ret = -1;
	}
	pop3_policy_wire_message_free(&reply);
	return ret;
}

void pop3_policy_delivery_list_created(struct mailbox_list *list)
{
	struct pop3_policy_delivery *delivery =
		pop3_policy_delivery_get(list->ns->user);
	const char *error;

	if (list->ns->owner != list->ns->user) {
		if (list->ns->owner != NULL)
			pop3_policy_quota_shared_created(list);
		return;
	}
	if (delivery == NULL || delivery->limits_text == NULL ||
	    (list->ns->flags & NAMESPACE_FLAG_INBOX_USER) == 0)
		return;
	if (limits_wait(delivery, &error) < 0) {
		e_warning(delivery->event, "The user's policy is not known, "
			  "Dovecot's own quota holds: %s", error);
		if (strcmp(delivery->user->service, "doveadm") == 0) {
			doveadm_ask_again =
				ioloop_time + DOVEADM_ASK_AGAIN_SECS;
		}
	}
	str_free(&delivery->limits_text);
	if (strcmp(delivery->user->service, "imap") == 0) {
		/* imap processes live long, their sockets need not */
		pop3_policy_clients_deinit();
		delivery->service = NULL;
	}
	if (delivery->limits != NULL &&
	    !pop3_policy_quota_waits_for_namespaces()) {
		pop3_policy_quota_apply(delivery->user, list->ns,
					&delivery->limits->policy);
	}
}

void pop3_policy_delivery_namespaces_created(struct mail_namespace *namespaces)
{
	struct mail_user *user = namespaces->user;
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);

	if (delivery != NULL && delivery->limits != NULL &&
	    pop3_policy_quota_waits_for_namespaces()) {
		pop3_policy_quota_apply(user,
			mail_namespace_find_inbox(namespaces),
			&delivery->limits->policy);
	}
}

int pop3_policy_delivery_limits_again(struct pop3_policy_delivery *delivery,
				      const char **error_r)
{
	struct pop3_policy_limits *limits = delivery->limits;
	int ret;

	limits_send(delivery);
	ret = limits_wait(delivery, error_r);
	str_free(&delivery->limits_text);
	if (ret == 0 && limits != NULL)
		pool_unref(&limits->pool);
	return ret;
}

bool pop3_policy_delivery_enforced(const struct pop3_policy_delivery *delivery)
{
	return delivery->limits != NULL &&
		pop3_policy_num(&delivery->limits->policy,
				POP3_POLICY_PARAM_ENFORCEMENT) ==
		POP3_POLICY_ENFORCEMENT_ENFORCE;
}

static void delivery_tell_usage(struct pop3_policy_delivery *delivery)
{
	const struct pop3_policy *policy = delivery->limits == NULL ? NULL :
		&delivery->limits->policy;

	delivery->usage_known =
		pop3_policy_quota_tell(delivery->service, delivery->user,
				       policy, &delivery->usage,
				       &delivery->level_after);
	if (!delivery->usage_known)
		return;
	delivery->level_before = policy == NULL || !delivery->before_known ?
		delivery->level_after :
		pop3_policy_quota_level(policy, &delivery->before);
	/* the next message of this delivery */
	delivery->before = delivery->usage;
	delivery->before_known = TRUE;
}

void pop3_policy_delivery_committed(struct pop3_policy_delivery *delivery)
{
	delivery_tell_usage(delivery);
	pop3_policy_notice_delivered(delivery);
}
