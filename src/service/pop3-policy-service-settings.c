/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "strescape.h"
#include "strnum.h"
#include "pop3-policy-db.h"
#include "pop3-policy-service-settings.h"

#include <fcntl.h>

#define POP3_POLICY_SETTINGS_MAX_LINE 8192

enum pop3_policy_set_type {
	POP3_POLICY_SET_STR,
	POP3_POLICY_SET_BOOL,
	POP3_POLICY_SET_NUMBER,
	/* kept in the unit given by `unit_msecs' */
	POP3_POLICY_SET_TIME
};

struct pop3_policy_set_def {
	const char *name;
	enum pop3_policy_set_type type;
	size_t offset;
	/* built-in value; in the kept unit */
	unsigned int builtin;
	/* bounds, in the kept unit */
	unsigned int min, max;
	unsigned int unit_msecs;
	const char *allowed;
};

#define DEF(type, name) \
	#name, POP3_POLICY_SET_##type, \
	offsetof(struct pop3_policy_service_settings, name)

static const struct pop3_policy_set_def set_defs[] = {
	{ DEF(STR, connect), 0, 0, 0, 0, "a libpq connection string" },
	{ DEF(STR, admin_connect), 0, 0, 0, 0, "a libpq connection string" },
	{ DEF(NUMBER, reader_connections), 2, 1, 16, 0, "1 to 16" },
	{ DEF(STR, state_dir), 0, 0, 0, 0, "an absolute path" },
	{ DEF(STR, key_file), 0, 0, 0, 0, "an absolute path" },
	{ DEF(TIME, intent_lease), 60, 10, 3600, 1000,
	  "a time from 10 s to 1 hour" },
	{ DEF(TIME, log_keep), 86400, 3600, 30 * 86400, 1000,
	  "a time from 1 hour to 30 days" },
	{ DEF(TIME, batch_interval), 50, 1, 1000, 1,
	  "a time from 1 ms to 1 s" },
	{ DEF(TIME, poll_interval), 3600, 1, 3600, 1000,
	  "a time from 1 s to 1 hour" },
	{ DEF(BOOL, record_polls), 0, 0, 0, 0, "yes or no" },
	{ DEF(BOOL, record_address), 1, 0, 0, 0, "yes or no" },
	{ DEF(BOOL, record_message_id), 1, 0, 0, 0, "yes or no" },
	{ DEF(TIME, notice_expiry_time), 7 * 86400, 3600, 90 * 86400, 1000,
	  "a time from 1 hour to 90 days" },
	{ DEF(TIME, offline_time), 86400, 0, 30 * 86400, 1000,
	  "a time from 0 s to 30 days" },
	{ DEF(NUMBER, offline_users), 100000, 0, 10000000, 0,
	  "0 to 10000000" },
	{ DEF(BOOL, login_cache), 1, 0, 0, 0, "yes or no" },
	{ DEF(TIME, query_timeout), 4000, 100, 60000, 1,
	  "a time from 100 ms to 1 min" },
};

static int
pop3_policy_set_parse_time(const char *value, unsigned int unit_msecs,
			   unsigned int *num_r)
{
	static const struct {
		const char *words[4];
		unsigned int msecs;
	} units[] = {
		{ { "ms", "msecs", "milliseconds", NULL }, 1 },
		{ { "s", "secs", "seconds", NULL }, 1000 },
		{ { "min", "mins", "minutes", NULL }, 60 * 1000 },
		{ { "h", "hour", "hours", NULL }, 3600 * 1000 },
		{ { "d", "day", "days", NULL }, 86400 * 1000 },
	};
	uintmax_t num;
	unsigned int i, j;

	if (str_parse_uintmax(value, &num, &value) < 0 || num > INT_MAX)
		return -1;
	while (*value == ' ')
		value++;
	for (i = 0; i < N_ELEMENTS(units); i++) {
		for (j = 0; units[i].words[j] != NULL; j++) {
			if (strcasecmp(value, units[i].words[j]) != 0)
				continue;
			num *= units[i].msecs;
			if (num % unit_msecs != 0 ||
			    num / unit_msecs > UINT_MAX)
				return -1;
			*num_r = (unsigned int)(num / unit_msecs);
			return 0;
		}
	}
	return -1;
}

static bool
pop3_policy_set_apply(pool_t pool, const struct pop3_policy_set_def *def,
		      const char *value,
		      struct pop3_policy_service_settings *set,
		      const char **detail_r)
{
	void *dest = PTR_OFFSET(set, def->offset);
	unsigned int num = 0;

	switch (def->type) {
	case POP3_POLICY_SET_STR:
		*(const char **)dest = p_strdup(pool, value);
		if (def->offset != offsetof(struct pop3_policy_service_settings,
					    state_dir) &&
		    def->offset != offsetof(struct pop3_policy_service_settings,
					    key_file))
			return pop3_policy_db_check_conninfo(value,
							     detail_r) == 0;
		return *value == '/' || *value == '\0';
	case POP3_POLICY_SET_BOOL:
		*(bool *)dest = strcmp(value, "yes") == 0;
		return *(bool *)dest || strcmp(value, "no") == 0;
	case POP3_POLICY_SET_NUMBER:
		if (str_to_uint(value, &num) < 0)
			return FALSE;
		break;
	case POP3_POLICY_SET_TIME:
		if (pop3_policy_set_parse_time(value, def->unit_msecs,
					       &num) < 0)
			return FALSE;
		break;
	}
	*(unsigned int *)dest = num;
	return num >= def->min && num <= def->max;
}

static const struct pop3_policy_set_def *
pop3_policy_set_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(set_defs); i++) {
		if (strcmp(set_defs[i].name, name) == 0)
			return &set_defs[i];
	}
	return NULL;
}

static const char *pop3_policy_set_names(void)
{
	string_t *str = t_str_new(128);
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(set_defs); i++) {
		str_printfa(str, "%s%s", i == 0 ? "" : ", ",
			    set_defs[i].name);
	}
	return str_c(str);
}

/* Without the white space around it. */
static const char *pop3_policy_set_trim(const char *text)
{
	return t_str_trim(text, " \t\r");
}

static int
pop3_policy_set_line(pool_t pool, const char *line,
		     struct pop3_policy_service_settings *set,
		     const char **error_r)
{
	const struct pop3_policy_set_def *def;
	const char *equals, *name, *value, *detail = NULL;
	size_t len;

	line = pop3_policy_set_trim(line);
	if (*line == '\0' || *line == '#')
		return 0;
	equals = strchr(line, '=');
	if (equals == NULL) {
		*error_r = t_strdup_printf(
			"'%s' is not of the form: setting = value", line);
		return -1;
	}
	name = pop3_policy_set_trim(t_strdup_until(line, equals));
	value = pop3_policy_set_trim(equals + 1);
	len = strlen(value);
	if (len >= 2 && (*value == '"' || *value == '\'') &&
	    value[len - 1] == *value)
		value = str_unescape(t_strdup_noconst(
			t_strndup(value + 1, len - 2)));

	def = pop3_policy_set_find(name);
	if (def == NULL) {
		*error_r = t_strdup_printf(
			"There is no setting '%s'. Settings are: %s", name,
			pop3_policy_set_names());
		return -1;
	}
	if (!pop3_policy_set_apply(pool, def, value, set, &detail)) {
		/* with a detail: a connection string may hold a password,
		   which must not get into the log */
		*error_r = detail != NULL ?
			t_strdup_printf("%s: allowed is %s; %s", def->name,
					def->allowed, detail) :
			t_strdup_printf("%s = %s: allowed is %s", def->name,
					value, def->allowed);
		return -1;
	}
	return 0;
}

static void
pop3_policy_set_builtin(struct pop3_policy_service_settings *set)
{
	unsigned int i;

	i_zero(set);
	set->connect = "";
	set->admin_connect = "";
	set->state_dir = "";
	set->key_file = "";
	for (i = 0; i < N_ELEMENTS(set_defs); i++) {
		if (set_defs[i].type == POP3_POLICY_SET_NUMBER ||
		    set_defs[i].type == POP3_POLICY_SET_TIME) {
			*(unsigned int *)PTR_OFFSET(set, set_defs[i].offset) =
				set_defs[i].builtin;
		} else if (set_defs[i].type == POP3_POLICY_SET_BOOL) {
			*(bool *)PTR_OFFSET(set, set_defs[i].offset) =
				set_defs[i].builtin != 0;
		}
	}
}

int pop3_policy_service_settings_read(pool_t pool, const char *path,
				      struct pop3_policy_service_settings *set_r,
				      const char **error_r)
{
	struct istream *input;
	const char *line;
	unsigned int linenum = 0;
	int fd, ret = 0;

	pop3_policy_set_builtin(set_r);
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	input = i_stream_create_fd_autoclose(&fd,
					     POP3_POLICY_SETTINGS_MAX_LINE);
	i_stream_set_return_partial_line(input, TRUE);
	while (ret == 0 && (line = i_stream_read_next_line(input)) != NULL) {
		linenum++;
		ret = pop3_policy_set_line(pool, line, set_r, error_r);
		if (ret < 0) {
			*error_r = t_strdup_printf("%s line %u: %s", path,
						   linenum, *error_r);
		}
	}
	if (ret == 0 && input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s", path,
					   i_stream_get_error(input));
		ret = -1;
	} else if (ret == 0 && !input->eof) {
		*error_r = t_strdup_printf("%s line %u: longer than %u bytes",
					   path, linenum + 1,
					   POP3_POLICY_SETTINGS_MAX_LINE);
		ret = -1;
	}
	i_stream_unref(&input);
	return ret;
}
