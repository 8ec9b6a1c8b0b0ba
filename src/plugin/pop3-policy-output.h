#ifndef POP3_POLICY_OUTPUT_H
#define POP3_POLICY_OUTPUT_H

struct pop3_policy_session;
struct pop3_policy_fetched;

/* What reached the client: tells which messages went out whole, which QUIT
   confirms, and when RSET took everything back. */

/* Put ourselves between the POP3 client and its output. */
void pop3_policy_output_wrap(struct pop3_policy_session *session);

/* A message's reply is in the output, whole. Adds it to session->fetched and
   flushes. A message that was fetched before stays as it is. */
void pop3_policy_output_fetched(struct pop3_policy_session *session,
				const struct pop3_policy_fetched *message);

/* TRUE if this POP3 command (in lower case, "rset") runs. */
bool pop3_policy_output_command_is(const char *command);

/* To be called while QUIT runs: TRUE if the QUIT arrived after the message's
   last byte was handed to the kernel. */
bool pop3_policy_output_confirmed(struct pop3_policy_session *session,
				  const struct pop3_policy_fetched *message);

#endif
