#ifndef POP3_POLICY_MAINTAIN_H
#define POP3_POLICY_MAINTAIN_H

/* Calls pop3.maintain() at the start and hourly, on a connection that is made
   for it: it may take longer than a login may wait. */

struct pop3_policy_maintain;
struct pop3_policy_service_settings;

struct pop3_policy_maintain *
pop3_policy_maintain_init(struct event *event_parent,
			  const struct pop3_policy_service_settings *set);
void pop3_policy_maintain_deinit(struct pop3_policy_maintain **maintain);

#endif
