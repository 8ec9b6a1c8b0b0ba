/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The messages of the POP3 session: was it sent whole, and what did the
   client's DELE ask for? */

#include "lib.h"
#include "istream.h"
#include "ostream.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-download.h"
#include "pop3-policy-identity.h"
#include "pop3-policy-output.h"
#include "pop3-policy-plugin.h"
#include "pop3-policy-seen.h"
#include "pop3-policy-session.h"
#include "pop3-policy-top.h"

#define POP3_POLICY_MAIL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, pop3_policy_mail_module)

struct pop3_policy_mail {
	union mail_module_context module_ctx;
	struct pop3_policy_session *session;
	/* the message that is being sent by RETR or TOP; a reference */
	struct istream *stream;
	/* top_lines: what of it is sent, else NULL; a reference */
	struct istream *cut;
};

static MODULE_CONTEXT_DEFINE_INIT(pop3_policy_mail_module,
				  &mail_module_register);

/* Other plugins open other mailboxes with the POP3 session's flag. */
static bool is_pop3_mail(const struct pop3_policy_session *session,
			 const struct mail *mail)
{
	return mail->box == session->pop3_box;
}

/* Returns TRUE if a RETR or TOP of the session's client is about to send this
   mail. */
static bool is_fetch(const struct pop3_policy_mail *pmail,
		     const struct mail_private *mail, bool *retr_r)
{
	const char *reason = mail->get_stream_reason;

	if (reason == NULL || pmail->stream != NULL ||
	    pmail->session->client == NULL ||
	    !is_pop3_mail(pmail->session, &mail->mail))
		return FALSE;
	*retr_r = strcmp(reason, "RETR") == 0;
	return *retr_r || strcmp(reason, "TOP") == 0;
}

/* How many lines of the body TOP may show, -1 for all. */
static int64_t top_lines(const struct pop3_policy_session *session)
{
	if (pop3_policy_num(session->policy, POP3_POLICY_PARAM_ENFORCEMENT) !=
	    POP3_POLICY_ENFORCEMENT_ENFORCE)
		return POP3_POLICY_UNLIMITED;
	return pop3_policy_num(session->policy, POP3_POLICY_PARAM_TOP_LINES);
}

static void fetch_begin(struct pop3_policy_mail *pmail, bool retr,
			struct istream **stream)
{
	uoff_t requested;
	int64_t lines;

	pop3_policy_output_fetch_begin(pmail->session);
	pmail->stream = *stream;
	i_stream_ref(pmail->stream);
	lines = retr ? POP3_POLICY_UNLIMITED : top_lines(pmail->session);
	if (lines == POP3_POLICY_UNLIMITED)
		return;
	requested = pop3_policy_top_requested(pmail->session->client->input);
	if (requested <= (uoff_t)lines ||
	    !pop3_policy_top_is_whole(*stream, requested)) {
		pmail->cut = pop3_policy_top_create(*stream, lines);
		*stream = pmail->cut;
	}
}

static int
pop3_policy_mail_get_stream(struct mail *_mail, bool get_body,
			    struct message_size *hdr_size,
			    struct message_size *body_size,
			    struct istream **stream_r)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct pop3_policy_mail *pmail = POP3_POLICY_MAIL_CONTEXT_REQUIRE(mail);
	const char *reason = mail->get_stream_reason;
	bool retr = FALSE, fetch = get_body && is_fetch(pmail, mail, &retr);

	if (fetch) {
		if (!pop3_policy_download_begin(pmail->session, _mail, retr)) {
			mail_storage_set_error(_mail->box->storage,
					       MAIL_ERROR_LIMIT,
					       "Download limit is reached");
			return -1;
		}
		/* looking at the mail's size may have changed it */
		mail->get_stream_reason = reason;
	}
	if (pmail->module_ctx.super.get_stream(_mail, get_body, hdr_size,
					       body_size, stream_r) < 0)
		return -1;
	if (fetch)
		fetch_begin(pmail, retr, stream_r);
	return 0;
}

/* TRUE if all of the message was copied to the client's output. A failed read
   ends in Dovecot's answer like the end of the message does, so look at the
   stream itself. */
static bool sent_whole(struct pop3_policy_mail *pmail, struct client *client)
{
	struct istream *stream = pmail->stream;
	const unsigned char *data;
	size_t size;

	if (client->output->closed || client->output->stream_errno != 0)
		return FALSE;
	if (pmail->cut != NULL) {
		if (pmail->cut->closed || pmail->cut->stream_errno != 0)
			return FALSE;
		/* where the reader of the cut message got to */
		i_stream_seek(stream, pmail->cut->v_offset);
	}
	if (stream->closed || stream->stream_errno != 0)
		return FALSE;
	/* TOP may have stopped right before the end: nothing more to read
	   means that its lines covered the whole body */
	return i_stream_read_more(stream, &data, &size) < 0 &&
		stream->eof && stream->stream_errno == 0;
}

static void pop3_policy_mail_fetched(struct pop3_policy_session *session,
				     struct mail *mail)
{
	struct pop3_policy_fetched message;

	i_zero(&message);
	message.uid = mail->uid;
	/* Without its identity the message cannot have state. */
	if (pop3_policy_mail_guid(mail, message.guid) < 0 ||
	    mail_get_virtual_size(mail, &message.size) < 0) {
		e_warning(session->event, "UID %u: Retrieval is not recorded: "
			  "%s", mail->uid,
			  mailbox_get_last_internal_error(mail->box, NULL));
		return;
	}
	if (guid_128_is_empty(message.guid)) {
		/* a storage without GUIDs cannot have state */
		return;
	}
	pop3_policy_output_fetched(session, &message);
}

static void pop3_policy_mail_close(struct mail *_mail)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct pop3_policy_mail *pmail = POP3_POLICY_MAIL_CONTEXT_REQUIRE(mail);

	if (pmail->stream != NULL) {
		struct pop3_policy_session *session = pmail->session;
		bool whole = session->client != NULL &&
			sent_whole(pmail, session->client);

		/* no references may be left when the mail closes */
		i_stream_unref(&pmail->cut);
		i_stream_unref(&pmail->stream);
		pop3_policy_output_fetch_end(session);
		if (whole)
			pop3_policy_mail_fetched(session, _mail);
	}
	pmail->module_ctx.super.close(_mail);
}

/* The client's DELEs become expunges when QUIT runs, and once more when a
   client is destroyed whose QUIT failed. None reaches the storage before it
   was decided and its intent is durable: note it only. */
static void pop3_policy_mail_expunge(struct mail *_mail)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct pop3_policy_mail *pmail = POP3_POLICY_MAIL_CONTEXT_REQUIRE(mail);

	if (pmail->session->passing || !is_pop3_mail(pmail->session, _mail))
		pmail->module_ctx.super.expunge(_mail);
	else
		seq_range_array_add(&pmail->session->dele, _mail->uid);
}

/* pop3_delete_type=flag: DELE sets a keyword instead. */
static void
pop3_policy_mail_update_keywords(struct mail *_mail,
				 enum modify_type modify_type,
				 struct mail_keywords *keywords)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct pop3_policy_mail *pmail = POP3_POLICY_MAIL_CONTEXT_REQUIRE(mail);
	struct pop3_policy_session *session = pmail->session;

	if (session->passing || session->deleted_kw == NULL ||
	    !is_pop3_mail(session, _mail) || keywords != session->deleted_kw) {
		pmail->module_ctx.super.update_keywords(_mail, modify_type,
							keywords);
	} else {
		seq_range_array_add(&session->dele, _mail->uid);
	}
}

static void
pop3_policy_mail_update_flags(struct mail *_mail, enum modify_type modify_type,
			      enum mail_flags flags)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct pop3_policy_mail *pmail = POP3_POLICY_MAIL_CONTEXT_REQUIRE(mail);

	if (!pop3_policy_seen_defer(pmail->session, _mail, modify_type, flags))
		pmail->module_ctx.super.update_flags(_mail, modify_type, flags);
}

void pop3_policy_mail_allocated(struct mail *_mail)
{
	struct mail_private *mail = (struct mail_private *)_mail;
	struct pop3_policy_session *session;
	struct mail_vfuncs *v = mail->vlast;
	struct pop3_policy_mail *pmail;

	if ((_mail->box->flags & MAILBOX_FLAG_POP3_SESSION) == 0)
		return;
	session = pop3_policy_session_get(_mail->box->storage->user);
	if (session == NULL)
		return;

	pmail = p_new(mail->pool, struct pop3_policy_mail, 1);
	pmail->session = session;
	pmail->module_ctx.super = *v;
	mail->vlast = &pmail->module_ctx.super;
	v->get_stream = pop3_policy_mail_get_stream;
	v->close = pop3_policy_mail_close;
	v->expunge = pop3_policy_mail_expunge;
	v->update_flags = pop3_policy_mail_update_flags;
	v->update_keywords = pop3_policy_mail_update_keywords;
	MODULE_CONTEXT_SET(mail, pop3_policy_mail_module, pmail);
}
