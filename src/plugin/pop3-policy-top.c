/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* top_lines: TOP gets a message that ends early.

   Lines are counted as they are read, in the reader's buffer: neither a long
   body nor a long line costs more than what is sent of it. What is a line, and
   where the header ends, is what Dovecot's TOP takes for it. */

#include "lib.h"
#include "istream-private.h"
#include "pop3-policy-top.h"

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
	return i_stream_create(&tstream->istream, input,
			       i_stream_get_fd(input), 0);
}
