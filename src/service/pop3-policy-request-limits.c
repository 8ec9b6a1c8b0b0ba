/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* LIMITS and USAGE: the policy for a delivery or an IMAP session, and what is
   on the server after it.

   A delivery waits for LIMITS, so it is answered in one round trip, and where
   that fails from what was known last, as soon as that is clear. */

#include "lib.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-limits.h"
#include "pop3-policy-policy-cache.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-usage.h"
#include "pop3-policy-user-policy.h"

struct pop3_policy_limits_request {
	const char *user, *now;
	/* as pop3_policy_user_policy_write() wrote it */
	const char *policy;
	/* by what the cache knew the policy; NULL if the database was asked */
	const char *known;
	/* of the cache, when it was */
	unsigned int mark;
};

static void pop3_policy_limits_ask_policy(struct pop3_policy_request *request);

static void pop3_policy_limits_reply(struct pop3_policy_request *request,
				     const struct pop3_policy_known_limits *known,
				     bool cached)
{
	string_t *reply = pop3_policy_request_reply_begin(request);

	pop3_policy_wire_str(reply, "now", known->now);
	str_append(reply, known->policy);
	if (known->told > 0)
		pop3_policy_wire_num(reply, "told", known->told);
	pop3_policy_wire_flag(reply, "cached", cached);
	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

/* The database cannot be asked, for a reason that was logged. */
static bool pop3_policy_limits_fallback(struct pop3_policy_request *request,
					const char *error)
{
	const struct pop3_policy_limits_request *ctx = request->context;
	struct pop3_policy_known_limits known;

	if (!pop3_policy_limits_find(request->service->limits, ctx->user,
				     &known))
		return FALSE;
	event_add_str(request->event, "cached", error);
	pop3_policy_limits_reply(request, &known, TRUE);
	return TRUE;
}

static void pop3_policy_limits_now(struct pop3_policy_request *request,
				   const struct pop3_policy_db_result *result)
{
	struct pop3_policy_limits_request *ctx = request->context;

	ctx->now = p_strdup(request->pool,
			    pop3_policy_db_result_get(result, 0, 0));
	if (ctx->now == NULL) {
		pop3_policy_request_fail_temp(request,
			"pop3.now() returned nothing");
	}
}

static void pop3_policy_limits_rows(struct pop3_policy_request *request,
				    const struct pop3_policy_db_result *result)
{
	struct pop3_policy_limits_request *ctx = request->context;
	struct pop3_policy policy;
	const char *version, *stopped, *error;
	string_t *str = t_str_new(1024);

	if (pop3_policy_user_policy_merge(request->pool, result, &policy,
					  &version, &stopped, &error) < 0) {
		pop3_policy_pool_complain(request->service->pool, error);
		pop3_policy_request_fail_temp(request, error);
		return;
	}
	pop3_policy_cache_set_stopped(request->service->policies, stopped);
	pop3_policy_cache_learn(request->service->policies, ctx->mark,
				ctx->user, result);
	pop3_policy_user_policy_write(str, version, &policy);
	ctx->policy = p_strdup(request->pool, str_c(str));
}

static void pop3_policy_limits_level(struct pop3_policy_request *request,
				     const struct pop3_policy_db_result *result)
{
	struct pop3_policy_limits_request *ctx = request->context;
	struct pop3_policy_service *service = request->service;
	const char *level = pop3_policy_db_result_get(result, 0, 0);
	struct pop3_policy_known_limits known;

	i_zero(&known);
	known.now = ctx->now;
	known.policy = ctx->policy;
	if (level == NULL && ctx->known != NULL) {
		pop3_policy_cache_look(service->policies);
		ctx->known = NULL;
		pop3_policy_limits_ask_policy(request);
		return;
	}
	if (level == NULL || str_to_uint(level, &known.told) < 0) {
		pop3_policy_request_fail_temp(request,
			"pop3.told_level() returned nothing");
		return;
	}
	/* what was said since, but is not written yet */
	known.told = I_MIN(known.told, pop3_policy_usage_lowest_level(
		service->usage, ctx->user));
	pop3_policy_limits_told(service->limits, ctx->user, known.told);
	pop3_policy_limits_reply(request, &known, FALSE);
}

static void pop3_policy_limits_ask_policy(struct pop3_policy_request *request)
{
	struct pop3_policy_limits_request *ctx = request->context;
	const char *params[] = { ctx->user, NULL };
	const struct pop3_policy_query queries[] = {
		{ POP3_POLICY_STMT_NOW, NULL, pop3_policy_limits_now },
		{ POP3_POLICY_STMT_POLICY_ROWS, params,
		  pop3_policy_limits_rows },
		{ POP3_POLICY_STMT_TOLD_LEVEL, params,
		  pop3_policy_limits_level },
	};

	ctx->mark = pop3_policy_cache_mark(request->service->policies);
	pop3_policy_request_query(request, queries, N_ELEMENTS(queries));
}

/* Returns FALSE if the cache does not know the policy. */
static bool pop3_policy_limits_ask_level(struct pop3_policy_request *request)
{
	struct pop3_policy_limits_request *ctx = request->context;
	struct pop3_policy_cache *policies = request->service->policies;
	struct pop3_policy_cache_clock clock;
	struct pop3_policy policy;
	const char *params[2], *version, *stopped;
	const struct pop3_policy_query query = {
		POP3_POLICY_STMT_TOLD_LEVEL, params, pop3_policy_limits_level
	};
	string_t *str = t_str_new(1024);

	if (pop3_policy_cache_lookup(policies, request->pool, ctx->user,
				     &policy, &version, &stopped) <= 0 ||
	    !pop3_policy_cache_clock(policies, &clock))
		return FALSE;
	pop3_policy_user_policy_write(str, version, &policy);
	ctx->policy = p_strdup(request->pool, str_c(str));
	ctx->now = p_strdup_printf(request->pool, "%.6f", clock.now);
	ctx->known = p_strdup(request->pool, pop3_policy_cache_known(policies));
	params[0] = ctx->user;
	params[1] = ctx->known;
	pop3_policy_request_query(request, &query, 1);
	return TRUE;
}

static void pop3_policy_limits_ready(struct pop3_policy_request *request)
{
	static const char *const overloaded =
		"the database does not keep up with the requests";

	if (pop3_policy_pool_is_overloaded(request->service->pool)) {
		pop3_policy_pool_complain(request->service->pool, overloaded);
		pop3_policy_request_fail_temp(request, overloaded);
	} else if (!pop3_policy_limits_ask_level(request)) {
		pop3_policy_limits_ask_policy(request);
	}
}

void pop3_policy_request_limits(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_limits_request *ctx;

	ctx = p_new(request->pool, struct pop3_policy_limits_request, 1);
	ctx->user = p_strdup(request->pool, pop3_policy_fields_user(&fields));
	(void)pop3_policy_fields_guid(&fields, "session",
				      POP3_POLICY_REQUIRED);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	request->context = ctx;
	/* not after a while, in which the connection may come back: while the
	   database is away, no delivery is to wait for it */
	if (!pop3_policy_pool_is_ready(request->service->pool) &&
	    pop3_policy_limits_fallback(request,
					"the database cannot be reached"))
		return;
	pop3_policy_request_on_fail(request, pop3_policy_limits_fallback);
	pop3_policy_request_when_ready(request, pop3_policy_limits_ready);
}

void pop3_policy_request_usage(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_service *service = request->service;
	struct pop3_policy_usage_data data;
	const char *user;

	i_zero(&data);
	user = pop3_policy_fields_user(&fields);
	data.bytes = pop3_policy_fields_int64(&fields, "bytes", 0, 1LL << 62,
					      POP3_POLICY_REQUIRED);
	data.messages = pop3_policy_fields_int64(&fields, "messages", 0,
		1LL << 62, POP3_POLICY_REQUIRED);
	data.storage_limit = data.message_limit = -1;
	if (pop3_policy_wire_get_str(fields.line, "storage_limit") != NULL) {
		data.storage_limit = pop3_policy_fields_int64(&fields,
			"storage_limit", 0, 1LL << 62, POP3_POLICY_REQUIRED);
	}
	if (pop3_policy_wire_get_str(fields.line, "message_limit") != NULL) {
		data.message_limit = pop3_policy_fields_int64(&fields,
			"message_limit", 0, 1LL << 62, POP3_POLICY_REQUIRED);
	}
	data.level = (unsigned int)pop3_policy_fields_int64(&fields, "level",
		0, 100, POP3_POLICY_OPTIONAL);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	pop3_policy_usage_set(service->usage, user, &data);
	pop3_policy_limits_lower_told(service->limits, user, data.level);
	pop3_policy_request_ok(request);
}
