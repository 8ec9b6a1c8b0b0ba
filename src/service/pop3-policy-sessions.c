/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "pop3-policy-records.h"
#include "pop3-policy-record-session.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"
#include "pop3-policy-writer.h"

struct pop3_policy_sessions {
	struct pop3_policy_service *service;
	HASH_TABLE(char *, struct pop3_policy_session *) hash;
};

struct pop3_policy_sessions *
pop3_policy_sessions_init(struct pop3_policy_service *service)
{
	struct pop3_policy_sessions *sessions;

	sessions = i_new(struct pop3_policy_sessions, 1);
	sessions->service = service;
	hash_table_create(&sessions->hash, default_pool, 0, str_hash, strcmp);
	return sessions;
}

struct pop3_policy_session *
pop3_policy_sessions_find(struct pop3_policy_sessions *sessions,
			  const char *id)
{
	return hash_table_lookup(sessions->hash, id);
}

struct pop3_policy_session *
pop3_policy_sessions_get(struct pop3_policy_sessions *sessions,
			 const char *id, const char *user)
{
	struct pop3_policy_session *session;
	pool_t pool;

	session = hash_table_lookup(sessions->hash, id);
	if (session != NULL)
		return session;
	pool = pool_alloconly_create("pop3 policy session", 1024);
	session = p_new(pool, struct pop3_policy_session, 1);
	session->pool = pool;
	session->id = p_strdup(pool, id);
	session->user = p_strdup(pool, user);
	p_array_init(&session->maildrops, pool, 1);
	p_array_init(&session->intents, pool, 1);
	p_array_init(&session->postponed, pool, 1);
	p_array_init(&session->changes, pool, 1);
	hash_table_insert(sessions->hash, session->id, session);
	return session;
}

void pop3_policy_session_intent_sent(struct pop3_policy_session *session,
				     uint32_t no)
{
	seq_range_array_add(&session->intents, no);
}

void pop3_policy_session_changed(struct pop3_policy_session *session,
				 const struct pop3_policy_state_change *change)
{
	struct pop3_policy_state_change *copy;
	pool_t pool = session->pool;

	copy = p_new(pool, struct pop3_policy_state_change, 1);
	*copy = *change;
	p_array_init(&copy->hide, pool, array_count(&change->hide) + 1);
	p_array_init(&copy->postpone, pool, array_count(&change->postpone) + 1);
	p_array_init(&copy->gone, pool, array_count(&change->gone) + 1);
	array_append_array(&copy->hide, &change->hide);
	array_append_array(&copy->postpone, &change->postpone);
	array_append_array(&copy->gone, &change->gone);
	p_array_init(&copy->flag, pool, array_count(&change->flag) + 1);
	array_append_array(&copy->flag, &change->flag);
	array_push_back(&session->changes, &copy);
	if (copy->postponed)
		seq_range_array_add(&session->postponed, copy->no);
}

const struct pop3_policy_state_change *
pop3_policy_session_change(const struct pop3_policy_session *session,
			   uint32_t no)
{
	struct pop3_policy_state_change *const *changes;
	unsigned int count;

	/* a number is repeated where its answer was lost: the last one */
	changes = array_get(&session->changes, &count);
	while (count-- > 0) {
		if (changes[count]->no == no)
			return changes[count];
	}
	return NULL;
}

void pop3_policy_session_abandon(struct pop3_policy_service *service,
				 const char *user, const char *session_id)
{
	struct pop3_policy_record *record;

	record = pop3_policy_record_create(POP3_POLICY_RECORD_ABANDON, user, 0);
	pop3_policy_record_add(record, session_id);
	pop3_policy_writer_add(service->writer, record);
}

static void pop3_policy_session_free(struct pop3_policy_sessions *sessions,
				     struct pop3_policy_session *session)
{
	pool_t pool = session->pool;

	hash_table_remove(sessions->hash, session->id);
	pool_unref(&pool);
}

void pop3_policy_sessions_intent_over(struct pop3_policy_sessions *sessions,
				      const char *id, uint32_t no)
{
	struct pop3_policy_session *session =
		pop3_policy_sessions_find(sessions, id);

	if (session == NULL)
		return;
	seq_range_array_remove(&session->intents, no);
	seq_range_array_remove(&session->postponed, no);
	if (session->started == NULL && array_count(&session->intents) == 0 &&
	    array_count(&session->postponed) == 0)
		pop3_policy_session_free(sessions, session);
}

static void
pop3_policy_session_keep_postponed(struct pop3_policy_sessions *sessions,
				   struct pop3_policy_session *session)
{
	const struct pop3_policy_state_change *change;
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t no;

	seq_range_array_iter_init(&iter, &session->postponed);
	while (seq_range_array_iter_nth(&iter, n++, &no)) {
		change = pop3_policy_session_change(session, no);
		pop3_policy_state_cache_change(sessions->service->states,
					       session->user, change);
	}
}

void pop3_policy_sessions_ended(struct pop3_policy_sessions *sessions,
				struct pop3_policy_session *session)
{
	if (session == NULL)
		return;
	pop3_policy_session_keep_postponed(sessions, session);
	if (array_count(&session->intents) > 0) {
		pop3_policy_session_abandon(sessions->service, session->user,
					    session->id);
	}
	pop3_policy_session_free(sessions, session);
}

/* The process that ran it ended without telling how the session did. */
static void pop3_policy_session_lost(struct pop3_policy_service *service,
				     const struct pop3_policy_session *session)
{
	struct pop3_policy_record_session data;

	i_zero(&data);
	data.session = session->id;
	data.dsession = session->dsession;
	data.user = session->user;
	data.auth_user = session->auth_user;
	data.rip = session->rip;
	data.tls = session->tls;
	data.device = session->device;
	data.started = session->started;
	data.ended_by = "lost";
	pop3_policy_writer_add(service->writer,
			       pop3_policy_record_session_create(&data));
}

void pop3_policy_sessions_deinit(struct pop3_policy_sessions **_sessions)
{
	struct pop3_policy_sessions *sessions = *_sessions;
	struct hash_iterate_context *iter;
	struct pop3_policy_session *session;
	char *id;

	*_sessions = NULL;
	iter = hash_table_iterate_init(sessions->hash);
	while (hash_table_iterate(iter, sessions->hash, &id, &session)) T_BEGIN {
		if (sessions->service->stopping) {
			pop3_policy_session_free(sessions, session);
		} else {
			if (session->started != NULL) {
				pop3_policy_session_lost(sessions->service,
							 session);
			}
			pop3_policy_sessions_ended(sessions, session);
		}
	} T_END;
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&sessions->hash);
	i_free(sessions);
}
