/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "pop3-policy-client.h"
#include "pop3-policy-clock.h"
#include "pop3-policy-intent.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-sender.h"

/* A durable wait each, so that one is answered well within the timeout, and
   its text is small enough with the longest Message-IDs. */
#define MAX_INTENT_MESSAGES 500

static void
intent_build(const struct pop3_policy_intent_request *request, string_t *text,
	     unsigned int id, const struct pop3_policy_removal *removals,
	     unsigned int count)
{
	const struct pop3_policy_sender *sender = request->sender;
	unsigned int i;

	pop3_policy_sender_wire(sender, text, "INTENT", id);
	pop3_policy_wire_num(text, "no", *request->last_no);
	pop3_policy_sender_wire_origin(sender, text);
	pop3_policy_sender_wire_mailbox(sender, text);
	pop3_policy_wire_str(text, "version", request->version);
	/* A line has a limit, and a header of a mail has none. */
	pop3_policy_wire_str(text, "for", request->room_for == NULL ? NULL :
			     t_strndup(request->room_for, 998));
	if (request->offline != NULL) {
		pop3_policy_wire_str(text, "postpone",
				     *request->offline ? "must" : "may");
	}
	pop3_policy_wire_num(text, "items", count);
	pop3_policy_wire_end(text);

	for (i = 0; i < count; i++) {
		const struct pop3_policy_removal *removal = &removals[i];
		bool flag = request->dele_is_flag &&
			pop3_policy_removal_is_dele(removal);

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
		pop3_policy_wire_str(text, "uidl",
			removal->uidl == NULL ? NULL :
			t_strndup(removal->uidl, 255));
		pop3_policy_wire_str(text, "message_id",
			removal->message_id == NULL ? NULL :
			t_strndup(removal->message_id, 998));
		pop3_policy_wire_end(text);
	}
}

/* Returns 0 if ok, -1 and *error_r if the answer is wrong. */
static int
intent_taken(const struct pop3_policy_intent_request *request,
	     const struct pop3_policy_wire_message *reply, uint64_t begin,
	     struct pop3_policy_intent *intent, const char **error_r)
{
	int64_t lease;

	if (request->offline != NULL &&
	    pop3_policy_wire_get_flag(&reply->head, "offline")) {
		*request->offline = TRUE;
		intent->postponed = TRUE;
		return 0;
	}
	if (pop3_policy_wire_get_int64(&reply->head, "lease", &lease) <= 0 ||
	    lease <= 0) {
		*error_r = "INTENT was answered without a lease";
		return -1;
	}
	if (request->offline != NULL && *request->offline) {
		*error_r = "INTENT was not postponed";
		return -1;
	}
	/* The other half is for the commit itself. */
	intent->commit_until = begin + (uint64_t)lease * 1000000000ULL / 2;
	return 0;
}

/* As pop3_policy_intents_take(), for one intent. */
static int
intent_take(const struct pop3_policy_intent_request *request,
	    const struct pop3_policy_removal *removals, unsigned int count,
	    struct pop3_policy_intent *intent, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	struct pop3_policy_client *service = request->sender->service;
	string_t *text = str_new(default_pool, 256 * count);
	unsigned int id = pop3_policy_client_next_id(service);
	uint64_t begin = pop3_policy_clock_nsecs();
	const char *code;
	int ret;

	/* Whatever the answer, the intent has this number: without an answer
	   its outcome, "failed", settles it. */
	intent->no = ++*request->last_no;
	intent_build(request, text, id, removals, count);
	ret = pop3_policy_client_request(service, id, text, &reply, error_r);
	str_free(&text);
	if (ret < 0)
		return -1;
	if (ret > 0) {
		if (intent_taken(request, reply, begin, intent, error_r) < 0)
			ret = -1;
	} else {
		code = pop3_policy_wire_get_str(&reply->head, "code");
		if (code == NULL || strcmp(code, "stale") != 0) {
			*error_r = t_strdup_printf("INTENT was refused: %s: %s",
				code == NULL ? "no code" : code,
				pop3_policy_wire_get_str(&reply->head, "text"));
			ret = -1;
		}
	}
	pop3_policy_wire_message_free(&reply);
	return ret;
}

int pop3_policy_intents_take(const struct pop3_policy_intent_request *request,
			     const ARRAY_TYPE(pop3_policy_removal) *removals,
			     ARRAY_TYPE(pop3_policy_intent) *intents,
			     const char **error_r)
{
	const struct pop3_policy_removal *list;
	struct pop3_policy_intent intent;
	unsigned int i = 0, count, batch;
	bool online;
	int ret = 1;

	list = array_get(removals, &count);
	while (i < count && ret > 0) {
		online = request->offline != NULL && !*request->offline;
		batch = I_MIN(count - i, MAX_INTENT_MESSAGES);
		i_zero(&intent);
		T_BEGIN {
			ret = intent_take(request, list + i, batch, &intent,
					  error_r);
		} T_END_PASS_STR_IF(ret < 0, error_r);
		/* the service settles a stale intent itself */
		if (ret != 0)
			array_push_back(intents, &intent);
		if (ret > 0 && i > 0 && online && *request->offline) {
			/* the database went away half-way: all is postponed,
			   or nothing */
			pop3_policy_intents_tell(request->sender, intents,
						 "failed");
			array_clear(intents);
			i = 0;
		} else {
			i += batch;
		}
	}
	if (ret <= 0) {
		pop3_policy_intents_tell(request->sender, intents, "failed");
		array_clear(intents);
	}
	return ret;
}

int pop3_policy_intents_check(const ARRAY_TYPE(pop3_policy_intent) *intents,
			      const char **error_r)
{
	const struct pop3_policy_intent *intent;

	/* A later session may repair an intent whose lease ran out, so a
	   commit must not begin late. */
	array_foreach(intents, intent) {
		if (!intent->postponed &&
		    pop3_policy_clock_nsecs() >= intent->commit_until) {
			*error_r = "the intent's lease is running out";
			return -1;
		}
	}
	return 0;
}

void pop3_policy_intents_tell(const struct pop3_policy_sender *sender,
			      const ARRAY_TYPE(pop3_policy_intent) *intents,
			      const char *result)
{
	const struct pop3_policy_intent *intent;
	string_t *text;

	if (array_count(intents) == 0)
		return;
	text = t_str_new(256);
	array_foreach(intents, intent) {
		pop3_policy_sender_wire(sender, text, "OUTCOME", 0);
		pop3_policy_wire_num(text, "no", intent->no);
		pop3_policy_wire_str(text, "result", result);
		pop3_policy_wire_flag(text, "postponed", intent->postponed);
		pop3_policy_wire_end(text);
	}
	if (str_len(text) > 0)
		pop3_policy_sender_send(sender, text);
}
