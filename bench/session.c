/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* A POP3 session as an ordinary client has it: one command at a time. */

#include "load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ATTR_FORMAT __attribute__((format(printf, 2, 3)))

/* The end of a reply of many lines. Its first CRLF may be that of the first
   line: an empty listing. */
static const char text_end[] = "\r\n.\r\n";

static enum session_result ATTR_FORMAT
session_fail(struct session *session, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(session->error, sizeof(session->error), format, args);
	va_end(args);
	return SESSION_FAILED;
}

static enum session_result ATTR_FORMAT
session_send(struct session *session, const char *format, ...)
{
	char line[600];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line))
		return session_fail(session, "the command is too long");
	session->line_len = 0;
	session->sent_at = seconds_now();
	/* a command fits into an empty socket buffer */
	if (send(session->fd, line, (size_t)len, MSG_NOSIGNAL) != len)
		return session_fail(session, "send(): %s", strerror(errno));
	session->plan->commands++;
	return SESSION_GOES_ON;
}

/* Send the next command. */
static enum session_result session_next(struct session *session)
{
	const struct step *step;

	while (session->step < session->plan->step_count) {
		step = &session->plan->steps[session->step];
		session->state = SESSION_STEPS;
		switch (step->kind) {
		case STEP_STAT:
			session->step++;
			return session_send(session, "STAT\r\n");
		case STEP_LIST:
			session->step++;
			session->in_text = true;
			return session_send(session, "LIST\r\n");
		case STEP_UIDL:
			session->step++;
			session->in_text = true;
			return session_send(session, "UIDL\r\n");
		case STEP_RETR:
		case STEP_DELE:
			if (session->message < step->count) {
				session->message++;
				session->in_text = step->kind == STEP_RETR;
				return session_send(session, "%s %u\r\n",
					step->kind == STEP_RETR ? "RETR" :
					"DELE", session->message);
			}
			session->message = 0;
			session->step++;
		}
	}
	session->state = SESSION_QUIT;
	return session_send(session, "QUIT\r\n");
}

/* The first line of a reply is in session->line. */
static enum session_result session_reply(struct session *session)
{
	const char *line = session->line;

	if (strncmp(line, "+OK", 3) != 0) {
		return session_fail(session, "user %u, state %d, step %u, "
				    "message %u: %s", session->user,
				    session->state, session->step,
				    session->message, line);
	}
	switch (session->state) {
	case SESSION_GREETING:
		session->state = SESSION_USER;
		return session_send(session, "USER user%u@%s\r\n",
				    session->user, session->plan->domain);
	case SESSION_USER:
		session->state = SESSION_PASS;
		return session_send(session, "PASS %s\r\n",
				    session->plan->password);
	case SESSION_PASS:
		samples_add(&session->plan->login,
			    seconds_now() - session->sent_at);
		return session_next(session);
	case SESSION_STEPS:
		if (session->in_text) {
			/* the line's CRLF was seen */
			session->end_seen = 2;
			return SESSION_GOES_ON;
		}
		return session_next(session);
	case SESSION_QUIT:
		samples_add(&session->plan->quit,
			    seconds_now() - session->sent_at);
		session->state = SESSION_END;
		return SESSION_GOES_ON;
	case SESSION_END:
		break;
	}
	return session_fail(session, "said after QUIT: %s", line);
}

/* Take bytes of a text until its end. Returns how many. */
static size_t session_text(struct session *session, const char *data,
			   size_t size)
{
	size_t i;

	for (i = 0; i < size && session->in_text; i++) {
		if (session->end_seen == 0) {
			const char *cr = memchr(data + i, '\r', size - i);

			if (cr == NULL)
				return size;
			i = (size_t)(cr - data);
		}
		if (data[i] == text_end[session->end_seen])
			session->end_seen++;
		else
			session->end_seen = data[i] == '\r' ? 1 : 0;
		if (session->end_seen == sizeof(text_end) - 1)
			session->in_text = false;
	}
	return i;
}

/* Take bytes of a reply's first line until its end. Returns how many. */
static size_t session_line(struct session *session, const char *data,
			   size_t size, bool *complete_r)
{
	const char *lf = memchr(data, '\n', size);
	size_t len = lf == NULL ? size : (size_t)(lf - data) + 1;
	size_t keep = sizeof(session->line) - 1 - session->line_len;

	/* of a longer one the beginning is enough */
	if (keep > len)
		keep = len;
	memcpy(session->line + session->line_len, data, keep);
	session->line_len += keep;
	session->line[session->line_len] = '\0';
	*complete_r = lf != NULL;
	return len;
}

static enum session_result
session_input(struct session *session, const char *data, size_t size)
{
	enum session_result result = SESSION_GOES_ON;
	bool complete, reading_text;
	size_t used;

	while (size > 0 && result == SESSION_GOES_ON) {
		reading_text = session->in_text && session->line_len > 0 &&
			session->line[session->line_len - 1] == '\n';
		if (reading_text) {
			used = session_text(session, data, size);
			if (!session->in_text)
				result = session_next(session);
		} else {
			used = session_line(session, data, size, &complete);
			if (complete)
				result = session_reply(session);
		}
		data += used;
		size -= used;
	}
	return result;
}

void session_begin(struct session *session, struct plan *plan, int fd,
		   unsigned int user)
{
	memset(session, 0, sizeof(*session));
	session->plan = plan;
	session->fd = fd;
	session->user = user;
}

enum session_result session_read(struct session *session)
{
	static char buf[64 * 1024];
	enum session_result result;
	ssize_t ret;

	for (;;) {
		ret = recv(session->fd, buf, sizeof(buf), 0);
		if (ret < 0) {
			if (errno == EAGAIN || errno == EINTR)
				return SESSION_GOES_ON;
			return session_fail(session, "recv(): %s",
					    strerror(errno));
		}
		if (ret == 0) {
			return session->state == SESSION_END ? SESSION_DONE :
				session_fail(session, "user %u: closed in "
					     "state %d", session->user,
					     session->state);
		}
		session->plan->bytes += (uint64_t)ret;
		result = session_input(session, buf, (size_t)ret);
		if (result != SESSION_GOES_ON)
			return result;
		if ((size_t)ret < sizeof(buf))
			return SESSION_GOES_ON;
	}
}
