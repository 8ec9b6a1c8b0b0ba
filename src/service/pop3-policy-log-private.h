#ifndef POP3_POLICY_LOG_PRIVATE_H
#define POP3_POLICY_LOG_PRIVATE_H

/* For pop3-policy-log.c (opening, reading, keeping), pop3-policy-log-append.c
   (entries) and pop3-policy-log-segment.c (their files). */

#include "pop3-policy-log.h"
#include "pop3-policy-log-read.h"

/* What is known of each segment that is there. */
struct pop3_policy_log_start {
	uint32_t number;
	/* 0: its START cannot be read */
	int64_t time;
	uint32_t oldest;
	int64_t batch;
};

struct pop3_policy_log_file {
	/* -1: none */
	int fd;
	uint32_t number;
	/* bytes in it, and bytes that are taken for it (0: none) */
	uoff_t size, space;
	/* of them, START's */
	uoff_t start_size;
	/* not all of it is on the disk */
	bool dirty;
};

struct pop3_policy_log {
	struct event *event;
	char *dir, *chain_id;
	unsigned int keep_secs;
	struct pop3_policy_log_state state;
	ARRAY(struct pop3_policy_log_start) starts;

	/* the segment that is written, and the one before it while that is
	   not on the disk */
	struct pop3_policy_log_file file, old;
	/* names are not on the disk */
	bool dir_dirty;

	buffer_t *buf;
	/* appending failed, at last then */
	bool failing;
	struct timeval failed;
};

/* --- pop3-policy-log-segment.c --- */

/* Begin another segment with room for an entry of so many bytes. Returns 0 if
   ok, -1 and errno. */
int pop3_policy_log_segment_begin(struct pop3_policy_log *log, size_t size,
				  int64_t time);
/* TRUE if so many bytes fit, besides the reserve. */
bool pop3_policy_log_segment_fits(const struct pop3_policy_log *log,
				  size_t size, bool use_reserve);
/* Append to the segment: all or nothing. Returns 0 if ok, -1 and errno. */
int pop3_policy_log_segment_write(struct pop3_policy_log *log,
				  const void *data, size_t size);
/* Give back what was not needed of its space, and close it. */
void pop3_policy_log_file_close(struct pop3_policy_log *log,
				struct pop3_policy_log_file *file);
int pop3_policy_log_file_sync(struct pop3_policy_log *log,
			      struct pop3_policy_log_file *file);

#endif
