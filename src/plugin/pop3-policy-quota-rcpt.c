/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* lmtp_rcpt_check_quota=yes: RCPT refuses recipients whose quota is full. Where
   room could still be made, or RCPT would give the wrong answer, the recipient
   passes and DATA decides. */

#include "lib.h"
#include "module-context.h"
#include "mail-storage-hooks.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "mail-namespace.h"
#include "mail-user.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-quota-rcpt.h"
#include "pop3-policy-quota-version.h"
#include "pop3-policy-quota.h"

#define POP3_POLICY_RCPT_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_rcpt_module)

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_rcpt_module,
				  &mail_storage_module_register);

static bool rcpt_decides(struct pop3_policy_delivery *delivery)
{
	switch (pop3_policy_num(&delivery->limits->policy,
				POP3_POLICY_PARAM_QUOTA_ACTION)) {
	case POP3_POLICY_QUOTA_ACTION_EVICT:
		return FALSE;
	default:
		return !delivery->tempfail_set ||
			pop3_policy_quota_rcpt_can_answer(delivery->user,
							  delivery->tempfail);
	}
}

static int
pop3_policy_rcpt_get_status(struct mailbox *box,
			    enum mailbox_status_items items,
			    struct mailbox_status *status_r)
{
	union mailbox_module_context *rbox =
		POP3_POLICY_RCPT_CONTEXT_REQUIRE(box);
	struct pop3_policy_delivery *delivery =
		pop3_policy_delivery_get(box->storage->user);

	if ((items & STATUS_CHECK_OVER_QUOTA) != 0 &&
	    pop3_policy_delivery_enforced(delivery) &&
	    !rcpt_decides(delivery)) {
		items &= ENUM_NEGATE(STATUS_CHECK_OVER_QUOTA);
		if (items == 0)
			return 0;
	}
	return rbox->super.get_status(box, items, status_r);
}

static void pop3_policy_rcpt_mailbox_allocated(struct mailbox *box)
{
	struct pop3_policy_delivery *delivery =
		pop3_policy_delivery_get(box->storage->user);
	struct mailbox_vfuncs *v = &box->v;
	union mailbox_module_context *rbox;

	if (delivery == NULL)
		return;
	if (box->list->ns->owner != box->storage->user) {
		pop3_policy_quota_shared_allocated(box);
		return;
	}
	if (!delivery->delivers)
		return;
	/* The quota plugin's function is called before those of plugins whose
	   names sort behind its own, and calls no other for RCPT: come before
	   all of them. */
	rbox = p_new(box->pool, union mailbox_module_context, 1);
	rbox->super = *v;
	v->get_status = pop3_policy_rcpt_get_status;
	MODULE_CONTEXT_SET_SELF(box, pop3_policy_rcpt_module, rbox);
}

static struct mail_storage_hooks pop3_policy_rcpt_hooks = {
	.mailbox_allocated = pop3_policy_rcpt_mailbox_allocated,
};

void pop3_policy_quota_rcpt_init(struct module *module)
{
	mail_storage_hooks_add(module, &pop3_policy_rcpt_hooks);
}

void pop3_policy_quota_rcpt_deinit(void)
{
	mail_storage_hooks_remove(&pop3_policy_rcpt_hooks);
}
