#ifndef POP3_POLICY_SENDER_H
#define POP3_POLICY_SENDER_H

#include "guid.h"
#include "seq-range-array.h"
#include "str.h"

struct event;
struct mail_user;
struct pop3_policy_client;

/* Who sends messages to the service: a POP3 session, or a delivery. */
struct pop3_policy_sender {
	struct mail_user *user;
	/* where failures are logged */
	struct event *event;
	struct pop3_policy_client *service;
	/* its random id: session= */
	guid_128_t id;
	/* the mailbox that it is about, INBOX; uidvalidity is 0 if that is not
	   known yet */
	guid_128_t box_guid;
	uint32_t uidvalidity;
};

/* Begin a message: verb, id, user, session. */
void pop3_policy_sender_wire(const struct pop3_policy_sender *sender,
			     string_t *dest, const char *verb,
			     unsigned int id);
/* Add who and where: dsession, auth_user, rip. */
void pop3_policy_sender_wire_origin(const struct pop3_policy_sender *sender,
				    string_t *dest);
/* Add the mailbox, if it is known: guid, uidvalidity. */
void pop3_policy_sender_wire_mailbox(const struct pop3_policy_sender *sender,
				     string_t *dest);

/* Send a message that has no answer; failures are logged. */
void pop3_policy_sender_send(const struct pop3_policy_sender *sender,
			     const string_t *text);

/* Send EVENT. uids may be NULL; uidnext is left out if 0, text if NULL. */
void pop3_policy_sender_event(const struct pop3_policy_sender *sender,
			      const char *event, const char *reason,
			      const ARRAY_TYPE(seq_range) *uids,
			      uint32_t uidnext, const char *text);

#endif
