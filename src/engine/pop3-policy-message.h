#ifndef POP3_POLICY_MESSAGE_H
#define POP3_POLICY_MESSAGE_H

#include "pop3-policy-address.h"

/* A message to the owner of a mailbox (RFC 5322, RFC 3834). Pure: depends on
   nothing but Dovecot's lib and lib-mail. */

struct pop3_policy_message {
	struct pop3_policy_address from;
	/* the owner; any bytes */
	const char *username;
	/* for addresses without a domain */
	const char *domain;
	/* with its angle brackets */
	const char *message_id;
	time_t date;
	/* UTF-8; one line, and lines that end with LF */
	const char *subject, *body;
};

/* Append the message, with CRLF. No line has more than 998 bytes, and all are
   ASCII. */
void pop3_policy_message_append(string_t *dest,
				const struct pop3_policy_message *message);

#endif
