#ifndef POP3_POLICY_OUTPUT_H
#define POP3_POLICY_OUTPUT_H

struct pop3_policy_session;
struct pop3_policy_fetched;

/* What reaches the client: tells which messages went out whole, which QUIT
   confirms, and when RSET took everything back. Replies that the policy wants
   to be others are replaced on their way: pop3-policy-capa.c, -refuse.c,
   -download.c. */

/* Put ourselves between the POP3 client and its output. */
void pop3_policy_output_wrap(struct pop3_policy_session *session);

/* A message's reply is in the output, whole. Adds it to session->fetched and
   flushes. A message that was fetched before stays as it is. */
void pop3_policy_output_fetched(struct pop3_policy_session *session,
				const struct pop3_policy_fetched *message);

/* A RETR or TOP begins, its +OK included, or ended. */
void pop3_policy_output_fetch_begin(struct pop3_policy_session *session);
void pop3_policy_output_fetch_end(struct pop3_policy_session *session);
/* Bytes that RETR and TOP have sent in this session, what was sent of a
   message that is under way included. session->client must be there. */
uoff_t pop3_policy_output_fetch_bytes(struct pop3_policy_session *session);

/* TRUE if this POP3 command (in lower case, "rset") runs. */
bool pop3_policy_output_command_is(const char *command);

/* To be called while QUIT runs: TRUE if the QUIT arrived after the message's
   last byte was handed to the kernel. */
bool pop3_policy_output_confirmed(struct pop3_policy_session *session,
				  const struct pop3_policy_fetched *message);

#endif
