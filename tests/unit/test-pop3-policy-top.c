/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Messages cut to some lines of their body, however they arrive and are
   read. */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-top.h"

#include <unistd.h>

/* Read all of the cut message. The input grows by `step' bytes at a time, the
   reader takes at most `take' of what there is. */
static const char *
read_cut(const char *message, uoff_t max_lines, size_t step, size_t take)
{
	struct istream *input = test_istream_create(message);
	struct istream *top = pop3_policy_top_create(input, max_lines);
	string_t *dest = t_str_new(128);
	const unsigned char *data;
	size_t size, len = strlen(message), seen = 0;
	int ret = 0;

	while (ret == 0) {
		seen = I_MIN(seen + step, len);
		test_istream_set_size(input, seen);
		while ((ret = i_stream_read_more(top, &data, &size)) > 0) {
			size = I_MIN(size, take);
			str_append_data(dest, data, size);
			i_stream_skip(top, size);
		}
		if (seen == len)
			break;
	}
	test_assert(ret < 0 && top->eof && top->stream_errno == 0);
	test_assert(top->v_offset == str_len(dest));
	/* where it ended, it stays */
	test_assert(i_stream_read(top) == -1);
	i_stream_unref(&top);
	i_stream_unref(&input);
	return str_c(dest);
}

static void test_top(void)
{
	static const struct {
		const char *message;
		uoff_t max_lines;
		/* how much of the message is shown */
		size_t size;
	} tests[] = {
		{ "A: b\r\n\r\n1\r\n2\r\n3\r\n", 0, 8 },
		{ "A: b\r\n\r\n1\r\n2\r\n3\r\n", 1, 11 },
		{ "A: b\r\n\r\n1\r\n2\r\n3\r\n", 2, 14 },
		{ "A: b\r\n\r\n1\r\n2\r\n3\r\n", 3, 17 },
		{ "A: b\r\n\r\n1\r\n2\r\n3\r\n", 4, 17 },
		{ "A: b\r\n\r\n1\r\n2\r\n3\r\n", 2147483647, 17 },
		/* lines end by LF alone */
		{ "A: b\n\n1\n2\n3\n", 0, 6 },
		{ "A: b\n\n1\n2\n3\n", 2, 10 },
		/* the last line does not end */
		{ "A: b\r\n\r\n1\r\n2", 1, 11 },
		{ "A: b\r\n\r\n1\r\n2", 2, 12 },
		/* empty lines are lines */
		{ "A: b\r\n\r\n\r\n\r\n1\r\n", 1, 10 },
		{ "A: b\r\n\r\n\r\n\r\n1\r\n", 2, 12 },
		/* no header */
		{ "\r\n1\r\n2\r\n", 1, 5 },
		{ "\n1\n2\n", 0, 1 },
		/* no body: all is header */
		{ "A: b\r\nC: d\r\n", 0, 12 },
		{ "A: b\r\nC: d", 0, 10 },
		{ "A: b\r\n\r\n", 0, 8 },
		{ "A: b\r\n\r\n", 5, 8 },
		/* folded, and a CR that begins no line */
		{ "A: b\r\n c\r\n\r\n1\r\n", 0, 12 },
		{ "A: b\r\rc\r\n\r\n1\r\n", 0, 11 },
		{ "", 0, 0 },
	};
	static const size_t takes[] = { 1, 2, 3, SIZE_MAX };
	unsigned int i, j;
	size_t step;

	test_begin("top");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		const char *message = tests[i].message;
		const char *expected = t_strndup(message, tests[i].size);

		for (step = 1; step <= strlen(message) + 1; step++) {
			for (j = 0; j < N_ELEMENTS(takes); j++) T_BEGIN {
				test_assert_strcmp_idx(
					read_cut(message, tests[i].max_lines,
						 step, takes[j]),
					expected, i);
			} T_END;
		}
	}
	test_end();
}

/* What is not shown is not read: not more than is in the buffer anyway. */
static void test_top_reads_no_more(void)
{
	string_t *message = t_str_new(1024*1024);
	struct istream *input, *top;
	const unsigned char *data;
	size_t size;

	test_begin("top: reads no more than it shows");
	str_append(message, "A: b\r\n\r\n1\r\n");
	while (str_len(message) < 1024*1024 - 128)
		str_append(message, "a line of the body that nobody reads\r\n");
	input = test_istream_create(str_c(message));
	test_istream_set_max_buffer_size(input, 256);
	top = pop3_policy_top_create(input, 1);
	size_t shown = 0;
	while (i_stream_read_more(top, &data, &size) > 0) {
		shown += size;
		i_stream_skip(top, size);
	}
	test_assert(shown == strlen("A: b\r\n\r\n1\r\n"));
	test_assert(input->v_offset + i_stream_get_data_size(input) <= 256);
	i_stream_unref(&top);
	i_stream_unref(&input);
	test_end();
}

static void test_top_is_whole(void)
{
	static const struct {
		const char *message;
		uoff_t lines;
		bool whole;
	} tests[] = {
		{ "A: b\r\n\r\n1\r\n2\r\n", 0, FALSE },
		{ "A: b\r\n\r\n1\r\n2\r\n", 1, FALSE },
		{ "A: b\r\n\r\n1\r\n2\r\n", 2, TRUE },
		{ "A: b\r\n\r\n1\r\n2\r\n", 3, TRUE },
		{ "A: b\r\n\r\n1\r\n2\r\n", UOFF_T_MAX - 1, TRUE },
		{ "A: b\r\n\r\n1\r\n2\r\n", UOFF_T_MAX, TRUE },
		{ "A: b\n\n1\n2", 1, FALSE },
		{ "A: b\n\n1\n2", 2, TRUE },
		{ "A: b\n\n", 0, TRUE },
		{ "A: b\n", 0, TRUE },
		{ "", 0, TRUE },
	};
	unsigned int i;

	test_begin("top is whole");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		struct istream *input = test_istream_create(tests[i].message);

		test_assert_idx(pop3_policy_top_is_whole(input,
			tests[i].lines) == tests[i].whole, i);
		test_assert_idx(input->v_offset == 0, i);
		i_stream_unref(&input);
	}
	test_end();
}

static void test_top_requested(void)
{
	static const struct {
		const char *input;
		uoff_t lines;
	} tests[] = {
		{ "TOP 1 0\r\n", 0 },
		{ "TOP 1 99999999\r\n", 99999999 },
		{ "TOP 1 7\n", 7 },
		{ "top 12   34\r\nTOP 5 6\r\n", 34 },
		{ "TOP 1 18446744073709551615\r\n", UOFF_T_MAX },
		/* never asked like this, but nothing is read beyond it */
		{ "9\n", 9 },
		{ "\r\n", UOFF_T_MAX },
		{ "TOP 1 99999999999999999999\r\n", UOFF_T_MAX },
	};
	struct istream *input;
	char *line;
	unsigned int i, copied;

	test_begin("top requested");
	for (i = 0; i < N_ELEMENTS(tests); i++) for (copied = 0; copied < 2;
						     copied++) {
		/* with a buffer of its own the line is not copied */
		int fd[2];
		size_t len = strlen(tests[i].input);

		if (pipe(fd) < 0 ||
		    write(fd[1], tests[i].input, len) != (ssize_t)len)
			i_fatal("pipe failed: %m");
		i_close_fd(&fd[1]);
		input = copied == 1 ?
			i_stream_create_from_data(tests[i].input, len) :
			i_stream_create_fd(fd[0], 1024);
		line = i_stream_read_next_line(input);
		test_assert_idx(line != NULL, i);
		/* as Dovecot does */
		line = line == NULL ? NULL : strchr(line, ' ');
		if (line != NULL)
			*line = '\0';
		test_assert_idx(pop3_policy_top_requested(input) ==
				tests[i].lines, i);
		i_stream_unref(&input);
		i_close_fd(&fd[0]);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_top,
		test_top_is_whole,
		test_top_requested,
		test_top_reads_no_more,
		NULL
	};
	return test_run(test_functions);
}
