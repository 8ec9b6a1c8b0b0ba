#ifndef POP3_POLICY_REQUEST_INTENT_H
#define POP3_POLICY_REQUEST_INTENT_H

#include "pop3-policy-records.h"

/* INTENT: what pop3-policy-request-intent.c (the database has it) and
   pop3-policy-request-postpone.c (it is away) share. */

struct pop3_policy_request;

/* Read the request into a record, of kind INTENT or POSTPONED. Returns NULL and
   *error_r (data stack) if it is invalid. */
struct pop3_policy_record *
pop3_policy_intent_record(struct pop3_policy_request *request,
			  enum pop3_policy_record_kind kind,
			  const char **error_r);

/* Postpone the removals of a request that is valid, and answer it. user and
   session are allocated from the request's pool; why is for the log. */
void pop3_policy_intent_postpone(struct pop3_policy_request *request,
				 const char *user, const char *session,
				 const char *why);

#endif
