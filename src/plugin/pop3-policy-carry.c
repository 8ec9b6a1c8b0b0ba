/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* A mailbox with a new UIDVALIDITY, or a new mailbox GUID, takes over the
   state of the old one by the GUIDs of the messages. A GUID that two messages
   have, or had, tells nothing, and is left out. */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "mail-storage-private.h"
#include "pop3-policy-client.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-prepare.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"

struct carry_message {
	guid_128_t guid;
	uint32_t uid;
	/* states with this GUID: which state is this message's, if two? */
	unsigned int state_count;
	bool duplicate;
};
HASH_TABLE_DEFINE_TYPE(carry_messages, uint8_t *, struct carry_message *);

struct carry {
	struct pop3_policy_session *session;
	struct pop3_policy_maildrop *old, *new;
	pool_t pool;
	HASH_TABLE_TYPE(carry_messages) messages;
	uint32_t message_count;
	/* item lines of the request */
	string_t *items;
	unsigned int item_count;
};

static int carry_read_mailbox(struct carry *carry)
{
	struct mailbox_transaction_context *t;
	struct carry_message *message, *old;
	struct mail *mail;
	uint8_t *key;
	uint32_t seq;
	int ret = 0;

	t = mailbox_transaction_begin(carry->session->box, 0, __func__);
	mail = mail_alloc(t, MAIL_FETCH_GUID, NULL);
	carry->message_count = mail_index_view_get_messages_count(t->view);
	for (seq = 1; seq <= carry->message_count && ret == 0; seq++) {
		mail_set_seq(mail, seq);
		message = p_new(carry->pool, struct carry_message, 1);
		message->uid = mail->uid;
		if (pop3_policy_mail_guid(mail, message->guid) < 0) {
			if (!mail->expunged)
				ret = -1;
			continue;
		}
		key = message->guid;
		old = hash_table_lookup(carry->messages, key);
		if (old != NULL)
			old->duplicate = TRUE;
		else {
			hash_table_insert(carry->messages, key, message);
		}
	}
	mail_free(&mail);
	if (ret < 0) {
		(void)pop3_policy_prepare_storage_failed(carry->session,
			"Looking up message GUIDs");
	}
	(void)mailbox_transaction_commit(&t);
	return ret;
}

/* Find the message of a state. Returns 0 if ok, *message_r is NULL if there is
   none, -1 if the line is wrong. */
static int carry_find(struct carry *carry,
		      const struct pop3_policy_wire_line *state,
		      uint32_t *uid_r, struct carry_message **message_r)
{
	const char *guid_str = pop3_policy_wire_get_str(state, "guid");
	guid_128_t guid;
	const uint8_t *key = guid;

	if (guid_str == NULL || pop3_policy_guid_parse(guid_str, guid) < 0 ||
	    pop3_policy_wire_get_uint32(state, "uid", uid_r) <= 0)
		return -1;
	*message_r = hash_table_lookup(carry->messages, key);
	return 0;
}

static int carry_count(struct carry *carry,
		       const struct pop3_policy_wire_line *state)
{
	struct carry_message *message;
	uint32_t uid;

	if (carry_find(carry, state, &uid, &message) < 0)
		return -1;
	if (message != NULL)
		message->state_count++;
	return 0;
}

static void carry_match(struct carry *carry,
			const struct pop3_policy_wire_line *state)
{
	struct carry_message *message;
	uint32_t uid;

	if (carry_find(carry, state, &uid, &message) < 0 || message == NULL ||
	    message->duplicate || message->state_count != 1 ||
	    carry->item_count == POP3_POLICY_MAX_ITEMS)
		return;

	carry->item_count++;
	pop3_policy_wire_item(carry->items, "message");
	pop3_policy_wire_num(carry->items, "old", uid);
	pop3_policy_wire_num(carry->items, "new", message->uid);
	pop3_policy_wire_end(carry->items);
	/* Some may have been restored by an administrator: none is taken away
	   by on_retrieve in this session. */
	seq_range_array_add(&carry->new->spared, message->uid);
	if (seq_range_exists(&carry->old->retrieved, uid))
		seq_range_array_add(&carry->new->retrieved, message->uid);
	if (seq_range_exists(&carry->old->postponed, uid))
		seq_range_array_add(&carry->new->postponed, message->uid);
	if (pop3_policy_wire_get_flag(state, "hidden")) {
		seq_range_array_add(&carry->new->hidden, message->uid);
		if (message->uid > carry->new->hidden_uid) {
			carry->new->hidden_uid = message->uid;
			guid_128_copy(carry->new->hidden_guid, message->guid);
		}
	}
}

static int carry_read_state(struct carry *carry)
{
	struct pop3_policy_wire_message *reply;
	const char *error;
	unsigned int i;
	int ret = 0;

	if (pop3_policy_uids_request(carry->session, carry->old->id, TRUE,
				     &reply, &error) < 0)
		return pop3_policy_prepare_failed(carry->session, error);
	for (i = 0; i < reply->item_count && ret == 0; i++)
		ret = carry_count(carry, &reply->items[i]);
	for (i = 0; i < reply->item_count && ret == 0; i++)
		carry_match(carry, &reply->items[i]);
	pop3_policy_wire_message_free(&reply);
	return ret == 0 ? 0 :
		pop3_policy_prepare_failed(carry->session, "UIDS: bad answer");
}

static int carry_send(struct carry *carry)
{
	struct pop3_policy_session *session = carry->session;
	struct pop3_policy_wire_message *reply;
	unsigned int id = pop3_policy_client_next_id(session->service);
	string_t *text = t_str_new(512);
	const char *error;
	int ret;

	pop3_policy_session_wire(session, text, "CARRY", id);
	pop3_policy_session_wire_mailbox(session, text);
	pop3_policy_wire_str(text, "maildrop", carry->old->id);
	pop3_policy_wire_num(text, "uidnext", session->uidnext);
	pop3_policy_wire_num(text, "messages", carry->message_count);
	pop3_policy_wire_num(text, "items", carry->item_count);
	pop3_policy_wire_end(text);
	str_append_str(text, carry->items);

	ret = pop3_policy_client_request(session->service, id, text, &reply,
					 &error);
	if (ret < 0)
		return pop3_policy_prepare_failed(session, error);
	if (ret > 0) {
		carry->new->id = p_strdup(session->login->pool,
			pop3_policy_wire_get_str(&reply->head, "maildrop"));
		if (carry->new->id == NULL) {
			ret = pop3_policy_prepare_failed(session,
				"CARRY: bad answer");
		}
	} else {
		ret = pop3_policy_prepare_failed(session, t_strdup_printf(
			"CARRY was refused: %s",
			pop3_policy_wire_get_str(&reply->head, "text")));
	}
	pop3_policy_wire_message_free(&reply);
	return ret > 0 ? 0 : -1;
}

int pop3_policy_carry(struct pop3_policy_session *session,
		      struct pop3_policy_maildrop *old)
{
	struct carry carry;
	int ret;

	if (mail_index_view_get_messages_count(session->box->view) == 0) {
		/* Perhaps the real mailbox is not mounted. Its state waits. */
		return 0;
	}
	i_zero(&carry);
	carry.session = session;
	carry.old = old;
	carry.new = p_new(session->login->pool, struct pop3_policy_maildrop, 1);
	guid_128_copy(carry.new->guid, session->box_guid);
	carry.new->uidvalidity = session->uidvalidity;
	carry.new->uidnext = session->uidnext;
	carry.new->retrieved_known = old->retrieved_known;
	p_array_init(&carry.new->hidden, session->login->pool, 8);
	p_array_init(&carry.new->exempt, session->login->pool, 1);
	p_array_init(&carry.new->spared, session->login->pool, 8);
	p_array_init(&carry.new->postponed, session->login->pool, 1);
	p_array_init(&carry.new->would, session->login->pool, 1);
	p_array_init(&carry.new->retrieved, session->login->pool, 8);

	carry.pool = pool_alloconly_create("pop3-policy carry", 4096);
	hash_table_create(&carry.messages, carry.pool, 0, guid_128_hash,
			  guid_128_cmp);
	carry.items = str_new(default_pool, 1024);

	ret = carry_read_mailbox(&carry);
	if (ret == 0)
		ret = carry_read_state(&carry);
	if (ret == 0)
		ret = carry_send(&carry);
	if (ret == 0) {
		session->drop = carry.new;
		e_info(session->event, "The mailbox has a new identity "
		       "(UIDVALIDITY %u, was %u): state of %u messages was "
		       "carried over by their GUIDs", session->uidvalidity,
		       old->uidvalidity, carry.item_count);
	}
	str_free(&carry.items);
	hash_table_destroy(&carry.messages);
	pool_unref(&carry.pool);
	return ret;
}
