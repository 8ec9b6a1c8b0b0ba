#ifndef POP3_POLICY_CLIENT_H
#define POP3_POLICY_CLIENT_H

#include "str.h"

/* The mail process's connection to the pop3-policy service. It is shared by
   the sessions of the process and kept from session to session. All waiting
   is bounded by the timeout. The protocol is in pop3-policy-protocol.h. */

struct pop3_policy_client;
struct pop3_policy_wire_message;

/* Get the process's connection to this socket. Does not connect yet.
   timeout_msecs bounds every wait from now on. */
struct pop3_policy_client *
pop3_policy_client_get(const char *path, unsigned int timeout_msecs);
/* Close and free the process's connections. */
void pop3_policy_clients_deinit(void);

/* A new request id, unique on this connection. */
unsigned int pop3_policy_client_next_id(struct pop3_policy_client *client);

/* Send a request with this id without waiting. If the connection was closed,
   it is opened again. Returns 0 if handed to the kernel, -1 and *error_r if
   not. The text must stay until the answer was read with _wait(). */
int pop3_policy_client_send(struct pop3_policy_client *client,
			    const string_t *text, const char **error_r);
/* The same, but without waiting for a service that is busy. */
int pop3_policy_client_try_send(struct pop3_policy_client *client,
				const string_t *text, const char **error_r);

/* Wait for the answer to a request sent with _send(). If the service closed
   the connection meanwhile, reconnect and send the request once more, marked
   as repeated. Returns 1 if it is OK, 0 if it is FAIL, -1 and *error_r if
   there is none in time; one that comes later is skipped. The reply, if any,
   is the caller's to free. */
int pop3_policy_client_wait(struct pop3_policy_client *client,
			    unsigned int id, const string_t *text,
			    struct pop3_policy_wire_message **reply_r,
			    const char **error_r);
/* _send() and _wait(). */
int pop3_policy_client_request(struct pop3_policy_client *client,
			       unsigned int id, const string_t *text,
			       struct pop3_policy_wire_message **reply_r,
			       const char **error_r);

#endif
