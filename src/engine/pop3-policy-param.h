#ifndef POP3_POLICY_PARAM_H
#define POP3_POLICY_PARAM_H

/* The parameters of a site policy (RFC 1939, section 8): their names, types,
   bounds, built-in values and text forms. Pure: depends on nothing but
   Dovecot's lib. */

/* In the order of the columns of pop3.policy and of pop3.parameter_names().
   Append only: the order is part of the database contract. */
enum pop3_policy_param {
	POP3_POLICY_PARAM_ENFORCEMENT = 0,
	POP3_POLICY_PARAM_POP3_ACCESS,
	POP3_POLICY_PARAM_VIEW_SINCE,
	POP3_POLICY_PARAM_VIEW_WINDOW,
	POP3_POLICY_PARAM_VIEW_LIMIT,
	POP3_POLICY_PARAM_ON_RETRIEVE,
	POP3_POLICY_PARAM_ON_DELE,
	POP3_POLICY_PARAM_MOVE_MAILBOX,
	POP3_POLICY_PARAM_MARK_SEEN,
	POP3_POLICY_PARAM_EXPIRE_RETRIEVED,
	POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED,
	POP3_POLICY_PARAM_EXPIRE_HIDDEN,
	POP3_POLICY_PARAM_LEAVE_MAX_MESSAGES,
	POP3_POLICY_PARAM_LEAVE_MAX_BYTES,
	POP3_POLICY_PARAM_QUOTA_STORAGE,
	POP3_POLICY_PARAM_QUOTA_MESSAGES,
	POP3_POLICY_PARAM_QUOTA_ACTION,
	POP3_POLICY_PARAM_QUOTA_WARN,
	POP3_POLICY_PARAM_LOGIN_DELAY,
	POP3_POLICY_PARAM_DOWNLOAD_DAILY,
	POP3_POLICY_PARAM_TOP_LINES,
	POP3_POLICY_PARAM_MASS_DELETE_PERCENT,
	POP3_POLICY_PARAM_MASS_DELETE_HOLD,
	POP3_POLICY_PARAM_POP3_HOLD,
	POP3_POLICY_PARAM_NOTIFY,

	POP3_POLICY_PARAM_COUNT
};

enum pop3_policy_type {
	/* one of a list of words; num is the index into the list */
	POP3_POLICY_TYPE_ENUM,
	/* whole seconds, or never/unlimited (-1) */
	POP3_POLICY_TYPE_TIME,
	/* seconds since 1970-01-01 00:00:00 UTC, or never (-1) */
	POP3_POLICY_TYPE_TIMESTAMP,
	/* bytes, or unlimited (-1) */
	POP3_POLICY_TYPE_SIZE,
	/* a whole number, or unlimited (-1) */
	POP3_POLICY_TYPE_NUMBER,
	/* ascending percents, "80,95", or none ("") */
	POP3_POLICY_TYPE_PERCENTS,
	/* name of a mailbox other than INBOX, UTF-8 */
	POP3_POLICY_TYPE_MAILBOX,
	/* whole percents, or never (-1) */
	POP3_POLICY_TYPE_PERCENT
};

/* Special values of num. */
#define POP3_POLICY_NEVER (-1LL)
#define POP3_POLICY_UNLIMITED (-1LL)
#define POP3_POLICY_AS_CONFIGURED (-2LL)

/* The word lists' indexes. */
enum pop3_policy_enforcement {
	POP3_POLICY_ENFORCEMENT_OFF = 0,
	POP3_POLICY_ENFORCEMENT_OBSERVE,
	POP3_POLICY_ENFORCEMENT_ENFORCE
};
enum pop3_policy_on_off {	/* pop3_access: "off", "on" */
	POP3_POLICY_OFF = 0,
	POP3_POLICY_ON
};
enum pop3_policy_yes_no {	/* pop3_hold, notify: "no", "yes";
				   mark_seen also "as-configured" */
	POP3_POLICY_NO = 0,
	POP3_POLICY_YES,
	POP3_POLICY_MARK_SEEN_AS_CONFIGURED
};
enum pop3_policy_on_retrieve {
	POP3_POLICY_ON_RETRIEVE_KEEP = 0,
	POP3_POLICY_ON_RETRIEVE_HIDE,
	POP3_POLICY_ON_RETRIEVE_MOVE,
	POP3_POLICY_ON_RETRIEVE_DELETE
};
enum pop3_policy_on_dele {
	POP3_POLICY_ON_DELE_DELETE = 0,
	POP3_POLICY_ON_DELE_HIDE,
	POP3_POLICY_ON_DELE_MOVE,
	POP3_POLICY_ON_DELE_REFUSE
};
enum pop3_policy_quota_action {
	POP3_POLICY_QUOTA_ACTION_REJECT = 0,
	POP3_POLICY_QUOTA_ACTION_DEFER,
	POP3_POLICY_QUOTA_ACTION_EVICT
};

struct pop3_policy_param_info {
	const char *name;		/* as the SQL column, "on_retrieve" */
	enum pop3_policy_type type;
	/* ENUM: the words, NULL terminated, indexed by value */
	const char *const *words;
	/* bounds of num where it is not one of the special values */
	int64_t min, max;
	/* word for -1 ("never" or "unlimited"), NULL if -1 is not allowed;
	   both words are accepted on input where one is. For PERCENTS "none",
	   the word for the empty list. */
	const char *none_word;
	/* "as-configured" (-2) is allowed, and is the built-in value */
	bool as_configured:1;
	/* the built-in value, in canonical form */
	const char *builtin;
	/* one sentence: what it does and what is allowed */
	const char *description;
};

/* One value. str is used by PERCENTS and MAILBOX only, num by the others. */
struct pop3_policy_value {
	int64_t num;
	const char *str;
};

/* Returns the parameter's description; param must be < COUNT. */
const struct pop3_policy_param_info *
pop3_policy_param_info(enum pop3_policy_param param);

/* Find a parameter by its name. Returns TRUE and sets *param_r if found. If
   not, *nearest_r is the name with the smallest edit distance (never NULL). */
bool pop3_policy_param_find(const char *name, enum pop3_policy_param *param_r,
			    const char **nearest_r);

/* Parse a value as people write it: "14d", "14 days", "36h", "90m", "30s",
   "2w" (months and years are refused), "500M", "1G", "never", "unlimited",
   words, "80%, 95%", timestamps as "2026-01-31", "2026-01-31 12:00" or
   RFC 3339 (UTC where no zone is given). A time needs a unit unless it is 0;
   units of sizes are powers of 1024. Strings are allocated from the pool.
   Returns 0 if ok, -1 and *error_r (names the parameter and what is allowed;
   data stack) if not. */
int pop3_policy_value_parse(pool_t pool, enum pop3_policy_param param,
			    const char *text, struct pop3_policy_value *value_r,
			    const char **error_r);

/* The canonical form, as the database and the wire protocol carry it: whole
   seconds, bytes and numbers in decimal, -1 and -2 for the special values,
   timestamps as seconds since 1970, words as they are, percents as "80,95".
   Allocated from the data stack. */
const char *
pop3_policy_value_canonical(enum pop3_policy_param param,
			    const struct pop3_policy_value *value);
/* The reverse of _canonical(), bounds checked: accepts nothing that
   _canonical() would not write. Returns 0 / -1 + *error_r (data stack). */
int pop3_policy_value_parse_canonical(pool_t pool,
				      enum pop3_policy_param param,
				      const char *text,
				      struct pop3_policy_value *value_r,
				      const char **error_r);
/* As a person reads it: "14 days", "36 hours", "500 MB"..., such that
   pop3_policy_value_parse() reads it back, but for spaces around the name of a
   mailbox. Data stack. */
const char *
pop3_policy_value_human(enum pop3_policy_param param,
			const struct pop3_policy_value *value);

/* What is allowed, as the end of a sentence that begins with "use": "delete,
   hide, move or refuse", "0 seconds to 36525 days, or never". Data stack. */
const char *pop3_policy_param_allowed(enum pop3_policy_param param);

#endif
