#ifndef POP3_POLICY_RECORD_SESSION_H
#define POP3_POLICY_RECORD_SESSION_H

/* The record of a session's end, whose SQL function has so many parameters that
   they are given by name here. All are text as PostgreSQL takes it; NULL is SQL
   NULL, except where a comment says otherwise. */
struct pop3_policy_record_session {
	const char *session, *dsession, *user, *auth_user, *rip, *tls, *device;
	/* NULL: 0 seconds */
	const char *started, *duration;
	const char *ended_by;
	const char *guid, *uidvalidity, *uidnext, *uidnext_end, *messages;
	const char *anchor_uid, *anchor_guid;
	/* NULL: 0 */
	const char *retr, *top, *dele, *bytes;
	/* multiranges; NULL: empty */
	const char *fetched, *removed;
	/* arrays; NULL: empty */
	const char *uids, *guids, *sizes, *actions;
	const char *would_uids, *would_guids, *would_sizes, *would_reasons;
	const char *view_since, *view_window;
	/* "t" or "f"; NULL: not known */
	const char *download;
};

struct pop3_policy_record;

struct pop3_policy_record *
pop3_policy_record_session_create(const struct pop3_policy_record_session *data);
/* What finds its row: the session's id, and when it began. Returns FALSE if this
   is no such record. */
bool pop3_policy_record_session_key(const struct pop3_policy_record *record,
				    const char **session_r,
				    const char **started_r);

#endif
