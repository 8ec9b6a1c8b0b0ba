/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "file-lock.h"
#include "hash.h"
#include "mail-storage-private.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-intent.h"
#include "pop3-policy-move.h"
#include "pop3-policy-quota.h"
#include "pop3-policy-seen.h"
#include "pop3-policy-session.h"

/* Two sessions that move the same messages at the same time must not both find
   them missing in the target. */
#define LOCK_NAME "pop3-policy-move.lock"
/* Nor must they look for the target and create it at the same time: whoever
   creates a mailbox locks the list of mailboxes and then its index, whoever does
   not find one locks them the other way round, and Dovecot's answer to a
   deadlock is to end the process. INBOX has this one, there is no target yet. */
#define OPEN_LOCK_NAME "pop3-policy-target.lock"
#define LOCK_SECS 10

HASH_TABLE_DEFINE_TYPE(guids, uint8_t *, struct pop3_policy_removal *);

struct pop3_policy_move {
	struct pop3_policy_session *session;
	struct mailbox *target;
	/* messages that get \Seen */
	ARRAY_TYPE(seq_range) seen;
};

static const char *move_storage_error(struct mailbox *box, const char *what)
{
	return t_strdup_printf("Mailbox %s: %s failed: %s",
			       mailbox_get_vname(box), what,
			       mailbox_get_last_internal_error(box, NULL));
}

static int move_create(struct pop3_policy_move *move)
{
	struct mailbox *box = move->target;

	if (mailbox_create(box, NULL, FALSE) < 0) {
		/* another session may have been faster */
		if (mailbox_get_last_mail_error(box) != MAIL_ERROR_EXISTS)
			return -1;
	} else if (mailbox_set_subscribed(box, TRUE) < 0) {
		e_warning(move->session->event, "%s",
			  move_storage_error(box, "Subscribing to it"));
	}
	return mailbox_open(box);
}

/* Returns 0 if the target is open, -1 + *error_r. */
static int
move_open_target(struct pop3_policy_move *move, const char **error_r)
{
	struct file_lock *lock;
	const char *error;
	int ret = 0;

	if (mailbox_lock_file_create(move->session->box, OPEN_LOCK_NAME,
				     LOCK_SECS, &lock, &error) <= 0) {
		*error_r = t_strdup_printf("Mailbox %s: %s",
			mailbox_get_vname(move->target), error);
		return -1;
	}
	if (mailbox_open(move->target) < 0 &&
	    (mailbox_get_last_mail_error(move->target) != MAIL_ERROR_NOTFOUND ||
	     move_create(move) < 0)) {
		*error_r = move_storage_error(move->target, "Opening it");
		ret = -1;
	}
	file_lock_free(&lock);
	return ret;
}

int pop3_policy_move_open(struct pop3_policy_session *session,
			  const ARRAY_TYPE(pop3_policy_removal) *removals,
			  struct pop3_policy_move **move_r,
			  const char **error_r)
{
	const struct pop3_policy_removal *removal;
	struct pop3_policy_move *move;
	const char *name = NULL;

	*move_r = NULL;
	array_foreach(removals, removal) {
		if (removal->action == POP3_POLICY_ACTION_MOVE) {
			name = removal->mailbox;
			break;
		}
	}
	if (name == NULL)
		return 0;

	*move_r = move = i_new(struct pop3_policy_move, 1);
	move->session = session;
	i_array_init(&move->seen, 16);
	pop3_policy_seen_find(session, &move->seen);
	move->target = mailbox_alloc_for_user(session->user, name, 0);
	if (mailbox_backends_equal(move->target, session->box)) {
		*error_r = t_strdup_printf("move_mailbox %s is INBOX", name);
		return -1;
	}
	if (move_open_target(move, error_r) < 0)
		return -1;
	if (mailbox_is_readonly(move->target)) {
		*error_r = t_strdup_printf("Mailbox %s is read-only", name);
		return -1;
	}
	return 1;
}

void pop3_policy_move_free(struct pop3_policy_move **_move)
{
	struct pop3_policy_move *move = *_move;

	*_move = NULL;
	if (move == NULL)
		return;
	mailbox_free(&move->target);
	array_free(&move->seen);
	i_free(move);
}

/* Take messages out of *missing that the target has. */
static int move_find(struct pop3_policy_move *move,
		     HASH_TABLE_TYPE(guids) missing)
{
	struct mailbox_transaction_context *t;
	struct mail *mail;
	guid_128_t guid;
	uint8_t *key = guid;
	uint32_t seq;
	int ret = 0;

	t = mailbox_transaction_begin(move->target, 0, __func__);
	mail = mail_alloc(t, MAIL_FETCH_GUID, NULL);
	for (seq = mail_index_view_get_messages_count(t->view);
	     seq > 0 && ret == 0 && hash_table_count(missing) > 0; seq--) {
		mail_set_seq(mail, seq);
		if (pop3_policy_mail_guid(mail, guid) == 0)
			(void)hash_table_try_remove(missing, key);
		else if (!mail->expunged)
			ret = -1;
	}
	mail_free(&mail);
	/* keep what was added to the cache */
	(void)mailbox_transaction_commit(&t);
	return ret;
}

/* Returns 1 if the message was copied and is expunged in its transaction, 0 if
   it is gone meanwhile, -1 on error. */
static int move_message(struct pop3_policy_move *move,
			struct mailbox_transaction_context *target_t,
			struct mail *mail)
{
	struct mail_save_context *ctx = mailbox_save_alloc(target_t);
	int ret;

	mailbox_save_copy_flags(ctx, mail);
	if (seq_range_exists(&move->seen, mail->uid))
		ctx->data.flags |= MAIL_SEEN;
	/* no copy, so that quota does not matter within one root */
	move->session->passing = TRUE;
	ret = mailbox_move(&ctx, mail);
	move->session->passing = FALSE;
	if (ret == 0)
		return 1;
	return mail->expunged ||
		mailbox_get_last_mail_error(move->target) ==
		MAIL_ERROR_EXPUNGED ? 0 : -1;
}

static int
move_messages(struct pop3_policy_move *move,
	      struct mailbox_transaction_context *target_t,
	      struct mailbox_transaction_context *t,
	      const ARRAY_TYPE(pop3_policy_removal) *removals,
	      HASH_TABLE_TYPE(guids) missing)
{
	const struct pop3_policy_removal *removal;
	struct mail *mail = mail_alloc(t, 0, NULL);
	const uint8_t *key;
	int ret = 0;

	array_foreach(removals, removal) {
		if (removal->action != POP3_POLICY_ACTION_MOVE ||
		    !mail_set_uid(mail, removal->uid) ||
		    mail_index_is_expunged(t->view, mail->seq))
			continue;
		key = removal->guid;
		/* without a GUID nobody can tell whether it is there */
		if (!guid_128_is_empty(removal->guid) &&
		    hash_table_lookup(missing, key) == NULL) {
			move->session->passing = TRUE;
			mail_expunge(mail);
			move->session->passing = FALSE;
		} else if ((ret = move_message(move, target_t, mail)) < 0)
			break;
	}
	mail_free(&mail);
	return ret < 0 ? -1 : 0;
}

/* What is not in the target yet. Locked, so that it stays so. */
static int
move_locked(struct pop3_policy_move *move,
	    struct mailbox_transaction_context *t,
	    const ARRAY_TYPE(pop3_policy_removal) *removals,
	    HASH_TABLE_TYPE(guids) missing,
	    const ARRAY_TYPE(pop3_policy_intent) *intents,
	    const char **error_r)
{
	struct mailbox_transaction_context *target_t;

	if (mailbox_sync(move->target, MAILBOX_SYNC_FLAG_FULL_READ) < 0 ||
	    move_find(move, missing) < 0) {
		*error_r = move_storage_error(move->target, "Reading it");
		return -1;
	}
	/* see what other sessions have moved since the removals were
	   described */
	(void)mail_index_refresh(t->box->index);
	target_t = mailbox_transaction_begin(move->target,
		MAILBOX_TRANSACTION_FLAG_EXTERNAL, __func__);
	if (move_messages(move, target_t, t, removals, missing) < 0) {
		*error_r = move_storage_error(move->target, "Moving into it");
		mailbox_transaction_rollback(&target_t);
		return -1;
	}
	if (pop3_policy_intents_check(intents, error_r) < 0) {
		mailbox_transaction_rollback(&target_t);
		return -1;
	}
	if (mailbox_transaction_commit(&target_t) < 0) {
		*error_r = move_storage_error(move->target, "Moving into it");
		return -1;
	}
	return 0;
}

int pop3_policy_move_commit(struct pop3_policy_move *move,
			    struct mailbox_transaction_context *t,
			    const ARRAY_TYPE(pop3_policy_removal) *removals,
			    const ARRAY_TYPE(pop3_policy_intent) *intents,
			    const char **error_r)
{
	HASH_TABLE_TYPE(guids) missing;
	struct pop3_policy_removal *removal;
	struct file_lock *lock;
	const char *error;
	uint8_t *key;
	unsigned int i, count;
	int ret;

	if (mailbox_lock_file_create(move->target, LOCK_NAME, LOCK_SECS,
				     &lock, &error) <= 0) {
		*error_r = t_strdup_printf("Mailbox %s: %s",
			mailbox_get_vname(move->target), error);
		return -1;
	}
	hash_table_create(&missing, default_pool, 0, guid_128_hash,
			  guid_128_cmp);
	count = array_count(removals);
	for (i = 0; i < count; i++) {
		removal = array_idx_modifiable(removals, i);
		key = removal->guid;
		if (removal->action == POP3_POLICY_ACTION_MOVE)
			hash_table_update(missing, key, removal);
	}
	pop3_policy_quota_move_begin(t->box, move->target);
	ret = move_locked(move, t, removals, missing, intents, error_r);
	pop3_policy_quota_move_end(t->box);
	hash_table_destroy(&missing);
	file_lock_free(&lock);
	return ret;
}
