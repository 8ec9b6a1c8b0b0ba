/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* SESSION: the end of a session. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-client.h"
#include "pop3-policy-db-text.h"
#include "pop3-policy-disposition.h"
#include "pop3-policy-param.h"
#include "pop3-policy-polls.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-record-session.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"
#include "pop3-policy-state-cache.h"

#include <stdlib.h>

static const char *const ended_by_words[] = {
	"quit", "drop", "timeout", "kick", "update-failed", "refused", "error",
	"sweep", NULL
};

static void
pop3_policy_session_head(struct pop3_policy_fields *fields,
			 struct pop3_policy_record_session *data)
{
	ARRAY_TYPE(seq_range) set;

	data->user = pop3_policy_fields_user(fields);
	data->session = pop3_policy_fields_guid(fields, "session",
						POP3_POLICY_REQUIRED);
	data->dsession = pop3_policy_fields_text(fields, "dsession",
						 POP3_POLICY_MAX_NAME);
	data->auth_user = pop3_policy_fields_text(fields, "auth_user",
						  POP3_POLICY_MAX_NAME);
	data->rip = pop3_policy_fields_text(fields, "rip",
					    POP3_POLICY_MAX_NAME);
	data->tls = pop3_policy_fields_flag(fields, "tls");
	data->device = pop3_policy_fields_text(fields, "device",
					       POP3_POLICY_MAX_NAME);
	data->started = pop3_policy_fields_seconds(fields, "started",
						   POP3_POLICY_REQUIRED);
	data->duration = pop3_policy_fields_seconds(fields, "duration",
						    POP3_POLICY_OPTIONAL);
	data->ended_by = pop3_policy_fields_word(fields, "ended_by",
						 ended_by_words,
						 POP3_POLICY_REQUIRED);
	data->guid = pop3_policy_fields_guid(fields, "guid",
					     POP3_POLICY_OPTIONAL);
	data->uidvalidity = pop3_policy_fields_uid(fields, "uidvalidity",
						   POP3_POLICY_OPTIONAL);
	data->uidnext = pop3_policy_fields_uid(fields, "uidnext",
					       POP3_POLICY_OPTIONAL);
	data->uidnext_end = pop3_policy_fields_uid(fields, "uidnext_end",
						   POP3_POLICY_OPTIONAL);
	data->messages = pop3_policy_fields_num(fields, "messages", 0,
						UINT32_MAX,
						POP3_POLICY_OPTIONAL);
	data->anchor_uid = pop3_policy_fields_uid(fields, "anchor_uid",
						  POP3_POLICY_OPTIONAL);
	data->anchor_guid = pop3_policy_fields_guid(fields, "anchor_guid",
						    POP3_POLICY_OPTIONAL);
	data->retr = pop3_policy_fields_num(fields, "retr", 0, INT32_MAX,
					    POP3_POLICY_OPTIONAL);
	data->top = pop3_policy_fields_num(fields, "top", 0, INT32_MAX,
					   POP3_POLICY_OPTIONAL);
	data->dele = pop3_policy_fields_num(fields, "dele", 0, INT32_MAX,
					    POP3_POLICY_OPTIONAL);
	data->bytes = pop3_policy_fields_size(fields, "bytes",
					      POP3_POLICY_OPTIONAL);
	pop3_policy_fields_uids(fields, "fetched", &set);
	data->fetched = pop3_policy_multirange_from_uids(&set);
	pop3_policy_fields_uids(fields, "removed", &set);
	data->removed = pop3_policy_multirange_from_uids(&set);
}

/* The arrays of the items of one type: UIDs, GUIDs, sizes, and the word that
   tells about each. They come in the order in which the client fetched them,
   each UID once, except that a message may be reported twice as one that would
   be removed: when it was found due, and when the client fetched it again. The
   first report counts. */
static void
pop3_policy_session_items(struct pop3_policy_request *request,
			  struct pop3_policy_fields *fields, const char *type,
			  const char *(*word)(struct pop3_policy_fields *),
			  bool repeats_allowed, const char **uids_r, const char **guids_r,
			  const char **sizes_r, const char **words_r)
{
	string_t *uids = pop3_policy_array_begin();
	string_t *guids = pop3_policy_array_begin();
	string_t *sizes = pop3_policy_array_begin();
	string_t *words = pop3_policy_array_begin();
	ARRAY_TYPE(seq_range) seen;
	int64_t uid;
	unsigned int i;

	i_array_init(&seen, 32);
	for (i = 0; i < request->message->item_count; i++) {
		if (strcmp(request->message->items[i].name, type) != 0)
			continue;
		pop3_policy_fields_line(fields, &request->message->items[i]);
		uid = pop3_policy_fields_int64(fields, "uid", 1, UINT32_MAX,
					       POP3_POLICY_REQUIRED);
		if (seq_range_array_add(&seen, (uint32_t)uid)) {
			if (repeats_allowed)
				continue;
			pop3_policy_fields_wrong(fields, "uid",
						 "is there twice");
		}
		pop3_policy_array_add_num(uids, uid);
		pop3_policy_array_add_text(guids, pop3_policy_fields_guid(
			fields, "guid", POP3_POLICY_REQUIRED));
		pop3_policy_array_add_num(sizes, pop3_policy_fields_int64(
			fields, "size", 0, 1LL << 62, POP3_POLICY_REQUIRED));
		pop3_policy_array_add_text(words, word(fields));
	}
	array_free(&seen);
	*uids_r = pop3_policy_array_end(uids);
	*guids_r = pop3_policy_array_end(guids);
	*sizes_r = pop3_policy_array_end(sizes);
	*words_r = pop3_policy_array_end(words);
}

static bool pop3_policy_session_is_zero(const char *num)
{
	return num == NULL || strcmp(num, "0") == 0;
}

/* The maildrop that was opened, as it was known at LOGIN; NULL if it was not
   known. */
static const struct pop3_policy_known_maildrop *
pop3_policy_session_maildrop(const struct pop3_policy_session *session,
			     const struct pop3_policy_record_session *data)
{
	const struct pop3_policy_known_maildrop *drop;

	array_foreach(&session->maildrops, drop) {
		if (null_strcmp(drop->guid, data->guid) == 0 &&
		    null_strcmp(drop->uidvalidity, data->uidvalidity) == 0)
			return drop;
	}
	return NULL;
}

/* Nothing happened that any row or state would tell of. */
static bool
pop3_policy_session_is_poll(struct pop3_policy_request *request,
			    const struct pop3_policy_session *session,
			    const struct pop3_policy_record_session *data)
{
	const struct pop3_policy_known_maildrop *drop;

	if (request->service->set.record_polls || session == NULL ||
	    session->started == NULL || data->guid == NULL ||
	    data->auth_user != NULL)
		return FALSE;
	/* what it reserved has to be settled */
	if (session->download_asked)
		return FALSE;
	/* a new anchor: the known one is gone, or mail came */
	if (data->anchor_guid != NULL)
		return FALSE;
	/* clients that never QUIT are told from others by their rows */
	if (strcmp(data->ended_by, "quit") != 0)
		return FALSE;
	if (request->message->item_count > 0 ||
	    !pop3_policy_session_is_zero(data->retr) ||
	    !pop3_policy_session_is_zero(data->top) ||
	    !pop3_policy_session_is_zero(data->dele) ||
	    strcmp(data->fetched, "{}") != 0 ||
	    strcmp(data->removed, "{}") != 0)
		return FALSE;
	drop = pop3_policy_session_maildrop(session, data);
	return drop != NULL && data->uidnext != NULL &&
		data->messages != NULL &&
		null_strcmp(drop->uidnext, data->uidnext) == 0 &&
		(data->uidnext_end == NULL ||
		 strcmp(data->uidnext, data->uidnext_end) == 0) &&
		null_strcmp(drop->messages, data->messages) == 0;
}

static void
pop3_policy_session_count_poll(struct pop3_policy_request *request,
			       const struct pop3_policy_record_session *data)
{
	struct pop3_policy_poll poll;

	i_zero(&poll);
	poll.user = data->user;
	poll.device = data->device;
	poll.rip = data->rip;
	poll.tls = strcmp(data->tls, "t") == 0;
	poll.started = strtod(data->started, NULL);
	poll.ended = poll.started + (data->duration == NULL ? 0 :
				     strtod(data->duration, NULL));
	pop3_policy_polls_add(request->service->polls, &poll);
}

/* Later sessions are to see it while the database is away. */
static void
pop3_policy_session_change_state(struct pop3_policy_request *request,
				 const struct pop3_policy_record_session *data)
{
	const struct pop3_policy_wire_message *message = request->message;
	struct pop3_policy_fields fields = { &message->head, NULL };
	ARRAY_TYPE(seq_range) retrieved, stay, removed;
	enum pop3_policy_action action;
	const char *word;
	uint32_t uid;
	unsigned int i;

	t_array_init(&retrieved, 16);
	t_array_init(&stay, 16);
	pop3_policy_fields_uids(&fields, "removed", &removed);
	for (i = 0; i < message->item_count; i++) {
		if (strcmp(message->items[i].name, "retrieved") != 0 ||
		    pop3_policy_wire_get_uint32(&message->items[i], "uid",
						&uid) <= 0)
			continue;
		seq_range_array_add(&retrieved, uid);
		word = pop3_policy_wire_get_str(&message->items[i], "action");
		if (pop3_policy_action_parse(word, &action) < 0 ||
		    !pop3_policy_action_removes(action))
			seq_range_array_add(&stay, uid);
	}
	pop3_policy_state_cache_session(request->service->states, data,
					&retrieved, &stay, &removed);
}

void pop3_policy_request_session(struct pop3_policy_request *request)
{
	struct pop3_policy_fields fields = { &request->message->head, NULL };
	struct pop3_policy_sessions *sessions =
		pop3_policy_client_sessions(request->client);
	struct pop3_policy_record_session data;
	struct pop3_policy_session *session;

	i_zero(&data);
	pop3_policy_session_head(&fields, &data);
	pop3_policy_session_items(request, &fields, "retrieved",
				  pop3_policy_fields_action, FALSE, &data.uids,
				  &data.guids, &data.sizes, &data.actions);
	pop3_policy_session_items(request, &fields, "would",
				  pop3_policy_fields_reason, TRUE,
				  &data.would_uids, &data.would_guids,
				  &data.would_sizes, &data.would_reasons);
	if (pop3_policy_request_is_invalid(request, &fields))
		return;

	session = pop3_policy_sessions_find(sessions, data.session);
	if (session != NULL) {
		data.view_since = session->view_since;
		data.view_window = session->view_window;
		data.download = session->download;
	}
	if (pop3_policy_session_is_poll(request, session, &data))
		pop3_policy_session_count_poll(request, &data);
	else {
		pop3_policy_session_change_state(request, &data);
		pop3_policy_writer_add(request->service->writer,
			pop3_policy_record_session_create(&data));
	}
	pop3_policy_sessions_ended(sessions, session);
	pop3_policy_request_ok(request);
}
