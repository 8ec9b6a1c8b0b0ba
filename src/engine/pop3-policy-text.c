/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "str-sanitize.h"
#include "unichar.h"
#include "pop3-policy-text.h"

/* How much of a wrong text an error repeats, in bytes. */
#define MAX_QUOTED 40

/* C0, DEL and C1, and Unicode's own line breaks. */
static bool is_control(unichar_t chr)
{
	return chr < 0x20 || (chr >= 0x7f && chr < 0xa0) ||
		chr == 0x2028 || chr == 0x2029;
}

static void append_word(string_t *dest, const char *value)
{
	unichar_t chr;
	int bytes;

	while (*value != '\0') {
		bytes = uni_utf8_get_char(value, &chr);
		if (bytes <= 0) {
			str_append(dest, UNICODE_REPLACEMENT_CHAR_UTF8);
			value++;
			continue;
		}
		if (is_control(chr))
			str_append_c(dest, ' ');
		else
			str_append_data(dest, value, bytes);
		value += bytes;
	}
}

static const char *vars_allowed(const struct pop3_policy_text_var *vars)
{
	string_t *str = t_str_new(128);

	if (vars->name == NULL)
		return "no variables";
	for (unsigned int i = 0; vars[i].name != NULL; i++) {
		if (i > 0) {
			str_append(str, vars[i + 1].name == NULL ?
				   " or " : ", ");
		}
		str_printfa(str, "%%{%s}", vars[i].name);
	}
	return str_c(str);
}

static const struct pop3_policy_text_var *
var_find(const struct pop3_policy_text_var *vars, const char *name)
{
	for (; vars->name != NULL; vars++) {
		if (strcmp(vars->name, name) == 0)
			return vars;
	}
	return NULL;
}

/* inner: what is between the braces */
static int
expand_var(string_t *dest, const char *inner,
	   const struct pop3_policy_text_var *vars, bool single_line,
	   const char **error_r)
{
	const char *choice = strchr(inner, '?'), *more;
	const char *name = choice == NULL ? inner :
		t_strdup_until(inner, choice);
	const struct pop3_policy_text_var *var = var_find(vars, name);

	if (var == NULL) {
		*error_r = t_strdup_printf("%%{%s} is not known here: use %s",
			str_sanitize(name, MAX_QUOTED), vars_allowed(vars));
		return -1;
	}
	if (var->type == POP3_POLICY_TEXT_LINES) {
		if (single_line || choice != NULL) {
			*error_r = t_strdup_printf("%%{%s} has several lines: "
				"use it in the text only, and without ?",
				name);
			return -1;
		}
		str_append(dest, var->value);
		return 0;
	}
	if (choice == NULL) {
		append_word(dest, var->value);
		return 0;
	}
	if (var->type != POP3_POLICY_TEXT_NUMBER) {
		*error_r = t_strdup_printf("%%{%s?...}: %s is no whole number "
			"to choose by: use %%{%s}", name, name, name);
		return -1;
	}
	more = strchr(++choice, '|');
	if (more == NULL || strchr(more + 1, '|') != NULL) {
		*error_r = t_strdup_printf("%%{%s?%s} is not two texts: use "
			"%%{%s?one|more}", name,
			str_sanitize(choice, MAX_QUOTED), name);
		return -1;
	}
	if (strcmp(var->value, "1") == 0)
		str_append_data(dest, choice, more - choice);
	else
		str_append(dest, more + 1);
	return 0;
}

int pop3_policy_text_expand(string_t *dest, const char *text,
			    const struct pop3_policy_text_var *vars,
			    bool single_line, const char **error_r)
{
	const char *p, *end;

	while ((p = strstr(text, "%{")) != NULL) {
		if (p > text && p[-1] == '%') {
			str_append_data(dest, text, p - 1 - text);
			str_append(dest, "%{");
			text = p + 2;
			continue;
		}
		str_append_data(dest, text, p - text);
		end = strchr(p, '}');
		if (end == NULL) {
			*error_r = t_strdup_printf("\"%s\" has no } at its "
				"end: use %%{name}, or %%%%{ for the "
				"characters %%{", str_sanitize(p, MAX_QUOTED));
			return -1;
		}
		if (expand_var(dest, t_strdup_until(p + 2, end), vars,
			       single_line, error_r) < 0)
			return -1;
		text = end + 1;
	}
	str_append(dest, text);
	return 0;
}

void pop3_policy_text_wrap(string_t *dest, const char *first,
			   const char *paragraph)
{
	const char *const *word = t_strsplit_spaces(paragraph, " ");
	int indent = uni_utf8_strlen(first), used = indent, len;

	i_assert(indent >= 0);
	str_append(dest, first);
	for (bool begun = FALSE; *word != NULL; word++) {
		len = uni_utf8_strlen(*word);
		if (begun && used + 1 + len > POP3_POLICY_TEXT_WIDTH) {
			str_printfa(dest, "\n%*s", indent, "");
			used = indent;
		} else if (begun) {
			str_append_c(dest, ' ');
			used++;
		}
		str_append(dest, *word);
		used += len;
		begun = TRUE;
	}
	str_append_c(dest, '\n');
}

int pop3_policy_text_next_line(const char **text, const char **line_r,
			       const char **error_r)
{
	const char *begin = *text, *end, *p;
	unichar_t chr;
	int bytes;

	if (*begin == '\0')
		return 0;
	end = begin + strcspn(begin, "\n");
	*text = *end == '\0' ? end : end + 1;
	while (end > begin && (end[-1] == '\r' || end[-1] == ' ' ||
			       end[-1] == '\t'))
		end--;
	*line_r = t_strdup_until(begin, end);
	for (p = *line_r; *p != '\0'; p += bytes) {
		bytes = uni_utf8_get_char(p, &chr);
		if (bytes <= 0) {
			*error_r = "the line is not valid UTF-8";
			return -1;
		}
		if (is_control(chr) && chr != '\t') {
			*error_r = "the line has control characters";
			return -1;
		}
	}
	return 1;
}
