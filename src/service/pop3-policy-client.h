#ifndef POP3_POLICY_CLIENT_H
#define POP3_POLICY_CLIENT_H

/* A mail process' connection, or an administrator's. */

struct pop3_policy_client;
struct pop3_policy_service;
struct pop3_policy_request;

/* Takes over the descriptor. admin: it came by the administrators' socket. */
void pop3_policy_client_create(struct pop3_policy_service *service, int fd,
			       bool admin);
/* Read what all of them have sent by now. */
void pop3_policy_clients_read_all(void);
/* Close all connections. */
void pop3_policy_clients_destroy_all(void);
unsigned int pop3_policy_clients_count(void);

struct pop3_policy_service *
pop3_policy_client_service(struct pop3_policy_client *client);
struct pop3_policy_sessions *
pop3_policy_client_sessions(struct pop3_policy_client *client);
bool pop3_policy_client_is_admin(const struct pop3_policy_client *client);
struct event *pop3_policy_client_event(struct pop3_policy_client *client);
void pop3_policy_client_add(struct pop3_policy_client *client,
			    struct pop3_policy_request *request);
void pop3_policy_client_remove(struct pop3_policy_client *client,
			       struct pop3_policy_request *request);
void pop3_policy_client_send(struct pop3_policy_client *client,
			     const string_t *reply);

#endif
