/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str-sanitize.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "pop3-policy-deliver-box.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-describe.h"
#include "pop3-policy-evict-choose.h"
#include "pop3-policy-evict.h"
#include "pop3-policy-intent.h"
#include "pop3-policy-quota.h"
#include "pop3-policy-sender.h"

/* The policy may change while we ask, and messages may go. */
#define MAX_TRIES 2

/* What one attempt came to. */
enum evict_result {
	EVICT_DONE,
	/* all that may go is not enough */
	EVICT_NOT_ENOUGH,
	/* the policy or the mailbox changed: decide anew */
	EVICT_AGAIN,
	/* it cannot be known now */
	EVICT_FAILED
};

struct evict {
	struct pop3_policy_delivery *delivery;
	struct pop3_policy_sender sender;
	struct pop3_policy_evict_choice choice;
	struct mailbox *inbox;
	/* Message-ID */
	const char *room_for;
	/* why it failed */
	const char *error;
};

enum pop3_policy_evict_answer
pop3_policy_evict_ask(struct mailbox *box, struct mail **mail_r)
{
	struct pop3_policy_delivery *delivery =
		pop3_policy_delivery_get(box->storage->user);

	*mail_r = NULL;
	if (delivery == NULL || !delivery->delivers ||
	    !pop3_policy_delivery_enforced(delivery) ||
	    pop3_policy_num(&delivery->limits->policy,
			    POP3_POLICY_PARAM_QUOTA_ACTION) !=
	    POP3_POLICY_QUOTA_ACTION_EVICT)
		return POP3_POLICY_EVICT_NO;
	switch (pop3_policy_deliver_stage(box, mail_r)) {
	case POP3_POLICY_DELIVER_OTHER:
		break;
	case POP3_POLICY_DELIVER_EARLY:
		return POP3_POLICY_EVICT_LATER;
	case POP3_POLICY_DELIVER_WRITTEN:
		return POP3_POLICY_EVICT_NOW;
	}
	return POP3_POLICY_EVICT_NO;
}

uint64_t pop3_policy_evict_excess(int64_t used, uint64_t ceil, uint64_t over,
				  uint64_t alloc)
{
	int64_t growth = used + (int64_t)I_MIN(alloc, INT64_MAX / 2);

	/* ceil or over is 0 */
	if (over > 0)
		growth += (int64_t)I_MIN(over, INT64_MAX / 2);
	else if (ceil >= INT64_MAX)
		return 0;
	else
		growth -= (int64_t)ceil;
	return I_MAX(growth, 0);
}

static enum evict_result evict_fail(struct evict *evict, const char *error)
{
	evict->error = p_strdup(evict->choice.pool, error);
	return EVICT_FAILED;
}

static enum evict_result
evict_storage_fail(struct evict *evict, const char *what)
{
	return evict_fail(evict, t_strdup_printf("INBOX: %s failed: %s", what,
		mailbox_get_last_internal_error(evict->inbox, NULL)));
}

/* --- expunging --- */

static int
evict_commit(struct evict *evict, struct mailbox_transaction_context **t,
	     const ARRAY_TYPE(pop3_policy_intent) *intents, const char **error_r)
{
	const struct pop3_policy_removal *removal;
	struct mail *mail = mail_alloc(*t, 0, NULL);

	array_foreach(&evict->choice.removals, removal) {
		if (mail_set_uid(mail, removal->uid))
			mail_expunge(mail);
	}
	mail_free(&mail);
	if (pop3_policy_intents_check(intents, error_r) < 0) {
		pop3_policy_intents_tell(&evict->sender, intents, "failed");
		mailbox_transaction_rollback(t);
		return -1;
	}
	if (mailbox_transaction_commit(t) < 0 ||
	    mailbox_sync(evict->inbox, 0) < 0) {
		pop3_policy_intents_tell(&evict->sender, intents, "unknown");
		*error_r = mailbox_get_last_internal_error(evict->inbox, NULL);
		return -1;
	}
	return 0;
}

/* The storage may not expunge what it was asked to: missing rights. */
static unsigned int evict_still_there(struct evict *evict)
{
	const struct pop3_policy_removal *removal;
	unsigned int count = 0;
	uint32_t seq;

	array_foreach(&evict->choice.removals, removal) {
		if (mail_index_lookup_seq(evict->inbox->view, removal->uid,
					  &seq))
			count++;
	}
	return count;
}

/* The transaction ends in any case. */
static enum evict_result
evict_remove(struct evict *evict, struct mailbox_transaction_context **t)
{
	struct pop3_policy_delivery *delivery = evict->delivery;
	struct pop3_policy_intent_request request = {
		.sender = &evict->sender,
		.version = delivery->limits->version,
		.room_for = evict->room_for,
		.last_no = &delivery->intent_no
	};
	ARRAY_TYPE(pop3_policy_intent) intents;
	const char *error;
	unsigned int left;
	int ret;

	t_array_init(&intents, 2);
	ret = pop3_policy_intents_take(&request, &evict->choice.removals,
				       &intents, &error);
	if (ret <= 0) {
		mailbox_transaction_rollback(t);
		return ret == 0 ? EVICT_AGAIN : evict_fail(evict, error);
	}
	if (evict_commit(evict, t, &intents, &error) < 0)
		return evict_fail(evict, error);
	left = evict_still_there(evict);
	pop3_policy_intents_tell(&evict->sender, &intents,
				 left == 0 ? "committed" : "unknown");
	if (left > 0) {
		return evict_fail(evict, t_strdup_printf("INBOX: %u messages "
			"were not removed, though the storage reported no "
			"error (is it read-only for this user?)", left));
	}
	return EVICT_DONE;
}

/* --- deciding --- */

static enum evict_result
evict_choose(struct evict *evict, struct mailbox_transaction_context *t)
{
	struct pop3_policy_left_out left_out;
	unsigned int count;
	const char *error;
	int ret;

	ret = pop3_policy_evict_choose(&evict->sender, t, &evict->choice,
				       &error);
	if (ret <= 0) {
		return ret == 0 ? EVICT_NOT_ENOUGH :
			evict_fail(evict, error);
	}
	pop3_policy_removals_sort(&evict->choice.removals);
	pop3_policy_left_out_init(&left_out, evict->choice.pool);
	count = array_count(&evict->choice.removals);
	pop3_policy_describe(t, evict->choice.pool, NULL, NULL,
			     &evict->choice.removals, &left_out);
	if (array_count(&evict->choice.removals) == count)
		return EVICT_DONE;
	evict->error = "INBOX: messages were removed meanwhile";
	return EVICT_AGAIN;
}

static enum evict_result evict_try(struct evict *evict)
{
	struct mailbox_transaction_context *t;
	struct mailbox_metadata metadata;
	struct mailbox_status status;
	enum evict_result ret;

	/* A mailbox of our own: the one that is delivered to has a transaction
	   under way. */
	if (mailbox_sync(evict->inbox, 0) < 0 ||
	    mailbox_get_metadata(evict->inbox, MAILBOX_METADATA_GUID,
				 &metadata) < 0)
		return evict_storage_fail(evict, "Opening it");
	if (mailbox_is_readonly(evict->inbox))
		return EVICT_NOT_ENOUGH;
	mailbox_get_open_status(evict->inbox, STATUS_UIDVALIDITY, &status);
	guid_128_copy(evict->sender.box_guid, metadata.guid);
	evict->sender.uidvalidity = status.uidvalidity;

	t = mailbox_transaction_begin(evict->inbox, 0, __func__);
	ret = evict_choose(evict, t);
	if (ret == EVICT_DONE)
		return evict_remove(evict, &t);
	/* keep what was added to the cache */
	(void)mailbox_transaction_commit(&t);
	return ret;
}

/* TRUE if the policy lets mail go. If not, *result_r is the result. */
static bool evict_may(struct evict *evict, enum evict_result *result_r)
{
	const struct pop3_policy_delivery *delivery = evict->delivery;
	const struct pop3_policy *policy = &delivery->limits->policy;

	if (!pop3_policy_delivery_enforced(delivery) ||
	    pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_ACTION) !=
	    POP3_POLICY_QUOTA_ACTION_EVICT) {
		*result_r = evict_fail(evict, "the policy changed");
		return FALSE;
	}
	if (pop3_policy_num(policy, POP3_POLICY_PARAM_POP3_HOLD) !=
	    POP3_POLICY_NO) {
		evict->error = "the mailbox is under a hold (pop3_hold)";
		*result_r = EVICT_NOT_ENOUGH;
		return FALSE;
	}
	if (policy->paused) {
		/* it does not last: not to be told to the sender as final */
		*result_r = evict_fail(evict, "removals by policy are paused");
		return FALSE;
	}
	if (delivery->limits->cached) {
		*result_r = evict_fail(evict, "the database cannot be asked");
		return FALSE;
	}
	return TRUE;
}

static enum evict_result evict_run(struct evict *evict)
{
	enum evict_result ret;
	const char *error;
	unsigned int tries;

	for (tries = 0; tries < MAX_TRIES; tries++) {
		if (tries > 0 &&
		    pop3_policy_delivery_limits_again(evict->delivery,
						      &error) < 0)
			return evict_fail(evict, error);
		evict->error = NULL;
		if (!evict_may(evict, &ret))
			return ret;
		T_BEGIN {
			ret = evict_try(evict);
		} T_END;
		if (ret != EVICT_AGAIN)
			return ret;
	}
	if (evict->error != NULL)
		return EVICT_FAILED;
	return evict_fail(evict, "the policy keeps changing");
}

static bool evict_finish(struct evict *evict, enum evict_result result)
{
	struct event *event = evict->sender.event;
	const char *room_for = str_sanitize(evict->room_for, 200);

	switch (result) {
	case EVICT_DONE:
		e_info(event, "Removed %u messages, %"PRIu64" bytes, from "
		       "INBOX to make room for %s",
		       array_count(&evict->choice.removals),
		       evict->choice.sum.bytes, room_for);
		return TRUE;
	case EVICT_NOT_ENOUGH:
		e_info(event, "No room is made for %s: %s", room_for,
		       evict->error != NULL ? evict->error :
		       "all that may be removed is not enough");
		pop3_policy_quota_set_tempfail(evict->sender.user, FALSE);
		break;
	case EVICT_AGAIN:
	case EVICT_FAILED:
		e_warning(event, "Delivery is put off, no room is made for "
			  "%s: %s", room_for, evict->error);
		pop3_policy_quota_set_tempfail(evict->sender.user, TRUE);
		break;
	}
	return FALSE;
}

static const char *mail_message_id(struct mail *mail)
{
	const char *message_id;

	if (mail_get_first_header(mail, "Message-ID", &message_id) <= 0 ||
	    *message_id == '\0')
		return "a message without a Message-ID";
	return t_strdup(message_id);
}

bool pop3_policy_evict(struct mail_user *user, struct mail *room_for,
		       const struct pop3_policy_evict_sum *need, bool vsizes,
		       struct pop3_policy_evict_sum *freed_r)
{
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);
	struct mail_namespace *ns = mail_namespace_find_inbox(user->namespaces);
	struct evict evict;
	enum evict_result result;
	bool ret;

	i_zero(&evict);
	evict.delivery = delivery;
	evict.sender.user = user;
	evict.sender.event = delivery->event;
	evict.sender.service = delivery->service;
	guid_128_copy(evict.sender.id, delivery->id);
	pop3_policy_evict_choice_init(&evict.choice, need, vsizes);
	evict.inbox = mailbox_alloc(ns->list, "INBOX", 0);
	T_BEGIN {
		evict.room_for = mail_message_id(room_for);
		result = evict_run(&evict);
		ret = evict_finish(&evict, result);
	} T_END;
	*freed_r = evict.choice.sum;
	mailbox_free(&evict.inbox);
	pop3_policy_evict_choice_deinit(&evict.choice);
	return ret;
}

void pop3_policy_evict_in_vain(struct mail_user *user)
{
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);

	e_warning(delivery->event, "Delivery is put off: the message does not "
		  "fit, though room was made for it");
	pop3_policy_quota_set_tempfail(user, TRUE);
}
