/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* download_daily: RETR and TOP of users with a limit ask the service first,
   which knows what all sessions of the user on all hosts have sent.

   What is refused fails as a message does that somebody else has removed, and
   the reply is replaced. Dovecot counts fetches of removed messages, and sends
   clients away that repeat them: that is taken back, so that a client may try
   all of its messages and go on with something else. */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "pop3-common.h"
#include "pop3-policy-clock.h"
#include "pop3-policy-client.h"
#include "pop3-policy-download.h"
#include "pop3-policy-output.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-session.h"

#include <time.h>

/* A service that did not answer is left alone for so long: a client with many
   messages must not wait for each. */
#define ASK_AGAIN_NSECS (60ULL * 1000 * 1000 * 1000)

static int64_t download_limit(const struct pop3_policy_session *session)
{
	if (pop3_policy_num(session->policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
	    POP3_POLICY_ENFORCEMENT_OFF ||
	    pop3_policy_session_is_master(session))
		return POP3_POLICY_UNLIMITED;
	return pop3_policy_num(session->policy,
			       POP3_POLICY_PARAM_DOWNLOAD_DAILY);
}

/* Returns 1 if more may be sent, 0 and the seconds to wait if not, -1 and
   *error_r if the service did not say. */
static int
download_ask(struct pop3_policy_session *session, int64_t limit,
	     uoff_t reserve, int64_t *wait_r, const char **error_r)
{
	struct pop3_policy_wire_message *reply;
	unsigned int id = pop3_policy_client_next_id(session->service);
	string_t *text = t_str_new(256);
	const char *value;
	int ret;

	pop3_policy_session_wire(session, text, "DOWNLOAD", id);
	pop3_policy_wire_num(text, "limit", limit);
	pop3_policy_wire_num(text, "bytes",
			     pop3_policy_output_fetch_bytes(session));
	pop3_policy_wire_num(text, "reserve", reserve);
	pop3_policy_wire_end(text);
	ret = pop3_policy_client_request(session->service, id, text,
					 &reply, error_r);
	if (ret < 0)
		return -1;
	if (ret == 0) {
		value = pop3_policy_wire_get_str(&reply->head, "text");
		*error_r = value == NULL ?
			"the service refused without a reason" :
			t_strdup(value);
		ret = -1;
	} else {
		ret = pop3_policy_wire_get_int64(&reply->head, "wait", wait_r);
		if (ret < 0 || (ret > 0 && *wait_r < 0)) {
			*error_r = "DOWNLOAD: bad answer: wait";
			ret = -1;
		} else {
			ret = ret == 0 ? 1 : 0;
		}
	}
	pop3_policy_wire_message_free(&reply);
	return ret;
}

/* The limit protects the site from load. Nobody is kept from his mail because
   it cannot be checked. */
static void
download_failed(struct pop3_policy_session *session, const char *error)
{
	struct pop3_policy_download *download = &session->download;

	if (!download->failed) {
		e_warning(session->event, "download_daily is not known to be "
			  "kept in this session: %s", error);
	}
	download->failed = TRUE;
	download->ask_after_nsecs =
		pop3_policy_clock_nsecs() + ASK_AGAIN_NSECS;
}

/* Undo what the command did to the client so far, and see to what it is going
   to do. */
static void
download_refuse(struct pop3_policy_session *session, uint32_t uid, bool retr)
{
	struct pop3_policy_download *download = &session->download;
	struct client *client = session->client;

	if (retr) {
		client->retr_count--;
		client->last_seen_pop3_msn = download->last_seen_pop3_msn;
		client->lowest_retr_pop3_msn = download->lowest_retr_pop3_msn;
	} else {
		client->top_count--;
	}
	download->refusing = TRUE;
	seq_range_array_add(&download->refused, uid);
}

bool pop3_policy_download_begin(struct pop3_policy_session *session,
				struct mail *mail, bool retr)
{
	struct pop3_policy_download *download = &session->download;
	int64_t limit = download_limit(session);
	const char *error;
	uoff_t reserve = 0;
	int ret;

	if (limit == POP3_POLICY_UNLIMITED || session->login->offline ||
	    download->would_refuse_uid != 0 ||
	    pop3_policy_clock_nsecs() < download->ask_after_nsecs)
		return TRUE;
	/* Most TOPs want a header, and nobody knows of how many lines: they
	   count when they were sent. */
	if (retr && mail_get_virtual_size(mail, &reserve) < 0)
		reserve = 0;

	T_BEGIN {
		ret = download_ask(session, limit, reserve, &download->wait,
				   &error);
		if (ret < 0)
			download_failed(session, error);
	} T_END;
	if (ret != 0)
		return TRUE;
	if (pop3_policy_num(session->policy, POP3_POLICY_PARAM_ENFORCEMENT) !=
	    POP3_POLICY_ENFORCEMENT_ENFORCE) {
		/* told once, so not asked any more */
		download->would_refuse_uid = mail->uid;
		return TRUE;
	}
	download_refuse(session, mail->uid, retr);
	return FALSE;
}

static const string_t *download_text(struct pop3_policy_session *session)
{
	string_t *text = t_str_new(256);
	/* whole minutes, not before the time is over */
	time_t until = time(NULL) + session->download.wait + 59;
	const struct tm *tm = gmtime(&until);

	str_printfa(text, "-ERR The daily download limit of %s is reached. "
		    "Please wait until ",
		    pop3_policy_value_human(POP3_POLICY_PARAM_DOWNLOAD_DAILY,
			&session->policy->values[
				POP3_POLICY_PARAM_DOWNLOAD_DAILY]));
	if (tm == NULL)
		str_append(text, "tomorrow");
	else {
		str_printfa(text, "%04d-%02d-%02d %02d:%02d UTC",
			    tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday,
			    tm->tm_hour, tm->tm_min);
	}
	str_append(text, ", the message stays on the server.\r\n");
	return text;
}

const string_t *
pop3_policy_download_reply(struct pop3_policy_session *session,
			   const void *data, size_t size)
{
	struct pop3_policy_download *download = &session->download;
	struct client *client = session->client;
	static const char prefix[] = "-ERR ";

	if (!download->refusing)
		return NULL;
	download->refusing = FALSE;
	if (size < sizeof(prefix) - 1 ||
	    memcmp(data, prefix, sizeof(prefix) - 1) != 0)
		return NULL;

	/* Dovecot's caller takes messages up to this number for those that
	   were found removed before, and the command for a bad one. Else it
	   would note this message as removed. */
	download->highest_expunged_fetch_msgnum =
		client->highest_expunged_fetch_msgnum;
	client->highest_expunged_fetch_msgnum = UINT_MAX;
	download->restore_expunged = TRUE;
	/* it is going to add one; 0 - 1 + 1 is 0 */
	client->bad_counter--;
	return download_text(session);
}

void pop3_policy_download_sending(struct pop3_policy_session *session)
{
	struct pop3_policy_download *download = &session->download;
	struct client *client = session->client;

	/* The number is looked at behind a reply only, so that it is right
	   again in time. */
	if (download->restore_expunged) {
		download->restore_expunged = FALSE;
		client->highest_expunged_fetch_msgnum =
			download->highest_expunged_fetch_msgnum;
	}
	download->last_seen_pop3_msn = client->last_seen_pop3_msn;
	download->lowest_retr_pop3_msn = client->lowest_retr_pop3_msn;
}

void pop3_policy_download_report(struct pop3_policy_session *session)
{
	struct pop3_policy_download *download = &session->download;
	ARRAY_TYPE(seq_range) uids;

	if (array_count(&download->refused) > 0) {
		pop3_policy_session_event(session, "refused", "download-daily",
					  &download->refused, 0, NULL);
	}
	if (download->would_refuse_uid != 0) {
		t_array_init(&uids, 1);
		seq_range_array_add(&uids, download->would_refuse_uid);
		pop3_policy_session_event(session, "would-refuse",
					  "download-daily", &uids, 0, NULL);
	}
}
