#ifndef POP3_POLICY_CHAIN_FORM_H
#define POP3_POLICY_CHAIN_FORM_H

/* The canonical form of the rows of pop3.audit and pop3.session: the bytes that
   seals are about. doc/audit.md describes it. The service computes it when it
   seals rows, `verify' when it checks them: here only, so that nothing in the
   database has to be believed.

   A row has public columns, which are under its MAC as they are, and personal
   ones, of which a salted digest is, so that they can be erased. */

#define POP3_POLICY_CHAIN_ID_SIZE 16
#define POP3_POLICY_CHAIN_SALT_SIZE 16
#define POP3_POLICY_CHAIN_DIGEST_SIZE 32
#define POP3_POLICY_CHAIN_MAC_SIZE 32

/* Kinds of rows: of pop3.audit; of pop3.session and pop3.session_lost. */
#define POP3_POLICY_CHAIN_KIND_AUDIT 'A'
#define POP3_POLICY_CHAIN_KIND_SESSION 'S'

/* The names of the columns in the order of the form, NULL-terminated. What is
   in neither list (chain_id and seq) is not in the form. */
const char *const *
pop3_policy_chain_form_columns(char kind, bool personal) ATTR_CONST;

/* Append a column's value: NULL is SQL NULL. Others are text: times in whole
   microseconds since 1970 (UTC), UUIDs in lower case with dashes, numbers in
   decimal, booleans as t or f, multiranges as PostgreSQL writes them. */
void pop3_policy_chain_form_add(buffer_t *form, const char *value);

/* The same, size bytes of it. */
void pop3_policy_chain_form_add_data(buffer_t *form, const void *value,
				     size_t size);

#endif
