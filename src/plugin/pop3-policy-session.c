/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "pop3-policy-clock.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-client.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-plugin.h"
#include "pop3-policy-sender.h"
#include "pop3-policy-session.h"

static void login_text_build(struct pop3_policy_session *session)
{
	string_t *text = session->login_text;

	session->login_id = pop3_policy_client_next_id(session->service);
	str_truncate(text, 0);
	pop3_policy_session_wire(session, text, "LOGIN", session->login_id);
	pop3_policy_session_wire_origin(session, text);
	pop3_policy_wire_flag(text, "tls",
			      pop3_policy_compat_is_tls(session->user));
	pop3_policy_wire_flag(text, "master",
			      pop3_policy_session_is_master(session));
	pop3_policy_wire_flag(text, "again", session->login != NULL);
	pop3_policy_wire_flag(text, "sweep", session->sweep);
	pop3_policy_wire_end(text);
}

static struct pop3_policy_session *
session_create(struct mail_user *user, bool sweep, const char **error_r)
{
	struct pop3_policy_session *session;
	struct pop3_policy_settings set;
	const char *error;

	if (pop3_policy_settings_get(user, &set, error_r) < 0)
		return NULL;

	session = p_new(user->pool, struct pop3_policy_session, 1);
	session->pool = user->pool;
	session->user = user;
	session->sweep = sweep;
	session->set = set;
	session->event = event_create(user->event);
	event_add_category(session->event, &event_category_pop3_policy);
	event_set_append_log_prefix(session->event, "pop3-policy: ");
	session->service = pop3_policy_client_get(set.socket_path,
						  set.timeout_msecs);
	guid_128_generate(session->id);
	session->ended_by = "drop";
	i_array_init(&session->fetched, 16);
	i_array_init(&session->fetched_uids, 16);
	i_array_init(&session->refused, 4);
	i_array_init(&session->download.refused, 4);
	i_array_init(&session->dele, 16);
	i_array_init(&session->removed, 16);
	i_array_init(&session->removing, 16);
	i_array_init(&session->retrieved, 16);
	i_array_init(&session->would, 16);
	i_array_init(&session->gone, 4);
	i_array_init(&session->committed_intents, 4);
	i_array_init(&session->seen, 16);

	session->login_text = str_new(default_pool, 256);
	login_text_build(session);
	/* A service that does not answer is noticed when its answer is
	   needed, by pop3_policy_session_login(), which sends again. */
	if (pop3_policy_client_try_send(session->service, session->login_text,
					&error) < 0)
		e_debug(session->event, "LOGIN not sent yet: %s", error);
	return session;
}

struct pop3_policy_session *
pop3_policy_session_create(struct mail_user *user, const char **error_r)
{
	return session_create(user, FALSE, error_r);
}

struct pop3_policy_session *
pop3_policy_session_create_sweep(struct mail_user *user, const char **error_r)
{
	return session_create(user, TRUE, error_r);
}

void pop3_policy_session_free(struct pop3_policy_session **_session)
{
	struct pop3_policy_session *session = *_session;

	*_session = NULL;
	timeout_remove(&session->to_refuse);
	pop3_policy_login_free(&session->login);
	array_free(&session->fetched);
	array_free(&session->fetched_uids);
	array_free(&session->refused);
	array_free(&session->download.refused);
	array_free(&session->dele);
	array_free(&session->removed);
	array_free(&session->removing);
	array_free(&session->retrieved);
	array_free(&session->would);
	array_free(&session->gone);
	array_free(&session->committed_intents);
	array_free(&session->seen);
	str_free(&session->login_text);
	event_unref(&session->event);
}

static int
session_login_wait(struct pop3_policy_session *session, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	struct pop3_policy_login *login = NULL;
	int ret;

	ret = pop3_policy_client_wait(session->service, session->login_id,
				      session->login_text, &reply, error_r);
	if (ret < 0)
		return -1;
	if (ret == 0) {
		*error_r = t_strdup(pop3_policy_wire_get_str(&reply->head,
							     "text"));
		if (*error_r == NULL)
			*error_r = "the service refused without a reason";
		ret = -1;
	} else if (pop3_policy_login_parse(reply, &login, error_r) < 0) {
		*error_r = t_strdup_printf("LOGIN: bad answer: %s", *error_r);
		ret = -1;
	} else {
		ret = 0;
	}
	pop3_policy_wire_message_free(&reply);
	if (ret < 0)
		return -1;

	if (session->login == NULL) {
		session->login = login;
		session->login_nsecs = pop3_policy_clock_nsecs();
		session->policy = &login->policy;
	} else {
		pop3_policy_login_refresh(session->login, login);
		pop3_policy_login_free(&login);
	}
	return 0;
}

int pop3_policy_session_login(struct pop3_policy_session *session,
			      const char **error_r)
{
	return session_login_wait(session, error_r);
}

int pop3_policy_session_login_again(struct pop3_policy_session *session,
				    const char **error_r)
{
	login_text_build(session);
	if (pop3_policy_client_send(session->service, session->login_text,
				    error_r) < 0)
		return -1;
	return session_login_wait(session, error_r);
}

bool pop3_policy_session_is_master(const struct pop3_policy_session *session)
{
	return pop3_policy_compat_is_master(session->user);
}

void pop3_policy_session_sender(struct pop3_policy_session *session,
				struct pop3_policy_sender *sender_r)
{
	i_zero(sender_r);
	sender_r->user = session->user;
	sender_r->event = session->event;
	sender_r->service = session->service;
	guid_128_copy(sender_r->id, session->id);
	guid_128_copy(sender_r->box_guid, session->box_guid);
	sender_r->uidvalidity = session->uidvalidity;
}

void pop3_policy_session_wire(struct pop3_policy_session *session,
			      string_t *dest, const char *verb,
			      unsigned int id)
{
	struct pop3_policy_sender sender;

	pop3_policy_session_sender(session, &sender);
	pop3_policy_sender_wire(&sender, dest, verb, id);
}

void pop3_policy_session_wire_origin(struct pop3_policy_session *session,
				     string_t *dest)
{
	struct pop3_policy_sender sender;

	pop3_policy_session_sender(session, &sender);
	pop3_policy_sender_wire_origin(&sender, dest);
}

void pop3_policy_session_wire_mailbox(struct pop3_policy_session *session,
				      string_t *dest)
{
	struct pop3_policy_sender sender;

	pop3_policy_session_sender(session, &sender);
	pop3_policy_sender_wire_mailbox(&sender, dest);
}

void pop3_policy_session_send(struct pop3_policy_session *session,
			      const string_t *text)
{
	struct pop3_policy_sender sender;

	pop3_policy_session_sender(session, &sender);
	pop3_policy_sender_send(&sender, text);
}

void pop3_policy_session_event(struct pop3_policy_session *session,
			       const char *event, const char *reason,
			       const ARRAY_TYPE(seq_range) *uids,
			       uint32_t uidnext, const char *text)
{
	struct pop3_policy_sender sender;

	pop3_policy_session_sender(session, &sender);
	pop3_policy_sender_event(&sender, event, reason, uids, uidnext, text);
}
