/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "file-lock.h"
#include "mail-namespace.h"
#include "mail-storage-hooks.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-user.h"
#include "pop3-policy-deliver-box.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-evict-quota.h"
#include "pop3-policy-evict.h"

#define LOCK_NAME "pop3-policy-quota.lock"

#define TEXT_BUSY \
	"The mailbox is busy with other deliveries. Please try again later."

#define DELIVER_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, pop3_policy_deliver_user_module)
#define DELIVER_BOX_CONTEXT(obj) \
	MODULE_CONTEXT(obj, pop3_policy_deliver_storage_module)
#define DELIVER_BOX_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_deliver_storage_module)

/* A transaction with saves, and what it allocated. */
struct deliver_transaction {
	struct mailbox_transaction_context *t;
	struct pop3_policy_evict_sum sum;
};

struct deliver_user {
	union mail_user_module_context module_ctx;
	struct pop3_policy_delivery *delivery;
	/* the maildrop's lock, and the transactions that need it; waited for
	   once */
	struct file_lock *lock;
	bool lock_failed;
	ARRAY(struct deliver_transaction) transactions;
	/* one of them was committed, with messages */
	bool committed;
	/* the commits are being told: what is saved meanwhile is ours */
	bool telling;
	/* the save whose message is written; its source, if it is a copy */
	struct mail_save_context *written;
	struct mail *source;
};

struct deliver_box {
	union mailbox_module_context module_ctx;
	struct deliver_user *duser;
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_deliver_user_module,
				  &mail_user_module_register);
static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_deliver_storage_module,
				  &mail_storage_module_register);

/* --- the lock --- */

/* Without a quota of the policy, and nobody to be warned, it would only cost
   time. */
static bool deliver_needs_lock(const struct pop3_policy_delivery *delivery)
{
	const struct pop3_policy *policy;

	if (!pop3_policy_delivery_enforced(delivery))
		return FALSE;
	policy = &delivery->limits->policy;
	if (pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_STORAGE) >= 0 ||
	    pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_MESSAGES) >= 0 ||
	    pop3_policy_num(policy, POP3_POLICY_PARAM_QUOTA_ACTION) ==
	    POP3_POLICY_QUOTA_ACTION_EVICT)
		return TRUE;
	return pop3_policy_num(policy, POP3_POLICY_PARAM_NOTIFY) ==
		POP3_POLICY_YES &&
		*policy->values[POP3_POLICY_PARAM_QUOTA_WARN].str != '\0';
}

/* The lock is INBOX's, whatever mailbox is saved into. Returns 0 if it is
   held, -1 and *error_r if not. */
static int deliver_lock_inbox(struct deliver_user *duser, struct mailbox *box,
			      const char **error_r)
{
	unsigned int secs = (duser->delivery->set.timeout_msecs + 999) / 1000;

	if (mailbox_open(box) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(box, NULL));
		return -1;
	}
	if (mail_index_is_in_memory(box->index)) {
		/* no place for the lock */
		return 0;
	}
	return mailbox_lock_file_create(box, LOCK_NAME, secs, &duser->lock,
					error_r) > 0 ? 0 : -1;
}

static int deliver_lock(struct deliver_user *duser, struct mailbox *box,
			const char **error_r)
{
	struct mail_namespace *ns;
	struct mailbox *inbox;
	int ret;

	if (box->inbox_user)
		return deliver_lock_inbox(duser, box, error_r);
	ns = mail_namespace_find_inbox(duser->delivery->user->namespaces);
	inbox = mailbox_alloc(ns->list, "INBOX", 0);
	ret = deliver_lock_inbox(duser, inbox, error_r);
	mailbox_free(&inbox);
	return ret;
}

static struct deliver_transaction *
deliver_find(struct deliver_user *duser,
	     const struct mailbox_transaction_context *t)
{
	struct deliver_transaction *transaction;

	array_foreach_modifiable(&duser->transactions, transaction) {
		if (transaction->t == t)
			return transaction;
	}
	return NULL;
}

/* Before the quota plugin looks at the limits, which it does once for a
   transaction. Returns 0 if the save may go on, -1 if not (the storage has the
   error). */
static int deliver_begin(struct mailbox_transaction_context *t)
{
	struct deliver_box *dbox = DELIVER_BOX_CONTEXT_REQUIRE(t->box);
	struct deliver_user *duser = dbox->duser;
	struct deliver_transaction *transaction;
	struct pop3_policy_quota_usage usage;
	const char *error;

	if (duser->telling || deliver_find(duser, t) != NULL)
		return 0;
	if (duser->lock == NULL && deliver_needs_lock(duser->delivery)) {
		if (!duser->lock_failed &&
		    deliver_lock(duser, t->box, &error) < 0) {
			e_warning(duser->delivery->event, "Delivery is put "
				  "off: the maildrop cannot be locked: %s",
				  error);
			duser->lock_failed = TRUE;
		}
		if (duser->lock_failed) {
			mail_storage_set_error(t->box->storage,
					       MAIL_ERROR_TEMP, TEXT_BUSY);
			return -1;
		}
		/* what there is before this delivery */
		(void)pop3_policy_quota_usage(duser->delivery->user, &usage);
	}
	transaction = array_append_space(&duser->transactions);
	transaction->t = t;
	return 0;
}

/* A transaction ended, and t is gone. */
static void deliver_end(struct deliver_user *duser,
			const struct mailbox_transaction_context *t)
{
	const struct deliver_transaction *transaction = deliver_find(duser, t);

	if (transaction == NULL)
		return;
	array_delete(&duser->transactions,
		     array_foreach_idx(&duser->transactions, transaction), 1);
	if (array_count(&duser->transactions) > 0)
		return;
	file_lock_free(&duser->lock);
	if (duser->committed) {
		duser->committed = FALSE;
		duser->telling = TRUE;
		pop3_policy_delivery_committed(duser->delivery);
		duser->telling = FALSE;
	}
}

/* --- the mailbox --- */

static int
deliver_save_begin(struct mail_save_context *ctx, struct istream *input)
{
	struct deliver_box *dbox =
		DELIVER_BOX_CONTEXT_REQUIRE(ctx->transaction->box);
	struct deliver_user *duser = dbox->duser;
	struct mail_save_context *written = duser->written;
	int ret;

	if (deliver_begin(ctx->transaction) < 0)
		return -1;
	duser->written = NULL;
	ret = dbox->module_ctx.super.save_begin(ctx, input);
	duser->written = written;
	return ret;
}

static int deliver_save_finish(struct mail_save_context *ctx)
{
	struct deliver_box *dbox =
		DELIVER_BOX_CONTEXT_REQUIRE(ctx->transaction->box);
	struct deliver_user *duser = dbox->duser;
	struct mail_save_context *written = duser->written;
	int ret;

	duser->written = ctx;
	ret = dbox->module_ctx.super.save_finish(ctx);
	duser->written = written;
	return ret;
}

static int deliver_copy(struct mail_save_context *ctx, struct mail *mail)
{
	struct deliver_box *dbox =
		DELIVER_BOX_CONTEXT_REQUIRE(ctx->transaction->box);
	struct deliver_user *duser = dbox->duser;
	int ret;

	if (deliver_begin(ctx->transaction) < 0) {
		mailbox_save_cancel(&ctx);
		return -1;
	}
	duser->written = ctx;
	duser->source = mail;
	ret = dbox->module_ctx.super.copy(ctx, mail);
	duser->written = NULL;
	duser->source = NULL;
	return ret;
}

static int
deliver_transaction_commit(struct mailbox_transaction_context *t,
			   struct mail_transaction_commit_changes *changes_r)
{
	struct deliver_box *dbox = DELIVER_BOX_CONTEXT_REQUIRE(t->box);
	struct deliver_user *duser = dbox->duser;
	bool saved = t->save_count > 0;
	int ret;

	ret = dbox->module_ctx.super.transaction_commit(t, changes_r);
	if (ret == 0 && saved && !duser->telling)
		duser->committed = TRUE;
	deliver_end(duser, t);
	return ret;
}

static void
deliver_transaction_rollback(struct mailbox_transaction_context *t)
{
	struct deliver_box *dbox = DELIVER_BOX_CONTEXT_REQUIRE(t->box);

	dbox->module_ctx.super.transaction_rollback(t);
	deliver_end(dbox->duser, t);
}

static void deliver_mailbox_opened(struct mailbox *box)
{
	struct deliver_user *duser = DELIVER_USER_CONTEXT(box->storage->user);
	struct deliver_box *dbox;
	struct mailbox_vfuncs *v = &box->v;

	if (duser == NULL || box->list->ns->owner != box->storage->user ||
	    DELIVER_BOX_CONTEXT(box) != NULL)
		return;

	/* The quota plugin is called before plugins whose names sort behind
	   its own. To lock before it looks, and to unlock after it counted,
	   come before all of them. */
	dbox = p_new(box->pool, struct deliver_box, 1);
	dbox->duser = duser;
	dbox->module_ctx.super = *v;
	v->save_begin = deliver_save_begin;
	v->save_finish = deliver_save_finish;
	v->copy = deliver_copy;
	v->transaction_commit = deliver_transaction_commit;
	v->transaction_rollback = deliver_transaction_rollback;
	MODULE_CONTEXT_SET(box, pop3_policy_deliver_storage_module, dbox);
}

enum pop3_policy_deliver_stage
pop3_policy_deliver_stage(struct mailbox *box, struct mail **mail_r)
{
	struct deliver_user *duser = DELIVER_USER_CONTEXT(box->storage->user);
	struct mail_save_context *written;

	*mail_r = NULL;
	if (duser == NULL || duser->telling)
		return POP3_POLICY_DELIVER_OTHER;
	if (!box->opened) {
		/* RCPT asks */
		return POP3_POLICY_DELIVER_EARLY;
	}
	if (DELIVER_BOX_CONTEXT(box) == NULL)
		return POP3_POLICY_DELIVER_OTHER;
	written = duser->written;
	if (written == NULL || written->transaction->box != box)
		return POP3_POLICY_DELIVER_EARLY;
	*mail_r = duser->source != NULL ? duser->source : written->dest_mail;
	return POP3_POLICY_DELIVER_WRITTEN;
}

void pop3_policy_deliver_others(struct mailbox *box,
				struct pop3_policy_evict_sum *sum_r)
{
	struct deliver_user *duser = DELIVER_USER_CONTEXT(box->storage->user);
	const struct deliver_transaction *transaction;
	struct mail *mail;

	i_zero(sum_r);
	if (pop3_policy_deliver_stage(box, &mail) !=
	    POP3_POLICY_DELIVER_WRITTEN || duser->lock == NULL)
		return;
	array_foreach(&duser->transactions, transaction) {
		if (transaction->t != duser->written->transaction) {
			sum_r->bytes += transaction->sum.bytes;
			sum_r->messages += transaction->sum.messages;
		}
	}
}

void pop3_policy_deliver_allocated(struct mailbox *box, uoff_t size)
{
	struct deliver_user *duser = DELIVER_USER_CONTEXT(box->storage->user);
	struct deliver_transaction *transaction;
	struct mail *mail;

	if (pop3_policy_deliver_stage(box, &mail) !=
	    POP3_POLICY_DELIVER_WRITTEN)
		return;
	transaction = deliver_find(duser, duser->written->transaction);
	if (transaction != NULL) {
		transaction->sum.bytes += size;
		transaction->sum.messages++;
	}
}

/* --- the user --- */

static void deliver_namespaces_created(struct mail_namespace *namespaces)
{
	struct mail_user *user = namespaces->user;
	struct pop3_policy_delivery *delivery = pop3_policy_delivery_get(user);
	struct deliver_user *duser;

	if (delivery == NULL || !delivery->delivers)
		return;
	duser = p_new(user->pool, struct deliver_user, 1);
	duser->delivery = delivery;
	p_array_init(&duser->transactions, user->pool, 4);
	MODULE_CONTEXT_SET(user, pop3_policy_deliver_user_module, duser);
	pop3_policy_evict_quota_init(user);
}

static struct mail_storage_hooks deliver_hooks = {
	.mail_namespaces_created = deliver_namespaces_created,
	.mailbox_opened = deliver_mailbox_opened,
};

void pop3_policy_deliver_init(struct module *module)
{
	mail_storage_hooks_add(module, &deliver_hooks);
}

void pop3_policy_deliver_deinit(void)
{
	mail_storage_hooks_remove(&deliver_hooks);
}
