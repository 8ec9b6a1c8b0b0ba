#ifndef POP3_POLICY_NOTICE_PRIVATE_H
#define POP3_POLICY_NOTICE_PRIVATE_H

#include "guid.h"
#include "seq-range-array.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-settings.h"

/* Shared by the files that implement pop3-policy-notice.h. */

struct mail_user;
struct mailbox;
struct pop3_policy_client;
struct pop3_policy_text_var;
struct pop3_policy_words;

/* Behind an id of its own in the Message-ID of every notice. */
#define POP3_POLICY_NOTICE_ID_TAG ".pop3-policy"

/* An occasion to write notices. */
struct pop3_policy_notifier {
	/* for what lives as long as this */
	pool_t pool;
	struct mail_user *user;
	struct event *event;
	const struct pop3_policy_settings *set;
	struct pop3_policy_client *service;
	/* session= of the requests */
	guid_128_t id;

	/* INBOX, opened and synced, and its identity */
	struct mailbox *box;
	guid_128_t guid;
	uint32_t uidvalidity;

	/* the words of rules.txt, once they were read; NULL if that failed */
	struct pop3_policy_words *words;
	bool words_read;
	/* notices that were written */
	unsigned int written;
};

/* --- what there is to tell: pop3-policy-notice-request.c --- */

struct pop3_policy_notice_rule {
	enum pop3_policy_param param;
	struct pop3_policy_value value;
};

/* The answer to NOTICES. */
struct pop3_policy_notices {
	const char *version;
	ARRAY(struct pop3_policy_notice_rule) rules;
	/* expiry: UIDs of messages that may be in the mailbox, empty if there
	   is nothing to tell; seconds since 1970 */
	ARRAY_TYPE(seq_range) expiring;
	int64_t at, until;
};

/* What is to be claimed by NOTICE. Fields of other kinds are 0 or NULL. */
struct pop3_policy_notice_claim {
	/* quota, expiry or policy */
	const char *kind;
	unsigned int level;
	int64_t until;
	unsigned int count;
	const char *version;
};

/* Ask NOTICES. Returns 0 if ok, -1 and *error_r if there is no answer. */
int pop3_policy_notices_request(struct pop3_policy_notifier *notifier,
				struct pop3_policy_notices *notices_r,
				const char **error_r);
/* Ask NOTICE. Returns 1 if it may be written, 0 if not, -1 and *error_r if
   there is no answer: it may not be written then either. */
int pop3_policy_notice_claim(struct pop3_policy_notifier *notifier,
			     const struct pop3_policy_notice_claim *claim,
			     const char *message_id, const char **error_r);

/* --- files: pop3-policy-notice-file.c --- */

/* Read a file of the templates' directory. Returns 0 and its text (data
   stack), -1 and *error_r, which names the file, if that failed. */
int pop3_policy_notice_read(struct pop3_policy_notifier *notifier,
			    const char *name, const char **text_r,
			    const char **error_r);
/* The words of rules.txt; NULL if there is something wrong, which is logged
   once. */
const struct pop3_policy_words *
pop3_policy_notice_words(struct pop3_policy_notifier *notifier);

/* --- writing: pop3-policy-notice-write.c --- */

/* Make a notice of KIND.txt and these variables (those that all have are
   added), claim it, and save it. Returns TRUE if it was written. */
bool pop3_policy_notice_write(struct pop3_policy_notifier *notifier,
			      const struct pop3_policy_notice_claim *claim,
			      const struct pop3_policy_text_var *vars);

/* --- counting: pop3-policy-notice-count.c --- */

/* How many of these messages are in the mailbox, without notices: to announce
   the end of an announcement would never end. */
unsigned int
pop3_policy_notice_count(struct mailbox *box,
			 const ARRAY_TYPE(seq_range) *uids);

#endif
