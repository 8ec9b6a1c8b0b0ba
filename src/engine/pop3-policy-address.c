/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strescape.h"
#include "message-header-encode.h"
#include "pop3-policy-address.h"
#include "pop3-policy-text.h"

#include <ctype.h>

/* RFC 5321: local-part and domain */
#define MAX_LOCAL_PART 64
#define MAX_DOMAIN 255
/* Room for the header's name before a name that has to be encoded. */
#define FIRST_LINE_LEN 10

/* RFC 5322's dot-atom: local-part without quotes. Nor what many would take for
   an encoded word, though none may stand there. */
static bool is_local_part(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > MAX_LOCAL_PART || text[0] == '.' ||
	    text[len-1] == '.' || strstr(text, "..") != NULL ||
	    strstr(text, "=?") != NULL)
		return FALSE;
	for (; *text != '\0'; text++) {
		if (!i_isalnum(*text) &&
		    strchr("!#$%&'*+-/=?^_`{|}~.", *text) == NULL)
			return FALSE;
	}
	return TRUE;
}

static bool is_domain(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len > MAX_DOMAIN || text[0] == '.' ||
	    text[len-1] == '.' || strstr(text, "..") != NULL)
		return FALSE;
	for (; *text != '\0'; text++) {
		if (!i_isalnum(*text) && *text != '-' && *text != '.' &&
		    *text != '_')
			return FALSE;
	}
	return TRUE;
}

static const char *trim_quotes(const char *text)
{
	size_t len = strlen(text);

	if (len >= 2 && text[0] == '"' && text[len-1] == '"')
		return t_strndup(text + 1, len - 2);
	return text;
}

int pop3_policy_address_parse(const char *text,
			      struct pop3_policy_address *address_r)
{
	const char *open, *at;
	size_t len;

	i_zero(address_r);
	text = t_str_trim(text, " \t");
	open = strrchr(text, '<');
	if (open != NULL) {
		len = strlen(open);
		if (open[len-1] != '>')
			return -1;
		address_r->name = trim_quotes(
			t_str_trim(t_strdup_until(text, open), " \t"));
		if (*address_r->name == '\0')
			address_r->name = NULL;
		else {
			const char *p = address_r->name, *line, *error;

			/* one line without control characters */
			if (pop3_policy_text_next_line(&p, &line, &error) < 0 ||
			    *p != '\0')
				return -1;
		}
		text = t_strndup(open + 1, len - 2);
	}
	at = strrchr(text, '@');
	if (at != NULL && at[1] != '\0') {
		address_r->domain = t_strdup(at + 1);
		if (!is_domain(address_r->domain))
			return -1;
	}
	address_r->local_part = at == NULL ? text : t_strdup_until(text, at);
	return is_local_part(address_r->local_part) ? 0 : -1;
}

/* A phrase (RFC 5322): an atom or more, a quoted string, or encoded. */
static void append_phrase(string_t *dest, const char *name)
{
	bool quote = FALSE, encode = strlen(name) > MAX_LOCAL_PART;

	for (const char *p = name; *p != '\0' && !encode; p++) {
		encode = (unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e ||
			(p[0] == '=' && p[1] == '?');
		quote = quote || (!i_isalnum(*p) && *p != ' ' && *p != '-');
	}
	if (encode) {
		message_header_encode_b((const void *)name, strlen(name), dest,
					FIRST_LINE_LEN);
	} else if (quote)
		str_printfa(dest, "\"%s\"", str_escape(name));
	else
		str_append(dest, name);
}

void pop3_policy_address_append(string_t *dest,
				const struct pop3_policy_address *address,
				const char *default_domain)
{
	if (address->name != NULL) {
		append_phrase(dest, address->name);
		/* it may be long */
		str_append(dest, "\n ");
	}
	str_printfa(dest, "<%s@%s>", address->local_part,
		    address->domain != NULL ? address->domain :
		    default_domain);
}

const char *pop3_policy_address_domain(const char *username,
				       const char *default_domain)
{
	const char *at = strrchr(username, '@');

	return at != NULL && is_domain(at + 1) ? at + 1 : default_domain;
}

void pop3_policy_address_append_user(string_t *dest, const char *username,
				     const char *default_domain)
{
	const char *at = strrchr(username, '@');
	const char *local_part = at == NULL ? username :
		t_strdup_until(username, at);

	if (is_local_part(local_part) && (at == NULL || is_domain(at + 1))) {
		str_printfa(dest, "<%s@%s>", local_part,
			    at == NULL ? default_domain : at + 1);
		return;
	}
	/* not to be replied to, but to be read */
	append_phrase(dest, *username == '\0' ? "?" : username);
	/* an encoded word ends before white space */
	str_append(dest, " :;");
}
