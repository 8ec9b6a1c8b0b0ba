/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Text forms of UID sets and GUIDs. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "test-common.h"
#include "pop3-policy-protocol.h"
#include "test-pop3-policy-protocol.h"

void test_uidset_text(void)
{
	static const struct {
		const char *text;
		unsigned int count;
		struct seq_range ranges[4];
	} tests[] = {
		{ "", 0, { { 0, 0 } } },
		{ "1", 1, { { 1, 1 } } },
		{ "1:5,9", 2, { { 1, 5 }, { 9, 9 } } },
		{ "2,4,6:7,4294967295", 4,
		  { { 2, 2 }, { 4, 4 }, { 6, 7 },
		    { UINT32_MAX, UINT32_MAX } } },
		{ "1:4294967295", 1, { { 1, UINT32_MAX } } },
		{ "1,3:4294967295", 2, { { 1, 1 }, { 3, UINT32_MAX } } },
	};
	ARRAY_TYPE(seq_range) set;
	const struct seq_range *ranges;
	unsigned int i, j, count;
	string_t *str = t_str_new(64);

	test_begin("uidset: text");
	t_array_init(&set, 1);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		/* what was there before is replaced */
		seq_range_array_add(&set, 77);
		test_assert_idx(pop3_policy_uidset_parse(tests[i].text,
							 &set) == 0, i);
		ranges = array_get(&set, &count);
		test_assert_idx(count == tests[i].count, i);
		for (j = 0; j < I_MIN(count, tests[i].count); j++) {
			test_assert_idx(ranges[j].seq1 ==
					tests[i].ranges[j].seq1, i);
			test_assert_idx(ranges[j].seq2 ==
					tests[i].ranges[j].seq2, i);
		}
		str_truncate(str, 0);
		str_append(str, "uids=");
		pop3_policy_uidset_append(str, &set);
		test_assert_strcmp_idx(str_c(str), t_strconcat("uids=",
			tests[i].text, NULL), i);
	}
	test_end();
}

void test_uidset_refused(void)
{
	static const char *const tests[] = {
		"0", "0:5", "1:0", "00", "01", "1:05", "-1", "+1", "x",
		"1:", ":5", ":", ",", "1,", ",1", "1,,3", "1:3:5", "1:*",
		"*", " 1", "1 ", "1, 3", "1.5", "1;3",
		/* descending, repeated, overlapping, adjacent */
		"5:1", "5:5", "3,1", "3,3", "1:5,5", "1:5,3:9", "1:5,2",
		"1:5,6", "1,2", "1,2:3",
		/* too large */
		"4294967296", "1:4294967296", "18446744073709551617",
		"4294967295,1", "4294967295,4294967295",
		"1:4294967295,1",
	};
	ARRAY_TYPE(seq_range) set;

	test_begin("uidset: refused");
	t_array_init(&set, 1);
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		seq_range_array_add(&set, 77);
		test_assert_idx(pop3_policy_uidset_parse(tests[i],
							 &set) == -1, i);
		test_assert_idx(array_count(&set) == 0, i);
	}
	test_end();
}

void test_uidset_random(void)
{
	uint64_t state = 1725, limit;

	test_begin("uidset: random round trip");
	for (unsigned int round = 0; round < 300; round++) T_BEGIN {
		ARRAY_TYPE(seq_range) set, parsed;
		string_t *str = t_str_new(1024);
		unsigned int n;

		t_array_init(&set, 16);
		t_array_init(&parsed, 16);
		/* dense and sparse sets */
		limit = round % 3 == 0 ? 100 : round % 3 == 1 ? 5000 :
			UINT32_MAX - 1;
		for (n = test_random(&state) % 200; n > 0; n--) {
			seq_range_array_add(&set, 1 +
				(uint32_t)(test_random(&state) % limit));
		}
		pop3_policy_uidset_append(str, &set);
		test_assert_idx(pop3_policy_uidset_parse(str_c(str),
							 &parsed) == 0, round);
		test_assert_idx(array_cmp(&set, &parsed), round);
	} T_END;
	test_end();
}

void test_guid(void)
{
	static const guid_128_t expected = {
		0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde,
		0xf0, 0x0f, 0xed, 0xcb, 0xa9, 0x87, 0x65, 0xff
	};
	static const char *const invalid[] = {
		"", "00", "00123456789abcdef00fedcba98765f",
		"00123456789abcdef00fedcba98765ff0",
		"00123456789abcdef00fedcba98765fg",
		"g0123456789abcdef00fedcba98765ff",
		" 0123456789abcdef00fedcba98765ff",
		"00123456-789a-bcde-f00f-edcba98765ff",
		"0x123456789abcdef00fedcba98765ff",
	};
	guid_128_t guid;

	test_begin("guid");
	guid_128_empty(guid);
	test_assert(pop3_policy_guid_parse("00123456789abcdef00fedcba98765ff",
					   guid) == 0);
	test_assert(guid_128_equals(guid, expected));
	guid_128_empty(guid);
	test_assert(pop3_policy_guid_parse("00123456789ABCDEF00FEDCBA98765FF",
					   guid) == 0);
	test_assert(guid_128_equals(guid, expected));
	for (unsigned int i = 0; i < N_ELEMENTS(invalid); i++) {
		test_assert_idx(pop3_policy_guid_parse(invalid[i],
						       guid) == -1, i);
		test_assert_idx(guid_128_equals(guid, expected), i);
	}
	test_end();
}
