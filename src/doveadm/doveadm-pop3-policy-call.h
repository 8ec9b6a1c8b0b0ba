#ifndef DOVEADM_POP3_POLICY_CALL_H
#define DOVEADM_POP3_POLICY_CALL_H

#include "str.h"

/* CALL of include/pop3-policy-protocol.h. */

struct pop3_policy_wire_message;

/* Connect to the administrators' socket, as root: processes that become the
   owner of a mailbox cannot do it later. Returns 0 if ok; if not -1, an error
   is logged, and doveadm's exit code is set. */
int doveadm_pop3_policy_connect(void);

/* Call a function. args are its parameters, those that are NULL are SQL NULL.
   Returns 0 and the reply, to be freed by pop3_policy_wire_message_free(); if
   not -1, an error is logged, and doveadm's exit code is set. Connects if that
   was not done. */
int doveadm_pop3_policy_call(const char *name, const char *const *args,
			     unsigned int arg_count,
			     struct pop3_policy_wire_message **reply_r);

/* Append an element to a list parameter. Returns 0 if ok, -1 if it is not one
   line. */
int doveadm_pop3_policy_list_add(string_t *list, const char *value);

/* Log an error of what was asked for, and set doveadm's exit code. */
void doveadm_pop3_policy_failed(int exit_code, const char *error);

void doveadm_pop3_policy_call_deinit(void);

#endif
