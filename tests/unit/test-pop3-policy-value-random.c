/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Values: bounds, and round trips with random ones. */

#include "lib.h"
#include "test-common.h"
#include "pop3-policy-compat.h"
#include "pop3-policy-param.h"
#include "test-pop3-policy-engine.h"

#include <time.h>

static bool is_numeric(const struct pop3_policy_param_info *info)
{
	return info->type != POP3_POLICY_TYPE_ENUM &&
		info->type != POP3_POLICY_TYPE_PERCENTS &&
		info->type != POP3_POLICY_TYPE_MAILBOX;
}

static int parse_num(enum pop3_policy_param param, int64_t num)
{
	struct pop3_policy_value value;
	const char *error, *text = t_strdup_printf("%"PRId64, num);
	int ret;

	error = NULL;
	ret = pop3_policy_value_parse_canonical(pool_datastack_create(), param,
						text, &value, &error);
	test_assert_idx((error == NULL) == (ret == 0), param);
	test_assert_idx(ret != 0 || value.num == num, param);
	return ret;
}

void test_value_bounds(void)
{
	test_begin("values: bounds");
	for (unsigned int i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		enum pop3_policy_param param = (enum pop3_policy_param)i;
		const struct pop3_policy_param_info *info =
			pop3_policy_param_info(param);

		if (!is_numeric(info))
			continue;
		test_assert_idx(info->min >= 0 && info->max > info->min, i);
		test_assert_idx(parse_num(param, info->min) == 0, i);
		test_assert_idx(parse_num(param, info->max) == 0, i);
		test_assert_idx(parse_num(param, info->max + 1) == -1, i);
		test_assert_idx(parse_num(param, INT64_MAX) == -1, i);
		test_assert_idx(parse_num(param, INT64_MIN) == -1, i);
		if (info->min > 0)
			test_assert_idx(parse_num(param, info->min - 1) == -1, i);
		test_assert_idx(parse_num(param, -1) ==
				(info->none_word != NULL ? 0 : -1), i);
		test_assert_idx(parse_num(param, -2) ==
				(info->as_configured ? 0 : -1), i);
		test_assert_idx(parse_num(param, -3) == -1, i);
	}
	test_end();
}

/* xorshift: the same numbers in every run */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

void test_value_round_trip(void)
{
	static const int64_t factors[] =
		{ 1, 60, 3600, 86400, 604800, 1 << 10, 1 << 20, 1 << 30 };
	uint64_t state = 19390522;

	test_begin("values: canonical and human round trips");
	for (unsigned int round = 0; round < 2000; round++) T_BEGIN {
		enum pop3_policy_param param = (enum pop3_policy_param)
			(round % POP3_POLICY_PARAM_COUNT);
		const struct pop3_policy_param_info *info =
			pop3_policy_param_info(param);
		struct pop3_policy_value value, canonical, human;
		const char *error = NULL;
		uint64_t num = next_random(&state);

		i_zero(&value);
		if (is_numeric(info)) {
			/* small and round numbers too */
			num >>= next_random(&state) % 64;
			num *= (uint64_t)factors[next_random(&state) %
						 N_ELEMENTS(factors)];
			value.num = info->min + (int64_t)
				(num % (uint64_t)(info->max - info->min + 1));
			test_assert_idx(
				pop3_policy_value_parse_canonical(
					pool_datastack_create(), param,
					pop3_policy_value_canonical(param,
								    &value),
					&canonical, &error) == 0, round);
			test_assert_idx(canonical.num == value.num, round);
			test_assert_idx(
				pop3_policy_value_parse(
					pool_datastack_create(), param,
					pop3_policy_value_human(param, &value),
					&human, &error) == 0, round);
			test_assert_idx(human.num == value.num, round);
			test_assert_strcmp_idx(error, NULL, round);
		}
	} T_END;
	test_end();
}

/* Against the C library's calendar. */
void test_value_timestamp_calendar(void)
{
	uint64_t state = 20260131;

	test_begin("values: calendar");
	for (unsigned int round = 0; round < 5000; round++) T_BEGIN {
		struct pop3_policy_value value;
		struct pop3_policy_value num;
		const char *text, *error;
		time_t t = (time_t)(next_random(&state) % 253402300800ULL);
		struct tm *tm;

		/* days around the ends of years too */
		if (round % 2 == 0)
			t -= t % 31556952;
		tm = gmtime(&t);
		text = t_strdup_printf("%04d-%02d-%02d %02d:%02d:%02d",
				       tm->tm_year + 1900, tm->tm_mon + 1,
				       tm->tm_mday, tm->tm_hour, tm->tm_min,
				       tm->tm_sec);
		test_assert_idx(pop3_policy_value_parse(
			pool_datastack_create(), POP3_POLICY_PARAM_VIEW_SINCE, text, &value,
			&error) == 0, round);
		test_assert_idx(value.num == (int64_t)t, round);
		num.num = (int64_t)t;
		num.str = NULL;
		test_assert_idx(str_begins_with(text, t_strcut(
			pop3_policy_value_human(POP3_POLICY_PARAM_VIEW_SINCE, &num), ' ')),
			round);
	} T_END;
	test_end();
}
