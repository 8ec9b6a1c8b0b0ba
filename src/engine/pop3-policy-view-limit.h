#ifndef POP3_POLICY_VIEW_LIMIT_H
#define POP3_POLICY_VIEW_LIMIT_H

#include "seq-range-array.h"

/* What view_limit leaves out of a view. uids are the messages that would be
   shown without it, retrieved those that were ever retrieved. The first
   `limit' UIDs that are not retrieved stay; *left_out, an initialized array,
   gets all UIDs behind the last of them that are not retrieved, also those of
   messages that will arrive. If there are no more than `limit', or limit is
   POP3_POLICY_UNLIMITED, it is empty. */
void pop3_policy_view_limit(int64_t limit, const ARRAY_TYPE(seq_range) *uids,
			    const ARRAY_TYPE(seq_range) *retrieved,
			    ARRAY_TYPE(seq_range) *left_out);

#endif
