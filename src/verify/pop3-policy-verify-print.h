#ifndef POP3_POLICY_VERIFY_PRINT_H
#define POP3_POLICY_VERIFY_PRINT_H

/* One line of the result, for people, or for doveadm to format. */
struct pop3_policy_verify_line {
	/* zeros: of no chain */
	unsigned char chain_id[16];
	/* 0: not about numbers */
	int64_t first_seq, last_seq;
	/* microseconds since 1970, 0 for none; about: of the seal, not of the
	   row */
	int64_t at;
	bool about;
	/* NULL or "" for none */
	const char *event;
	/* "found": something is wrong; "verified": of a chain, at its end;
	   "waiting": rows that are in none yet */
	const char *result;
	const char *text;
};

/* Print it to stdout. tab: its fields between tabs, escaped as Dovecot does it:
   chain, first and last number, time, event, result, text. */
void pop3_policy_verify_print(const struct pop3_policy_verify_line *line,
			      bool tab);

#endif
