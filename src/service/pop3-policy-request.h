#ifndef POP3_POLICY_REQUEST_H
#define POP3_POLICY_REQUEST_H

#include "pop3-policy-fields.h"
#include "pop3-policy-pool.h"
#include "pop3-policy-writer.h"

/* A message from a mail process, from its arrival to its answer. A request ends
   once: by a reply, by running out of time, or with its client. Whatever waits
   on its behalf is then canceled; callbacks of queries that come later find it
   ended. */

struct pop3_policy_service;
struct pop3_policy_client;
struct pop3_policy_request;

typedef void pop3_policy_request_callback_t(struct pop3_policy_request *request);

/* Returns FALSE if there is nothing to answer instead. */
typedef bool
pop3_policy_request_fallback_t(struct pop3_policy_request *request,
			       const char *error);

struct pop3_policy_request {
	struct pop3_policy_request *prev, *next;
	int refcount;
	struct pop3_policy_service *service;
	/* NULL if it has ended */
	struct pop3_policy_client *client;
	struct pop3_policy_wire_message *message;
	/* the message's, for what the request needs for its life */
	pool_t pool;
	/* its age is that of the request */
	struct event *event;
	struct timeout *to;
	unsigned int timeout_msecs;
	/* the handler's own */
	void *context;

	pop3_policy_request_callback_t *on_end;
	pop3_policy_request_fallback_t *on_fail;

	/* what is waited for; whoever is called back sets it to NULL */
	struct pop3_policy_pool_waiter *pool_waiter;
	struct pop3_policy_writer_waiter *writer_waiter;
	struct pop3_policy_record *record;

	bool ended:1;
};

/* Handle a message; takes it over. */
void pop3_policy_request_start(struct pop3_policy_client *client,
			       struct pop3_policy_wire_message **message);
/* The client is gone. */
void pop3_policy_request_abort(struct pop3_policy_request *request);

void pop3_policy_request_ref(struct pop3_policy_request *request);
void pop3_policy_request_unref(struct pop3_policy_request **request);

/* --- for handlers --- */

/* Call back when the request ends, however it does. */
void pop3_policy_request_on_end(struct pop3_policy_request *request,
				pop3_policy_request_callback_t *callback);
/* Call back instead of answering FAIL temp: it may answer something else. */
void pop3_policy_request_on_fail(struct pop3_policy_request *request,
				 pop3_policy_request_fallback_t *callback);

/* Begin an "OK" line. Allocated from the data stack. */
string_t *pop3_policy_request_reply_begin(struct pop3_policy_request *request);
/* Send the reply, which is complete. Ends the request. */
void pop3_policy_request_reply(struct pop3_policy_request *request,
			       const string_t *reply);
/* Answer OK without anything else. */
void pop3_policy_request_ok(struct pop3_policy_request *request);
/* Answer FAIL. code is one of the protocol's; text says why. */
void pop3_policy_request_fail(struct pop3_policy_request *request,
			      const char *code, const char *text);
/* FAIL temp, because of the database: text for the log, too. */
void pop3_policy_request_fail_temp(struct pop3_policy_request *request,
				   const char *text);
/* FAIL invalid if the fields have an error. Returns TRUE if they have. */
bool pop3_policy_request_is_invalid(struct pop3_policy_request *request,
				    const struct pop3_policy_fields *fields);

/* Call back once the database can be used; if it cannot, the request fails. */
void pop3_policy_request_when_ready(struct pop3_policy_request *request,
				    pop3_policy_request_callback_t *callback);
/* Send statements on one reader, in one transaction and one round trip. Their
   callbacks are called in turn, unless the request has ended; a statement that
   fails ends it. */
typedef void
pop3_policy_request_result_t(struct pop3_policy_request *request,
			     const struct pop3_policy_db_result *result);
struct pop3_policy_query {
	enum pop3_policy_stmt stmt;
	const char *const *params;
	pop3_policy_request_result_t *callback;
};
void pop3_policy_request_query(struct pop3_policy_request *request,
			       const struct pop3_policy_query *queries,
			       unsigned int count);
/* Queue a record and wait for it. */
void pop3_policy_request_write(struct pop3_policy_request *request,
			       struct pop3_policy_record *record,
			       pop3_policy_record_callback_t *callback);

/* --- the handlers --- */

void pop3_policy_request_login(struct pop3_policy_request *request);
void pop3_policy_request_uids(struct pop3_policy_request *request);
void pop3_policy_request_carry(struct pop3_policy_request *request);
void pop3_policy_request_claim(struct pop3_policy_request *request);
void pop3_policy_request_repair(struct pop3_policy_request *request);
void pop3_policy_request_intent(struct pop3_policy_request *request);
void pop3_policy_request_outcome(struct pop3_policy_request *request);
void pop3_policy_request_leave(struct pop3_policy_request *request);
void pop3_policy_request_download(struct pop3_policy_request *request);
void pop3_policy_request_event(struct pop3_policy_request *request);
void pop3_policy_request_session(struct pop3_policy_request *request);
void pop3_policy_request_imap(struct pop3_policy_request *request);
void pop3_policy_request_limits(struct pop3_policy_request *request);
void pop3_policy_request_usage(struct pop3_policy_request *request);
void pop3_policy_request_evict(struct pop3_policy_request *request);
void pop3_policy_request_notices(struct pop3_policy_request *request);
void pop3_policy_request_notice(struct pop3_policy_request *request);
void pop3_policy_request_call(struct pop3_policy_request *request);

#endif
