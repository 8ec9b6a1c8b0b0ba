/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Reading messages, line by line. Whatever is not exactly what the other side
   would have written is refused: a stream that is out of step must not be
   taken for a request to remove mail. */

#include "lib.h"
#include "str.h"
#include "str-sanitize.h"
#include "strescape.h"
#include "strnum.h"
#include "pop3-policy-protocol.h"

/* How much of a wrong line an error repeats, in bytes. */
#define MAX_QUOTED 60

enum parser_state {
	STATE_HANDSHAKE,
	STATE_HEAD,
	STATE_ITEMS,
	STATE_FAILED
};

struct pop3_policy_wire_parser {
	enum parser_state state;
	/* the message whose items are being read */
	struct pop3_policy_wire_message *message;
	unsigned int items_expected;
	/* bytes of the message so far */
	size_t size;
};

struct pop3_policy_wire_parser *pop3_policy_wire_parser_init(void)
{
	return i_new(struct pop3_policy_wire_parser, 1);
}

void pop3_policy_wire_parser_deinit(struct pop3_policy_wire_parser **_parser)
{
	struct pop3_policy_wire_parser *parser = *_parser;

	if (parser == NULL)
		return;
	*_parser = NULL;
	pop3_policy_wire_message_free(&parser->message);
	i_free(parser);
}

void pop3_policy_wire_message_free(struct pop3_policy_wire_message **_message)
{
	struct pop3_policy_wire_message *message = *_message;

	if (message == NULL)
		return;
	*_message = NULL;
	/* the message itself is in its pool */
	pool_t pool = message->pool;
	pool_unref(&pool);
}

/* Does the line hold only what str_tabescape() writes, but for an escaped NUL,
   which would silently cut a value? */
static bool is_well_escaped(const char *line)
{
	for (; *line != '\0'; line++) {
		if (*line == '\r' || *line == '\n')
			return FALSE;
		if (*line == '\001') {
			line++;
			if (*line == '\0' || strchr("1trn", *line) == NULL)
				return FALSE;
		}
	}
	return TRUE;
}

static bool
parse_handshake(const char *line, const char **error_r)
{
	const char *const *fields = t_strsplit(line, "\t");
	unsigned int major, minor;

	if (str_array_length(fields) != 4 ||
	    strcmp(fields[0], "VERSION") != 0 ||
	    str_to_uint(fields[2], &major) < 0 ||
	    str_to_uint(fields[3], &minor) < 0) {
		*error_r = "Handshake is not VERSION";
		return FALSE;
	}
	if (strcmp(fields[1], POP3_POLICY_PROTOCOL_NAME) != 0) {
		*error_r = t_strdup_printf(
			"Handshake names protocol %s instead of "
			POP3_POLICY_PROTOCOL_NAME,
			str_sanitize(fields[1], MAX_QUOTED));
		return FALSE;
	}
	if (major != POP3_POLICY_PROTOCOL_MAJOR) {
		*error_r = t_strdup_printf(
			"Other side speaks protocol version %u.%u, "
			"this one %u.%u", major, minor,
			POP3_POLICY_PROTOCOL_MAJOR,
			POP3_POLICY_PROTOCOL_MINOR);
		return FALSE;
	}
	return TRUE;
}

/* The name of a VERB ("first" is 'A') or a TYPE ('a'): letters of one case
   and '-'. */
static bool is_name(const char *name, char first)
{
	const char *p;

	for (p = name; *p != '\0'; p++) {
		if ((*p < first || *p > first + ('z' - 'a')) &&
		    (*p != '-' || p == name))
			return FALSE;
	}
	return p != name;
}

/* Cut the next field off *rest. Returns NULL if there is none. */
static char *next_field(char **rest)
{
	char *field = *rest, *tab;

	if (field == NULL)
		return NULL;
	tab = strchr(field, '\t');
	if (tab != NULL)
		*tab++ = '\0';
	*rest = tab;
	return field;
}

static bool
parse_fields(pool_t pool, char *rest, struct pop3_policy_wire_line *line,
	     const char **error_r)
{
	unsigned int count = 0;
	char *field, *value;

	if (rest == NULL)
		return TRUE;
	for (const char *p = rest; p != NULL; p = strchr(p, '\t')) {
		count++;
		p++;
	}
	line->fields = p_new(pool, struct pop3_policy_wire_field, count);
	while ((field = next_field(&rest)) != NULL) {
		value = strchr(field, '=');
		if (value == NULL || value == field) {
			*error_r = t_strdup_printf(
				"Field \"%s\" is not KEY=VALUE",
				str_sanitize(field, MAX_QUOTED));
			return FALSE;
		}
		*value++ = '\0';
		line->fields[line->field_count].key = str_tabunescape(field);
		line->fields[line->field_count].value = str_tabunescape(value);
		line->field_count++;
	}
	i_assert(line->field_count == count);
	return TRUE;
}

/* Returns 1 if the message is complete, 0 if items follow, -1 on error. */
static int
parse_head(struct pop3_policy_wire_parser *parser, const char *text,
	   const char **error_r)
{
	struct pop3_policy_wire_message *message;
	const char *verb, *id;
	uint32_t items = 0;
	pool_t pool;
	char *rest;
	int ret;

	pool = pool_alloconly_create("pop3-policy wire message",
				     512 + strlen(text));
	message = p_new(pool, struct pop3_policy_wire_message, 1);
	message->pool = pool;
	/* freed by deinit, if this fails */
	parser->message = message;

	rest = p_strdup(pool, text);
	verb = next_field(&rest);
	id = next_field(&rest);
	if (!is_name(verb, 'A')) {
		*error_r = t_strdup_printf("Line does not begin with a verb: "
			"\"%s\"", str_sanitize(verb, MAX_QUOTED));
		return -1;
	}
	if (strcmp(verb, "ITEM") == 0 || strcmp(verb, "VERSION") == 0) {
		*error_r = t_strdup_printf("Misplaced %s", verb);
		return -1;
	}
	if (id == NULL || str_to_uint(id, &message->id) < 0) {
		*error_r = t_strdup_printf("%s without a valid id", verb);
		return -1;
	}
	message->head.name = verb;
	if (!parse_fields(pool, rest, &message->head, error_r))
		return -1;
	ret = pop3_policy_wire_get_uint32(&message->head, "items", &items);
	if (ret < 0) {
		*error_r = t_strdup_printf("%s: invalid number of items", verb);
		return -1;
	}
	if (items > POP3_POLICY_MAX_ITEMS) {
		*error_r = t_strdup_printf("%s: %u items, allowed are %u",
			verb, items, POP3_POLICY_MAX_ITEMS);
		return -1;
	}
	parser->items_expected = items;
	if (items == 0)
		return 1;
	message->items = p_new(pool, struct pop3_policy_wire_line, items);
	return 0;
}

/* As parse_head(). */
static int
parse_item(struct pop3_policy_wire_parser *parser, const char *text,
	   const char **error_r)
{
	struct pop3_policy_wire_message *message = parser->message;
	struct pop3_policy_wire_line *item =
		&message->items[message->item_count];
	const char *word, *type;
	char *rest;

	rest = p_strdup(message->pool, text);
	word = next_field(&rest);
	type = next_field(&rest);
	if (strcmp(word, "ITEM") != 0) {
		*error_r = t_strdup_printf("%s: \"%s\" instead of item %u of "
			"%u", message->head.name,
			str_sanitize(word, MAX_QUOTED),
			message->item_count + 1, parser->items_expected);
		return -1;
	}
	if (type == NULL || !is_name(type, 'a')) {
		*error_r = t_strdup_printf("%s: item %u of %u has no type",
			message->head.name, message->item_count + 1,
			parser->items_expected);
		return -1;
	}
	item->name = type;
	if (!parse_fields(message->pool, rest, item, error_r))
		return -1;
	message->item_count++;
	return message->item_count == parser->items_expected ? 1 : 0;
}

/* Returns 1 if a message is complete, 0 if not, -1 on error. */
static int
parse_line(struct pop3_policy_wire_parser *parser, const char *line,
	   const char **error_r)
{
	size_t len = strlen(line) + 1;
	int ret;

	if (parser->state == STATE_FAILED) {
		*error_r = "A line before this one was malformed";
		return -1;
	}
	if (len > POP3_POLICY_MAX_LINE) {
		*error_r = t_strdup_printf("Line of %zu bytes, allowed are %u",
					   len, POP3_POLICY_MAX_LINE);
		return -1;
	}
	if (!is_well_escaped(line)) {
		*error_r = t_strdup_printf("Wrong escaping in \"%s\"",
					   str_sanitize(line, MAX_QUOTED));
		return -1;
	}

	switch (parser->state) {
	case STATE_HANDSHAKE:
		if (!parse_handshake(line, error_r))
			return -1;
		parser->state = STATE_HEAD;
		return 0;
	case STATE_HEAD:
		parser->size = len;
		ret = parse_head(parser, line, error_r);
		break;
	case STATE_ITEMS:
		parser->size += len;
		if (parser->size > POP3_POLICY_MAX_MESSAGE) {
			*error_r = t_strdup_printf("%s: message of more than "
				"%u bytes", parser->message->head.name,
				POP3_POLICY_MAX_MESSAGE);
			return -1;
		}
		ret = parse_item(parser, line, error_r);
		break;
	case STATE_FAILED:
	default:
		i_unreached();
	}
	parser->state = ret == 0 ? STATE_ITEMS : STATE_HEAD;
	return ret;
}

int pop3_policy_wire_parser_feed(struct pop3_policy_wire_parser *parser,
				 const char *line,
				 struct pop3_policy_wire_message **message_r,
				 const char **error_r)
{
	int ret;

	*message_r = NULL;
	ret = parse_line(parser, line, error_r);
	if (ret < 0) {
		parser->state = STATE_FAILED;
	} else if (ret > 0) {
		*message_r = parser->message;
		parser->message = NULL;
	}
	return ret;
}
