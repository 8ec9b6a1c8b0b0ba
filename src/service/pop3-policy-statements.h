#ifndef POP3_POLICY_STATEMENTS_H
#define POP3_POLICY_STATEMENTS_H

/* The SQL statements of the service: calls of the schema's functions, and
   nothing else. */

enum pop3_policy_stmt {
	/* readers */
	POP3_POLICY_STMT_NOW = 0,
	POP3_POLICY_STMT_POLICY_ROWS,
	POP3_POLICY_STMT_MAILDROP_STATE,
	POP3_POLICY_STMT_TRACKED,
	POP3_POLICY_STMT_LEAVE_EXCESS,
	POP3_POLICY_STMT_TOLD_LEVEL,
	POP3_POLICY_STMT_EVICTABLE,
	POP3_POLICY_STMT_POLICY_VERSION,
	POP3_POLICY_STMT_NOTICES,
	POP3_POLICY_STMT_NOTICE_DUE,
	POP3_POLICY_STMT_PLAIN_WAITING,
	/* on the readers' connections, too: they write, but take no sequence
	   number, and nothing has to be written before or after them */
	POP3_POLICY_STMT_ACCEPT_LOGIN,
	POP3_POLICY_STMT_DOWNLOAD_RESERVE,
	/* writer */
	POP3_POLICY_STMT_CHAIN_OPEN,
	POP3_POLICY_STMT_BATCH_BEGIN,
	POP3_POLICY_STMT_REPLAY_AT,
	POP3_POLICY_STMT_CHAIN_ROWS,
	POP3_POLICY_STMT_CHAIN_SEAL,
	POP3_POLICY_STMT_INTENT_STATE,
	POP3_POLICY_STMT_RECORD_INTENT,
	POP3_POLICY_STMT_RECORD_POSTPONED,
	POP3_POLICY_STMT_RECORD_OUTCOME,
	POP3_POLICY_STMT_RECORD_ABANDON,
	POP3_POLICY_STMT_CLAIM_INTENT,
	POP3_POLICY_STMT_RECORD_REPAIR,
	POP3_POLICY_STMT_RECORD_EVENT,
	POP3_POLICY_STMT_CARRY_OVER,
	POP3_POLICY_STMT_RECORD_SESSION,
	POP3_POLICY_STMT_RECORD_POLLS,
	POP3_POLICY_STMT_RECORD_IMAP_USE,
	POP3_POLICY_STMT_RECORD_USAGE,
	POP3_POLICY_STMT_TAKE_NOTICE,
	POP3_POLICY_STMT_RECORD_QUARANTINE,
	POP3_POLICY_STMT_CHAIN_PLAIN,
	/* upkeep */
	POP3_POLICY_STMT_MAINTAIN,
	/* policies */
	POP3_POLICY_STMT_POLICY_GENERATION,
	POP3_POLICY_STMT_POLICY_CHANGES,
	POP3_POLICY_STMT_POLICY_USERS,
	/* with them */
	POP3_POLICY_STMT_MAILDROP_CHANGES,

	POP3_POLICY_STMT_COUNT
};

struct pop3_policy_stmt_info {
	/* the function's name, also the prepared statement's */
	const char *name;
	/* of its parameters, in order, separated by ", " */
	const char *param_types;
	/* what is selected; NULL for "*" (a function that returns rows) */
	const char *select;
};

const struct pop3_policy_stmt_info *
pop3_policy_stmt_info(enum pop3_policy_stmt stmt);
/* Number of parameters. */
unsigned int pop3_policy_stmt_params(enum pop3_policy_stmt stmt);
/* "SELECT * FROM pop3.name($1::type, ...)". Allocated from the data stack. */
const char *pop3_policy_stmt_sql(enum pop3_policy_stmt stmt);

#endif
