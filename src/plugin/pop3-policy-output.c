/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "ostream-private.h"
#include "pop3-common.h"
#include "pop3-policy-capa.h"
#include "pop3-policy-download.h"
#include "pop3-policy-output.h"
#include "pop3-policy-refuse.h"
#include "pop3-policy-session.h"

#include <sys/ioctl.h>

/* The shortest QUIT: a line feed alone is accepted. */
#define QUIT_MIN_SIZE (sizeof("QUIT\n")-1)

struct pop3_policy_ostream {
	struct ostream_private ostream;
	struct pop3_policy_session *session;
};

/* How many bytes the client has sent until now, whether we have read them or
   not. */
static uoff_t input_seen(struct client *client)
{
	uoff_t seen = client->input->v_offset +
		i_stream_get_data_size(client->input);
	int unread;

	if (ioctl(client->fd_in, FIONREAD, &unread) == 0 && unread > 0)
		seen += unread;
	return seen;
}

/* Note which replies have been handed to the kernel. */
static void output_check_flushed(struct pop3_policy_session *session,
				 struct ostream *parent)
{
	struct pop3_policy_fetched *fetched;
	unsigned int count;
	uoff_t flushed, seen = 0;
	bool seen_set = FALSE;

	if (session->client == NULL || parent->closed ||
	    parent->stream_errno != 0)
		return;
	fetched = array_get_modifiable(&session->fetched, &count);
	if (session->fetched_unflushed >= count)
		return;

	flushed = parent->offset - o_stream_get_buffer_used_size(parent);
	for (; session->fetched_unflushed < count;
	     session->fetched_unflushed++) {
		struct pop3_policy_fetched *message =
			&fetched[session->fetched_unflushed];

		if (message->output_end > flushed)
			break;
		if (!seen_set) {
			seen = input_seen(session->client);
			seen_set = TRUE;
		}
		message->flushed = TRUE;
		message->input_seen = seen;
	}
}

/* While a command runs, the global event says which. */
bool pop3_policy_output_command_is(const char *command)
{
	const struct event_field *field;
	static const char prefix[] = "pop3:cmd_";
	const size_t prefix_len = sizeof(prefix) - 1;
	const char *code;

	field = event_find_field_recursive(event_get_global(),
					   EVENT_REASON_CODE);
	if (field == NULL || field->value_type != EVENT_FIELD_VALUE_TYPE_STRLIST)
		return FALSE;
	array_foreach_elem(&field->value.strlist, code) {
		if (strncmp(code, prefix, prefix_len) == 0 &&
		    strcmp(code + prefix_len, command) == 0)
			return TRUE;
	}
	return FALSE;
}

/* RSET calls nothing that could be overridden, and its reply is the same as
   NOOP's. */
static void output_check_rset(struct pop3_policy_session *session,
			      const struct const_iovec *iov,
			      unsigned int iov_count)
{
	if (array_count(&session->fetched) == 0 || iov_count != 1 ||
	    iov[0].iov_len != 5 || memcmp(iov[0].iov_base, "+OK\r\n", 5) != 0)
		return;
	if (pop3_policy_output_command_is("rset")) {
		array_clear(&session->fetched);
		array_clear(&session->fetched_uids);
		session->fetched_unflushed = 0;
	}
}

/* Some replies are replaced by others, whole. While a message or a list is
   being sent none is looked at: what mail contains is nobody's reply. */
static const string_t *
output_replacement(struct pop3_policy_session *session,
		   const struct const_iovec *iov, unsigned int iov_count)
{
	const string_t *reply;

	if (session->client == NULL || session->client->cmd != NULL ||
	    session->policy == NULL || iov_count != 1)
		return NULL;
	reply = pop3_policy_download_reply(session, iov->iov_base,
					   iov->iov_len);
	if (reply == NULL) {
		reply = pop3_policy_refuse_reply(session, iov->iov_base,
						 iov->iov_len);
	}
	if (reply == NULL) {
		reply = pop3_policy_capa_reply(session, iov->iov_base,
					       iov->iov_len);
	}
	return reply;
}

static ssize_t
output_sendv(struct ostream_private *stream,
	     const struct const_iovec *iov, unsigned int iov_count)
{
	ssize_t ret;

	if ((ret = o_stream_sendv(stream->parent, iov, iov_count)) < 0) {
		o_stream_copy_error_from_parent(stream);
		return -1;
	}
	/* what was sent, not what we were asked to send */
	stream->ostream.offset += ret;
	return ret;
}

static ssize_t
o_stream_pop3_policy_sendv(struct ostream_private *stream,
			   const struct const_iovec *iov,
			   unsigned int iov_count)
{
	struct pop3_policy_ostream *pstream =
		container_of(stream, struct pop3_policy_ostream, ostream);
	struct pop3_policy_session *session = pstream->session;
	const string_t *reply;
	ssize_t ret;

	output_check_rset(session, iov, iov_count);
	if (session->client != NULL)
		pop3_policy_download_sending(session);
	T_BEGIN {
		reply = output_replacement(session, iov, iov_count);
		if (reply != NULL) {
			const struct const_iovec new = {
				.iov_base = str_data(reply),
				.iov_len = str_len(reply),
			};

			/* the parent's buffer has no limit: it is sent, or it
			   fails */
			ret = output_sendv(stream, &new, 1);
			if (ret >= 0)
				ret = iov->iov_len;
		} else {
			ret = output_sendv(stream, iov, iov_count);
		}
	} T_END;
	if (ret >= 0)
		output_check_flushed(session, stream->parent);
	return ret;
}

static int o_stream_pop3_policy_flush(struct ostream_private *stream)
{
	struct pop3_policy_ostream *pstream =
		container_of(stream, struct pop3_policy_ostream, ostream);
	int ret;

	if ((ret = o_stream_flush(stream->parent)) < 0)
		o_stream_copy_error_from_parent(stream);
	else
		output_check_flushed(pstream->session, stream->parent);
	return ret;
}

/* Dovecot corks the output before it looks at what the client has sent. What it
   does besides is what a stream does that has no function for it. */
static void o_stream_pop3_policy_cork(struct ostream_private *stream, bool set)
{
	struct pop3_policy_ostream *pstream =
		container_of(stream, struct pop3_policy_ostream, ostream);

	stream->corked = set;
	if (set) {
		if (pstream->session->client != NULL)
			pop3_policy_download_sending(pstream->session);
		o_stream_cork(stream->parent);
	} else {
		(void)o_stream_flush(&stream->ostream);
		stream->last_errors_not_checked = TRUE;
		o_stream_uncork(stream->parent);
	}
}

void pop3_policy_output_wrap(struct pop3_policy_session *session)
{
	struct pop3_policy_ostream *pstream;
	struct ostream *parent = session->client->output;

	pstream = i_new(struct pop3_policy_ostream, 1);
	pstream->session = session;
	pstream->ostream.sendv = o_stream_pop3_policy_sendv;
	pstream->ostream.cork = o_stream_pop3_policy_cork;
	pstream->ostream.flush = o_stream_pop3_policy_flush;
	session->output = o_stream_create(&pstream->ostream, parent,
					  o_stream_get_fd(parent));
	/* offsets are compared with the parent's */
	session->output->offset = parent->offset;
	session->client->output = session->output;
	o_stream_unref(&parent);
}

void pop3_policy_output_fetch_begin(struct pop3_policy_session *session)
{
	session->fetching = session->output != NULL;
	if (session->fetching)
		session->fetch_offset = session->output->offset;
}

void pop3_policy_output_fetch_end(struct pop3_policy_session *session)
{
	session->fetching = FALSE;
}

uoff_t pop3_policy_output_fetch_bytes(struct pop3_policy_session *session)
{
	const struct client *client = session->client;
	uoff_t bytes = client->retr_bytes + client->top_bytes;
	uoff_t flushed;

	if (session->fetching) {
		/* Dovecot counts a message when it ended. What is still in the
		   buffer was not sent, but if the kernel has room for it then
		   it is going to be when the client is destroyed. */
		(void)o_stream_flush(session->output);
		flushed = session->output->offset -
			o_stream_get_buffer_used_size(session->output);
		if (flushed > session->fetch_offset)
			bytes += flushed - session->fetch_offset;
	}
	return bytes;
}

void pop3_policy_output_fetched(struct pop3_policy_session *session,
				const struct pop3_policy_fetched *message)
{
	struct pop3_policy_fetched *new;
	struct ostream *output = session->client->output;

	if (session->output == NULL)
		return;
	if (seq_range_array_add(&session->fetched_uids, message->uid))
		return;
	new = array_append_space(&session->fetched);
	*new = *message;
	new->flushed = FALSE;
	new->output_end = session->output->offset;
	/* Dovecot would do it when the commands that have arrived are done;
	   we need to know what had arrived when the message went out. */
	(void)o_stream_flush(output);
}

bool pop3_policy_output_confirmed(struct pop3_policy_session *session,
				  const struct pop3_policy_fetched *message)
{
	return message->flushed &&
		session->client->input->v_offset >=
		message->input_seen + QUIT_MIN_SIZE;
}
