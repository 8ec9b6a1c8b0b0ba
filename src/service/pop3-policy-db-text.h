#ifndef POP3_POLICY_DB_TEXT_H
#define POP3_POLICY_DB_TEXT_H

#include "seq-range-array.h"

/* PostgreSQL's text forms of what is not a plain number or text: arrays,
   multiranges, UUIDs; and the cleaning of text before it goes there. */

/* --- array literals: "{1,NULL,\"a b\"}" --- */

/* Elements are appended in order; _end() returns the literal. Allocated from
   the data stack. */
string_t *pop3_policy_array_begin(void);
void pop3_policy_array_add_num(string_t *array, int64_t value);
/* Quoted as needed; NULL is SQL NULL. */
void pop3_policy_array_add_text(string_t *array, const char *value);
void pop3_policy_array_add_bool(string_t *array, bool value);
const char *pop3_policy_array_end(string_t *array);
/* Every UID of the set. */
const char *pop3_policy_array_from_uids(const ARRAY_TYPE(seq_range) *set);

/* Parse a one-dimensional array. *values_r is NULL terminated; its *count_r
   elements are NULL where they are SQL NULL. An SQL NULL array (text == NULL)
   is an empty one. Returns 0 if ok, -1 + *error_r if not. */
int pop3_policy_array_parse(pool_t pool, const char *text,
			    const char *const **values_r,
			    unsigned int *count_r, const char **error_r);

/* --- int8multirange: "{[1,6),[9,10)}" --- */

const char *
pop3_policy_multirange_from_uids(const ARRAY_TYPE(seq_range) *set);
/* SQL NULL (text == NULL) is an empty set. Bounds outside of UIDs are refused.
   Returns 0 if ok, -1 + *error_r if not. */
int pop3_policy_multirange_parse(const char *text,
				 ARRAY_TYPE(seq_range) *set_r,
				 const char **error_r);

/* --- others --- */

/* The 32 hex digits of a UUID as PostgreSQL writes it; NULL for NULL.
   Allocated from the data stack. */
const char *pop3_policy_uuid_digits(const char *uuid);

/* Valid UTF-8 of at most max_bytes: what is invalid is written as \xHH. Nothing
   else is changed. NULL for NULL. Allocated from the data stack. */
const char *pop3_policy_text_clean(const char *text, size_t max_bytes);

#endif
