#ifndef POP3_POLICY_DELIVERY_H
#define POP3_POLICY_DELIVERY_H

#include "guid.h"
#include "pop3-policy-effective.h"
#include "pop3-policy-quota.h"
#include "pop3-policy-settings.h"

/* What there is of a user outside POP3 sessions: in deliveries (lmtp, lda),
   imap, doveadm and quota-status. It lives as long as the user object, which
   lmtp makes for each recipient of each message. */

struct lda_settings;
struct mail_namespace;
struct mail_user;
struct mailbox_list;
struct pop3_policy_client;
struct pop3_policy_quota_limits;

/* The service's answer to LIMITS. */
struct pop3_policy_limits {
	pool_t pool;
	struct pop3_policy policy;
	/* opaque version of the policy */
	const char *version;
	/* the level of quota_warn, percent, that the owner was told of last */
	unsigned int told_level;
	/* the database could not be asked: as last known */
	bool cached;
};

struct pop3_policy_delivery {
	struct mail_user *user;
	struct event *event;
	struct pop3_policy_settings set;
	struct pop3_policy_client *service;
	/* random: "session" to the service, and the number of the last intent
	   in it */
	guid_128_t id;
	uint32_t intent_no;

	/* LIMITS: the request, freed with its answer */
	unsigned int limits_id;
	string_t *limits_text;
	/* known once the namespaces are; NULL: there was no answer */
	struct pop3_policy_limits *limits;
	/* mail is delivered to the user here: lmtp and lda */
	bool delivers;
	/* quota_action decides how lmtp and lda refuse what exceeds the quota:
	   for now (tempfail) or for good */
	bool tempfail_set, tempfail;
	/* Dovecot 2.4: the settings of the delivery, from its beginning */
	const struct lda_settings *lda_set;
	/* ... and the limits that the policy has replaced */
	struct pop3_policy_quota_limits *configured;

	/* Usage before the first message was saved, and before anything was
	   evicted for it: from the first pop3_policy_quota_usage(). */
	bool before_known;
	struct pop3_policy_quota_usage before;
	/* Usage behind the last commit. Highest thresholds of quota_warn, in
	   percent, that were reached before and behind it, 0 for none. */
	bool usage_known;
	struct pop3_policy_quota_usage usage;
	unsigned int level_before, level_after;
};

/* The user is created: send LIMITS if the service (lmtp, ...) is one of the
   above. Returns NULL if it is not, if the limits would be of no use in it, or
   if the settings are wrong; that is logged. */
struct pop3_policy_delivery *
pop3_policy_delivery_create(struct mail_user *user);
void pop3_policy_delivery_free(struct pop3_policy_delivery **delivery);

/* The delivery of a user, NULL if there is none. */
struct pop3_policy_delivery *
pop3_policy_delivery_get(struct mail_user *user);

/* A mailbox list was created. At the user's one that has INBOX, which is before
   anything asks for a quota, the answer to LIMITS is read, waiting for it up
   to the timeout. The quotas of the policy are set then, or when all
   namespaces were created. */
void pop3_policy_delivery_list_created(struct mailbox_list *list);
void pop3_policy_delivery_namespaces_created(struct mail_namespace *namespaces);

/* Ask for the limits once more, after a stale intent. The limits that the quota
   has stay as they are. Returns 0 if ok, -1 and *error_r if there is no answer
   (what was known before is kept). */
int pop3_policy_delivery_limits_again(struct pop3_policy_delivery *delivery,
				      const char **error_r);

/* TRUE if the policy is known and is to be enforced. */
bool pop3_policy_delivery_enforced(const struct pop3_policy_delivery *delivery);

/* Messages that were delivered are committed. Call it behind the commit and
   without holding locks: usage is told to the service, the levels are set, and
   the owner may be sent notices. */
void pop3_policy_delivery_committed(struct pop3_policy_delivery *delivery);

#endif
