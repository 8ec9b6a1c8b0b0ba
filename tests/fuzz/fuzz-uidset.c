/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Sets of UIDs, GUIDs, and PostgreSQL's arrays and multiranges. The first byte
   says which. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-db-text.h"
#include "fuzz.h"

void fuzz_begin(void)
{
}

static bool fuzz_same(const ARRAY_TYPE(seq_range) *set1,
		      const ARRAY_TYPE(seq_range) *set2)
{
	return array_cmp(set1, set2);
}

static void fuzz_uidset(const char *text)
{
	ARRAY_TYPE(seq_range) set, again;
	const char *multirange, *error;
	string_t *str = t_str_new(128);

	t_array_init(&set, 8);
	t_array_init(&again, 8);
	if (pop3_policy_uidset_parse(text, &set) < 0) {
		i_assert(array_is_empty(&set));
		return;
	}
	/* nothing is taken that would not be written so */
	pop3_policy_uidset_append(str, &set);
	i_assert(strcmp(str_c(str), text) == 0);
	multirange = pop3_policy_multirange_from_uids(&set);
	i_assert(pop3_policy_multirange_parse(multirange, &again,
					      &error) == 0);
	i_assert(fuzz_same(&set, &again));
}

static void fuzz_multirange(const char *text)
{
	ARRAY_TYPE(seq_range) set, again;
	const char *error = NULL;
	string_t *str = t_str_new(128);

	t_array_init(&set, 8);
	t_array_init(&again, 8);
	if (pop3_policy_multirange_parse(text, &set, &error) < 0) {
		i_assert(error != NULL);
		return;
	}
	pop3_policy_uidset_append(str, &set);
	i_assert(pop3_policy_uidset_parse(str_c(str), &again) == 0);
	i_assert(fuzz_same(&set, &again));
}

static void fuzz_array(const char *text)
{
	const char *const *values, *const *again, *error = NULL, *written;
	unsigned int count, count2;
	string_t *array;

	if (pop3_policy_array_parse(pool_datastack_create(), text, &values,
				    &count, &error) < 0) {
		i_assert(error != NULL);
		return;
	}
	array = pop3_policy_array_begin();
	for (unsigned int i = 0; i < count; i++)
		pop3_policy_array_add_text(array, values[i]);
	written = pop3_policy_array_end(array);
	i_assert(pop3_policy_array_parse(pool_datastack_create(), written,
					 &again, &count2, &error) == 0);
	i_assert(count == count2);
	for (unsigned int i = 0; i < count; i++)
		i_assert(null_strcmp(values[i], again[i]) == 0);
}

static void fuzz_others(const char *text)
{
	const char *clean = pop3_policy_text_clean(text, 100);
	guid_128_t guid;

	i_assert(strlen(clean) <= 100);
	if (pop3_policy_guid_parse(text, guid) == 0) {
		const char *hex = guid_128_to_string(guid);

		i_assert(strcasecmp(hex, text) == 0);
	}
	(void)pop3_policy_uuid_digits(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	T_BEGIN {
		const char *text = fuzz_text(data + 1, size - 1);

		switch (data[0]) {
		case 'u':
			fuzz_uidset(text);
			break;
		case 'm':
			fuzz_multirange(text);
			break;
		case 'a':
			fuzz_array(text);
			break;
		default:
			fuzz_others(text);
			break;
		}
	} T_END;
	return 0;
}
