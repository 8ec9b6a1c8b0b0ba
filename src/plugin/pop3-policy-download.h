#ifndef POP3_POLICY_DOWNLOAD_H
#define POP3_POLICY_DOWNLOAD_H

#include "str.h"

struct mail;
struct pop3_policy_session;

/* download_daily: how much RETR and TOP may send in 24 hours. */
struct pop3_policy_download {
	/* the reply to the RETR or TOP that was refused is to come */
	bool refusing;
	/* how long to wait, as the service said: seconds */
	int64_t wait;

	/* what cmd_retr() changes before it can be refused: the values
	   before it */
	uint32_t last_seen_pop3_msn, lowest_retr_pop3_msn;
	/* what is to be put back with the next reply */
	bool restore_expunged;
	unsigned int highest_expunged_fetch_msgnum;

	/* the service did not answer: not before this time (monotonic
	   nanoseconds) is it asked again, and the log has been told */
	uint64_t ask_after_nsecs;
	bool failed;
	/* UIDs of messages whose RETR or TOP was refused */
	ARRAY_TYPE(seq_range) refused;
	/* the first one that would have been, 0 if none */
	uint32_t would_refuse_uid;
};

/* RETR (if retr) or TOP is about to be sent: returns TRUE if it may. If not,
   the client's state is as it was before the command, and the -ERR that it is
   about to send is to be replaced by pop3_policy_download_reply(). */
bool pop3_policy_download_begin(struct pop3_policy_session *session,
				struct mail *mail, bool retr);

/* If a RETR or TOP was refused and this is the reply, return the one that
   takes its place (data stack). Else return NULL. */
const string_t *
pop3_policy_download_reply(struct pop3_policy_session *session,
			   const void *data, size_t size);

/* Something is about to be sent to the client, or to be read from it. */
void pop3_policy_download_sending(struct pop3_policy_session *session);

/* At the session's end: tell the audit what was refused, or would have been
   under enforcement=enforce. */
void pop3_policy_download_report(struct pop3_policy_session *session);

#endif
