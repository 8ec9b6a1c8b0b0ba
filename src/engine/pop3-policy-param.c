/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The table of parameters, and looking names up in it. */

#include "lib.h"
#include "pop3-policy-param-private.h"

/* 100 years of 365.25 days */
#define MAX_TIME (36525LL * 86400)
/* 9999-12-31 23:59:59 UTC: years have four digits */
#define MAX_TIMESTAMP 253402300799LL
#define MAX_SIZE (1LL << 62)
#define MAX_NUMBER INT32_MAX

static const char *const words_enforcement[] =
	{ "off", "observe", "enforce", NULL };
static const char *const words_on_off[] = { "off", "on", NULL };
static const char *const words_yes_no[] = { "no", "yes", NULL };
static const char *const words_mark_seen[] =
	{ "no", "yes", POP3_POLICY_WORD_AS_CONFIGURED, NULL };
static const char *const words_on_retrieve[] =
	{ "keep", "hide", "move", "delete", NULL };
static const char *const words_on_dele[] =
	{ "delete", "hide", "move", "refuse", NULL };
static const char *const words_quota_action[] =
	{ "reject", "defer", "evict", NULL };

static const struct pop3_policy_param_info params[] = {
	[POP3_POLICY_PARAM_ENFORCEMENT] = {
		.name = "enforcement",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_enforcement,
		.builtin = "observe",
		.description = "Whether the policy acts (enforce), only "
			"records what it would have done (observe), or is as "
			"if it were not there (off).",
	},
	[POP3_POLICY_PARAM_POP3_ACCESS] = {
		.name = "pop3_access",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_on_off,
		.builtin = "on",
		.description = "Whether the user may log in by POP3.",
	},
	[POP3_POLICY_PARAM_VIEW_SINCE] = {
		.name = "view_since",
		.type = POP3_POLICY_TYPE_TIMESTAMP,
		.min = 0, .max = MAX_TIMESTAMP,
		.none_word = POP3_POLICY_WORD_NEVER,
		.builtin = "-1",
		.description = "Only mail that arrived at or after this "
			"time is in the view.",
	},
	[POP3_POLICY_PARAM_VIEW_WINDOW] = {
		/* not 0: the view would always be empty, and clients take
		   that for the deletion of all their mail */
		.name = "view_window",
		.type = POP3_POLICY_TYPE_TIME,
		.min = 1, .max = MAX_TIME,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "-1",
		.description = "Only mail that arrived within this time "
			"before the login is in the view.",
	},
	[POP3_POLICY_PARAM_VIEW_LIMIT] = {
		.name = "view_limit",
		.type = POP3_POLICY_TYPE_NUMBER,
		.min = 1, .max = MAX_NUMBER,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "-1",
		.description = "At most so many messages that are not "
			"retrieved are in the view, oldest first; retrieved "
			"ones are listed besides.",
	},
	[POP3_POLICY_PARAM_ON_RETRIEVE] = {
		.name = "on_retrieve",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_on_retrieve,
		.builtin = "keep",
		.description = "What becomes of a retrieved message at the "
			"end of the session.",
	},
	[POP3_POLICY_PARAM_ON_DELE] = {
		.name = "on_dele",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_on_dele,
		.builtin = "delete",
		.description = "What becomes of a message that the client "
			"deleted, at the end of the session; refuse answers "
			"the DELE itself with an error.",
	},
	[POP3_POLICY_PARAM_MOVE_MAILBOX] = {
		.name = "move_mailbox",
		.type = POP3_POLICY_TYPE_MAILBOX,
		.builtin = "Trash",
		.description = "The mailbox that move puts mail into; not "
			"INBOX.",
	},
	[POP3_POLICY_PARAM_MARK_SEEN] = {
		.name = "mark_seen",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_mark_seen,
		.builtin = POP3_POLICY_WORD_AS_CONFIGURED,
		.description = "Whether retrieved mail gets the \\Seen flag; "
			"as-configured leaves it to Dovecot's settings.",
	},
	[POP3_POLICY_PARAM_EXPIRE_RETRIEVED] = {
		.name = "expire_retrieved",
		.type = POP3_POLICY_TYPE_TIME,
		.min = 0, .max = MAX_TIME,
		.none_word = POP3_POLICY_WORD_NEVER,
		.builtin = "-1",
		.description = "A message is removed so long after it was "
			"retrieved; 0 means at the next login.",
	},
	[POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED] = {
		/* not 0: mail would go before anybody could read it */
		.name = "expire_unretrieved",
		.type = POP3_POLICY_TYPE_TIME,
		.min = 1, .max = MAX_TIME,
		.none_word = POP3_POLICY_WORD_NEVER,
		.builtin = "-1",
		.description = "A message is removed so long after it "
			"arrived, if it was never retrieved.",
	},
	[POP3_POLICY_PARAM_EXPIRE_HIDDEN] = {
		.name = "expire_hidden",
		.type = POP3_POLICY_TYPE_TIME,
		.min = 0, .max = MAX_TIME,
		.none_word = POP3_POLICY_WORD_NEVER,
		.builtin = "-1",
		.description = "A message is removed so long after it was "
			"hidden; 0 means at the next login.",
	},
	[POP3_POLICY_PARAM_LEAVE_MAX_MESSAGES] = {
		.name = "leave_max_messages",
		.type = POP3_POLICY_TYPE_NUMBER,
		.min = 0, .max = MAX_NUMBER,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "-1",
		.description = "How many retrieved messages may stay; what "
			"exceeds it is removed, oldest retrieval first.",
	},
	[POP3_POLICY_PARAM_LEAVE_MAX_BYTES] = {
		.name = "leave_max_bytes",
		.type = POP3_POLICY_TYPE_SIZE,
		.min = 0, .max = MAX_SIZE,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "-1",
		.description = "How many bytes of retrieved mail may stay; "
			"what exceeds it is removed, oldest retrieval first.",
	},
	[POP3_POLICY_PARAM_QUOTA_STORAGE] = {
		/* not 0: to Dovecot a limit of 0 is no limit */
		.name = "quota_storage",
		.type = POP3_POLICY_TYPE_SIZE,
		.min = 1, .max = MAX_SIZE,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.as_configured = TRUE,
		.builtin = "-2",
		.description = "The user's storage quota; as-configured "
			"leaves it to Dovecot's settings.",
	},
	[POP3_POLICY_PARAM_QUOTA_MESSAGES] = {
		.name = "quota_messages",
		.type = POP3_POLICY_TYPE_NUMBER,
		.min = 1, .max = MAX_NUMBER,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.as_configured = TRUE,
		.builtin = "-2",
		.description = "The user's quota in messages; as-configured "
			"leaves it to Dovecot's settings.",
	},
	[POP3_POLICY_PARAM_QUOTA_ACTION] = {
		.name = "quota_action",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_quota_action,
		.builtin = "reject",
		.description = "What happens to a delivery over quota: it is "
			"rejected, deferred, or room is made by removing "
			"hidden, then retrieved mail (evict).",
	},
	[POP3_POLICY_PARAM_QUOTA_WARN] = {
		.name = "quota_warn",
		.type = POP3_POLICY_TYPE_PERCENTS,
		.min = 1, .max = 100,
		.none_word = POP3_POLICY_WORD_NONE,
		.builtin = "80,95",
		.description = "The percents of the quota at which the owner "
			"gets a notice when usage crosses one upwards.",
	},
	[POP3_POLICY_PARAM_LOGIN_DELAY] = {
		.name = "login_delay",
		.type = POP3_POLICY_TYPE_TIME,
		.min = 0, .max = MAX_TIME,
		.builtin = "0",
		.description = "The least time between two accepted logins; "
			"0 means none.",
	},
	[POP3_POLICY_PARAM_DOWNLOAD_DAILY] = {
		/* not 0: that is what pop3_access=off is for */
		.name = "download_daily",
		.type = POP3_POLICY_TYPE_SIZE,
		.min = 1, .max = MAX_SIZE,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "-1",
		.description = "How much RETR and TOP may send in a rolling "
			"24 hours.",
	},
	[POP3_POLICY_PARAM_TOP_LINES] = {
		.name = "top_lines",
		.type = POP3_POLICY_TYPE_NUMBER,
		.min = 0, .max = MAX_NUMBER,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "-1",
		.description = "TOP is cut to so many lines of the body; "
			"0 means headers only.",
	},
	[POP3_POLICY_PARAM_MASS_DELETE_PERCENT] = {
		.name = "mass_delete_percent",
		.type = POP3_POLICY_TYPE_PERCENT,
		.min = 1, .max = 100,
		.none_word = POP3_POLICY_WORD_NEVER,
		.builtin = "-1",
		.description = "A session that asks to delete more than this "
			"share of the messages that nobody retrieved has them "
			"hidden instead.",
	},
	[POP3_POLICY_PARAM_MASS_DELETE_HOLD] = {
		.name = "mass_delete_hold",
		.type = POP3_POLICY_TYPE_TIME,
		.min = 0, .max = MAX_TIME,
		.none_word = POP3_POLICY_WORD_UNLIMITED,
		.builtin = "604800",
		.description = "How long mail hidden by mass_delete_percent "
			"stays before it is removed.",
	},
	[POP3_POLICY_PARAM_POP3_HOLD] = {
		.name = "pop3_hold",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_yes_no,
		.builtin = "no",
		.description = "Nothing leaves the mailbox through POP3, "
			"expiry or eviction; yes in any scope wins.",
	},
	[POP3_POLICY_PARAM_NOTIFY] = {
		.name = "notify",
		.type = POP3_POLICY_TYPE_ENUM,
		.words = words_yes_no,
		.builtin = "no",
		.description = "Whether the owner is told by a message in the "
			"maildrop.",
	},
};
_Static_assert(N_ELEMENTS(params) == POP3_POLICY_PARAM_COUNT,
	       "every parameter has a description");

const struct pop3_policy_param_info *
pop3_policy_param_info(enum pop3_policy_param param)
{
	i_assert(param < POP3_POLICY_PARAM_COUNT);
	return &params[param];
}

/* Names longer than this resemble none of ours. */
#define MAX_COMPARED_NAME 40

/* Levenshtein's distance; both at most MAX_COMPARED_NAME bytes. */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int row[MAX_COMPARED_NAME + 1];
	unsigned int i, j, diagonal, above;
	size_t b_len = strlen(b);

	i_assert(b_len <= MAX_COMPARED_NAME);
	for (j = 0; j <= b_len; j++)
		row[j] = j;
	for (i = 0; a[i] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i + 1;
		for (j = 0; j < b_len; j++) {
			above = row[j + 1];
			row[j + 1] = I_MIN(I_MIN(row[j], above) + 1,
					   diagonal + (a[i] == b[j] ? 0 : 1));
			diagonal = above;
		}
	}
	return row[b_len];
}

static const char *nearest_name(const char *name)
{
	const char *nearest = params[0].name;
	unsigned int i, distance, best = UINT_MAX;

	T_BEGIN {
		/* "On-Dele" lacks nothing but the right spelling */
		char *wanted = str_lcase(t_strdup_noconst(
			t_strndup(name, MAX_COMPARED_NAME)));

		for (char *p = wanted; *p != '\0'; p++) {
			if (*p == '-' || *p == ' ')
				*p = '_';
		}
		for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
			distance = edit_distance(wanted, params[i].name);
			if (distance < best) {
				best = distance;
				nearest = params[i].name;
			}
		}
	} T_END;
	return nearest;
}

bool pop3_policy_param_find(const char *name, enum pop3_policy_param *param_r,
			    const char **nearest_r)
{
	unsigned int i;

	for (i = 0; i < POP3_POLICY_PARAM_COUNT; i++) {
		if (strcmp(params[i].name, name) == 0) {
			*param_r = (enum pop3_policy_param)i;
			*nearest_r = params[i].name;
			return TRUE;
		}
	}
	*nearest_r = nearest_name(name);
	return FALSE;
}
