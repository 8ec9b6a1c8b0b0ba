#ifndef POP3_POLICY_FIELDS_H
#define POP3_POLICY_FIELDS_H

#include "seq-range-array.h"

/* Reads the fields of a request or an item, and checks them, since they come
   from other processes. What is returned is ready to be a parameter of an SQL
   statement. The first error is kept; the values read after it do not matter.
   Everything is allocated from the data stack. */

struct pop3_policy_wire_line;

/* Bytes that are kept of texts. */
#define POP3_POLICY_MAX_NAME 255
#define POP3_POLICY_MAX_MESSAGE_ID 998
#define POP3_POLICY_MAX_UIDL 255
#define POP3_POLICY_MAX_TEXT 1000

enum pop3_policy_need {
	/* NULL is returned if it is missing */
	POP3_POLICY_OPTIONAL = 0,
	/* missing is an error */
	POP3_POLICY_REQUIRED
};

struct pop3_policy_fields {
	const struct pop3_policy_wire_line *line;
	/* what is wrong, NULL if nothing is */
	const char *error;
};

/* Begin to read another line; an error stays. */
void pop3_policy_fields_line(struct pop3_policy_fields *fields,
			     const struct pop3_policy_wire_line *line);
/* The field is wrong, for a reason that the functions below do not know. */
void pop3_policy_fields_wrong(struct pop3_policy_fields *fields,
			      const char *key, const char *what);
/* Valid UTF-8 of at most max_bytes, cut and escaped where it is not. */
const char *pop3_policy_fields_text(struct pop3_policy_fields *fields,
				    const char *key, size_t max_bytes);
/* user=: required, valid UTF-8, not empty, at most POP3_POLICY_MAX_NAME
   bytes; it is never changed, so that no user is taken for another. */
const char *pop3_policy_fields_user(struct pop3_policy_fields *fields);
/* One of the words (NULL terminated). */
const char *pop3_policy_fields_word(struct pop3_policy_fields *fields,
				    const char *key,
				    const char *const *words,
				    enum pop3_policy_need need);
/* Names of engine/pop3-policy-disposition.h; required. */
const char *pop3_policy_fields_action(struct pop3_policy_fields *fields);
const char *pop3_policy_fields_reason(struct pop3_policy_fields *fields);
/* 32 hex digits. */
const char *pop3_policy_fields_guid(struct pop3_policy_fields *fields,
				    const char *key,
				    enum pop3_policy_need need);
/* A number in decimal, min <= n <= max. */
const char *pop3_policy_fields_num(struct pop3_policy_fields *fields,
				   const char *key, int64_t min, int64_t max,
				   enum pop3_policy_need need);
/* The same, as a number; 0 if it is missing. */
int64_t pop3_policy_fields_int64(struct pop3_policy_fields *fields,
				 const char *key, int64_t min, int64_t max,
				 enum pop3_policy_need need);
/* 1 .. 2^32-1 */
const char *pop3_policy_fields_uid(struct pop3_policy_fields *fields,
				   const char *key, enum pop3_policy_need need);
/* Not negative, at most 2^62. */
const char *pop3_policy_fields_size(struct pop3_policy_fields *fields,
				    const char *key,
				    enum pop3_policy_need need);
/* Seconds, not negative, with an optional fraction; a time or a duration. */
const char *pop3_policy_fields_seconds(struct pop3_policy_fields *fields,
				       const char *key,
				       enum pop3_policy_need need);
/* "t" or "f" */
const char *pop3_policy_fields_flag(struct pop3_policy_fields *fields,
				    const char *key);
/* A set of UIDs; empty if it is missing. */
void pop3_policy_fields_uids(struct pop3_policy_fields *fields,
			     const char *key, ARRAY_TYPE(seq_range) *set_r);

#endif
