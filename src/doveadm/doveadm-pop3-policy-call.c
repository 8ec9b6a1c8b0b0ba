/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "doveadm.h"
#include "pop3-policy-client.h"
#include "pop3-policy-protocol.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-caller.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-settings.h"

/* longer than the service takes to give a call up */
#define DOVEADM_POP3_POLICY_TIMEOUT_MSECS (75 * 1000)

static char *socket_path;
/* from before the process became the owner of a mailbox */
static char *caller;

void doveadm_pop3_policy_failed(int exit_code, const char *error)
{
	e_error(doveadm_pop3_policy_event, "%s", error);
	doveadm_exit_code = exit_code;
}

int doveadm_pop3_policy_connect(void)
{
	const char *path, *error;

	if (socket_path == NULL) {
		if (doveadm_pop3_policy_socket(doveadm_pop3_policy_event,
					       &path, &error) < 0) {
			doveadm_pop3_policy_failed(EX_CONFIG, error);
			return -1;
		}
		socket_path = i_strdup(path);
		caller = i_strdup(doveadm_pop3_policy_caller());
	}
	/* sends the handshake */
	if (pop3_policy_client_send(pop3_policy_client_get(socket_path,
			DOVEADM_POP3_POLICY_TIMEOUT_MSECS), t_str_new(1),
			&error) < 0) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL, error);
		return -1;
	}
	return 0;
}

static void call_refused(const struct pop3_policy_wire_line *reply)
{
	const char *code = pop3_policy_wire_get_str(reply, "code");
	const char *text = pop3_policy_wire_get_str(reply, "text");
	int exit_code = EX_TEMPFAIL;

	if (null_strcmp(code, "invalid") == 0)
		exit_code = EX_USAGE;
	else if (null_strcmp(code, "denied") == 0)
		exit_code = EX_NOPERM;
	doveadm_pop3_policy_failed(exit_code,
				   text == NULL ? "The service gave no reason" : text);
}

int doveadm_pop3_policy_call(const char *name, const char *const *args,
			     unsigned int arg_count,
			     struct pop3_policy_wire_message **reply_r)
{
	struct pop3_policy_client *client;
	string_t *request = t_str_new(256);
	const char *error;
	unsigned int i, id;
	int ret;

	if (doveadm_pop3_policy_connect() < 0)
		return -1;
	client = pop3_policy_client_get(socket_path,
					DOVEADM_POP3_POLICY_TIMEOUT_MSECS);
	id = pop3_policy_client_next_id(client);
	pop3_policy_wire_begin(request, "CALL", id);
	pop3_policy_wire_str(request, "name", name);
	pop3_policy_wire_str(request, "caller", caller);
	for (i = 0; i < arg_count; i++) {
		pop3_policy_wire_str(request, t_strdup_printf("a%u", i + 1),
				     args[i]);
	}
	pop3_policy_wire_end(request);

	ret = pop3_policy_client_request(client, id, request, reply_r, &error);
	if (ret < 0) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL, error);
		return -1;
	}
	if (ret == 0) {
		call_refused(&(*reply_r)->head);
		pop3_policy_wire_message_free(reply_r);
		return -1;
	}
	return 0;
}

int doveadm_pop3_policy_list_add(string_t *list, const char *value)
{
	if (strchr(value, '\n') != NULL)
		return -1;
	str_append(list, value);
	str_append_c(list, '\n');
	return 0;
}

void doveadm_pop3_policy_call_deinit(void)
{
	pop3_policy_clients_deinit();
	i_free(socket_path);
	i_free(caller);
}
