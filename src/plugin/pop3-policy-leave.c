/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-client.h"
#include "pop3-policy-decide.h"
#include "pop3-policy-leave.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"

struct leave {
	struct pop3_policy_session *session;
	struct mailbox_transaction_context *t;
	struct pop3_policy_decisions *decisions;
	/* what neither counts nor goes */
	ARRAY_TYPE(seq_range) except;
	ARRAY(struct pop3_policy_retrieved *) by_uid;
};

/* What this session retrieved and leaves in the view. */
static unsigned int leave_count(const struct leave *leave)
{
	const struct pop3_policy_retrieved *retrieved;
	unsigned int count = 0;

	array_foreach(&leave->session->retrieved, retrieved) {
		if (!seq_range_exists(&leave->except, retrieved->uid))
			count++;
	}
	return I_MIN(count, POP3_POLICY_MAX_ITEMS);
}

static void leave_append_items(const struct leave *leave, string_t *text,
			       unsigned int count)
{
	const struct pop3_policy_retrieved *retrieved;

	array_foreach(&leave->session->retrieved, retrieved) {
		if (seq_range_exists(&leave->except, retrieved->uid))
			continue;
		if (count-- == 0)
			break;
		pop3_policy_wire_item(text, "message");
		pop3_policy_wire_num(text, "uid", retrieved->uid);
		pop3_policy_wire_num(text, "size", retrieved->size);
		pop3_policy_wire_end(text);
	}
}

static void leave_build(const struct leave *leave, string_t *text,
			unsigned int id)
{
	struct pop3_policy_session *session = leave->session;
	unsigned int count = leave_count(leave);
	string_t *set;

	pop3_policy_session_wire(session, text, "LEAVE", id);
	if (session->drop != NULL)
		pop3_policy_wire_str(text, "maildrop", session->drop->id);
	pop3_policy_wire_num(text, "messages",
		pop3_policy_num(session->policy,
				POP3_POLICY_PARAM_LEAVE_MAX_MESSAGES));
	pop3_policy_wire_num(text, "bytes",
		pop3_policy_num(session->policy,
				POP3_POLICY_PARAM_LEAVE_MAX_BYTES));
	if (array_count(&leave->except) > 0) {
		set = t_str_new(64);
		pop3_policy_uidset_append(set, &leave->except);
		pop3_policy_wire_str(text, "except", str_c(set));
	}
	pop3_policy_wire_num(text, "items", count);
	pop3_policy_wire_end(text);
	leave_append_items(leave, text, count);
}

/* Returns 0 and the answer, to be freed, -1 and *error_r if there is none. */
static int leave_ask(const struct leave *leave,
		     struct pop3_policy_wire_message **reply_r,
		     const char **error_r)
{
	struct pop3_policy_client *service = leave->session->service;
	unsigned int id = pop3_policy_client_next_id(service);
	string_t *text = str_new(default_pool, 1024);
	int ret;

	leave_build(leave, text, id);
	ret = pop3_policy_client_request(service, id, text, reply_r, error_r);
	str_free(&text);
	if (ret == 0) {
		*error_r = t_strdup_printf("LEAVE was refused: %s",
			pop3_policy_wire_get_str(&(*reply_r)->head, "text"));
		pop3_policy_wire_message_free(reply_r);
	}
	return ret > 0 ? 0 : -1;
}

static bool is_missing(const struct leave *leave, uint32_t uid)
{
	uint32_t seq;

	/* what arrived since the view was made may be there */
	return uid < leave->session->uidnext &&
		(!mail_index_lookup_seq(leave->t->view, uid, &seq) ||
		 mail_index_is_expunged(leave->t->view, seq));
}

/* Before anything goes: what the database counts may have been removed by
   others since the login. Then less has to go. Returns 1 if so (leave->except
   has it), 0 if not, -1 and *error_r if that is not known. */
static int leave_find_missing(struct leave *leave, const char **error_r)
{
	struct pop3_policy_session *session = leave->session;
	struct pop3_policy_wire_message *reply;
	ARRAY_TYPE(seq_range) tracked;
	struct seq_range_iter iter;
	const char *uids;
	unsigned int n = 0;
	uint32_t uid;
	int ret = 0;

	if (session->drop == NULL)
		return 0;
	if (pop3_policy_uids_request(session, session->drop->id, FALSE,
				     &reply, error_r) < 0)
		return -1;
	t_array_init(&tracked, 16);
	uids = pop3_policy_wire_get_str(&reply->head, "uids");
	if (uids != NULL && pop3_policy_uidset_parse(uids, &tracked) < 0) {
		*error_r = "UIDS: bad answer";
		ret = -1;
	}
	pop3_policy_wire_message_free(&reply);

	seq_range_array_iter_init(&iter, &tracked);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (is_missing(leave, uid) &&
		    !seq_range_array_add(&leave->except, uid))
			ret = 1;
	}
	return ret;
}

/* The answer of the service to what there is in the mailbox. */
static int leave_get(struct leave *leave,
		     struct pop3_policy_wire_message **reply_r,
		     const char **error_r)
{
	int ret;

	if (leave_ask(leave, reply_r, error_r) < 0)
		return -1;
	if ((*reply_r)->item_count == 0)
		return 0;
	ret = leave_find_missing(leave, error_r);
	if (ret == 0)
		return 0;
	pop3_policy_wire_message_free(reply_r);
	return ret < 0 ? -1 : leave_ask(leave, reply_r, error_r);
}

static int retrieved_cmp(struct pop3_policy_retrieved *const *r1,
			 struct pop3_policy_retrieved *const *r2)
{
	return (*r1)->uid < (*r2)->uid ? -1 : ((*r1)->uid > (*r2)->uid ? 1 : 0);
}

/* What the session retrieved, by UID. */
static void leave_sort_retrieved(struct leave *leave)
{
	struct pop3_policy_retrieved *retrieved;

	t_array_init(&leave->by_uid,
		     array_count(&leave->session->retrieved) + 1);
	array_foreach_modifiable(&leave->session->retrieved, retrieved)
		array_push_back(&leave->by_uid, &retrieved);
	array_sort(&leave->by_uid, retrieved_cmp);
}

static struct pop3_policy_retrieved *
leave_find_retrieved(struct leave *leave, uint32_t uid)
{
	struct pop3_policy_retrieved key = { .uid = uid }, *keyp = &key;
	struct pop3_policy_retrieved *const *found;

	found = array_bsearch(&leave->by_uid, &keyp, retrieved_cmp);
	return found == NULL ? NULL : *found;
}

/* Returns 0 if ok, -1 if the answer is wrong. */
static int leave_parse(struct leave *leave,
		       const struct pop3_policy_wire_line *item,
		       ARRAY_TYPE(pop3_policy_removal) *removals)
{
	const struct pop3_policy_retrieved *retrieved;
	const char *guid_str = pop3_policy_wire_get_str(item, "guid");
	struct pop3_policy_removal *removal = array_append_space(removals);

	if (pop3_policy_wire_get_uint32(item, "uid", &removal->uid) <= 0 ||
	    seq_range_exists(&leave->except, removal->uid))
		return -1;
	retrieved = leave_find_retrieved(leave, removal->uid);
	if (retrieved != NULL)
		guid_128_copy(removal->guid, retrieved->guid);
	else if (guid_str == NULL ||
		 pop3_policy_guid_parse(guid_str, removal->guid) < 0 ||
		 guid_128_is_empty(removal->guid)) {
		/* which message was it that was retrieved? */
		return -1;
	}
	removal->action = POP3_POLICY_ACTION_EXPUNGE;
	removal->reason = POP3_POLICY_REASON_LEAVE_LIMIT;
	return 0;
}

static void leave_remove(struct leave *leave,
			 const ARRAY_TYPE(pop3_policy_removal) *removals)
{
	const struct pop3_policy_removal *removal;
	struct pop3_policy_retrieved *retrieved;

	array_foreach(removals, removal) {
		retrieved = leave_find_retrieved(leave, removal->uid);
		if (retrieved != NULL)
			retrieved->action = removal->action;
	}
	array_append_array(&leave->decisions->removals, removals);
}

/* Messages that leave by other rules, or are gone already. */
static void leave_find_except(struct leave *leave)
{
	struct pop3_policy_session *session = leave->session;

	t_array_init(&leave->except, 16);
	array_append_array(&leave->except, &leave->decisions->leaving);
	seq_range_array_merge(&leave->except, &session->removed);
	seq_range_array_merge(&leave->except, &session->gone);
	if (session->drop != NULL &&
	    pop3_policy_mode(session->policy) == POP3_POLICY_MODE_OBSERVE)
		seq_range_array_merge(&leave->except, &session->drop->would);
}

static void leave_decide(struct leave *leave)
{
	struct pop3_policy_session *session = leave->session;
	struct pop3_policy_wire_message *reply;
	struct pop3_policy_left_out left_out;
	ARRAY_TYPE(pop3_policy_removal) removals;
	const char *error;
	unsigned int i;
	int ret;

	leave_find_except(leave);
	leave_sort_retrieved(leave);
	if (leave_count(leave) == 0 &&
	    (session->drop == NULL || session->drop->tracked == 0))
		return;

	t_array_init(&removals, 16);
	if ((ret = leave_get(leave, &reply, &error)) == 0) {
		for (i = 0; i < reply->item_count && ret == 0; i++)
			ret = leave_parse(leave, &reply->items[i], &removals);
		pop3_policy_wire_message_free(&reply);
		error = "bad answer";
	}
	if (ret < 0) {
		e_warning(session->event, "Retrieved mail beyond the limit is "
			  "left for a later session: %s", error);
	} else if (pop3_policy_mode(session->policy) ==
		   POP3_POLICY_MODE_ENFORCE) {
		leave_remove(leave, &removals);
	} else {
		pop3_policy_left_out_init(&left_out, leave->decisions->pool);
		pop3_policy_removals_describe(session, leave->t,
					      leave->decisions->pool,
					      &removals, &left_out);
		pop3_policy_removals_would(session, &removals);
	}
}

void pop3_policy_leave_decide(struct pop3_policy_session *session,
			      struct mailbox_transaction_context *t,
			      struct pop3_policy_decisions *decisions)
{
	struct leave leave = {
		.session = session, .t = t, .decisions = decisions
	};

	if (!pop3_policy_limits_leaving(session->policy) ||
	    session->policy->paused || session->login->offline ||
	    pop3_policy_mode(session->policy) == POP3_POLICY_MODE_NONE ||
	    pop3_policy_session_is_master(session))
		return;
	T_BEGIN {
		leave_decide(&leave);
	} T_END;
}
