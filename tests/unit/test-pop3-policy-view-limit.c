/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "test-common.h"
#include "pop3-policy-param.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-view-limit.h"
#include "test-pop3-policy-engine.h"

static void parse(const char *text, ARRAY_TYPE(seq_range) *set_r)
{
	t_array_init(set_r, 8);
	test_assert(pop3_policy_uidset_parse(text, set_r) == 0);
}

void test_view_limit(void)
{
	static const struct {
		int64_t limit;
		const char *uids, *retrieved, *left_out;
	} tests[] = {
		{ POP3_POLICY_UNLIMITED, "1:1000", "", "" },
		{ 3, "", "", "" },
		{ 3, "", "1:5", "" },
		{ 3, "1:2", "", "" },
		{ 3, "1:3", "", "" },
		{ 3, "1:4", "", "4:4294967295" },
		{ 1, "1:4", "", "2:4294967295" },
		{ 3, "2,5,9,11", "", "10:4294967295" },
		/* retrieved ones come besides, wherever they are */
		{ 3, "1:8", "1:2", "6:4294967295" },
		{ 3, "1:8", "7", "4:6,8:4294967295" },
		{ 3, "1:8", "2,4,6", "7:4294967295" },
		{ 3, "1:8", "2,4,6,8", "7,9:4294967295" },
		{ 4, "1:8", "2,4,6,8", "" },
		{ 3, "1:8", "1:8", "" },
		{ 3, "1:8", "1:5", "" },
		{ 3, "1:8", "1:4", "8:4294967295" },
		/* whether they are in the view or not */
		{ 2, "5:9", "1:4,20", "7:19,21:4294967295" },
		{ 2147483647, "1:1000", "", "" },
	};
	ARRAY_TYPE(seq_range) uids, retrieved, left_out;
	string_t *str;

	test_begin("view limit");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		parse(tests[i].uids, &uids);
		parse(tests[i].retrieved, &retrieved);
		parse("77", &left_out);
		pop3_policy_view_limit(tests[i].limit, &uids, &retrieved,
				       &left_out);
		str = t_str_new(64);
		pop3_policy_uidset_append(str, &left_out);
		test_assert_strcmp_idx(str_c(str), tests[i].left_out, i);
		/* the arguments stay as they are */
		str_truncate(str, 0);
		pop3_policy_uidset_append(str, &uids);
		test_assert_strcmp_idx(str_c(str), tests[i].uids, i);
	} T_END;
	test_end();
}

/* The first limit of those that are not retrieved, and nothing else, computed
   one by one. */
void test_view_limit_random(void)
{
	ARRAY_TYPE(seq_range) uids, retrieved, left_out;
	unsigned int limit, shown;
	uint32_t uid;
	bool wanted;

	test_begin("view limit, random");
	for (unsigned int i = 0; i < 1000; i++) T_BEGIN {
		t_array_init(&uids, 8);
		t_array_init(&retrieved, 8);
		t_array_init(&left_out, 8);
		limit = i_rand_minmax(1, 30);
		for (uid = 1; uid <= 60; uid++) {
			if (i_rand_limit(3) != 0)
				seq_range_array_add(&uids, uid);
			if (i_rand_limit(4) == 0)
				seq_range_array_add(&retrieved, uid);
		}
		pop3_policy_view_limit(limit, &uids, &retrieved, &left_out);
		for (uid = 1, shown = 0; uid <= 60; uid++) {
			if (!seq_range_exists(&uids, uid))
				continue;
			wanted = seq_range_exists(&retrieved, uid) ||
				shown++ < limit;
			test_assert_idx(wanted ==
				!seq_range_exists(&left_out, uid), i);
		}
	} T_END;
	test_end();
}
