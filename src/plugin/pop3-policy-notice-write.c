/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* From a template to a message in INBOX. */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "istream.h"
#include "str.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mail-user.h"
#include "pop3-policy-message.h"
#include "pop3-policy-notice-private.h"
#include "pop3-policy-quota.h"
#include "pop3-policy-template.h"
#include "pop3-policy-text.h"

/* Dovecot's name of this host, as it can stand in a header. */
static const char *host_name(struct pop3_policy_notifier *notifier)
{
	return pop3_policy_address_domain(
		t_strconcat("@", notifier->user->set->hostname, NULL),
		"localhost");
}

static const struct pop3_policy_text_var *
all_vars(struct pop3_policy_notifier *notifier,
	 const struct pop3_policy_text_var *vars)
{
	const char *username = notifier->user->username;
	const struct pop3_policy_text_var common[] = {
		{ "user", POP3_POLICY_TEXT_WORD, username },
		{ "domain", POP3_POLICY_TEXT_WORD,
		  pop3_policy_address_domain(username, host_name(notifier)) },
	};
	ARRAY(struct pop3_policy_text_var) all;

	t_array_init(&all, 8);
	array_append(&all, common, N_ELEMENTS(common));
	for (; vars->name != NULL; vars++)
		array_push_back(&all, vars);
	array_append_zero(&all);
	return array_front(&all);
}

/* Make the message. Returns 0 if ok, -1 and *error_r if the template is
   wrong. */
static int notice_make(struct pop3_policy_notifier *notifier, const char *kind,
		       const struct pop3_policy_text_var *vars,
		       const char *message_id, string_t *dest,
		       const char **error_r)
{
	const char *name = t_strconcat(kind, ".txt", NULL), *text;
	struct pop3_policy_message message;

	i_zero(&message);
	if (pop3_policy_notice_read(notifier, name, &text, error_r) < 0)
		return -1;
	if (pop3_policy_template_expand(text, all_vars(notifier, vars),
					&message.subject, &message.body,
					error_r) < 0) {
		*error_r = t_strdup_printf("%s/%s, %s",
			notifier->set->notice_dir, name, *error_r);
		return -1;
	}
	/* checked with the other settings */
	if (pop3_policy_address_parse(notifier->set->notice_from,
				      &message.from) < 0)
		i_unreached();
	message.username = notifier->user->username;
	message.domain = pop3_policy_address_domain(message.username,
						    host_name(notifier));
	message.message_id = message_id;
	message.date = ioloop_time;
	pop3_policy_message_append(dest, &message);
	return 0;
}

static int save_to(struct mailbox *box, const string_t *message)
{
	struct mailbox_transaction_context *t;
	struct mail_save_context *ctx;
	struct istream *input;
	int ret;

	t = mailbox_transaction_begin(box, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      "pop3-policy notice");
	ctx = mailbox_save_alloc(t);
	input = i_stream_create_from_data(str_data(message), str_len(message));
	ret = mailbox_save_begin(&ctx, input);
	while (ret == 0) {
		ret = mailbox_save_continue(ctx);
		if (ret == 0 && i_stream_read(input) <= 0)
			break;
	}
	if (ret == 0)
		ret = mailbox_save_finish(&ctx);
	else if (ctx != NULL)
		mailbox_save_cancel(&ctx);
	i_stream_unref(&input);
	if (ret < 0)
		mailbox_transaction_rollback(&t);
	else
		ret = mailbox_transaction_commit(&t);
	return ret;
}

/* A mailbox object of its own: the POP3 session's is about its view, and a
   delivery may have reasons to look at its. */
static int notice_save(struct pop3_policy_notifier *notifier,
		       const string_t *message, const char **error_r)
{
	struct mail_namespace *ns =
		mail_namespace_find_inbox(notifier->user->namespaces);
	struct mailbox *box = mailbox_alloc(ns->list, "INBOX",
					    MAILBOX_FLAG_SAVEONLY);
	int ret;

	pop3_policy_quota_pass_begin(notifier->user);
	ret = mailbox_open(box) < 0 || save_to(box, message) < 0 ? -1 : 0;
	pop3_policy_quota_pass_end(notifier->user);
	if (ret < 0)
		*error_r = t_strdup(mailbox_get_last_internal_error(box, NULL));
	mailbox_free(&box);
	return ret;
}

bool pop3_policy_notice_write(struct pop3_policy_notifier *notifier,
			      const struct pop3_policy_notice_claim *claim,
			      const struct pop3_policy_text_var *vars)
{
	string_t *message = t_str_new(2048);
	const char *message_id, *error;
	guid_128_t guid;
	int ret;

	guid_128_generate(guid);
	message_id = t_strdup_printf("<%s"POP3_POLICY_NOTICE_ID_TAG"@%s>",
				     guid_128_to_string(guid),
				     host_name(notifier));
	/* claimed when nothing but the mailbox can fail any more */
	if (notice_make(notifier, claim->kind, vars, message_id, message,
			&error) < 0) {
		e_error(notifier->event, "A notice (%s) is not written: %s",
			claim->kind, error);
		return FALSE;
	}
	ret = pop3_policy_notice_claim(notifier, claim, message_id, &error);
	if (ret < 0) {
		e_warning(notifier->event, "A notice (%s) is not written: %s",
			  claim->kind, error);
	}
	if (ret <= 0)
		return FALSE;
	if (notice_save(notifier, message, &error) < 0) {
		e_error(notifier->event, "A notice (%s) was not written, and "
			"is on record: %s", claim->kind, error);
		return FALSE;
	}
	notifier->written++;
	e_info(notifier->event, "Notice (%s) written: msgid=%s", claim->kind,
	       message_id);
	return TRUE;
}
