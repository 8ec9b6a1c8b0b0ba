/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Text forms of UID sets and GUIDs. */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strnum.h"
#include "pop3-policy-protocol.h"

void pop3_policy_uidset_append(string_t *dest,
			       const ARRAY_TYPE(seq_range) *set)
{
	const struct seq_range *range;
	bool first = TRUE;

	array_foreach(set, range) {
		if (!first)
			str_append_c(dest, ',');
		first = FALSE;
		str_printfa(dest, "%u", range->seq1);
		if (range->seq2 != range->seq1)
			str_printfa(dest, ":%u", range->seq2);
	}
}

/* Parse a UID and move past it. No leading zeros, so not 0 either. */
static bool parse_uid(const char **p, uint32_t *uid_r)
{
	return **p >= '1' && **p <= '9' && str_parse_uint32(*p, uid_r, p) == 0;
}

static bool parse_ranges(const char *p, ARRAY_TYPE(seq_range) *set)
{
	struct seq_range range;
	uint32_t prev = 0;

	for (;;) {
		if (!parse_uid(&p, &range.seq1))
			return FALSE;
		range.seq2 = range.seq1;
		if (*p == ':') {
			p++;
			if (!parse_uid(&p, &range.seq2) ||
			    range.seq2 <= range.seq1)
				return FALSE;
		}
		/* Adjacent ranges would have been written as one. */
		if (prev != 0 && (range.seq1 <= prev ||
				  range.seq1 - 1 == prev))
			return FALSE;
		prev = range.seq2;
		array_push_back(set, &range);
		if (*p == '\0')
			return TRUE;
		if (*p != ',')
			return FALSE;
		p++;
	}
}

int pop3_policy_uidset_parse(const char *text, ARRAY_TYPE(seq_range) *set_r)
{
	array_clear(set_r);
	if (*text == '\0')
		return 0;
	if (!parse_ranges(text, set_r)) {
		array_clear(set_r);
		return -1;
	}
	return 0;
}

int pop3_policy_guid_parse(const char *text, guid_128_t guid_r)
{
	guid_128_t guid;

	if (guid_128_from_string(text, guid) < 0)
		return -1;
	guid_128_copy(guid_r, guid);
	return 0;
}
