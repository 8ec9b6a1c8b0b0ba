/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "message-date.h"
#include "message-header-encode.h"
#include "qp-encoder.h"
#include "pop3-policy-message.h"

/* RFC 2045 */
#define MAX_QP_LINE 76
/* a header's line, as RFC 5322 recommends */
#define MAX_HEADER_LINE 78
/* a line as RFC 5322 demands */
#define MAX_LINE 998

/* LF to CRLF. The value is folded already. */
static void append_header(string_t *dest, const char *name, const char *value)
{
	str_printfa(dest, "%s: ", name);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			str_append_c(dest, '\r');
		str_append_c(dest, *value);
	}
	str_append(dest, "\r\n");
}

static void append_subject(string_t *dest, const char *subject)
{
	static const char name[] = "Subject";
	string_t *value = t_str_new(256);

	/* what is short stays as it is, if it is ASCII */
	if (strlen(name) + 2 + strlen(subject) <= MAX_HEADER_LINE)
		message_header_encode(subject, value);
	else {
		message_header_encode_q((const void *)subject, strlen(subject),
					value, strlen(name) + 2);
	}
	append_header(dest, name, str_c(value));
}

static bool is_plain(const char *body)
{
	size_t line_len = 0;

	for (; *body != '\0'; body++) {
		line_len = *body == '\n' ? 0 : line_len + 1;
		if ((unsigned char)*body > 0x7e || line_len > MAX_LINE)
			return FALSE;
	}
	return TRUE;
}

static void append_body(string_t *dest, const char *body)
{
	struct qp_encoder *qp;

	if (is_plain(body)) {
		append_header(dest, "Content-Transfer-Encoding", "7bit");
		str_append(dest, "\r\n");
		for (; *body != '\0'; body++) {
			if (*body == '\n')
				str_append_c(dest, '\r');
			str_append_c(dest, *body);
		}
		return;
	}
	append_header(dest, "Content-Transfer-Encoding", "quoted-printable");
	str_append(dest, "\r\n");
	qp = qp_encoder_init(dest, MAX_QP_LINE, 0);
	qp_encoder_more(qp, body, strlen(body));
	qp_encoder_finish(qp);
	qp_encoder_deinit(&qp);
}

void pop3_policy_message_append(string_t *dest,
				const struct pop3_policy_message *message)
{
	string_t *address = t_str_new(128);

	pop3_policy_address_append(address, &message->from, message->domain);
	append_header(dest, "From", str_c(address));
	str_truncate(address, 0);
	pop3_policy_address_append_user(address, message->username,
					message->domain);
	append_header(dest, "To", str_c(address));
	append_subject(dest, message->subject);
	append_header(dest, "Date", message_date_create(message->date));
	append_header(dest, "Message-ID", message->message_id);
	append_header(dest, "Auto-Submitted", "auto-generated");
	append_header(dest, "MIME-Version", "1.0");
	append_header(dest, "Content-Type", "text/plain; charset=utf-8");
	append_body(dest, message->body);
}
