/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Messages cut to some lines of their body, however they arrive and are
   read. */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-top.h"

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

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_top,
		test_top_reads_no_more,
		NULL
	};
	return test_run(test_functions);
}
