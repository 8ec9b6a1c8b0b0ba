/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* NOTICES and NOTICE: what the owner should be told, and the right to tell it.
   What this host knows of the user is made durable first: usage that fell below
   a threshold makes the next crossing a new one, and what was retrieved or used
   by IMAP expires otherwise. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-imap-use.h"
#include "pop3-policy-limits.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-usage.h"

struct pop3_policy_notice {
	const char *user;
	/* NOTICES: the parameters of pop3.notices() */
	const char *params[4];
	const char *now, *version;
	/* NOTICE */
	const char *kind, *level, *policy_version, *message_id;
	unsigned int level_num;
	/* not queued yet; NULL once it is */
	struct pop3_policy_record *record;
	/* after everything is written */
	pop3_policy_request_callback_t *next;
};

/* --- what both wait for --- */

static void pop3_policy_notice_written(void *context)
{
	struct pop3_policy_request *request = context;
	struct pop3_policy_notice *notice = request->context;

	request->writer_waiter = NULL;
	notice->next(request);
}

static void pop3_policy_notice_ready(struct pop3_policy_request *request)
{
	struct pop3_policy_notice *notice = request->context;
	struct pop3_policy_service *service = request->service;

	/* NOTICES, which comes with every delivery, has no use for usage, which
	   every delivery tells */
	if (notice->kind != NULL)
		pop3_policy_usage_flush_user(service->usage, notice->user);
	pop3_policy_imap_use_flush_user(service->imap_use, notice->user);
	request->writer_waiter = pop3_policy_writer_wait_user(service->writer,
		notice->user, pop3_policy_notice_written, request);
	if (request->writer_waiter == NULL)
		notice->next(request);
}

/* --- NOTICES --- */

/* Columns of pop3.notices(). */
enum pop3_policy_notices_column {
	POP3_POLICY_NOTICES_KIND = 0,
	POP3_POLICY_NOTICES_NAME,
	POP3_POLICY_NOTICES_OLD,
	POP3_POLICY_NOTICES_NEW,
	POP3_POLICY_NOTICES_UIDS,
	POP3_POLICY_NOTICES_BEFORE_UID,
	POP3_POLICY_NOTICES_EXEMPT,
	POP3_POLICY_NOTICES_AT,
	POP3_POLICY_NOTICES_UNTIL
};

static const struct {
	const char *key;
	enum pop3_policy_notices_column column;
	bool uids;
} notices_columns[] = {
	{ "name", POP3_POLICY_NOTICES_NAME, FALSE },
	{ "old", POP3_POLICY_NOTICES_OLD, FALSE },
	{ "new", POP3_POLICY_NOTICES_NEW, FALSE },
	{ "uids", POP3_POLICY_NOTICES_UIDS, TRUE },
	{ "before", POP3_POLICY_NOTICES_BEFORE_UID, FALSE },
	{ "exempt", POP3_POLICY_NOTICES_EXEMPT, TRUE },
	{ "at", POP3_POLICY_NOTICES_AT, FALSE },
	{ "until", POP3_POLICY_NOTICES_UNTIL, FALSE },
};

static int
pop3_policy_notices_item(string_t *reply,
			 const struct pop3_policy_db_result *result,
			 unsigned int row, const char **error_r)
{
	size_t start = str_len(reply);
	ARRAY_TYPE(seq_range) uids;
	const char *value;
	string_t *set;
	unsigned int i;

	value = pop3_policy_db_result_get(result, row,
					  POP3_POLICY_NOTICES_KIND);
	if (value == NULL) {
		*error_r = "pop3.notices() returned no kind";
		return -1;
	}
	t_array_init(&uids, 32);
	pop3_policy_wire_item(reply, value);
	for (i = 0; i < N_ELEMENTS(notices_columns); i++) {
		value = pop3_policy_db_result_get(result, row,
						  notices_columns[i].column);
		if (value != NULL && notices_columns[i].uids) {
			if (pop3_policy_multirange_parse(value, &uids,
							 error_r) < 0)
				return -1;
			set = t_str_new(128);
			pop3_policy_uidset_append(set, &uids);
			value = str_c(set);
		}
		pop3_policy_wire_str(reply, notices_columns[i].key, value);
	}
	pop3_policy_wire_end(reply);
	if (str_len(reply) - start > POP3_POLICY_MAX_LINE) {
		*error_r = "the sets of UIDs are too long for the protocol";
		return -1;
	}
	return 0;
}

static void
pop3_policy_notices_answered(struct pop3_policy_request *request,
			     const struct pop3_policy_db_result *result)
{
	const struct pop3_policy_notice *notice = request->context;
	unsigned int i, rows = pop3_policy_db_result_rows(result);
	string_t *reply = pop3_policy_request_reply_begin(request);
	const char *error;

	pop3_policy_wire_str(reply, "now", notice->now);
	pop3_policy_wire_str(reply, "version", notice->version);
	if (rows > 0)
		pop3_policy_wire_num(reply, "items", rows);
	pop3_policy_wire_end(reply);
	for (i = 0; i < rows; i++) {
		if (pop3_policy_notices_item(reply, result, i, &error) < 0) {
			error = t_strdup_printf("notices for %s: %s",
						notice->user, error);
			pop3_policy_pool_complain(request->service->pool,
						  error);
			pop3_policy_request_fail_temp(request, error);
			return;
		}
	}
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_notices_now(struct pop3_policy_request *request,
				    const struct pop3_policy_db_result *result)
{
	struct pop3_policy_notice *notice = request->context;

	notice->now = p_strdup(request->pool,
			       pop3_policy_db_result_get(result, 0, 0));
}

static void
pop3_policy_notices_version(struct pop3_policy_request *request,
			    const struct pop3_policy_db_result *result)
{
	struct pop3_policy_notice *notice = request->context;

	notice->version = p_strdup(request->pool,
				   pop3_policy_db_result_get(result, 0, 0));
}

static void pop3_policy_notices_ask(struct pop3_policy_request *request)
{
	const struct pop3_policy_notice *notice = request->context;
	const char *params[] = { notice->user };
	/* the version first: if the policy changes meanwhile, the notice will
	   not be taken */
	const struct pop3_policy_query queries[] = {
		{ POP3_POLICY_STMT_NOW, NULL, pop3_policy_notices_now },
		{ POP3_POLICY_STMT_POLICY_VERSION, params,
		  pop3_policy_notices_version },
		{ POP3_POLICY_STMT_NOTICES, notice->params,
		  pop3_policy_notices_answered },
	};

	pop3_policy_request_query(request, queries, N_ELEMENTS(queries));
}

void pop3_policy_request_notices(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_notice *notice;
	unsigned int i;

	notice = p_new(request->pool, struct pop3_policy_notice, 1);
	notice->params[0] = pop3_policy_fields_user(&fields);
	(void)pop3_policy_fields_guid(&fields, "session",
				      POP3_POLICY_REQUIRED);
	notice->params[1] = pop3_policy_fields_guid(&fields, "guid",
						    POP3_POLICY_REQUIRED);
	notice->params[2] = pop3_policy_fields_uid(&fields, "uidvalidity",
						   POP3_POLICY_REQUIRED);
	notice->params[3] = dec2str(request->service->set.notice_expiry_time);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;
	for (i = 0; i < N_ELEMENTS(notice->params); i++)
		notice->params[i] = p_strdup(request->pool, notice->params[i]);
	notice->user = notice->params[0];
	notice->next = pop3_policy_notices_ask;
	request->context = notice;
	pop3_policy_request_when_ready(request, pop3_policy_notice_ready);
}

/* --- NOTICE --- */

static void
pop3_policy_notice_taken(enum pop3_policy_record_status status,
			 const struct pop3_policy_db_result *result,
			 void *context)
{
	struct pop3_policy_request *request = context;
	const struct pop3_policy_notice *notice = request->context;
	string_t *reply;
	bool taken;

	request->record = NULL;
	if (status != POP3_POLICY_RECORD_COMMITTED) {
		/* better none than two */
		pop3_policy_request_fail_temp(request,
			"whether the notice may be written is not known");
		return;
	}
	taken = null_strcmp(pop3_policy_db_result_get(result, 0, 0), "t") == 0;
	if (taken && strcmp(notice->kind, "quota") == 0) {
		pop3_policy_limits_told(request->service->limits, notice->user,
					notice->level_num);
	}
	reply = pop3_policy_request_reply_begin(request);
	pop3_policy_wire_flag(reply, "take", taken);
	pop3_policy_wire_end(reply);
	pop3_policy_request_reply(request, reply);
}

static void pop3_policy_notice_due(struct pop3_policy_request *request,
				   const struct pop3_policy_db_result *result)
{
	struct pop3_policy_notice *notice = request->context;
	struct pop3_policy_record *record = notice->record;

	/* mostly not, while usage stays above a threshold: that leaves no row
	   in the audit */
	if (null_strcmp(pop3_policy_db_result_get(result, 0, 0), "t") != 0) {
		pop3_policy_request_ok(request);
		return;
	}
	notice->record = NULL;
	pop3_policy_request_write(request, record, pop3_policy_notice_taken);
}

static void pop3_policy_notice_ask(struct pop3_policy_request *request)
{
	const struct pop3_policy_notice *notice = request->context;
	const char *const params[] = {
		notice->user, notice->kind, notice->level,
		notice->policy_version, notice->message_id
	};
	const struct pop3_policy_query query = {
		POP3_POLICY_STMT_NOTICE_DUE, params, pop3_policy_notice_due
	};

	pop3_policy_request_query(request, &query, 1);
}

/* The request ended before its record was queued. */
static void pop3_policy_notice_unused(struct pop3_policy_request *request)
{
	struct pop3_policy_notice *notice = request->context;

	if (notice->record != NULL)
		pop3_policy_record_free(&notice->record);
}

void pop3_policy_request_notice(struct pop3_policy_request *request)
{
	static const char *const kinds[] = {
		"quota", "expiry", "policy", NULL
	};
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	const char *session, *dsession, *guid, *uidvalidity, *until, *count;
	struct pop3_policy_notice *notice;
	struct pop3_policy_record *record;
	enum pop3_policy_need quota, expiry;
	pool_t pool = request->pool;

	notice = p_new(pool, struct pop3_policy_notice, 1);
	notice->user = p_strdup(pool, pop3_policy_fields_user(&fields));
	session = pop3_policy_fields_guid(&fields, "session",
					  POP3_POLICY_REQUIRED);
	dsession = pop3_policy_fields_text(&fields, "dsession",
					   POP3_POLICY_MAX_NAME);
	guid = pop3_policy_fields_guid(&fields, "guid", POP3_POLICY_REQUIRED);
	uidvalidity = pop3_policy_fields_uid(&fields, "uidvalidity",
					     POP3_POLICY_REQUIRED);
	notice->kind = p_strdup(pool, pop3_policy_fields_word(&fields, "kind",
		kinds, POP3_POLICY_REQUIRED));
	quota = null_strcmp(notice->kind, "quota") == 0 ?
		POP3_POLICY_REQUIRED : POP3_POLICY_OPTIONAL;
	expiry = null_strcmp(notice->kind, "expiry") == 0 ?
		POP3_POLICY_REQUIRED : POP3_POLICY_OPTIONAL;
	notice->level = p_strdup(pool, pop3_policy_fields_num(&fields, "level",
							      1, 100, quota));
	notice->level_num = (unsigned int)pop3_policy_fields_int64(&fields,
		"level", 1, 100, quota);
	until = pop3_policy_fields_num(&fields, "until", 0, 253402300799LL,
				       expiry);
	count = pop3_policy_fields_num(&fields, "count", 1, UINT32_MAX,
				       expiry);
	notice->policy_version = p_strdup(pool, pop3_policy_fields_text(
		&fields, "version", POP3_POLICY_MAX_NAME));
	notice->message_id = p_strdup(pool, pop3_policy_fields_text(&fields,
		"message_id", POP3_POLICY_MAX_MESSAGE_ID));
	if (notice->message_id == NULL)
		pop3_policy_fields_wrong(&fields, "message_id", "is missing");
	if (pop3_policy_request_is_invalid(request, &fields))
		return;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_NOTICE,
					   notice->user, 1);
	pop3_policy_record_add(record, notice->user);
	pop3_policy_record_add(record, session);
	pop3_policy_record_add(record, dsession);
	pop3_policy_record_add(record, guid);
	pop3_policy_record_add(record, uidvalidity);
	pop3_policy_record_add(record, notice->kind);
	pop3_policy_record_add(record, notice->level);
	pop3_policy_record_add(record, until);
	pop3_policy_record_add(record, count);
	pop3_policy_record_add(record, notice->policy_version);
	pop3_policy_record_add(record, notice->message_id);
	notice->record = record;
	notice->next = pop3_policy_notice_ask;
	request->context = notice;
	pop3_policy_request_on_end(request, pop3_policy_notice_unused);
	pop3_policy_request_when_ready(request, pop3_policy_notice_ready);
}
