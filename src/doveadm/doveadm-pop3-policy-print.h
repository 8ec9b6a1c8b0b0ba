#ifndef DOVEADM_POP3_POLICY_PRINT_H
#define DOVEADM_POP3_POLICY_PRINT_H

/* Prints answers to CALL by doveadm's formatters, a column each. */

struct pop3_policy_wire_message;

/* Print the headers from a reply's columns. username: a column before them for
   the user name; more replies may then follow, with the same columns.
   hide_titles: so many of the first explain themselves. Does nothing when it was
   called before. */
void doveadm_pop3_policy_print_headers(
	const struct pop3_policy_wire_message *reply, bool username,
	unsigned int hide_titles);
/* Print the rows, of this user (NULL: no such column). null_text stands for a
   text that is NULL; a number that is stays empty. */
void doveadm_pop3_policy_print_rows(
	const struct pop3_policy_wire_message *reply, const char *username,
	const char *null_text);
/* Both, for the only reply of a command. */
void doveadm_pop3_policy_print(const struct pop3_policy_wire_message *reply);

#endif
