/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "pop3-policy-delivery.h"
#include "pop3-policy-notice.h"
#include "pop3-policy-notice-private.h"
#include "pop3-policy-session.h"
#include "pop3-policy-text.h"
#include "pop3-policy-words.h"

#define VAR_END { NULL, POP3_POLICY_TEXT_WORD, NULL }

static bool policy_notifies(const struct pop3_policy *policy)
{
	return pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
		POP3_POLICY_ENFORCEMENT_ENFORCE &&
		pop3_policy_num(policy, POP3_POLICY_PARAM_NOTIFY) ==
		POP3_POLICY_YES;
}

/* --- the three kinds --- */

static void notify_policy(struct pop3_policy_notifier *notifier,
			  const struct pop3_policy_notices *notices)
{
	const struct pop3_policy_words *words;
	const struct pop3_policy_notice_rule *rule;
	struct pop3_policy_notice_claim claim = {
		.kind = "policy", .version = notices->version
	};
	string_t *rules = t_str_new(512);
	unsigned int count = 0;

	if (array_count(&notices->rules) == 0)
		return;
	words = pop3_policy_notice_words(notifier);
	if (words == NULL)
		return;
	array_foreach(&notices->rules, rule) {
		/* a newer service may know of more */
		if (!pop3_policy_param_concerns_owner(rule->param))
			continue;
		pop3_policy_text_wrap(rules, "  - ",
			pop3_policy_words_rule(words, rule->param,
					       &rule->value));
		count++;
	}
	if (count == 0)
		return;
	const struct pop3_policy_text_var vars[] = {
		{ "count", POP3_POLICY_TEXT_NUMBER, dec2str(count) },
		{ "rules", POP3_POLICY_TEXT_LINES, str_c(rules) },
		VAR_END
	};
	(void)pop3_policy_notice_write(notifier, &claim, vars);
}

static void notify_expiry(struct pop3_policy_notifier *notifier,
			  const struct pop3_policy_notices *notices)
{
	const struct pop3_policy_words *words;
	struct pop3_policy_notice_claim claim = {
		.kind = "expiry", .until = notices->until
	};

	claim.count = pop3_policy_notice_count(notifier->box,
					       &notices->expiring);
	if (claim.count == 0)
		return;
	words = pop3_policy_notice_words(notifier);
	if (words == NULL)
		return;
	const struct pop3_policy_text_var vars[] = {
		{ "count", POP3_POLICY_TEXT_NUMBER, dec2str(claim.count) },
		{ "date", POP3_POLICY_TEXT_WORD,
		  pop3_policy_words_date(words, notices->at) },
		{ "until", POP3_POLICY_TEXT_WORD,
		  pop3_policy_words_date(words, notices->until) },
		VAR_END
	};
	(void)pop3_policy_notice_write(notifier, &claim, vars);
}

/* Usage in percent, rounded down; 0 without a limit. */
static unsigned int percent(uint64_t used, uint64_t limit)
{
	if (limit == 0)
		return 0;
	/* neither product may overflow */
	return used > UINT64_MAX / 100 ? used / (limit / 100 + 1) :
		used * 100 / limit;
}

static void notify_quota(struct pop3_policy_notifier *notifier,
			 const struct pop3_policy_delivery *delivery)
{
	const struct pop3_policy_quota_usage *usage = &delivery->usage;
	unsigned int bytes = percent(usage->bytes, usage->bytes_limit);
	unsigned int messages = percent(usage->messages,
					usage->messages_limit);
	const struct pop3_policy_words *words;
	struct pop3_policy_notice_claim claim = {
		.kind = "quota", .level = delivery->level_after
	};
	bool of_bytes = bytes >= messages && usage->bytes_limit != 0;

	if (!delivery->usage_known ||
	    delivery->level_after <= I_MIN(delivery->limits->told_level,
					   delivery->level_before))
		return;
	words = pop3_policy_notice_words(notifier);
	if (words == NULL)
		return;
	const struct pop3_policy_text_var vars[] = {
		{ "percent", POP3_POLICY_TEXT_NUMBER,
		  dec2str(I_MAX(bytes, messages)) },
		{ "level", POP3_POLICY_TEXT_NUMBER, dec2str(claim.level) },
		{ "used", POP3_POLICY_TEXT_WORD, of_bytes ?
		  pop3_policy_words_size(words, usage->bytes) :
		  pop3_policy_words_messages(words, usage->messages) },
		{ "limit", POP3_POLICY_TEXT_WORD, of_bytes ?
		  pop3_policy_words_size(words, usage->bytes_limit) :
		  pop3_policy_words_messages(words, usage->messages_limit) },
		VAR_END
	};
	(void)pop3_policy_notice_write(notifier, &claim, vars);
}

/* --- the occasions --- */

/* One request tells of both kinds that the database knows of. */
static void notify_known(struct pop3_policy_notifier *notifier)
{
	struct pop3_policy_notices notices;
	const char *error;

	if (pop3_policy_notices_request(notifier, &notices, &error) < 0) {
		e_warning(notifier->event, "No notices are written: %s",
			  error);
		return;
	}
	notify_policy(notifier, &notices);
	notify_expiry(notifier, &notices);
}

static void notify_login(struct pop3_policy_session *session)
{
	struct pop3_policy_notifier notifier = {
		.pool = pool_alloconly_create("pop3-policy notices", 4096),
		.user = session->user,
		.event = session->event,
		.set = &session->set,
		.service = session->service,
		.box = session->box,
		.uidvalidity = session->uidvalidity,
	};

	guid_128_copy(notifier.id, session->id);
	guid_128_copy(notifier.guid, session->box_guid);
	notify_known(&notifier);
	/* the session is to see them */
	if (notifier.written > 0 && mailbox_sync(session->box, 0) < 0) {
		e_warning(session->event, "The notice is not shown yet: %s",
			  mailbox_get_last_internal_error(session->box, NULL));
	}
	pool_unref(&notifier.pool);
}

void pop3_policy_notice_login(struct pop3_policy_session *session)
{
	/* A master user looks after the mailbox, nothing more. */
	if (!policy_notifies(session->policy) ||
	    pop3_policy_session_is_master(session) ||
	    mailbox_is_readonly(session->box))
		return;
	T_BEGIN {
		notify_login(session);
	} T_END;
}

/* Returns 0 if ok, -1 if INBOX cannot be used, which is logged. */
static int delivered_open(struct pop3_policy_notifier *notifier)
{
	struct mailbox_metadata metadata;
	struct mailbox_status status;

	if (mailbox_open(notifier->box) < 0 ||
	    mailbox_sync(notifier->box, 0) < 0 ||
	    mailbox_get_metadata(notifier->box, MAILBOX_METADATA_GUID,
				 &metadata) < 0) {
		e_warning(notifier->event, "No notices are written: INBOX "
			  "cannot be read: %s",
			  mailbox_get_last_internal_error(notifier->box,
							  NULL));
		return -1;
	}
	mailbox_get_open_status(notifier->box, STATUS_UIDVALIDITY, &status);
	guid_128_copy(notifier->guid, metadata.guid);
	notifier->uidvalidity = status.uidvalidity;
	return 0;
}

static void notify_delivered(struct pop3_policy_delivery *delivery)
{
	struct mail_namespace *ns =
		mail_namespace_find_inbox(delivery->user->namespaces);
	struct pop3_policy_notifier notifier = {
		.pool = pool_alloconly_create("pop3-policy notices", 4096),
		.user = delivery->user,
		.event = delivery->event,
		.set = &delivery->set,
		.service = delivery->service,
		.box = mailbox_alloc(ns->list, "INBOX", 0),
	};

	guid_128_copy(notifier.id, delivery->id);
	if (delivered_open(&notifier) == 0) {
		notify_quota(&notifier, delivery);
		notify_known(&notifier);
	}
	mailbox_free(&notifier.box);
	pool_unref(&notifier.pool);
}

void pop3_policy_notice_delivered(struct pop3_policy_delivery *delivery)
{
	const struct pop3_policy_limits *limits = delivery->limits;

	/* When the database is away nothing can be claimed. */
	if (limits == NULL || limits->cached || !delivery->delivers ||
	    !policy_notifies(&limits->policy))
		return;
	T_BEGIN {
		notify_delivered(delivery);
	} T_END;
}
