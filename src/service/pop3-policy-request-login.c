/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* LOGIN: the effective policy of a user, and the state of the maildrops.

   Everything that this host knows of the user is made durable first, so that
   the answer includes every earlier outcome. The policy comes from the cache,
   or where that does not know it from the database; the state is asked for by
   its values, unless it was told before and is known to be the same. Where there is a login_delay, the login is accepted in the same
   round trip and transaction: no login is recorded that is answered by an
   error. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-client.h"
#include "pop3-policy-clock-check.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-imap-use.h"
#include "pop3-policy-limits.h"
#include "pop3-policy-login-offline.h"
#include "pop3-policy-login-reply.h"
#include "pop3-policy-policy-cache.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"
#include "pop3-policy-state-cache.h"
#include "pop3-policy-state-feed.h"
#include "pop3-policy-user-policy.h"

#include <stdlib.h>

struct pop3_policy_login {
	const char *user, *session, *dsession, *auth_user, *rip, *device, *tls;
	bool again, master, sweep;
	const char *now, *version;
	/* by what the cache knew the policy; NULL if the database was asked */
	const char *known;
	/* of the cache, when it was */
	unsigned int mark;
	/* seconds that login_delay asks for */
	int64_t wait;
	struct pop3_policy policy;
	struct pop3_policy_state_mark states_mark;
};

static void pop3_policy_login_ask_policy(struct pop3_policy_request *request);

/* --- the answer --- */

/* RETR and TOP count for download_daily. */
static bool pop3_policy_login_counts(const struct pop3_policy_login *login)
{
	const struct pop3_policy *policy = &login->policy;

	return pop3_policy_num(policy, POP3_POLICY_PARAM_DOWNLOAD_DAILY) >= 0 &&
		pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) !=
		POP3_POLICY_ENFORCEMENT_OFF && !login->master;
}

/* The session is known from now on, without maildrops. */
static struct pop3_policy_session *
pop3_policy_login_session(struct pop3_policy_request *request)
{
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_session *session;
	pool_t pool;

	session = pop3_policy_sessions_get(
		pop3_policy_client_sessions(request->client), login->session,
		login->user);
	pool = session->pool;
	if (session->started == NULL) {
		session->dsession = p_strdup(pool, login->dsession);
		session->auth_user = p_strdup(pool, login->auth_user);
		session->rip = p_strdup(pool, login->rip);
		session->device = p_strdup(pool, login->device);
		session->tls = login->tls;
		session->started = p_strdup(pool, login->now);
	}
	array_clear(&session->maildrops);
	return session;
}

/* What the session goes by. */
static struct pop3_policy_session *
pop3_policy_login_remember_policy(struct pop3_policy_request *request)
{
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_session *session =
		pop3_policy_login_session(request);
	pool_t pool = session->pool;

	session->view_since = p_strdup(pool, pop3_policy_value_canonical(
		POP3_POLICY_PARAM_VIEW_SINCE,
		&login->policy.values[POP3_POLICY_PARAM_VIEW_SINCE]));
	session->view_window = p_strdup(pool, pop3_policy_value_canonical(
		POP3_POLICY_PARAM_VIEW_WINDOW,
		&login->policy.values[POP3_POLICY_PARAM_VIEW_WINDOW]));
	session->download = pop3_policy_login_counts(login) ? "t" : "f";
	return session;
}

/* What this host knows. */
static void
pop3_policy_login_remember_known(struct pop3_policy_session *session,
				 const struct pop3_policy_state_user *user)
{
	struct pop3_policy_known_maildrop *drop;
	struct pop3_policy_state_maildrop *known;

	array_foreach_elem(&user->maildrops, known) {
		drop = array_append_space(&session->maildrops);
		drop->id = p_strdup(session->pool, known->id);
		drop->guid = p_strdup(session->pool, known->guid);
		drop->uidvalidity = p_strdup(session->pool,
					     dec2str(known->uidvalidity));
		drop->uidnext = p_strdup(session->pool,
					 dec2str(known->uidnext));
		if (known->messages >= 0) {
			drop->messages = p_strdup(session->pool,
				t_strdup_printf("%"PRId64, known->messages));
		}
	}
}

/* result is NULL if the login was not accepted. */
static void pop3_policy_login_remember(struct pop3_policy_request *request,
	const struct pop3_policy_db_result *result)
{
	struct pop3_policy_session *session =
		pop3_policy_login_remember_policy(request);
	struct pop3_policy_known_maildrop *drop;
	pool_t pool = session->pool;
	unsigned int i;

	if (result == NULL)
		return;
	for (i = 0; i < pop3_policy_db_result_rows(result); i++) {
		drop = array_append_space(&session->maildrops);
		drop->id = p_strdup(pool, pop3_policy_db_result_get(
			result, i, POP3_POLICY_STATE_MAILDROP_ID));
		drop->guid = p_strdup(pool, pop3_policy_uuid_digits(
			pop3_policy_db_result_get(result, i,
				POP3_POLICY_STATE_MAILBOX_GUID)));
		drop->uidvalidity = p_strdup(pool, pop3_policy_db_result_get(
			result, i, POP3_POLICY_STATE_UIDVALIDITY));
		drop->uidnext = p_strdup(pool, pop3_policy_db_result_get(
			result, i, POP3_POLICY_STATE_UIDNEXT));
		drop->messages = p_strdup(pool, pop3_policy_db_result_get(
			result, i, POP3_POLICY_STATE_MESSAGES));
	}
}

static bool pop3_policy_login_enforced(const struct pop3_policy_login *login)
{
	return pop3_policy_num(&login->policy,
				POP3_POLICY_PARAM_ENFORCEMENT) ==
		POP3_POLICY_ENFORCEMENT_ENFORCE;
}

/* Returns FALSE if the database has to be asked the next time, too. */
static bool
pop3_policy_login_may_tell_again(const struct pop3_policy_login *login,
				 const struct pop3_policy_login_reply *reply,
				 double *until_r)
{
	const char *until;

	/* of several maildrops the first is the one that was used last, which
	   nobody tells of */
	if (login->sweep || reply->no_time ||
	    pop3_policy_db_result_rows(reply->state) != 1)
		return FALSE;
	until = pop3_policy_db_result_get(reply->state, 0,
					  POP3_POLICY_STATE_FRESH_UNTIL);
	if (until == NULL)
		return FALSE;
	*until_r = strtod(until, NULL);
	return TRUE;
}

static void
pop3_policy_login_learn(struct pop3_policy_request *request,
			const struct pop3_policy_login_reply *reply,
			const char *items, unsigned int count)
{
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_state_answer answer = {
		.version = login->version,
		.items = items,
		.item_count = count,
	};

	pop3_policy_state_cache_learn(request->service->states,
		&login->states_mark, login->user, reply->state,
		pop3_policy_login_may_tell_again(login, reply,
						 &answer.until) ?
		&answer : NULL);
}

/* What does not depend on the state. */
static void pop3_policy_login_reply_init(struct pop3_policy_request *request,
					 struct pop3_policy_login_reply *reply_r)
{
	struct pop3_policy_login *login = request->context;
	string_t *fields = t_str_new(1024);

	i_zero(reply_r);
	reply_r->id = request->message->id;
	reply_r->now = login->now;
	reply_r->lease = request->service->set.intent_lease;
	pop3_policy_user_policy_write(fields, login->version, &login->policy);
	reply_r->policy = str_c(fields);
}

static void pop3_policy_login_state(struct pop3_policy_request *request,
				    const struct pop3_policy_db_result *result)
{
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_login_reply reply;
	const char *error;
	string_t *str, *items;
	unsigned int count;

	if (login->known != NULL && pop3_policy_db_result_rows(result) == 1 &&
	    pop3_policy_db_result_get(result, 0,
				      POP3_POLICY_STATE_MAILDROP_ID) == NULL) {
		pop3_policy_cache_look(request->service->policies);
		login->known = NULL;
		login->wait = 0;
		pop3_policy_login_ask_policy(request);
		return;
	}
	if (login->wait > 0)
		event_add_int(request->event, "wait", login->wait);
	if (login->wait > 0 && pop3_policy_login_enforced(login))
		result = NULL;
	pop3_policy_login_reply_init(request, &reply);
	reply.wait = login->wait;
	reply.state = result;
	pop3_policy_clock_check_database(request->service->clock, login->now);
	reply.no_time = !pop3_policy_clock_is_right(request->service->clock);
	reply.retrieved = pop3_policy_num(&login->policy,
			POP3_POLICY_PARAM_VIEW_LIMIT) >= 0 ||
		pop3_policy_num(&login->policy,
			POP3_POLICY_PARAM_MASS_DELETE_PERCENT) >= 0;
	str = t_str_new(2048);
	items = t_str_new(1024);
	if (pop3_policy_login_reply_items(items, &reply, &count, &error) < 0 ||
	    pop3_policy_login_reply_write(str, &reply, str_c(items), count,
					  &error) < 0) {
		error = t_strdup_printf("state of %s: %s", login->user, error);
		pop3_policy_pool_complain(request->service->pool, error);
		/* this is not the database being away */
		pop3_policy_request_on_fail(request, NULL);
		pop3_policy_request_fail_temp(request, error);
		return;
	}
	if (!login->sweep)
		pop3_policy_login_remember(request, result);
	if (result != NULL)
		pop3_policy_login_learn(request, &reply, str_c(items), count);
	pop3_policy_request_reply(request, str);
}

static const char *
pop3_policy_login_num(const struct pop3_policy_login *login,
		      enum pop3_policy_param param)
{
	return t_strdup_printf("%"PRId64,
			       pop3_policy_num(&login->policy, param));
}

static void
pop3_policy_login_accepted(struct pop3_policy_request *request,
			   const struct pop3_policy_db_result *result)
{
	struct pop3_policy_login *login = request->context;
	const char *wait = pop3_policy_db_result_get(result, 0, 0);

	/* it will be asked again, see pop3_policy_login_state() */
	if (wait == NULL && login->known != NULL)
		return;
	if (wait == NULL || str_to_int64(wait, &login->wait) < 0) {
		pop3_policy_request_fail_temp(request,
			"pop3.accept_login() returned nothing");
	}
}

/* Whether login_delay concerns the login, so that it has to be recorded. */
static bool pop3_policy_login_is_delayed(const struct pop3_policy_login *login)
{
	const struct pop3_policy *policy = &login->policy;

	/* the session is logged in; a master user is not the owner, nor is a
	   sweep */
	if (login->again || login->master || login->sweep)
		return FALSE;
	if (pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
	    POP3_POLICY_ENFORCEMENT_OFF)
		return FALSE;
	/* it is refused for another reason */
	if (pop3_policy_login_enforced(login) &&
	    pop3_policy_num(policy, POP3_POLICY_PARAM_POP3_ACCESS) ==
	    POP3_POLICY_OFF)
		return FALSE;
	return pop3_policy_num(policy, POP3_POLICY_PARAM_LOGIN_DELAY) > 0;
}

static void pop3_policy_login_ask_state(struct pop3_policy_request *request)
{
	struct pop3_policy_login *login = request->context;
	const struct pop3_policy *policy = &login->policy;
	const char *params[11], *accept_params[5];
	const struct pop3_policy_query queries[] = {
		{ POP3_POLICY_STMT_ACCEPT_LOGIN, accept_params,
		  pop3_policy_login_accepted },
		{ POP3_POLICY_STMT_MAILDROP_STATE, params,
		  pop3_policy_login_state },
	};
	unsigned int first;

	params[0] = login->user;
	params[1] = pop3_policy_login_num(login,
		POP3_POLICY_PARAM_EXPIRE_RETRIEVED);
	params[2] = pop3_policy_login_num(login,
		POP3_POLICY_PARAM_EXPIRE_HIDDEN);
	params[3] = pop3_policy_login_num(login,
		POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED);
	/* a limit that the user's own policy sets holds for IMAP users, too */
	params[4] = policy->from[POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED] ==
		POP3_POLICY_LEVEL_USER ? "t" : "f";
	params[5] = pop3_policy_login_num(login, POP3_POLICY_PARAM_VIEW_SINCE);
	params[6] = pop3_policy_login_num(login, POP3_POLICY_PARAM_VIEW_WINDOW);
	params[7] = pop3_policy_login_num(login,
		POP3_POLICY_PARAM_MASS_DELETE_HOLD);
	/* for when the database is away, if not for this login */
	params[8] = "t";
	params[9] = dec2str(POP3_POLICY_MAX_DUE);
	params[10] = login->known;

	accept_params[0] = login->user;
	accept_params[1] = login->session;
	accept_params[2] = pop3_policy_login_num(login,
		POP3_POLICY_PARAM_LOGIN_DELAY);
	accept_params[3] = pop3_policy_login_enforced(login) ? "t" : "f";
	accept_params[4] = login->known;
	first = pop3_policy_login_is_delayed(login) ? 0 : 1;
	pop3_policy_request_query(request, &queries[first],
				  N_ELEMENTS(queries) - first);
}

static void pop3_policy_login_rows(struct pop3_policy_request *request,
				   const struct pop3_policy_db_result *result)
{
	struct pop3_policy_login *login = request->context;
	const char *stopped, *error;

	if (pop3_policy_user_policy_merge(request->pool, result, &login->policy,
					  &login->version, &stopped,
					  &error) < 0) {
		pop3_policy_pool_complain(request->service->pool, error);
		pop3_policy_request_fail_temp(request, error);
		return;
	}
	pop3_policy_cache_set_stopped(request->service->policies, stopped);
	pop3_policy_cache_learn(request->service->policies, login->mark,
				login->user, result);
	pop3_policy_login_ask_state(request);
}

static void pop3_policy_login_now(struct pop3_policy_request *request,
				  const struct pop3_policy_db_result *result)
{
	struct pop3_policy_login *login = request->context;

	login->now = p_strdup(request->pool,
			      pop3_policy_db_result_get(result, 0, 0));
}

/* --- while the database cannot be asked --- */

/* What this host knows of the user. */
static bool pop3_policy_login_fallback(struct pop3_policy_request *request,
				       const char *error)
{
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_login_offline offline;
	string_t *str = t_str_new(1024);

	if (!pop3_policy_login_offline_find(request->service, login->user,
					    &offline) ||
	    !pop3_policy_login_offline_write(str, request->message->id,
					     &offline))
		return FALSE;
	event_add_str(request->event, "offline", error);
	login->now = p_strdup(request->pool, offline.now);
	pop3_policy_login_remember_known(pop3_policy_login_session(request),
					 offline.state);
	pop3_policy_request_reply(request, str);
	return TRUE;
}

/* --- the questions --- */

static void pop3_policy_login_ask_policy(struct pop3_policy_request *request)
{
	struct pop3_policy_login *login = request->context;
	const char *params[] = { login->user };
	const struct pop3_policy_query queries[] = {
		{ POP3_POLICY_STMT_NOW, NULL, pop3_policy_login_now },
		{ POP3_POLICY_STMT_POLICY_ROWS, params,
		  pop3_policy_login_rows },
	};

	login->mark = pop3_policy_cache_mark(request->service->policies);
	pop3_policy_request_query(request, queries, N_ELEMENTS(queries));
}

/* Answer as last time, if nothing can have changed. */
static bool pop3_policy_login_tell_again(struct pop3_policy_request *request)
{
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_service *service = request->service;
	const struct pop3_policy_state_answer *answer;
	const struct pop3_policy_state_user *user;
	struct pop3_policy_login_reply reply;
	struct pop3_policy_cache_clock clock;
	const char *stopped, *error;
	string_t *str;

	if (!service->set.login_cache || login->sweep || login->again ||
	    !pop3_policy_state_feed_is_fresh(service->feed) ||
	    !pop3_policy_clock_is_right(service->clock) ||
	    !pop3_policy_cache_clock(service->policies, &clock) ||
	    pop3_policy_cache_lookup(service->policies, request->pool,
				     login->user, &login->policy,
				     &login->version, &stopped) <= 0 ||
	    pop3_policy_login_is_delayed(login))
		return FALSE;
	answer = pop3_policy_state_cache_answer(service->states, login->user,
						login->version, clock.now,
						&user);
	if (answer == NULL)
		return FALSE;
	login->now = p_strdup_printf(request->pool, "%.6f", clock.now);
	pop3_policy_login_reply_init(request, &reply);
	str = t_str_new(2048);
	if (pop3_policy_login_reply_write(str, &reply, answer->items,
					  answer->item_count, &error) < 0)
		return FALSE;
	pop3_policy_login_remember_known(
		pop3_policy_login_remember_policy(request), user);
	pop3_policy_request_reply(request, str);
	return TRUE;
}

static void pop3_policy_login_ask(struct pop3_policy_request *request)
{
	static const char *const overloaded =
		"the database does not keep up with the logins";
	struct pop3_policy_login *login = request->context;
	struct pop3_policy_cache *policies = request->service->policies;
	struct pop3_policy_cache_clock clock;
	const char *stopped;

	/* what was recorded before is durable, and in the answer */
	pop3_policy_state_cache_mark(request->service->states, login->user,
				     &login->states_mark);
	if (pop3_policy_pool_is_overloaded(request->service->pool)) {
		pop3_policy_pool_complain(request->service->pool, overloaded);
		pop3_policy_request_fail_temp(request, overloaded);
		return;
	}
	if (pop3_policy_cache_lookup(policies, request->pool, login->user,
				     &login->policy, &login->version,
				     &stopped) > 0 &&
	    pop3_policy_cache_clock(policies, &clock)) {
		login->known = p_strdup(request->pool,
					pop3_policy_cache_known(policies));
		login->now = p_strdup_printf(request->pool, "%.6f", clock.now);
		pop3_policy_login_ask_state(request);
	} else {
		pop3_policy_login_ask_policy(request);
	}
}

static void pop3_policy_login_written(void *context)
{
	struct pop3_policy_request *request = context;

	request->writer_waiter = NULL;
	pop3_policy_login_ask(request);
}

static void pop3_policy_login_ready(struct pop3_policy_request *request)
{
	struct pop3_policy_login *login = request->context;

	pop3_policy_imap_use_flush_user(request->service->imap_use,
					login->user);
	/* what is recorded for the user, and not written yet, prevents it */
	if (pop3_policy_login_tell_again(request))
		return;
	request->writer_waiter = pop3_policy_writer_wait_user(
		request->service->writer, login->user,
		pop3_policy_login_written, request);
	if (request->writer_waiter == NULL)
		pop3_policy_login_ask(request);
}

void pop3_policy_request_login(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_login *login;
	pool_t pool = request->pool;

	login = p_new(pool, struct pop3_policy_login, 1);
	login->user = p_strdup(pool, pop3_policy_fields_user(&fields));
	login->session = p_strdup(pool, pop3_policy_fields_guid(
		&fields, "session", POP3_POLICY_REQUIRED));
	login->dsession = p_strdup(pool, pop3_policy_fields_text(
		&fields, "dsession", POP3_POLICY_MAX_NAME));
	login->auth_user = p_strdup(pool, pop3_policy_fields_text(
		&fields, "auth_user", POP3_POLICY_MAX_NAME));
	login->rip = p_strdup(pool, pop3_policy_fields_text(
		&fields, "rip", POP3_POLICY_MAX_NAME));
	login->device = p_strdup(pool, pop3_policy_fields_text(
		&fields, "device", POP3_POLICY_MAX_NAME));
	login->tls = pop3_policy_fields_flag(&fields, "tls");
	login->again = pop3_policy_wire_get_flag(fields.line, "again");
	login->master = pop3_policy_wire_get_flag(fields.line, "master");
	login->sweep = pop3_policy_wire_get_flag(fields.line, "sweep");
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	request->context = login;
	/* a sweep only removes, so it waits for the database */
	if (!login->sweep) {
		if (pop3_policy_pool_is_away(request->service->pool) &&
		    pop3_policy_login_fallback(request,
					"the database cannot be reached"))
			return;
		pop3_policy_request_on_fail(request,
					    pop3_policy_login_fallback);
	}
	pop3_policy_request_when_ready(request, pop3_policy_login_ready);
}
