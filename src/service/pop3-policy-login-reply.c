/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-login-reply.h"
#include "pop3-policy-protocol.h"

struct pop3_policy_reply_items {
	string_t *str;
	unsigned int count;
	/* due messages of all maildrops */
	unsigned int due;
};

/* Values that go out as they came. */
static const struct {
	const char *key;
	enum pop3_policy_state_column column;
} plain_columns[] = {
	{ "id", POP3_POLICY_STATE_MAILDROP_ID },
	{ "uidvalidity", POP3_POLICY_STATE_UIDVALIDITY },
	{ "uidnext", POP3_POLICY_STATE_UIDNEXT },
	{ "messages", POP3_POLICY_STATE_MESSAGES },
	{ "anchor_uid", POP3_POLICY_STATE_ANCHOR_UID },
	{ "hidden_uid", POP3_POLICY_STATE_HIDDEN_UID },
	{ "view_from", POP3_POLICY_STATE_VIEW_FROM },
	{ "before", POP3_POLICY_STATE_BEFORE_UID },
	{ "tracked", POP3_POLICY_STATE_TRACKED },
}, guid_columns[] = {
	{ "guid", POP3_POLICY_STATE_MAILBOX_GUID },
	{ "anchor_guid", POP3_POLICY_STATE_ANCHOR_GUID },
	{ "hidden_guid", POP3_POLICY_STATE_HIDDEN_GUID },
}, set_columns[] = {
	{ "hidden", POP3_POLICY_STATE_HIDDEN },
	{ "exempt", POP3_POLICY_STATE_EXEMPT },
	{ "spared", POP3_POLICY_STATE_SPARED },
	{ "would", POP3_POLICY_STATE_WOULD },
	{ "postponed", POP3_POLICY_STATE_POSTPONED },
	{ "retrieved", POP3_POLICY_STATE_RETRIEVED },
};

static int
pop3_policy_reply_maildrop(struct pop3_policy_reply_items *items,
			   const struct pop3_policy_login_reply *reply,
			   unsigned int row, const char **error_r)
{
	const struct pop3_policy_db_result *state = reply->state;
	size_t start = str_len(items->str);
	ARRAY_TYPE(seq_range) uids;
	const char *value;
	string_t *set;
	unsigned int i;

	t_array_init(&uids, 32);
	pop3_policy_wire_item(items->str, "maildrop");
	for (i = 0; i < N_ELEMENTS(plain_columns); i++) {
		if (reply->no_time &&
		    plain_columns[i].column == POP3_POLICY_STATE_BEFORE_UID)
			continue;
		pop3_policy_wire_str(items->str, plain_columns[i].key,
			pop3_policy_db_result_get(state, row,
				plain_columns[i].column));
	}
	for (i = 0; i < N_ELEMENTS(guid_columns); i++) {
		pop3_policy_wire_str(items->str, guid_columns[i].key,
			pop3_policy_uuid_digits(
				pop3_policy_db_result_get(state, row,
					guid_columns[i].column)));
	}
	for (i = 0; i < N_ELEMENTS(set_columns); i++) {
		value = pop3_policy_db_result_get(state, row,
						  set_columns[i].column);
		if (set_columns[i].column == POP3_POLICY_STATE_RETRIEVED &&
		    !reply->retrieved)
			continue;
		/* a set that is known to be empty is told */
		if (value == NULL)
			continue;
		if (pop3_policy_multirange_parse(value, &uids, error_r) < 0)
			return -1;
		set = t_str_new(128);
		pop3_policy_uidset_append(set, &uids);
		pop3_policy_wire_str(items->str, set_columns[i].key,
				     str_c(set));
	}
	pop3_policy_wire_end(items->str);
	items->count++;
	if (str_len(items->str) - start > POP3_POLICY_MAX_LINE) {
		/* a shorter one would show hidden mail, or remove exempt
		   mail */
		*error_r = "the sets of UIDs are too long for the protocol";
		return -1;
	}
	return 0;
}

/* Array columns of one length. */
static int
pop3_policy_reply_arrays(const struct pop3_policy_db_result *state,
			 unsigned int row,
			 const enum pop3_policy_state_column *columns,
			 unsigned int column_count,
			 const char *const **values_r, unsigned int *count_r,
			 const char **error_r)
{
	unsigned int i, j, count;

	for (i = 0; i < column_count; i++) {
		if (pop3_policy_array_parse(pool_datastack_create(),
			pop3_policy_db_result_get(state, row, columns[i]),
			&values_r[i], &count, error_r) < 0)
			return -1;
		for (j = 0; j < count; j++) {
			if (values_r[i][j] == NULL)
				count = UINT_MAX;
		}
		if (i > 0 && count != *count_r) {
			*error_r = "pop3.maildrop_state() returned arrays "
				"that do not fit each other";
			return -1;
		}
		*count_r = count;
	}
	return 0;
}

static int
pop3_policy_reply_due(struct pop3_policy_reply_items *items, const char *type,
		      const struct pop3_policy_db_result *state,
		      unsigned int row,
		      const enum pop3_policy_state_column columns[3],
		      const char **error_r)
{
	const char *const *values[3];
	unsigned int i, count;

	if (pop3_policy_reply_arrays(state, row, columns, 3, values, &count,
				     error_r) < 0)
		return -1;
	for (i = 0; i < count && items->due < POP3_POLICY_MAX_DUE; i++) {
		pop3_policy_wire_item(items->str, type);
		pop3_policy_wire_str(items->str, "maildrop",
			pop3_policy_db_result_get(state, row,
				POP3_POLICY_STATE_MAILDROP_ID));
		pop3_policy_wire_str(items->str, "uid", values[0][i]);
		pop3_policy_wire_str(items->str, "guid",
				     pop3_policy_uuid_digits(values[1][i]));
		pop3_policy_wire_str(items->str, "reason", values[2][i]);
		pop3_policy_wire_end(items->str);
		items->count++;
		items->due++;
	}
	return 0;
}

static int
pop3_policy_reply_intents(struct pop3_policy_reply_items *items,
			  const struct pop3_policy_db_result *state,
			  unsigned int row, const char **error_r)
{
	static const enum pop3_policy_state_column columns[] = {
		POP3_POLICY_STATE_INTENT_SESSION, POP3_POLICY_STATE_INTENT_NO
	};
	const char *const *values[N_ELEMENTS(columns)];
	unsigned int i, count;

	if (pop3_policy_reply_arrays(state, row, columns, N_ELEMENTS(columns),
				     values, &count, error_r) < 0)
		return -1;
	for (i = 0; i < count; i++) {
		pop3_policy_wire_item(items->str, "intent");
		pop3_policy_wire_str(items->str, "session",
				     pop3_policy_uuid_digits(values[0][i]));
		pop3_policy_wire_str(items->str, "no", values[1][i]);
		pop3_policy_wire_str(items->str, "maildrop",
			pop3_policy_db_result_get(state, row,
				POP3_POLICY_STATE_MAILDROP_ID));
		pop3_policy_wire_end(items->str);
		items->count++;
	}
	return 0;
}

static const enum pop3_policy_state_column due_columns[3] = {
	POP3_POLICY_STATE_DUE_UID, POP3_POLICY_STATE_DUE_GUID,
	POP3_POLICY_STATE_DUE_REASON
}, postponed_columns[3] = {
	POP3_POLICY_STATE_POSTPONED_UID, POP3_POLICY_STATE_POSTPONED_GUID,
	POP3_POLICY_STATE_POSTPONED_REASON
};

static int
pop3_policy_reply_row(struct pop3_policy_reply_items *items,
		      const struct pop3_policy_login_reply *reply,
		      unsigned int row, const char **error_r)
{
	if (pop3_policy_reply_maildrop(items, reply, row, error_r) < 0 ||
	    pop3_policy_reply_due(items, "postponed", reply->state, row,
				  postponed_columns, error_r) < 0)
		return -1;
	if (!reply->no_time &&
	    pop3_policy_reply_due(items, "due", reply->state, row,
				  due_columns, error_r) < 0)
		return -1;
	return pop3_policy_reply_intents(items, reply->state, row, error_r);
}

int pop3_policy_login_reply_items(string_t *dest,
				  const struct pop3_policy_login_reply *reply,
				  unsigned int *count_r, const char **error_r)
{
	struct pop3_policy_reply_items items = { .str = dest };
	unsigned int i, rows = reply->state == NULL ? 0 :
		pop3_policy_db_result_rows(reply->state);

	for (i = 0; i < rows; i++) {
		if (pop3_policy_reply_row(&items, reply, i, error_r) < 0)
			return -1;
	}
	*count_r = items.count;
	return 0;
}

int pop3_policy_login_reply_write(string_t *dest,
				  const struct pop3_policy_login_reply *reply,
				  const char *items, unsigned int count,
				  const char **error_r)
{
	if (reply->now == NULL) {
		*error_r = "pop3.now() returned nothing";
		return -1;
	}
	pop3_policy_wire_begin(dest, "OK", reply->id);
	if (reply->wait > 0)
		pop3_policy_wire_num(dest, "wait", reply->wait);
	pop3_policy_wire_str(dest, "now", reply->now);
	pop3_policy_wire_num(dest, "lease", reply->lease);
	str_append(dest, reply->policy);
	if (count > 0)
		pop3_policy_wire_num(dest, "items", count);
	pop3_policy_wire_end(dest);
	str_append(dest, items);
	return 0;
}
