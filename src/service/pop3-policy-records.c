/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-records.h"

/* Of a refused record's text, what is kept. */
#define POP3_POLICY_QUARANTINE_MAX_TEXT (64*1024)
#define POP3_POLICY_QUARANTINE_MAX_ERROR 1000

static const struct pop3_policy_record_info infos[POP3_POLICY_RECORD_COUNT] = {
	[POP3_POLICY_RECORD_INTENT_STATE] = {
		.stmt = POP3_POLICY_STMT_INTENT_STATE, .awaited = TRUE,
		.unlogged = TRUE },
	[POP3_POLICY_RECORD_INTENT] = {
		.stmt = POP3_POLICY_STMT_RECORD_INTENT, .chained = TRUE,
		.awaited = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_POSTPONED] = {
		.stmt = POP3_POLICY_STMT_RECORD_POSTPONED, .chained = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_OUTCOME] = {
		.stmt = POP3_POLICY_STMT_RECORD_OUTCOME, .chained = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_ABANDON] = {
		.stmt = POP3_POLICY_STMT_RECORD_ABANDON,
		.state = TRUE },
	[POP3_POLICY_RECORD_CLAIM] = {
		.stmt = POP3_POLICY_STMT_CLAIM_INTENT, .awaited = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_REPAIR] = {
		.stmt = POP3_POLICY_STMT_RECORD_REPAIR, .chained = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_EVENT] = {
		.stmt = POP3_POLICY_STMT_RECORD_EVENT, .chained = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_CARRY] = {
		.stmt = POP3_POLICY_STMT_CARRY_OVER, .chained = TRUE,
		.awaited = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_SESSION] = {
		.stmt = POP3_POLICY_STMT_RECORD_SESSION, .chained = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_POLLS] = {
		.stmt = POP3_POLICY_STMT_RECORD_POLLS,
		.unlogged = TRUE },
	[POP3_POLICY_RECORD_IMAP_USE] = {
		.stmt = POP3_POLICY_STMT_RECORD_IMAP_USE,
		.unlogged = TRUE,
		.state = TRUE },
	[POP3_POLICY_RECORD_USAGE] = {
		.stmt = POP3_POLICY_STMT_RECORD_USAGE,
		.unlogged = TRUE },
	[POP3_POLICY_RECORD_NOTICE] = {
		.stmt = POP3_POLICY_STMT_TAKE_NOTICE, .chained = TRUE,
		.awaited = TRUE },
	[POP3_POLICY_RECORD_QUARANTINE] = {
		.stmt = POP3_POLICY_STMT_RECORD_QUARANTINE, .chained = TRUE },
	/* where it fails the rows are still there, and are seen again */
	[POP3_POLICY_RECORD_CHAIN_PLAIN] = {
		.stmt = POP3_POLICY_STMT_CHAIN_PLAIN, .chained = TRUE,
		.awaited = TRUE, .unlogged = TRUE },
};

const struct pop3_policy_record_info *
pop3_policy_record_info(enum pop3_policy_record_kind kind)
{
	i_assert(kind < POP3_POLICY_RECORD_COUNT);
	return &infos[kind];
}

bool pop3_policy_record_kind(const char *function,
			     enum pop3_policy_record_kind *kind_r)
{
	unsigned int i;

	for (i = 0; i < POP3_POLICY_RECORD_COUNT; i++) {
		if (strcmp(pop3_policy_stmt_info(infos[i].stmt)->name,
			   function) == 0) {
			*kind_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

const char *pop3_policy_record_name(const struct pop3_policy_record *record)
{
	return pop3_policy_stmt_info(infos[record->kind].stmt)->name;
}

struct pop3_policy_record *
pop3_policy_record_create(enum pop3_policy_record_kind kind,
			  const char *username, unsigned int seqs)
{
	const struct pop3_policy_record_info *info =
		pop3_policy_record_info(kind);
	struct pop3_policy_record *record;
	pool_t pool;

	i_assert(info->chained == (seqs > 0));

	pool = pool_alloconly_create("pop3 policy record", 1024);
	record = p_new(pool, struct pop3_policy_record, 1);
	record->pool = pool;
	record->kind = kind;
	record->username = p_strdup(pool, username);
	record->seqs = seqs;
	record->params = p_new(pool, const char *,
			       pop3_policy_stmt_params(info->stmt));
	/* chain and sequence number */
	record->param_count = info->chained ? 2 : 0;
	record->bytes = 1024;
	return record;
}

void pop3_policy_record_add(struct pop3_policy_record *record,
			    const char *value)
{
	i_assert(record->param_count <
		 pop3_policy_stmt_params(infos[record->kind].stmt));
	record->params[record->param_count++] = p_strdup(record->pool, value);
	if (value != NULL)
		record->bytes += strlen(value);
}

void pop3_policy_record_add_num(struct pop3_policy_record *record,
				int64_t value)
{
	pop3_policy_record_add(record, t_strdup_printf("%"PRId64, value));
}

void pop3_policy_record_free(struct pop3_policy_record **_record)
{
	struct pop3_policy_record *record = *_record;

	*_record = NULL;
	pop3_policy_db_result_unref(&record->result);
	pool_unref(&record->pool);
}

void pop3_policy_record_send(struct pop3_policy_record *record,
			     struct pop3_policy_db *db, const char *chain_id,
			     int64_t first_seq,
			     pop3_policy_db_callback_t *callback)
{
	const struct pop3_policy_record_info *info = &infos[record->kind];

	i_assert(record->param_count == pop3_policy_stmt_params(info->stmt));

	pop3_policy_db_result_unref(&record->result);
	if (info->chained) {
		record->params[0] = chain_id;
		record->params[1] = t_strdup_printf("%"PRId64, first_seq);
	}
	pop3_policy_db_send(db, info->stmt, record->params, callback, record);
	if (info->chained)
		record->params[0] = record->params[1] = NULL;
}

const char *pop3_policy_record_time_text(int64_t usecs)
{
	i_assert(usecs >= 0);
	return t_strdup_printf("%"PRId64".%06u", usecs / 1000000,
			       (unsigned int)(usecs % 1000000));
}

const char *pop3_policy_record_text(const struct pop3_policy_record *record,
				    size_t max_bytes)
{
	string_t *str = t_str_new(256);
	unsigned int i = infos[record->kind].chained ? 2 : 0;
	const char *separator = "(";

	str_append(str, pop3_policy_record_name(record));
	for (; i < record->param_count && str_len(str) < max_bytes; i++) {
		str_append(str, separator);
		str_append(str, record->params[i] == NULL ? "NULL" :
			   record->params[i]);
		separator = ", ";
	}
	str_append_c(str, ')');
	return pop3_policy_text_clean(str_c(str), max_bytes);
}

struct pop3_policy_record *
pop3_policy_record_quarantine(const struct pop3_policy_record *record,
			      const char *error)
{
	struct pop3_policy_record *quarantine;

	quarantine = pop3_policy_record_create(POP3_POLICY_RECORD_QUARANTINE,
					       record->username, 1);
	pop3_policy_record_add(quarantine,
		pop3_policy_record_text(record,
					POP3_POLICY_QUARANTINE_MAX_TEXT));
	pop3_policy_record_add(quarantine,
		pop3_policy_text_clean(error,
				       POP3_POLICY_QUARANTINE_MAX_ERROR));
	quarantine->id = record->id;
	quarantine->single = TRUE;
	return quarantine;
}
