#ifndef POP3_POLICY_LOG_H
#define POP3_POLICY_LOG_H

#include "pop3-policy-log-state.h"

/* The service's log: what it is to write to the database, on this host's disk,
   before it is sent. It is a directory of segments, and belongs to a chain; the
   lock on the chain's id (pop3-policy-chain-id.h) is the log's as well.

   Space for a whole segment is taken when it is begun, with a reserve for what
   settles records, so that a full disk is noticed while there is still room for
   that. Segments are removed when all of their records were settled for as long
   as the log is kept. */

struct pop3_policy_log;
struct pop3_policy_log_reader;

/* Open DIR/log.CHAIN_ID and read what may be unsettled. Damage is logged. A log
   that does not exist is begun with the first entry. keep_secs is how long
   records are kept after they were settled. Returns 0 if ok, -1 + *error_r if
   it cannot be read. */
int pop3_policy_log_open(struct event *event_parent, const char *dir,
			 const char *chain_id, unsigned int keep_secs,
			 struct pop3_policy_log **log_r, const char **error_r);
void pop3_policy_log_close(struct pop3_policy_log **log);

/* DIR/log.CHAIN_ID; allocated from the data stack. */
const char *pop3_policy_log_dir(const char *dir, const char *chain_id);
const char *pop3_policy_log_get_dir(const struct pop3_policy_log *log);
const struct pop3_policy_log_state *
pop3_policy_log_get_state(const struct pop3_policy_log *log);
/* TRUE if there is nothing in it and never was. */
bool pop3_policy_log_is_new(const struct pop3_policy_log *log);
uint64_t pop3_policy_log_next_id(const struct pop3_policy_log *log);

/* Append entries, in one write. START is none of them; ids of records are
   ascending from _next_id() on. Returns 0 if ok, -1 if the disk is full or
   broken, which is logged once; none of them is there then. */
int pop3_policy_log_append(struct pop3_policy_log *log,
			   const struct pop3_policy_log_entry *entries,
			   unsigned int count);
/* Append that records are settled otherwise, by ascending ids, in as many entries
   as it takes, and one if there are none. Returns 0 if ok, -1 as above; some of
   the entries may be there then. */
int pop3_policy_log_append_done(struct pop3_policy_log *log, int64_t time,
				const uint64_t *ids, unsigned int count);
/* Wait until everything that was appended is on the disk. Returns 0 if ok, -1
   if not: it may not be there. */
int pop3_policy_log_sync(struct pop3_policy_log *log);
/* FALSE if appending failed, and still does. */
bool pop3_policy_log_is_usable(struct pop3_policy_log *log);
/* Remove what need not be kept any more. To be called now and then; `now' is in
   microseconds since 1970. */
void pop3_policy_log_expire(struct pop3_policy_log *log, int64_t now);

/* Read the log again, from the first segment that may hold an entry of the
   chain at or before this head, or a record not settled then; NULL: from the
   first record that is not settled. Nothing is logged about damage. Returns 0
   if ok, -1 + *error_r. */
int pop3_policy_log_read_from(const struct pop3_policy_log *log,
			      const struct pop3_policy_log_head *head,
			      struct pop3_policy_log_reader **reader_r,
			      const char **error_r);

#endif
