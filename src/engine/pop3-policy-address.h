#ifndef POP3_POLICY_ADDRESS_H
#define POP3_POLICY_ADDRESS_H

/* The addresses in the header of a message that this software writes. Pure:
   depends on nothing but Dovecot's lib and lib-mail. */

struct pop3_policy_address {
	/* UTF-8, NULL if there is none */
	const char *name;
	const char *local_part;
	/* NULL if there is none */
	const char *domain;
};

/* behind "is not" */
#define POP3_POLICY_ADDRESS_ALLOWED \
	"an address such as postmaster, postmaster@example.org or " \
	"\"Mail service <postmaster@example.org>\""

/* Parse an address as it is written in a setting. Results are allocated from
   the data stack. Returns 0 if ok, -1 if it is not an address. */
int pop3_policy_address_parse(const char *text,
			      struct pop3_policy_address *address_r);
/* Append it as in a header's value, with default_domain if it has none.
   Folded by LF and white space. */
void pop3_policy_address_append(string_t *dest,
				const struct pop3_policy_address *address,
				const char *default_domain);

/* The domain of a user name, or default_domain if it has none, or one that no
   header can have. */
const char *pop3_policy_address_domain(const char *username,
				       const char *default_domain);
/* Append a user name as in a header's value: as an address if it can be one
   in ASCII (with default_domain if it has none), else as the name of an empty
   group. Any bytes are allowed. */
void pop3_policy_address_append_user(string_t *dest, const char *username,
				     const char *default_domain);

#endif
