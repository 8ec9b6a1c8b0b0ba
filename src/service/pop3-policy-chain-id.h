#ifndef POP3_POLICY_CHAIN_ID_H
#define POP3_POLICY_CHAIN_ID_H

/* Which chain of records this process continues. The id is a random UUID in a
   file of its own, kept from one process to the next and locked while in use:
   a service that was left running by a reload keeps its chain, the new one
   takes the next file. The names are DIR/chain, DIR/chain.2, ... */

/* Old services that a reload left behind, and their successor. */
#define POP3_POLICY_CHAIN_MAX 16

struct pop3_policy_chain_id;

/* Take the first chain that no other process uses, and create it if there is
   none. The directory must exist. Returns 0 if ok, -1 + *error_r if not. */
int pop3_policy_chain_id_open(const char *dir,
			      struct pop3_policy_chain_id **chain_r,
			      const char **error_r);
/* Take number 1, 2, ... of the files if it is there and no process uses it.
   Returns 1 if it was taken, 0 if not, -1 + *error_r on error. */
int pop3_policy_chain_id_take(const char *dir, unsigned int number,
			      struct pop3_policy_chain_id **chain_r,
			      const char **error_r);
void pop3_policy_chain_id_close(struct pop3_policy_chain_id **chain);

/* "xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx" */
const char *pop3_policy_chain_id_get(const struct pop3_policy_chain_id *chain);
const char *pop3_policy_chain_id_path(const struct pop3_policy_chain_id *chain);

/* Give the chain up: its file is kept as PATH.retired.TIME, and a new id
   takes its place. Returns 0 and *retired_r (that path; data stack), -1 +
   *error_r if not; the chain is then as before. */
int pop3_policy_chain_id_renew(struct pop3_policy_chain_id *chain,
			       const char **retired_r, const char **error_r);

#endif
