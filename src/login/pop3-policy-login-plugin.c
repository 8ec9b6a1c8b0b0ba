/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* CAPA before the login (RFC 2449): what may be true for some user of the
   site, marked by USER as differing between them. Nobody knows the user yet,
   and a login process has no business with the policy service, so the values
   are the configuration's. What is true for the user, CAPA tells behind the
   login. */

#include "login-common.h"
#include "module-context.h"
#include "str.h"
#include "client-common.h"
#include "pop3-capability.h"
#include "pop3-policy-login-plugin.h"
#include "pop3-policy-login-settings.h"

#define POP3_POLICY_LOGIN_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_login_module)

/* Dovecot's reply to CAPA begins and ends with these. No other reply of a
   login process begins so. */
#define CAPA_BEGIN "+OK\r\n" POP3_CAPABILITY_REPLY
#define CAPA_END "\r\n.\r\n"

struct pop3_policy_login_client {
	union login_client_module_context module_ctx;
};

const char *pop3_policy_login_plugin_version = DOVECOT_ABI_VERSION;

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_login_module,
				  &login_module_register);

/* The lines to add, each with its CRLF. */
static char *capa_lines;

static bool is_capa_reply(const char *data, size_t size)
{
	const size_t begin_len = sizeof(CAPA_BEGIN) - 1;
	const size_t end_len = sizeof(CAPA_END) - 1;

	return size >= begin_len + end_len &&
		memcmp(data, CAPA_BEGIN, begin_len) == 0 &&
		memcmp(data + size - end_len, CAPA_END, end_len) == 0;
}

static void
pop3_policy_login_send_raw_data(struct client *client,
				const void *data, size_t size)
{
	struct pop3_policy_login_client *lclient =
		POP3_POLICY_LOGIN_CONTEXT_REQUIRE(client);
	const size_t last_len = strlen(".\r\n");

	if (!is_capa_reply(data, size)) {
		lclient->module_ctx.super.send_raw_data(client, data, size);
		return;
	}
	T_BEGIN {
		string_t *reply = t_str_new(size + strlen(capa_lines));

		str_append_data(reply, data, size - last_len);
		str_append(reply, capa_lines);
		str_append(reply, ".\r\n");
		lclient->module_ctx.super.send_raw_data(
			client, str_data(reply), str_len(reply));
	} T_END;
}

static void pop3_policy_login_client_allocated(struct client *client)
{
	struct client_vfuncs *v = client->vlast;
	struct pop3_policy_login_client *lclient;

	lclient = p_new(client->pool, struct pop3_policy_login_client, 1);
	lclient->module_ctx.super = *v;
	client->vlast = &lclient->module_ctx.super;
	v->send_raw_data = pop3_policy_login_send_raw_data;
	MODULE_CONTEXT_SET(client, pop3_policy_login_module, lclient);
}

static struct login_client_hooks pop3_policy_login_hooks = {
	.client_allocated = pop3_policy_login_client_allocated,
};

void pop3_policy_login_plugin_init(struct module *module)
{
	struct pop3_policy_login_settings set;
	string_t *lines = t_str_new(64);

	if (strcmp(login_binary->protocol, "pop3") != 0)
		return;
	pop3_policy_login_settings_get(&set);
	if (set.expire != NULL)
		str_printfa(lines, "EXPIRE %s USER\r\n", set.expire);
	if (set.login_delay != NULL)
		str_printfa(lines, "LOGIN-DELAY %s USER\r\n", set.login_delay);
	if (str_len(lines) == 0)
		return;
	capa_lines = i_strdup(str_c(lines));
	login_client_hooks_add(module, &pop3_policy_login_hooks);
}

void pop3_policy_login_plugin_deinit(void)
{
	if (capa_lines == NULL)
		return;
	login_client_hooks_remove(&pop3_policy_login_hooks);
	i_free(capa_lines);
}
