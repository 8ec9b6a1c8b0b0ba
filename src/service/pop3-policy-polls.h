#ifndef POP3_POLICY_POLLS_H
#define POP3_POLICY_POLLS_H

/* Sessions that found nothing and changed nothing are counted here, per hour,
   user, device, address and TLS. A counter is written some time after it was
   begun, so that not all are at once. */

struct pop3_policy_writer;
struct pop3_policy_polls;

struct pop3_policy_poll {
	const char *user;
	/* may be NULL */
	const char *device, *rip;
	bool tls;
	/* login and end, seconds since 1970 on the database's clock */
	double started, ended;
};

/* interval: seconds after which a counter is written. */
struct pop3_policy_polls *
pop3_policy_polls_init(struct pop3_policy_writer *writer,
		       unsigned int interval);
/* What is counted is written first. */
void pop3_policy_polls_deinit(struct pop3_policy_polls **polls);

void pop3_policy_polls_add(struct pop3_policy_polls *polls,
			   const struct pop3_policy_poll *poll);
/* Queue records of all. */
void pop3_policy_polls_flush(struct pop3_policy_polls *polls);

#endif
