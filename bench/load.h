#ifndef POP3_POLICY_BENCH_LOAD_H
#define POP3_POLICY_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The load generator's parts: load.c (options, connections, rate), session.c
   (one POP3 session), samples.c (times and their percentiles). */

/* --- samples.c --- */

struct samples {
	double *values;
	size_t count, size;
};

/* Seconds on a clock that only goes forward. */
double seconds_now(void);
void samples_add(struct samples *samples, double seconds);
/* The value below which `percent' of the samples are; 0 if there are none.
   Sorts the samples. */
double samples_percentile(struct samples *samples, double percent);
void samples_free(struct samples *samples);

/* --- session.c --- */

enum step_kind {
	STEP_STAT,
	STEP_LIST,
	STEP_UIDL,
	/* one command for each of the first `count' messages */
	STEP_RETR,
	STEP_DELE
};

struct step {
	enum step_kind kind;
	unsigned int count;
};

struct plan {
	const char *domain, *password;
	const struct step *steps;
	unsigned int step_count;

	/* results */
	struct samples login, quit;
	uint64_t bytes;
	unsigned int commands;
};

enum session_state {
	SESSION_GREETING,
	SESSION_USER,
	SESSION_PASS,
	SESSION_STEPS,
	SESSION_QUIT,
	/* QUIT was answered: the server closes */
	SESSION_END
};

enum session_result {
	SESSION_GOES_ON,
	SESSION_DONE,
	/* see session->error */
	SESSION_FAILED
};

struct session {
	struct plan *plan;
	int fd;
	enum session_state state;
	/* place in the plan: step, and number of the message, from 1 */
	unsigned int step, message;
	unsigned int user;
	double sent_at;
	/* the first line of the reply is not complete yet */
	char line[512];
	size_t line_len;
	/* in the lines of a reply of many, and how much of CRLF.CRLF was seen */
	bool in_text;
	unsigned int end_seen;
	char error[600];
};

/* Begin a session on a socket that is being connected. The greeting comes
   first. */
void session_begin(struct session *session, struct plan *plan, int fd,
		   unsigned int user);
/* Read what has come, and go on. */
enum session_result session_read(struct session *session);

#endif
