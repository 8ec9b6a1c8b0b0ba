#ifndef POP3_POLICY_LOG_READ_H
#define POP3_POLICY_LOG_READ_H

/* Reading a log's directory: segments DIR/NNNNNNNN, one after the other. What
   is damaged is passed over up to the next entry that is whole, and said to
   be. */

#include "pop3-policy-log-format.h"

struct pop3_policy_log_reader;

/* So many bytes at offset of this file are no entry. size 0: the file is
   missing, or could not be read. torn: it is the beginning of an entry at the
   file's end, whose writer did not get to its end. */
typedef void pop3_policy_log_damaged_t(const char *path, uoff_t offset,
				       uoff_t size, bool torn, void *context);

ARRAY_DEFINE_TYPE(pop3_policy_log_segment, uint32_t);

const char *pop3_policy_log_path(const char *dir, uint32_t segment);

/* Numbers of the segments in the directory, ascending; none if there is no
   directory. Returns 0 if ok, -1 + *error_r. */
int pop3_policy_log_list(const char *dir,
			 ARRAY_TYPE(pop3_policy_log_segment) *segments_r,
			 const char **error_r);
/* The segment's first entry. Returns 1 if it is START, 0 if not (it was damaged,
   or not written). */
int pop3_policy_log_read_start(const char *dir, uint32_t segment,
			       struct pop3_policy_log_entry *entry_r);

/* Read from a segment on, which need not exist. Returns 0 if ok, -1 + *error_r
   if the directory cannot be read. */
int pop3_policy_log_reader_init(const char *dir, uint32_t first,
				pop3_policy_log_damaged_t *damaged,
				void *context,
				struct pop3_policy_log_reader **reader_r,
				const char **error_r);
void pop3_policy_log_reader_deinit(struct pop3_policy_log_reader **reader);
/* Returns TRUE and the next entry, whose texts stay until the next call and
   whose arrays are on the data stack; FALSE at the end. */
bool pop3_policy_log_reader_next(struct pop3_policy_log_reader *reader,
				 struct pop3_policy_log_entry *entry_r);
/* The segment that the last entry was read from. */
uint32_t
pop3_policy_log_reader_segment(const struct pop3_policy_log_reader *reader);

#endif
