/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-client.h"
#include "pop3-policy-clock.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-removal.h"
#include "pop3-policy-session.h"

/* A durable wait each, so that one is answered well within the timeout, and
   its text is small enough with the longest Message-IDs. */
#define MAX_INTENT_MESSAGES 500

static const char *const message_id_header[] = { "Message-ID", NULL };

/* If UIDLs were listed and kept (pop3_uidl_duplicates=rename), they are the
   names that the client knows. Returns an array of them by sequence - 1, which
   is as long as the highest sequence of the view, or NULL. */
static const char *const *shown_uidls(const struct client *client)
{
	const char **uidls;
	uint32_t msgnum, seq;

	if (client->message_uidls == NULL)
		return NULL;
	uidls = t_new(const char *, client->highest_seq);
	for (msgnum = 0; msgnum < client->messages_count; msgnum++) {
		seq = msgnum < client->msgnum_to_seq_map_count ?
			client->msgnum_to_seq_map[msgnum] : msgnum + 1;
		if (seq <= client->highest_seq)
			uidls[seq - 1] = client->message_uidls[msgnum];
	}
	return uidls;
}

/* The UIDL that this session showed, or would show. */
static const char *
mail_uidl(struct pop3_policy_session *session, struct mail *mail,
	  const char *const *uidls, pool_t pool)
{
	string_t *str;

	if (uidls != NULL && mail->seq <= session->client->highest_seq &&
	    uidls[mail->seq - 1] != NULL)
		return p_strdup(pool, uidls[mail->seq - 1]);
	str = t_str_new(128);
	if (pop3_policy_compat_uidl(session->client, mail,
				    session->uidvalidity, str) < 0)
		return NULL;
	return p_strdup(pool, str_c(str));
}

static int removal_cmp(const struct pop3_policy_removal *r1,
		       const struct pop3_policy_removal *r2)
{
	return r1->uid < r2->uid ? -1 : (r1->uid > r2->uid ? 1 : 0);
}

void
pop3_policy_removals_sort(ARRAY_TYPE(pop3_policy_removal) *removals)
{
	array_sort(removals, removal_cmp);
}

void pop3_policy_left_out_init(struct pop3_policy_left_out *left_out,
			       pool_t pool)
{
	p_array_init(&left_out->gone, pool, 4);
	p_array_init(&left_out->mismatched, pool, 4);
	p_array_init(&left_out->failed, pool, 4);
}

enum describe_result {
	DESCRIBE_OK,
	DESCRIBE_GONE,
	DESCRIBE_MISMATCH,
	DESCRIBE_FAILED
};

static enum describe_result
removal_describe(struct pop3_policy_session *session, struct mail *mail,
		 const char *const *uidls, pool_t pool,
		 struct pop3_policy_removal *removal)
{
	guid_128_t guid;
	const char *message_id;

	if (!mail_set_uid(mail, removal->uid) ||
	    mail_index_is_expunged(mail->transaction->view, mail->seq))
		return DESCRIBE_GONE;
	if (pop3_policy_mail_guid(mail, guid) < 0) {
		return mail->expunged ||
			mailbox_get_last_mail_error(mail->box) ==
			MAIL_ERROR_EXPUNGED ? DESCRIBE_GONE : DESCRIBE_FAILED;
	}
	if (guid_128_is_empty(removal->guid))
		guid_128_copy(removal->guid, guid);
	else if (guid_128_cmp(removal->guid, guid) != 0)
		return DESCRIBE_MISMATCH;

	if (mail_get_virtual_size(mail, &removal->size) < 0)
		removal->size = 0;
	if (mail_get_first_header(mail, "Message-ID", &message_id) > 0)
		removal->message_id = p_strdup(pool, message_id);
	removal->uidl = mail_uidl(session, mail, uidls, pool);
	return DESCRIBE_OK;
}

void pop3_policy_removals_describe(struct pop3_policy_session *session,
				   struct mailbox_transaction_context *t,
				   pool_t pool,
				   ARRAY_TYPE(pop3_policy_removal) *removals,
				   struct pop3_policy_left_out *left_out)
{
	struct mailbox_header_lookup_ctx *headers;
	struct mail *mail;
	struct pop3_policy_removal *list;
	const char *const *uidls = shown_uidls(session->client);
	enum describe_result result;
	unsigned int i, count, kept = 0;

	/* see what other sessions have removed since the view was made */
	(void)mail_index_refresh(t->box->index);

	headers = mailbox_header_lookup_init(t->box, message_id_header);
	mail = mail_alloc(t, MAIL_FETCH_GUID | MAIL_FETCH_VIRTUAL_SIZE,
			  headers);
	mailbox_header_lookup_unref(&headers);

	list = array_get_modifiable(removals, &count);
	for (i = 0; i < count; i++) {
		T_BEGIN {
			result = removal_describe(session, mail, uidls, pool,
						  &list[i]);
		} T_END;
		switch (result) {
		case DESCRIBE_OK:
			list[kept++] = list[i];
			break;
		case DESCRIBE_GONE:
			seq_range_array_add(&left_out->gone, list[i].uid);
			break;
		case DESCRIBE_MISMATCH:
			seq_range_array_add(&left_out->mismatched, list[i].uid);
			break;
		case DESCRIBE_FAILED:
			seq_range_array_add(&left_out->failed, list[i].uid);
			break;
		}
	}
	array_delete(removals, kept, count - kept);
	mail_free(&mail);
}

static bool removal_is_flag(struct pop3_policy_session *session,
			    const struct pop3_policy_removal *removal)
{
	return session->deleted_kw != NULL &&
		removal->action == POP3_POLICY_ACTION_EXPUNGE &&
		removal->reason == POP3_POLICY_REASON_DELE;
}

static void
intent_build(struct pop3_policy_session *session, string_t *text,
	     unsigned int id, const struct pop3_policy_removal *removals,
	     unsigned int count)
{
	unsigned int i;

	pop3_policy_session_wire(session, text, "INTENT", id);
	pop3_policy_wire_num(text, "no", session->intent_no);
	pop3_policy_session_wire_origin(session, text);
	pop3_policy_session_wire_mailbox(session, text);
	pop3_policy_wire_str(text, "version", session->login->version);
	pop3_policy_wire_num(text, "items", count);
	pop3_policy_wire_end(text);

	for (i = 0; i < count; i++) {
		const struct pop3_policy_removal *removal = &removals[i];
		bool flag = removal_is_flag(session, removal);

		pop3_policy_wire_item(text, "message");
		pop3_policy_wire_num(text, "uid", removal->uid);
		pop3_policy_wire_str(text, "guid",
				     guid_128_to_string(removal->guid));
		pop3_policy_wire_num(text, "size", removal->size);
		pop3_policy_wire_str(text, "action", flag ? "flag" :
			pop3_policy_action_name(removal->action));
		pop3_policy_wire_str(text, "reason",
			pop3_policy_reason_name(removal->reason));
		pop3_policy_wire_str(text, "mailbox", removal->mailbox);
		/* A line has a limit, and a header of a mail has none. */
		pop3_policy_wire_str(text, "uidl",
			removal->uidl == NULL ? NULL :
			t_strndup(removal->uidl, 255));
		pop3_policy_wire_str(text, "message_id",
			removal->message_id == NULL ? NULL :
			t_strndup(removal->message_id, 998));
		pop3_policy_wire_end(text);
	}
}

/* As pop3_policy_removals_intend(), for one intent. */
static int
intent_take(struct pop3_policy_session *session,
	    const struct pop3_policy_removal *removals, unsigned int count,
	    ARRAY_TYPE(pop3_policy_intent) *intents, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	struct pop3_policy_intent *intent;
	string_t *text = str_new(default_pool, 256 * count);
	unsigned int id = pop3_policy_client_next_id(session->service);
	uint64_t begin = pop3_policy_clock_nsecs();
	const char *code;
	int64_t lease = 0;
	int ret;

	/* Whatever the answer, the intent has this number: without an answer
	   its outcome, "failed", settles it. */
	intent = array_append_space(intents);
	intent->no = ++session->intent_no;
	intent_build(session, text, id, removals, count);
	ret = pop3_policy_client_request(session->service, id, text,
					 &reply, error_r);
	str_free(&text);
	if (ret < 0)
		return -1;
	if (ret > 0) {
		if (pop3_policy_wire_get_int64(&reply->head, "lease",
					       &lease) <= 0 || lease <= 0) {
			*error_r = "INTENT was answered without a lease";
			ret = -1;
		} else {
			/* The other half is for the commit itself. */
			intent->commit_until = begin +
				(uint64_t)lease * 1000000000ULL / 2;
		}
	} else {
		code = pop3_policy_wire_get_str(&reply->head, "code");
		if (code == NULL || strcmp(code, "stale") != 0) {
			*error_r = t_strdup_printf("INTENT was refused: %s: %s",
				code == NULL ? "no code" : code,
				pop3_policy_wire_get_str(&reply->head, "text"));
			ret = -1;
		} else {
			/* the service settles a stale intent itself */
			array_pop_back(intents);
		}
	}
	pop3_policy_wire_message_free(&reply);
	return ret;
}

int pop3_policy_removals_intend(struct pop3_policy_session *session,
				const ARRAY_TYPE(pop3_policy_removal) *removals,
				ARRAY_TYPE(pop3_policy_intent) *intents,
				const char **error_r)
{
	const struct pop3_policy_removal *list;
	unsigned int i, count, batch;
	int ret = 1;

	list = array_get(removals, &count);
	for (i = 0; i < count && ret > 0; i += batch) {
		batch = I_MIN(count - i, MAX_INTENT_MESSAGES);
		T_BEGIN {
			ret = intent_take(session, list + i, batch, intents,
					  error_r);
		} T_END_PASS_STR_IF(ret < 0, error_r);
	}
	if (ret <= 0) {
		pop3_policy_intents_outcome(session, intents, "failed");
		array_clear(intents);
	}
	return ret;
}

static void
removal_apply(struct pop3_policy_session *session, struct mail *mail,
	      const struct pop3_policy_removal *removal)
{
	if (removal->action != POP3_POLICY_ACTION_EXPUNGE)
		return;
	if (!mail_set_uid(mail, removal->uid))
		return;
	session->passing = TRUE;
	if (removal_is_flag(session, removal))
		mail_update_keywords(mail, MODIFY_ADD, session->deleted_kw);
	else
		mail_expunge(mail);
	session->passing = FALSE;
}

int pop3_policy_removals_apply(struct pop3_policy_session *session,
			       struct mailbox_transaction_context *t,
			       const ARRAY_TYPE(pop3_policy_removal) *removals,
			       const ARRAY_TYPE(pop3_policy_intent) *intents,
			       const char **error_r)
{
	const struct pop3_policy_removal *removal;
	struct mail *mail;

	mail = mail_alloc(t, 0, NULL);
	array_foreach(removals, removal)
		removal_apply(session, mail, removal);
	mail_free(&mail);
	return pop3_policy_intents_check(intents, error_r);
}

int pop3_policy_intents_check(const ARRAY_TYPE(pop3_policy_intent) *intents,
			      const char **error_r)
{
	const struct pop3_policy_intent *intent;

	/* A later session may repair an intent whose lease ran out, so a
	   commit must not begin late. */
	array_foreach(intents, intent) {
		if (pop3_policy_clock_nsecs() >= intent->commit_until) {
			*error_r = "the intent's lease is running out";
			return -1;
		}
	}
	return 0;
}

unsigned int pop3_policy_removals_verify(struct pop3_policy_session *session,
					 ARRAY_TYPE(seq_range) *uids)
{
	ARRAY_TYPE(seq_range) left;
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t uid, seq;

	t_array_init(&left, 4);
	seq_range_array_iter_init(&iter, uids);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (mail_index_lookup_seq(session->box->view, uid, &seq))
			seq_range_array_add(&left, uid);
	}
	if (array_count(&left) == 0)
		return 0;
	e_error(session->event, "%u messages were not removed, though the "
		"storage reported no error (is the mailbox read-only for this "
		"user?)", seq_range_count(&left));
	return seq_range_array_remove_seq_range(uids, &left);
}

void
pop3_policy_removals_would(struct pop3_policy_session *session,
			   const ARRAY_TYPE(pop3_policy_removal) *removals)
{
	const struct pop3_policy_removal *removal;
	struct pop3_policy_would *would;

	array_foreach(removals, removal) {
		would = array_append_space(&session->would);
		would->uid = removal->uid;
		guid_128_copy(would->guid, removal->guid);
		would->size = removal->size;
		would->reason = removal->reason;
	}
}

void
pop3_policy_removals_expunged(struct pop3_policy_session *session,
			      const ARRAY_TYPE(pop3_policy_removal) *removals,
			      ARRAY_TYPE(seq_range) *uids)
{
	const struct pop3_policy_removal *removal;

	array_foreach(removals, removal) {
		if (pop3_policy_action_removes(removal->action) &&
		    !removal_is_flag(session, removal))
			seq_range_array_add(uids, removal->uid);
	}
}

void pop3_policy_intents_outcome(struct pop3_policy_session *session,
				 const ARRAY_TYPE(pop3_policy_intent) *intents,
				 const char *result)
{
	const struct pop3_policy_intent *intent;
	string_t *text;

	if (array_count(intents) == 0)
		return;
	text = t_str_new(256);
	array_foreach(intents, intent) {
		pop3_policy_session_wire(session, text, "OUTCOME", 0);
		pop3_policy_wire_num(text, "no", intent->no);
		pop3_policy_wire_str(text, "result", result);
		pop3_policy_wire_end(text);
	}
	pop3_policy_session_send(session, text);
}
