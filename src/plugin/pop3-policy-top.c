/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* top_lines: TOP gets a message that ends early.

   A TOP that asks for the whole message is a download (fetchmail reads all mail
   so), and gets it: a shortened message would be taken for all there is, and
   deleted.

   Lines are counted as they are read, in the reader's buffer: neither a long
   body nor a long line costs more than what is sent of it. What is a line, and
   where the header ends, is what Dovecot's TOP takes for it. */

#include "lib.h"
#include "istream-private.h"
#include "str.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-top.h"

#include <ctype.h>

struct pop3_policy_top_istream {
	struct istream_private istream;

	/* line feeds that may still come in the body, the one of the empty
	   line before it included */
	uoff_t lines_left;
	unsigned char last;
	bool in_body;
};

/* Returns how much of the data belongs to the cut message. */
static size_t
top_scan(struct pop3_policy_top_istream *tstream,
	 const unsigned char *data, size_t size)
{
	size_t i;

	for (i = 0; i < size && tstream->lines_left > 0; i++) {
		if (!tstream->in_body && tstream->last == '\n' &&
		    (data[i] == '\r' || data[i] == '\n'))
			tstream->in_body = TRUE;
		if (tstream->in_body && data[i] == '\n')
			tstream->lines_left--;
		tstream->last = data[i];
	}
	return i;
}

static ssize_t i_stream_pop3_policy_top_read(struct istream_private *stream)
{
	struct pop3_policy_top_istream *tstream =
		container_of(stream, struct pop3_policy_top_istream, istream);
	size_t used, old_pos;
	ssize_t ret;

	if (tstream->lines_left == 0) {
		stream->istream.eof = TRUE;
		return -1;
	}
	i_stream_seek(stream->parent, stream->parent_start_offset +
		      stream->istream.v_offset);
	ret = i_stream_read_copy_from_parent(&stream->istream);
	if (ret <= 0)
		return ret;

	old_pos = stream->pos - ret;
	used = top_scan(tstream, stream->buffer + old_pos, ret);
	stream->pos = old_pos + used;
	return used;
}

struct istream *
pop3_policy_top_create(struct istream *input, uoff_t max_lines)
{
	struct pop3_policy_top_istream *tstream;

	tstream = i_new(struct pop3_policy_top_istream, 1);
	tstream->lines_left = max_lines + 1;
	/* a message may begin with the empty line */
	tstream->last = '\n';
	tstream->istream.max_buffer_size =
		input->real_stream->max_buffer_size;
	tstream->istream.read = i_stream_pop3_policy_top_read;
	tstream->istream.istream.readable_fd = FALSE;
	tstream->istream.istream.blocking = input->blocking;
	tstream->istream.istream.seekable = FALSE;
	return pop3_policy_compat_istream_create(&tstream->istream, input,
						 i_stream_get_fd(input));
}

bool pop3_policy_top_is_whole(struct istream *input, uoff_t lines)
{
	const unsigned char *data;
	struct istream *top;
	size_t size;
	uoff_t offset;
	bool whole;

	if (lines == UOFF_T_MAX)
		return TRUE;
	top = pop3_policy_top_create(input, lines);
	while (i_stream_read_more(top, &data, &size) > 0)
		i_stream_skip(top, size);
	offset = top->v_offset;
	i_stream_unref(&top);
	i_stream_seek(input, offset);
	whole = i_stream_read_more(input, &data, &size) <= 0 &&
		input->stream_errno == 0;
	i_stream_seek(input, 0);
	return whole;
}

uoff_t pop3_policy_top_requested(const struct istream *input)
{
	const struct istream_private *stream = input->real_stream;
	const unsigned char *data = stream->buffer;
	size_t end = stream->skip, begin;
	uoff_t lines;

	/* Dovecot took the line out of the buffer, where it still stands, or
	   out of a copy of it. It ends in the number, or the TOP would have
	   been refused. */
	if (stream->buffer != stream->w_buffer) {
		if (stream->line_str == NULL)
			return UOFF_T_MAX;
		data = str_data(stream->line_str);
		end = str_len(stream->line_str);
	}
	while (end > 0 && (data[end-1] == '\0' || data[end-1] == '\r' ||
			   data[end-1] == '\n'))
		end--;
	for (begin = end; begin > 0 && i_isdigit(data[begin-1]); begin--) ;
	if (begin == end ||
	    str_to_uoff(t_strndup(data + begin, end - begin), &lines) < 0)
		return UOFF_T_MAX;
	return lines;
}
