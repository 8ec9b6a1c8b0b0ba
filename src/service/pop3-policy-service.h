#ifndef POP3_POLICY_SERVICE_H
#define POP3_POLICY_SERVICE_H

#include "pop3-policy-service-settings.h"

/* What the parts of the process share. There is one. */
struct pop3_policy_service {
	struct event *event;
	struct pop3_policy_service_settings set;
	struct pop3_policy_pool *pool;
	struct pop3_policy_writer *writer;
	struct pop3_policy_polls *polls;
	struct pop3_policy_imap_use *imap_use;
	struct pop3_policy_usage *usage;
	struct pop3_policy_plain *plain;
	struct pop3_policy_limits *limits;
	struct pop3_policy_cache *policies;
	struct pop3_policy_state_cache *states;
	struct pop3_policy_state_feed *feed;
	struct pop3_policy_clock_check *clock;
	struct pop3_policy_maintain *maintain;
	struct pop3_policy_admin *admin;
	struct pop3_policy_order *order;
	/* the process ends: clients whose sockets we close are not gone */
	bool stopping;
};

extern struct event_category event_category_pop3_policy;

#endif
