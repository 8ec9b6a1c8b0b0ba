/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "pop3-policy-param.h"
#include "pop3-policy-view-limit.h"

void pop3_policy_view_limit(int64_t limit, const ARRAY_TYPE(seq_range) *uids,
			    const ARRAY_TYPE(seq_range) *retrieved,
			    ARRAY_TYPE(seq_range) *left_out)
{
	ARRAY_TYPE(seq_range) unretrieved;
	struct seq_range_iter iter;
	uint32_t last;

	array_clear(left_out);
	if (limit == POP3_POLICY_UNLIMITED)
		return;
	i_assert(limit > 0);

	t_array_init(&unretrieved, array_count(uids) + 1);
	array_append_array(&unretrieved, uids);
	seq_range_array_remove_seq_range(&unretrieved, retrieved);
	if (seq_range_count(&unretrieved) <= limit)
		return;

	seq_range_array_iter_init(&iter, &unretrieved);
	if (!seq_range_array_iter_nth(&iter, (unsigned int)limit - 1, &last))
		i_unreached();
	seq_range_array_add_range(left_out, last + 1, (uint32_t)-1);
	seq_range_array_remove_seq_range(left_out, retrieved);
}
