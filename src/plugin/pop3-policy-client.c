/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "net.h"
#include "istream.h"
#include "str.h"
#include "pop3-policy-clock.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-client.h"

#include <poll.h>
#include <unistd.h>

struct pop3_policy_client {
	struct pop3_policy_client *next;

	char *path;
	unsigned int timeout_msecs;

	int fd;
	struct istream *input;
	struct pop3_policy_wire_parser *parser;
	unsigned int last_id;
};

/* POP3 sessions of one process share a connection. There is usually one. */
static struct pop3_policy_client *process_clients;

static void client_disconnect(struct pop3_policy_client *client)
{
	if (client->fd == -1)
		return;
	pop3_policy_wire_parser_deinit(&client->parser);
	i_stream_destroy(&client->input);
	i_close_fd(&client->fd);
}

struct pop3_policy_client *
pop3_policy_client_get(const char *path, unsigned int timeout_msecs)
{
	struct pop3_policy_client *client = process_clients;

	while (client != NULL && strcmp(client->path, path) != 0)
		client = client->next;
	if (client == NULL) {
		client = i_new(struct pop3_policy_client, 1);
		client->path = i_strdup(path);
		client->fd = -1;
		client->next = process_clients;
		process_clients = client;
	}
	client->timeout_msecs = timeout_msecs;
	return client;
}

void pop3_policy_clients_deinit(void)
{
	struct pop3_policy_client *client;

	while (process_clients != NULL) {
		client = process_clients;
		process_clients = client->next;
		client_disconnect(client);
		i_free(client->path);
		i_free(client);
	}
}

unsigned int pop3_policy_client_next_id(struct pop3_policy_client *client)
{
	/* 0 means that no reply is wanted */
	if (++client->last_id == 0)
		client->last_id++;
	return client->last_id;
}

static uint64_t now_msecs(void)
{
	return pop3_policy_clock_nsecs() / 1000000;
}

/* Wait until the socket is ready for events, but not beyond the deadline.
   Returns 1 if ready, 0 and *error_r if the time is over, -1 and *error_r on
   errors. */
static int client_poll(struct pop3_policy_client *client, short events,
		       uint64_t deadline, const char **error_r)
{
	struct pollfd pfd = { .fd = client->fd, .events = events };
	uint64_t now;
	int ret;

	for (;;) {
		now = now_msecs();
		if (now >= deadline)
			break;
		ret = poll(&pfd, 1, (int)(deadline - now));
		if (ret > 0)
			return 1;
		if (ret < 0 && errno != EINTR) {
			*error_r = t_strdup_printf("poll(%s) failed: %m",
						   client->path);
			return -1;
		}
	}
	*error_r = t_strdup_printf("%s did not answer within %u ms",
				   client->path, client->timeout_msecs);
	return 0;
}

static int client_write(struct pop3_policy_client *client,
			const void *_data, size_t size, uint64_t deadline,
			const char **error_r)
{
	const unsigned char *data = _data;
	ssize_t ret;

	while (size > 0) {
		ret = write(client->fd, data, size);
		if (ret > 0) {
			data += ret;
			size -= ret;
		} else if (ret < 0 && errno == EAGAIN) {
			if (client_poll(client, POLLOUT, deadline,
					error_r) <= 0)
				return -1;
		} else if (ret == 0 || errno != EINTR) {
			*error_r = t_strdup_printf("write(%s) failed: %m",
						   client->path);
			return -1;
		}
	}
	return 0;
}

/* What an administrator forgets. */
static const char *connect_hint(int connect_errno)
{
	switch (connect_errno) {
	case EACCES:
		return " (the group of service pop3-policy { unix_listener "
			"pop3-policy } must be one that mail processes have)";
	case ENOENT:
	case ECONNREFUSED:
		return " (does service pop3-policy run?)";
	default:
		return "";
	}
}

static int client_connect(struct pop3_policy_client *client,
			  uint64_t deadline, const char **error_r)
{
	string_t *handshake;

	if (client->fd != -1)
		return 0;
	/* the service's backlog may be full for a moment */
	client->fd = net_connect_unix_with_retries(client->path,
		deadline > now_msecs() ? deadline - now_msecs() : 0);
	if (client->fd == -1) {
		*error_r = t_strdup_printf("connect(%s) failed: %m%s",
			client->path, connect_hint(errno));
		return -1;
	}
	client->input = i_stream_create_fd(client->fd, POP3_POLICY_MAX_LINE+1);
	client->parser = pop3_policy_wire_parser_init();

	handshake = t_str_new(64);
	pop3_policy_wire_handshake(handshake);
	return client_write(client, str_data(handshake), str_len(handshake),
			    deadline, error_r);
}

static int client_send_until(struct pop3_policy_client *client,
			     const string_t *text, uint64_t deadline,
			     const char **error_r)
{
	bool reused = client->fd != -1;

	if (client_connect(client, deadline, error_r) == 0 &&
	    client_write(client, str_data(text), str_len(text), deadline,
			 error_r) == 0)
		return 0;
	client_disconnect(client);
	if (!reused || now_msecs() >= deadline)
		return -1;
	/* the service was restarted since the last session */
	if (client_connect(client, deadline, error_r) == 0 &&
	    client_write(client, str_data(text), str_len(text), deadline,
			 error_r) == 0)
		return 0;
	client_disconnect(client);
	return -1;
}

int pop3_policy_client_try_send(struct pop3_policy_client *client,
				const string_t *text, const char **error_r)
{
	return client_send_until(client, text, now_msecs(), error_r);
}

int pop3_policy_client_send(struct pop3_policy_client *client,
			    const string_t *text, const char **error_r)
{
	return client_send_until(client, text,
				 now_msecs() + client->timeout_msecs, error_r);
}

enum client_read_result {
	CLIENT_READ_OK,
	/* the connection was closed first */
	CLIENT_READ_CLOSED,
	/* no answer in time; it may still come, and is skipped then */
	CLIENT_READ_TIMEOUT,
	CLIENT_READ_ERROR
};

/* Read until the reply with this id. Sets *error_r unless OK is returned. */
static enum client_read_result
client_read_reply(struct pop3_policy_client *client, unsigned int id,
		  uint64_t deadline,
		  struct pop3_policy_wire_message **reply_r,
		  const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	const char *line;
	int ret;

	for (;;) {
		while ((line = i_stream_next_line(client->input)) != NULL) {
			ret = pop3_policy_wire_parser_feed(client->parser, line,
							   &reply, error_r);
			if (ret < 0) {
				*error_r = t_strdup_printf(
					"%s sent bad data: %s",
					client->path, *error_r);
				return CLIENT_READ_ERROR;
			}
			if (ret == 0)
				continue;
			if (reply->id == id) {
				*reply_r = reply;
				return CLIENT_READ_OK;
			}
			/* the answer to a request that was given up */
			pop3_policy_wire_message_free(&reply);
		}
		switch (i_stream_read(client->input)) {
		case 0:
			ret = client_poll(client, POLLIN, deadline, error_r);
			if (ret <= 0) {
				return ret == 0 ? CLIENT_READ_TIMEOUT :
					CLIENT_READ_ERROR;
			}
			break;
		case -1:
			*error_r = t_strdup_printf("%s closed the connection",
						   client->path);
			return CLIENT_READ_CLOSED;
		case -2:
			*error_r = t_strdup_printf("%s sent a too long line",
						   client->path);
			return CLIENT_READ_ERROR;
		}
	}
}

/* VERB <tab> ID ... -> VERB <tab> ID <tab> repeat=1 ... */
static const string_t *request_mark_repeated(const string_t *text)
{
	const char *str = t_strndup(str_data(text), str_len(text));
	size_t pos = strcspn(str, "\t") + 1;
	string_t *dest = t_str_new(str_len(text) + 16);

	pos += strcspn(str + pos, "\t\n");
	str_append_data(dest, str, pos);
	str_append(dest, "\trepeat=1");
	str_append(dest, str + pos);
	return dest;
}

int pop3_policy_client_wait(struct pop3_policy_client *client,
			    unsigned int id, const string_t *text,
			    struct pop3_policy_wire_message **reply_r,
			    const char **error_r)
{
	uint64_t deadline = now_msecs() + client->timeout_msecs;
	enum client_read_result result = CLIENT_READ_CLOSED;

	if (client->fd != -1) {
		result = client_read_reply(client, id, deadline, reply_r,
					   error_r);
	}
	if (result == CLIENT_READ_CLOSED) {
		client_disconnect(client);
		if (client_send_until(client, request_mark_repeated(text),
				      deadline, error_r) < 0)
			return -1;
		result = client_read_reply(client, id, deadline, reply_r,
					   error_r);
	}
	if (result != CLIENT_READ_OK) {
		/* The service takes a closed connection for the end of its
		   sessions, so do not close it for being slow. */
		if (result != CLIENT_READ_TIMEOUT)
			client_disconnect(client);
		return -1;
	}
	if (strcmp((*reply_r)->head.name, "OK") == 0)
		return 1;
	if (strcmp((*reply_r)->head.name, "FAIL") == 0)
		return 0;
	*error_r = t_strdup_printf("%s answered with an unknown word: %s",
				   client->path, (*reply_r)->head.name);
	pop3_policy_wire_message_free(reply_r);
	client_disconnect(client);
	return -1;
}

int pop3_policy_client_request(struct pop3_policy_client *client,
			       unsigned int id, const string_t *text,
			       struct pop3_policy_wire_message **reply_r,
			       const char **error_r)
{
	if (pop3_policy_client_send(client, text, error_r) < 0)
		return -1;
	return pop3_policy_client_wait(client, id, text, reply_r, error_r);
}
