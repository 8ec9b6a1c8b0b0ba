/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "str-sanitize.h"
#include "pop3-policy-template.h"
#include "pop3-policy-text.h"

#define MAX_QUOTED 40
#define ALLOWED_HEAD \
	"\"Subject: ...\" and comments that begin with #, and then an empty " \
	"line and the text"

/* Replace an error with one that says where. Returns -1. */
static int error_at(unsigned int line_no, const char **error_r)
{
	*error_r = t_strdup_printf("line %u: %s", line_no, *error_r);
	return -1;
}

static int
head_line(const char *line, const struct pop3_policy_text_var *vars,
	  const char **subject, const char **error_r)
{
	static const char name[] = "Subject:";
	string_t *str;

	if (*line == '#')
		return 0;
	if (strncasecmp(line, name, sizeof(name) - 1) != 0) {
		*error_r = t_strdup_printf("\"%s\" is not allowed before the "
			"text: use "ALLOWED_HEAD,
			str_sanitize(line, MAX_QUOTED));
		return -1;
	}
	if (*subject != NULL) {
		*error_r = "there is a second Subject: use one";
		return -1;
	}
	line += sizeof(name) - 1;
	while (*line == ' ' || *line == '\t')
		line++;
	str = t_str_new(128);
	if (pop3_policy_text_expand(str, line, vars, TRUE, error_r) < 0)
		return -1;
	*subject = str_c(str);
	/* values have none */
	if (strchr(*subject, '\t') != NULL) {
		*error_r = "the Subject has a TAB: use spaces";
		return -1;
	}
	if (**subject == '\0') {
		*error_r = "the Subject is empty: use \"Subject: ...\"";
		return -1;
	}
	return 0;
}

int pop3_policy_template_expand(const char *text,
				const struct pop3_policy_text_var *vars,
				const char **subject_r, const char **body_r,
				const char **error_r)
{
	string_t *body = t_str_new(1024);
	unsigned int line_no = 0, last_text = 0;
	const char *line, *subject = NULL;
	bool in_body = FALSE;
	size_t end = 0;
	int ret;

	/* a byte order mark, as some editors write */
	if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while ((ret = pop3_policy_text_next_line(&text, &line, error_r)) > 0) {
		line_no++;
		if (!in_body && *line == '\0') {
			in_body = TRUE;
			continue;
		}
		ret = in_body ?
			pop3_policy_text_expand(body, line, vars, FALSE,
						error_r) :
			head_line(line, vars, &subject, error_r);
		if (ret < 0)
			return error_at(line_no, error_r);
		if (!in_body)
			continue;
		/* a variable of lines brings its last line's end */
		if (str_len(body) == 0 || *line == '\0' ||
		    str_c(body)[str_len(body)-1] != '\n')
			str_append_c(body, '\n');
		if (*line != '\0') {
			last_text = line_no;
			end = str_len(body);
		}
	}
	if (ret < 0)
		return error_at(line_no + 1, error_r);
	if (subject == NULL) {
		*error_r = "there is no Subject: use "ALLOWED_HEAD;
		return error_at(1, error_r);
	}
	if (last_text == 0) {
		*error_r = "there is no text behind the Subject: use "
			ALLOWED_HEAD;
		return error_at(I_MAX(line_no, 1), error_r);
	}
	str_truncate(body, end);
	*subject_r = subject;
	*body_r = str_c(body);
	return 0;
}
