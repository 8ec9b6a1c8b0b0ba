/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The POP3 process: a login is accepted or refused when its client is
   created, and every session's end passes here. */

#include "lib.h"
#include "ioloop.h"
#include "ostream.h"
#include "module-context.h"
#include "mail-user.h"
#include "pop3-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-output.h"
#include "pop3-policy-plugin.h"
#include "pop3-policy-session.h"
#include "pop3-policy-update.h"

/* These exist in pop3 only. Other processes load the plugin as well. */
#pragma weak pop3_client_created_hook_set
#pragma weak pop3_module_register
#pragma weak client_send_line
#pragma weak client_destroy

#define POP3_POLICY_CLIENT_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_client_module)

#define TEXT_UNAVAILABLE \
	"[SYS/TEMP] The mail service cannot check your mailbox's policy " \
	"at the moment. Please wait a few minutes and try again."
#define TEXT_ACCESS_OFF \
	"[AUTH] Access by POP3 is switched off for this account. " \
	"Please ask your mail administrator."

struct pop3_policy_pop3_client {
	union pop3_module_context module_ctx;
	struct pop3_policy_session *session;
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_client_module,
				  &pop3_module_register);

static pop3_client_created_func_t *next_client_created_hook;

static const char *
session_end_name(const struct pop3_policy_session *session,
		 const char *reason)
{
	switch (session->state) {
	case POP3_POLICY_SESSION_REFUSED:
		return "refused";
	case POP3_POLICY_SESSION_ACCEPTED:
	case POP3_POLICY_SESSION_PREPARING:
		/* the mailbox could not be opened */
		return "error";
	case POP3_POLICY_SESSION_UPDATE_FAILED:
	case POP3_POLICY_SESSION_COMMITTED:
		return "update-failed";
	default:
		break;
	}
	if (session->client->quit_seen)
		return "update-failed";
	if (reason == NULL)
		return "drop";
	if (str_begins_with(reason, "Inactivity") ||
	    str_begins_with(reason, "Client has not read"))
		return "timeout";
	if (str_begins_with(reason, "Server shutting down") ||
	    str_begins_with(reason, "User kicked"))
		return "kick";
	return "error";
}

static void pop3_policy_client_destroy(struct client *client,
				       const char *reason)
{
	struct pop3_policy_pop3_client *pclient =
		POP3_POLICY_CLIENT_CONTEXT_REQUIRE(client);
	struct pop3_policy_session *session = pclient->session;

	if (session->state == POP3_POLICY_SESSION_REFUSED) {
		if (client->io == NULL) {
			/* client_add_input() noticed the closed output, but
			   its caller goes on to use the client. We come back
			   by the timeout. */
			pop3_policy_compat_destroy_ignored(client);
			return;
		}
		if (reason == NULL)
			reason = "Login refused by policy";
	}
	timeout_remove(&session->to_refuse);
	if (session->state == POP3_POLICY_SESSION_COMMITTED) {
		/* committed, but the sync behind it failed */
		pop3_policy_update_commit_failed(session);
	}
	pop3_policy_session_end(session, session_end_name(session, reason));
	/* nothing of ours may look at the client while it goes */
	session->client = NULL;
	session->box = NULL;
	pclient->module_ctx.super.destroy(client, reason);
}

static void refused_client_destroy(struct pop3_policy_session *session)
{
	client_destroy(session->client, NULL);
}

/* Answer -ERR in place of the +OK. The client itself is destroyed later,
   since its creator goes on to use it. */
static void session_refuse(struct pop3_policy_session *session,
			   const char *text)
{
	struct client *client = session->client;

	session->state = POP3_POLICY_SESSION_REFUSED;
	client_send_line(client, "-ERR %s", text);
	(void)o_stream_flush(client->output);
	o_stream_close(client->output);
	session->to_refuse =
		timeout_add_short(0, refused_client_destroy, session);
}

/* A rule does not let the user in. Returns TRUE if it is to act, FALSE if it
   only would; the audit is told. */
static bool login_rule_acts(struct pop3_policy_session *session,
			    const char *reason, const char *log)
{
	switch (pop3_policy_num(session->policy,
				POP3_POLICY_PARAM_ENFORCEMENT)) {
	case POP3_POLICY_ENFORCEMENT_OFF:
		return FALSE;
	case POP3_POLICY_ENFORCEMENT_OBSERVE:
		pop3_policy_session_event(session, "would-refuse", reason,
					  NULL, 0, NULL);
		return FALSE;
	case POP3_POLICY_ENFORCEMENT_ENFORCE:
		pop3_policy_session_event(session, "refused", reason,
					  NULL, 0, NULL);
		e_info(session->event, "Login refused: %s", log);
		return TRUE;
	}
	i_unreached();
}

static const char *login_delay_text(struct pop3_policy_session *session)
{
	unsigned int wait = session->login->wait;

	return t_strdup_printf("[LOGIN-DELAY] Please wait %u second%s before "
		"you log in again: this account may log in once in %s.",
		wait, wait == 1 ? "" : "s",
		pop3_policy_value_human(POP3_POLICY_PARAM_LOGIN_DELAY,
			&session->policy->values[POP3_POLICY_PARAM_LOGIN_DELAY]));
}

/* Returns NULL if the login is accepted, else the text of the refusal. */
static const char *session_accept(struct pop3_policy_session *session)
{
	const char *error;

	if (pop3_policy_session_login(session, &error) < 0) {
		e_error(session->event, "Login refused, "
			"policy is not known: %s", error);
		return TEXT_UNAVAILABLE;
	}
	session->state = POP3_POLICY_SESSION_ACCEPTED;

	if (pop3_policy_num(session->policy, POP3_POLICY_PARAM_POP3_ACCESS) ==
	    POP3_POLICY_OFF && login_rule_acts(session, "pop3-access",
					       "pop3_access is off"))
		return TEXT_ACCESS_OFF;
	/* who looks after the mailbox does not wait for its owner */
	if (session->login->wait > 0 &&
	    !pop3_policy_session_is_master(session) &&
	    login_rule_acts(session, "login-delay",
			    t_strdup_printf("login_delay has %u seconds to go",
					    session->login->wait)))
		return login_delay_text(session);
	return NULL;
}

static void pop3_policy_client_created(struct client **_client)
{
	struct client *client = *_client;
	struct pop3_policy_session *session =
		pop3_policy_session_get(client->user);
	struct pop3_policy_pop3_client *pclient;
	const char *text;

	if (session != NULL) {
		pclient = p_new(client->pool,
				struct pop3_policy_pop3_client, 1);
		pclient->session = session;
		pclient->module_ctx.super = client->v;
		client->v.destroy = pop3_policy_client_destroy;
		MODULE_CONTEXT_SET(client, pop3_policy_client_module, pclient);
		session->client = client;

		text = session_accept(session);
		if (text != NULL)
			session_refuse(session, text);
		else
			pop3_policy_output_wrap(session);
	}
	if (next_client_created_hook != NULL)
		next_client_created_hook(_client);
}

void pop3_policy_pop3_init(void)
{
	if (pop3_client_created_hook_set != NULL) {
		next_client_created_hook = pop3_client_created_hook_set(
			pop3_policy_client_created);
	}
}

void pop3_policy_pop3_deinit(void)
{
	if (pop3_client_created_hook_set != NULL)
		(void)pop3_client_created_hook_set(next_client_created_hook);
}
