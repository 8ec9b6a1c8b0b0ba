/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-policy-client.h"
#include "pop3-policy-evict-choose.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-sender.h"

/* The service goes by the sizes on record, and does not know what is gone: it
   is asked for more, twice as much and what is missing, until that is enough
   or all. */
#define MAX_ASKED 20

void pop3_policy_evict_choice_init(struct pop3_policy_evict_choice *choice,
				   const struct pop3_policy_evict_sum *need,
				   bool vsizes)
{
	i_zero(choice);
	choice->pool = pool_alloconly_create("pop3-policy evict", 4096);
	choice->need = *need;
	choice->vsizes = vsizes;
	p_array_init(&choice->removals, choice->pool, 16);
	p_array_init(&choice->mismatched, choice->pool, 4);
}

void pop3_policy_evict_choice_deinit(struct pop3_policy_evict_choice *choice)
{
	pool_unref(&choice->pool);
}

static bool is_enough(const struct pop3_policy_evict_choice *choice)
{
	return choice->sum.bytes >= choice->need.bytes &&
		choice->sum.messages >= choice->need.messages;
}

/* Returns 0 and the answer, to be freed, -1 and *error_r if there is none. */
static int evict_request(const struct pop3_policy_sender *sender,
			 const struct pop3_policy_evict_sum *ask,
			 struct pop3_policy_wire_message **reply_r,
			 const char **error_r)
{
	string_t *text = t_str_new(256);
	unsigned int id = pop3_policy_client_next_id(sender->service);
	int ret;

	pop3_policy_sender_wire(sender, text, "EVICT", id);
	pop3_policy_sender_wire_mailbox(sender, text);
	pop3_policy_wire_num(text, "bytes", ask->bytes);
	pop3_policy_wire_num(text, "messages", ask->messages);
	pop3_policy_wire_end(text);
	ret = pop3_policy_client_request(sender->service, id, text, reply_r,
					 error_r);
	if (ret == 0) {
		*error_r = t_strdup_printf("EVICT was refused: %s",
			pop3_policy_wire_get_str(&(*reply_r)->head, "text"));
		pop3_policy_wire_message_free(reply_r);
	}
	return ret > 0 ? 0 : -1;
}

/* The size as the quota counts. Returns 1 if the message may go, 0 if it is
   gone or another one, -1 if it cannot be looked at. */
static int measure(struct pop3_policy_evict_choice *choice, struct mail *mail,
		   const struct pop3_policy_removal *removal, uoff_t *size_r)
{
	guid_128_t guid;
	int ret;

	if (!mail_set_uid(mail, removal->uid) ||
	    mail_index_is_expunged(mail->transaction->view, mail->seq))
		return 0;
	ret = pop3_policy_mail_guid(mail, guid);
	if (ret == 0 && guid_128_cmp(guid, removal->guid) != 0) {
		seq_range_array_add(&choice->mismatched, removal->uid);
		return 0;
	}
	if (ret == 0) {
		ret = choice->vsizes ? mail_get_virtual_size(mail, size_r) :
			mail_get_physical_size(mail, size_r);
	}
	if (ret == 0)
		return 1;
	return mail->expunged || mailbox_get_last_mail_error(mail->box) ==
		MAIL_ERROR_EXPUNGED ? 0 : -1;
}

/* Returns 0 if ok, -1 if the answer is wrong. */
static int parse(const struct pop3_policy_wire_line *item,
		 struct pop3_policy_removal *removal_r)
{
	const char *guid = pop3_policy_wire_get_str(item, "guid");

	i_zero(removal_r);
	if (pop3_policy_wire_get_uint32(item, "uid", &removal_r->uid) <= 0 ||
	    guid == NULL ||
	    pop3_policy_guid_parse(guid, removal_r->guid) < 0 ||
	    guid_128_is_empty(removal_r->guid))
		return -1;
	removal_r->action = POP3_POLICY_ACTION_EXPUNGE;
	removal_r->reason = POP3_POLICY_REASON_QUOTA;
	return 0;
}

/* Take as many of the messages as suffice. Returns 0 if ok, -1 and *error_r if
   not. */
static int choose(struct pop3_policy_evict_choice *choice,
		  struct mailbox_transaction_context *t,
		  const struct pop3_policy_wire_message *reply,
		  const char **error_r)
{
	struct mail *mail = mail_alloc(t, MAIL_FETCH_GUID | (choice->vsizes ?
		MAIL_FETCH_VIRTUAL_SIZE : MAIL_FETCH_PHYSICAL_SIZE), NULL);
	struct pop3_policy_removal removal;
	uoff_t size;
	unsigned int i;
	int ret = 0;

	array_clear(&choice->removals);
	i_zero(&choice->sum);
	for (i = 0; i < reply->item_count && !is_enough(choice); i++) {
		if (parse(&reply->items[i], &removal) < 0) {
			*error_r = "EVICT: bad answer";
			ret = -1;
			break;
		}
		T_BEGIN {
			ret = measure(choice, mail, &removal, &size);
		} T_END;
		if (ret < 0) {
			*error_r = t_strdup_printf("INBOX: UID %u: %s",
				removal.uid,
				mailbox_get_last_internal_error(t->box, NULL));
			break;
		}
		if (ret > 0) {
			array_push_back(&choice->removals, &removal);
			choice->sum.bytes += size;
			choice->sum.messages++;
		}
	}
	mail_free(&mail);
	return ret < 0 ? -1 : 0;
}

static void ask_more(const struct pop3_policy_evict_choice *choice,
		     struct pop3_policy_evict_sum *ask)
{
	if (choice->sum.bytes < choice->need.bytes) {
		ask->bytes = ask->bytes * 2 +
			choice->need.bytes - choice->sum.bytes;
	}
	if (choice->sum.messages < choice->need.messages) {
		ask->messages = ask->messages * 2 +
			choice->need.messages - choice->sum.messages;
	}
}

static int ask_and_choose(const struct pop3_policy_sender *sender,
			  struct mailbox_transaction_context *t,
			  struct pop3_policy_evict_choice *choice,
			  const char **error_r)
{
	struct pop3_policy_evict_sum ask = choice->need;
	struct pop3_policy_wire_message *reply;
	unsigned int asked;
	bool more = TRUE;
	int ret;

	for (asked = 0; more && asked < MAX_ASKED; asked++) {
		if (evict_request(sender, &ask, &reply, error_r) < 0)
			return -1;
		ret = choose(choice, t, reply, error_r);
		more = pop3_policy_wire_get_flag(&reply->head, "more");
		pop3_policy_wire_message_free(&reply);
		if (ret < 0)
			return -1;
		if (is_enough(choice))
			return 1;
		ask_more(choice, &ask);
	}
	if (!more)
		return 0;
	*error_r = "too many messages would have to be removed at once";
	return -1;
}

int pop3_policy_evict_choose(const struct pop3_policy_sender *sender,
			     struct mailbox_transaction_context *t,
			     struct pop3_policy_evict_choice *choice,
			     const char **error_r)
{
	int ret;

	array_clear(&choice->mismatched);
	ret = ask_and_choose(sender, t, choice, error_r);
	if (array_count(&choice->mismatched) > 0) {
		/* state whose message is another one is void */
		e_warning(sender->event, "%u messages to be removed are not "
			  "those whose retrieval was recorded; they stay, "
			  "their state is dropped",
			  seq_range_count(&choice->mismatched));
		pop3_policy_sender_event(sender, "mismatch", NULL,
					 &choice->mismatched, 0, NULL);
	}
	return ret;
}
