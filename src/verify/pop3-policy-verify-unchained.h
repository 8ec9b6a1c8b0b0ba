#ifndef POP3_POLICY_VERIFY_UNCHAINED_H
#define POP3_POLICY_VERIFY_UNCHAINED_H

struct pop3_policy_verify_db;
struct pop3_policy_verify_report;

struct pop3_policy_verify_unchained {
	/* rows of plain SQL that no service has chained yet, and the times of
	   the first and the last, microseconds since 1970 */
	uint64_t count;
	int64_t first, last;
};

/* What stands in the place of the tables is what has to be there: a view, or a
   policy on rows, would show what it likes. */
void pop3_policy_verify_tables(struct pop3_policy_verify_db *db,
			       struct pop3_policy_verify_report *report);

/* Rows that are in no chain. What only services write is in one. */
void pop3_policy_verify_unchained(struct pop3_policy_verify_db *db,
				  struct pop3_policy_verify_report *report,
				  struct pop3_policy_verify_unchained *found_r);

#endif
