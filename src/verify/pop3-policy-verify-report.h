#ifndef POP3_POLICY_VERIFY_REPORT_H
#define POP3_POLICY_VERIFY_REPORT_H

/* What was found, until all chains have been read: a row that is missing in one
   place may turn up in another, and is then said to have been moved. */

#include "pop3-policy-verify-key.h"

struct pop3_policy_verify_report;
struct pop3_policy_verify_rows;
struct pop3_policy_verify_row;

/* What a seal says of a number. */
struct pop3_policy_verify_position {
	unsigned char chain_id[16];
	int64_t seq;
	const struct pop3_policy_verify_key *key;
	unsigned char prev[POP3_POLICY_CHAIN_MAC_SIZE];
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];
	unsigned char digest[POP3_POLICY_CHAIN_MAC_SIZE];
	unsigned char salt[POP3_POLICY_CHAIN_SALT_SIZE];
	/* of the seal */
	int64_t at;
};

struct pop3_policy_verify_finding {
	unsigned char chain_id[16];
	int64_t first_seq, last_seq;
	/* microseconds since 1970; about: of the seal, not of the row */
	int64_t at;
	bool about;
	char event[32];
	/* what is wrong; NULL: it was explained by another finding */
	char *text;

	/* the number whose row is altered or removed, and the row that is in a
	   place that is not its own; NULL if neither is known any more */
	struct pop3_policy_verify_position *position;
	struct pop3_policy_verify_row *row;
	bool removed;
};

struct pop3_policy_verify_report *
pop3_policy_verify_report_init(struct pop3_policy_verify_rows *rows);
void pop3_policy_verify_report_deinit(struct pop3_policy_verify_report **report);

/* Add what is wrong with numbers of a chain. Returns NULL if there are too many
   to keep; they are only counted then. */
struct pop3_policy_verify_finding *
pop3_policy_verify_report_add(struct pop3_policy_verify_report *report,
			      const unsigned char chain_id[STATIC_ARRAY 16],
			      int64_t first_seq, int64_t last_seq,
			      const char *fmt, ...) ATTR_FORMAT(5, 6);
/* The same, of a row that is there. */
struct pop3_policy_verify_finding *
pop3_policy_verify_report_row(struct pop3_policy_verify_report *report,
			      const struct pop3_policy_verify_row *row,
			      const char *text);
/* The row that was sealed under a number is altered. Takes the row over. */
struct pop3_policy_verify_finding *
pop3_policy_verify_report_altered(struct pop3_policy_verify_report *report,
	const struct pop3_policy_verify_position *position,
	struct pop3_policy_verify_row **row);
/* It is not there. */
void pop3_policy_verify_report_removed(
	struct pop3_policy_verify_report *report,
	const struct pop3_policy_verify_position *position);
/* A row is there that was not sealed there. Takes it over. */
void pop3_policy_verify_report_inserted(
	struct pop3_policy_verify_report *report,
	struct pop3_policy_verify_row **row, const char *text);
/* It turned out to be something else. */
void pop3_policy_verify_finding_set(struct pop3_policy_verify_finding *finding,
				    const char *text);

/* Print them, in the order of chains and numbers. Returns how many there are,
   those that were not kept included. tab: see pop3_policy_verify_print(). */
unsigned int
pop3_policy_verify_report_print(struct pop3_policy_verify_report *report,
				bool tab);
/* How many of a chain are printed, or were not kept. */
unsigned int
pop3_policy_verify_report_count(struct pop3_policy_verify_report *report,
				const unsigned char chain_id[STATIC_ARRAY 16]);

#endif
