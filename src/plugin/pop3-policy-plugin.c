/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "mail-storage-hooks.h"
#include "mail-user.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-client.h"
#include "pop3-policy-deliver-box.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-plugin.h"
#include "pop3-policy-quota-rcpt.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"
#include "pop3-policy-session.h"

#define POP3_POLICY_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, pop3_policy_user_module)
#define POP3_POLICY_USER_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_user_module)

struct pop3_policy_user {
	union mail_user_module_context module_ctx;
	/* one of them */
	struct pop3_policy_session *session;
	struct pop3_policy_delivery *delivery;
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_user_module,
				  &mail_user_module_register);

const char *pop3_policy_plugin_version = DOVECOT_ABI_VERSION;

struct event_category event_category_pop3_policy = {
	.name = "pop3-policy",
};

struct pop3_policy_session *pop3_policy_session_get(struct mail_user *user)
{
	struct pop3_policy_user *puser = POP3_POLICY_USER_CONTEXT(user);

	return puser == NULL ? NULL : puser->session;
}

struct pop3_policy_delivery *pop3_policy_delivery_get(struct mail_user *user)
{
	struct pop3_policy_user *puser = POP3_POLICY_USER_CONTEXT(user);

	return puser == NULL ? NULL : puser->delivery;
}

/* The client is gone, the namespaces and quotas are not yet. */
static void pop3_policy_user_deinit_pre(struct mail_user *user)
{
	struct pop3_policy_user *puser = POP3_POLICY_USER_CONTEXT_REQUIRE(user);

	if (puser->session != NULL) T_BEGIN {
		pop3_policy_quota_session_end(puser->session);
	} T_END;
	puser->module_ctx.super.deinit_pre(user);
}

static void pop3_policy_user_deinit(struct mail_user *user)
{
	struct pop3_policy_user *puser = POP3_POLICY_USER_CONTEXT_REQUIRE(user);

	puser->module_ctx.super.deinit(user);
	if (puser->session != NULL) {
		/* usually sent already; this is for a user whose POP3 client
		   was never made */
		pop3_policy_session_end(puser->session, "error");
		pop3_policy_session_free(&puser->session);
	}
	pop3_policy_delivery_free(&puser->delivery);
}

static struct pop3_policy_user *pop3_policy_user_create(struct mail_user *user)
{
	struct pop3_policy_user *puser;
	struct mail_user_vfuncs *v = user->vlast;

	puser = p_new(user->pool, struct pop3_policy_user, 1);
	puser->module_ctx.super = *v;
	user->vlast = &puser->module_ctx.super;
	v->deinit_pre = pop3_policy_user_deinit_pre;
	v->deinit = pop3_policy_user_deinit;
	MODULE_CONTEXT_SET(user, pop3_policy_user_module, puser);
	return puser;
}

static void pop3_policy_pop3_user_created(struct mail_user *user)
{
	struct pop3_policy_session *session;
	const char *error;

	session = pop3_policy_session_create(user, &error);
	if (session == NULL) {
		/* The text reaches the log only: the client is told that the
		   service has an internal error, [SYS/TEMP]. */
		user->error = p_strdup(user->pool, error);
		return;
	}
	pop3_policy_user_create(user)->session = session;
}

/* The service needs to know which maildrops IMAP uses: expire_unretrieved
   leaves them alone. Nobody waits for it, and nothing fails without it. */
static void pop3_policy_imap_user_created(struct mail_user *user)
{
	struct pop3_policy_settings set;
	string_t *text = t_str_new(128);
	const char *error;

	if (pop3_policy_settings_get(user, &set, &error) < 0) {
		e_error(user->event, "pop3-policy: %s", error);
		return;
	}
	pop3_policy_wire_begin(text, "IMAP", 0);
	pop3_policy_wire_str(text, "user", user->username);
	pop3_policy_wire_end(text);
	if (pop3_policy_client_try_send(
			pop3_policy_client_get(set.socket_path,
					       set.timeout_msecs),
			text, &error) < 0) {
		e_warning(user->event, "pop3-policy: The use of IMAP was not "
			  "recorded: %s", error);
	}
}

static void pop3_policy_other_user_created(struct mail_user *user)
{
	struct pop3_policy_delivery *delivery;
	bool imap = strcmp(user->service, "imap") == 0;

	if (imap)
		pop3_policy_imap_user_created(user);
	delivery = pop3_policy_delivery_create(user);
	if (delivery != NULL)
		pop3_policy_user_create(user)->delivery = delivery;
	else if (imap) {
		/* imap processes live long, their sockets need not */
		pop3_policy_clients_deinit();
	}
}

static void pop3_policy_mail_user_created(struct mail_user *user)
{
	if (user->autocreated)
		return;
	if (strcmp(user->service, "pop3") == 0)
		pop3_policy_pop3_user_created(user);
	else
		pop3_policy_other_user_created(user);
}

static struct mail_storage_hooks pop3_policy_mail_storage_hooks = {
	.mail_user_created = pop3_policy_mail_user_created,
	.mailbox_list_created = pop3_policy_delivery_list_created,
	.mail_namespaces_created = pop3_policy_delivery_namespaces_created,
	.mailbox_allocated = pop3_policy_mailbox_allocated,
	.mail_allocated = pop3_policy_mail_allocated,
};

void pop3_policy_plugin_init(struct module *module)
{
	mail_storage_hooks_add(module, &pop3_policy_mail_storage_hooks);
	pop3_policy_quota_rcpt_init(module);
	pop3_policy_deliver_init(module);
	pop3_policy_pop3_init();
}

void pop3_policy_plugin_deinit(void)
{
	pop3_policy_pop3_deinit();
	pop3_policy_deliver_deinit();
	pop3_policy_quota_version_deinit();
	pop3_policy_quota_rcpt_deinit();
	mail_storage_hooks_remove(&pop3_policy_mail_storage_hooks);
	pop3_policy_clients_deinit();
}
