#ifndef POP3_POLICY_PREPARE_H
#define POP3_POLICY_PREPARE_H

#include "pop3-policy-login.h"

struct mailbox;
struct pop3_policy_session;

/* Bring the mailbox and its recorded state together, before the messages are
   counted: recognise the maildrop, notice a mailbox that was put back or
   renumbered and what others removed, repair, remove what is due, and fix the
   view of this session.

   Returns 0 if ok. Returns -1 if the view cannot be known: the storage's error
   is set, and the client must hear it instead of a listing. */
int pop3_policy_prepare(struct pop3_policy_session *session,
			struct mailbox *box);

/* The steps, each in the file of its name. They need session->box and its
   identity. Those that return int return -1 as above. */

/* pop3-policy-rollback.c: state of messages that are others now is dropped */
int pop3_policy_rollback_check(struct pop3_policy_session *session);
/* pop3-policy-gone.c: tell what was removed by others */
int pop3_policy_gone_check(struct pop3_policy_session *session);
/* pop3-policy-carry.c: the mailbox is known by another UIDVALIDITY or GUID.
   Sets session->drop. */
int pop3_policy_carry(struct pop3_policy_session *session,
		      struct pop3_policy_maildrop *old);
/* pop3-policy-repair.c: settle intents that were left open */
void pop3_policy_repair(struct pop3_policy_session *session);
/* pop3-policy-postponed.c: decide what an outage of the database postponed */
int pop3_policy_postponed_decide(struct pop3_policy_session *session);
/* pop3-policy-due.c: remove what is due */
int pop3_policy_due_remove(struct pop3_policy_session *session);

struct pop3_policy_left_out;
/* pop3-policy-due.c: tell what cannot be removed, and why. */
void
pop3_policy_due_left_out(struct pop3_policy_session *session,
			 const struct pop3_policy_left_out *left_out);

/* Set the storage's error to a text that helps, and log error. Returns -1. */
int pop3_policy_prepare_failed(struct pop3_policy_session *session,
			       const char *error);
/* The same for an error of the storage. */
int pop3_policy_prepare_storage_failed(struct pop3_policy_session *session,
				       const char *what);

struct pop3_policy_wire_message;
/* Ask which messages of a maildrop have state, with their GUIDs or not.
   Returns 0 and the reply, to be freed, -1 and *error_r if not. */
int pop3_policy_uids_request(struct pop3_policy_session *session,
			     const char *maildrop_id, bool guids,
			     struct pop3_policy_wire_message **reply_r,
			     const char **error_r);

#endif
