/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-session.h"
#include "pop3-policy-view.h"
#include "pop3-policy-view-limit.h"

bool pop3_policy_view_leaves_out(const struct pop3_policy_session *session,
				 struct mail_index_view *view, uint32_t seq)
{
	uint32_t uid;

	mail_index_lookup_uid(view, seq, &uid);
	return uid < session->view_from ||
		seq_range_exists(&session->hidden, uid);
}

/* pop3_deleted_flag: Dovecot shows no messages that have the keyword. */
static bool has_deleted_flag(const struct pop3_policy_session *session,
			     struct mail_index_view *view, uint32_t seq,
			     ARRAY_TYPE(keyword_indexes) *keywords)
{
	const struct mail_keywords *deleted = session->client->deleted_kw;
	unsigned int i, idx;

	if (deleted == NULL)
		return FALSE;
	mail_index_lookup_keywords(view, seq, keywords);
	array_foreach_elem(keywords, idx) {
		for (i = 0; i < deleted->count; i++) {
			if (deleted->idx[i] == idx)
				return TRUE;
		}
	}
	return FALSE;
}

static void view_apply_limit(struct pop3_policy_session *session,
			     int64_t limit)
{
	struct mail_index_view *view = session->box->view;
	ARRAY_TYPE(seq_range) uids, retrieved, left_out;
	ARRAY_TYPE(keyword_indexes) keywords;
	uint32_t seq, uid, count = mail_index_view_get_messages_count(view);

	t_array_init(&uids, 64);
	t_array_init(&retrieved, 64);
	t_array_init(&left_out, 64);
	t_array_init(&keywords, 8);
	for (seq = 1; seq <= count; seq++) {
		if (pop3_policy_view_leaves_out(session, view, seq) ||
		    has_deleted_flag(session, view, seq, &keywords))
			continue;
		mail_index_lookup_uid(view, seq, &uid);
		seq_range_array_add(&uids, uid);
	}
	if (session->drop != NULL)
		array_append_array(&retrieved, &session->drop->retrieved);
	pop3_policy_view_limit(limit, &uids, &retrieved, &left_out);
	seq_range_array_merge(&session->hidden, &left_out);
}

void pop3_policy_view_fix(struct pop3_policy_session *session)
{
	const struct pop3_policy_maildrop *drop = session->drop;
	bool filters = pop3_policy_filters_view(session->policy);
	int64_t limit = pop3_policy_num(session->policy,
					POP3_POLICY_PARAM_VIEW_LIMIT);

	session->view_from = 1;
	if (!array_is_created(&session->hidden))
		p_array_init(&session->hidden, session->login->pool, 8);
	array_clear(&session->hidden);
	if (drop != NULL && pop3_policy_hides(session->policy))
		array_append_array(&session->hidden, &drop->hidden);
	if (drop != NULL)
		seq_range_array_merge(&session->hidden, &drop->postponed);
	if (drop != NULL && filters)
		session->view_from = I_MAX(drop->view_from, 1);
	/* Without knowing what was retrieved the view would be too short. */
	if (filters && limit != POP3_POLICY_UNLIMITED &&
	    (drop == NULL || drop->retrieved_known)) T_BEGIN {
		view_apply_limit(session, limit);
	} T_END;
	session->filter = array_count(&session->hidden) > 0 ||
		session->view_from > 1;
}
