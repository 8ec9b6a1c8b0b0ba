/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "istream.h"
#include "llist.h"
#include "master-service.h"
#include "net.h"
#include "ostream.h"
#include "str.h"
#include "pop3-policy-client.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-request.h"
#include "pop3-policy-service.h"
#include "pop3-policy-sessions.h"

/* Replies that a client has not read yet. */
#define POP3_POLICY_CLIENT_MAX_OUTPUT POP3_POLICY_MAX_MESSAGE
/* Requests without answer: a mail process has one or two. */
#define POP3_POLICY_CLIENT_MAX_REQUESTS 1000
/* Most requests are shorter. What a client is read into it keeps for life, and a
   stream that may be larger takes 8 kB at once. */
#define POP3_POLICY_CLIENT_INPUT_SIZE 2048
/* How often each is read from in turn. */
#define POP3_POLICY_CLIENT_MAX_READS 1000

struct pop3_policy_client {
	struct pop3_policy_client *prev, *next;
	struct pop3_policy_service *service;
	struct event *event;
	int fd;
	struct istream *input;
	struct ostream *output;
	struct io *io;
	struct timeout *to_destroy;
	struct pop3_policy_wire_parser *parser;
	struct pop3_policy_sessions *sessions;
	struct pop3_policy_request *requests;
	unsigned int request_count;
	bool admin;
};

static struct pop3_policy_client *clients;
static unsigned int client_count;

static void pop3_policy_client_destroy(struct pop3_policy_client *client)
{
	DLLIST_REMOVE(&clients, client);
	client_count--;
	while (client->requests != NULL)
		pop3_policy_request_abort(client->requests);
	pop3_policy_sessions_deinit(&client->sessions);
	pop3_policy_wire_parser_deinit(&client->parser);
	io_remove(&client->io);
	timeout_remove(&client->to_destroy);
	i_stream_destroy(&client->input);
	o_stream_destroy(&client->output);
	i_close_fd(&client->fd);
	event_unref(&client->event);
	i_free(client);
	master_service_client_connection_destroyed(master_service);
}

static void
pop3_policy_client_disconnect(struct pop3_policy_client *client,
			      const char *reason)
{
	e_error(client->event, "%s, disconnecting", reason);
	pop3_policy_client_destroy(client);
}

/* Returns FALSE if the client was destroyed. */
static bool pop3_policy_client_input_line(struct pop3_policy_client *client,
					  const char *line, size_t size)
{
	struct pop3_policy_wire_message *message;
	const char *error;
	int ret;

	if (strlen(line) != size) {
		/* a NUL must not hide the rest of a line; a CR at its end was
		   dropped by the stream */
		pop3_policy_client_disconnect(client, "Line with a NUL or CR");
		return FALSE;
	}
	ret = pop3_policy_wire_parser_feed(client->parser, line, &message,
					   &error);
	if (ret < 0) {
		pop3_policy_client_disconnect(client, error);
		return FALSE;
	}
	if (ret == 0)
		return TRUE;
	if (client->request_count >= POP3_POLICY_CLIENT_MAX_REQUESTS) {
		pop3_policy_wire_message_free(&message);
		pop3_policy_client_disconnect(client,
			"Too many requests without waiting for answers");
		return FALSE;
	}
	pop3_policy_request_start(client, &message);
	return TRUE;
}

static ssize_t pop3_policy_client_fill(struct pop3_policy_client *client)
{
	ssize_t ret = i_stream_read(client->input);

	if (ret != -2 && ret < POP3_POLICY_CLIENT_INPUT_SIZE)
		return ret;
	/* it says a lot */
	i_stream_set_max_buffer_size(client->input, POP3_POLICY_MAX_LINE);
	return ret > 0 ? ret : i_stream_read(client->input);
}

/* Read once. Returns TRUE if there may be more. */
static bool pop3_policy_client_read(struct pop3_policy_client *client)
{
	const char *line;
	uoff_t start;
	ssize_t ret;
	bool open = TRUE;

	/* not corked: nearly always there is one reply at most, and corking
	   takes a buffer of 8 kB, for life */
	ret = pop3_policy_client_fill(client);
	for (;;) {
		start = client->input->v_offset;
		line = i_stream_next_line(client->input);
		if (line == NULL)
			break;
		T_BEGIN {
			open = pop3_policy_client_input_line(client, line,
				client->input->v_offset - start - 1);
		} T_END;
		if (!open)
			return FALSE;
	}
	if (client->output->closed) {
		pop3_policy_client_destroy(client);
	} else if (ret == -2) {
		pop3_policy_client_disconnect(client, "Line is too long");
	} else if (ret < 0) {
		pop3_policy_client_destroy(client);
	} else {
		return ret > 0;
	}
	return FALSE;
}

static void pop3_policy_client_input(struct pop3_policy_client *client)
{
	unsigned int i;

	/* all of it, if it can be: others wait for what was said */
	for (i = 0; i < POP3_POLICY_CLIENT_MAX_READS; i++) {
		if (!pop3_policy_client_read(client))
			break;
	}
}

static int pop3_policy_client_output(struct pop3_policy_client *client)
{
	int ret = o_stream_flush(client->output);

	/* noticed by the input handler otherwise, once there is some */
	if (ret < 0 && client->to_destroy == NULL) {
		client->to_destroy = timeout_add_short(0,
			pop3_policy_client_destroy, client);
	}
	return ret < 0 ? 1 : ret;
}

void pop3_policy_client_create(struct pop3_policy_service *service, int fd,
			       bool admin)
{
	struct pop3_policy_client *client;
	struct net_unix_cred cred;
	string_t *handshake = t_str_new(64);

	client = i_new(struct pop3_policy_client, 1);
	client->service = service;
	client->fd = fd;
	client->admin = admin;
	client->event = event_create(service->event);
	if (net_getunixcred(fd, &cred) == 0) {
		event_add_int(client->event, "client_pid", cred.pid);
		event_set_append_log_prefix(client->event, t_strdup_printf(
			"%s(pid=%ld,uid=%ld): ",
			admin ? "admin" : "client", (long)cred.pid,
			(long)cred.uid));
	}
	client->input = i_stream_create_fd(fd, POP3_POLICY_CLIENT_INPUT_SIZE);
	client->output = o_stream_create_fd(fd, POP3_POLICY_CLIENT_MAX_OUTPUT);
	o_stream_set_no_error_handling(client->output, TRUE);
	o_stream_set_flush_callback(client->output, pop3_policy_client_output,
				    client);
	client->io = io_add_istream(client->input, pop3_policy_client_input,
				    client);
	client->parser = pop3_policy_wire_parser_init();
	client->sessions = pop3_policy_sessions_init(service);
	DLLIST_PREPEND(&clients, client);
	client_count++;

	pop3_policy_wire_handshake(handshake);
	o_stream_nsend(client->output, str_data(handshake), str_len(handshake));
}

void pop3_policy_clients_read_all(void)
{
	struct pop3_policy_client *client, *next;
	unsigned int i;

	for (client = clients; client != NULL; client = next) {
		next = client->next;
		/* one that does not stop is not waited for */
		for (i = 0; i < POP3_POLICY_CLIENT_MAX_READS; i++) {
			if (!pop3_policy_client_read(client))
				break;
		}
	}
}

void pop3_policy_clients_destroy_all(void)
{
	while (clients != NULL)
		pop3_policy_client_destroy(clients);
}

unsigned int pop3_policy_clients_count(void)
{
	return client_count;
}

struct pop3_policy_service *
pop3_policy_client_service(struct pop3_policy_client *client)
{
	return client->service;
}

struct pop3_policy_sessions *
pop3_policy_client_sessions(struct pop3_policy_client *client)
{
	return client->sessions;
}

bool pop3_policy_client_is_admin(const struct pop3_policy_client *client)
{
	return client->admin;
}

struct event *pop3_policy_client_event(struct pop3_policy_client *client)
{
	return client->event;
}

void pop3_policy_client_add(struct pop3_policy_client *client,
			    struct pop3_policy_request *request)
{
	DLLIST_PREPEND(&client->requests, request);
	client->request_count++;
}

void pop3_policy_client_remove(struct pop3_policy_client *client,
			       struct pop3_policy_request *request)
{
	DLLIST_REMOVE(&client->requests, request);
	client->request_count--;
}

void pop3_policy_client_send(struct pop3_policy_client *client,
			     const string_t *reply)
{
	o_stream_nsend(client->output, str_data(reply), str_len(reply));
	if (client->output->stream_errno != 0 && client->to_destroy == NULL) {
		client->to_destroy = timeout_add_short(0,
			pop3_policy_client_destroy, client);
	}
}
