#ifndef POP3_POLICY_CLOCK_CHECK_H
#define POP3_POLICY_CLOCK_CHECK_H

/* Whether the time can be trusted enough to remove mail by it: the clocks of this
   host and of the database agree within a minute, and the host's was not set.

   On a host that has the database as well both clocks are the same one, so that
   a step of it is all there is to see. It counts until the clock is set back, or
   until it has been well for an hour: then it was the step that was right. */

#define POP3_POLICY_CLOCK_MAX_SECS 60
#define POP3_POLICY_CLOCK_STEP_SECS 3600

struct pop3_policy_clock_check;

struct pop3_policy_clock_check *
pop3_policy_clock_check_init(struct event *event_parent);
void pop3_policy_clock_check_deinit(struct pop3_policy_clock_check **check);

/* The database just told its time, seconds since 1970. */
void pop3_policy_clock_check_database(struct pop3_policy_clock_check *check,
				      const char *now);
/* Logs when the answer changes. */
bool pop3_policy_clock_is_right(struct pop3_policy_clock_check *check);

/* --- for its test --- */

/* Look at the clocks. host is the time of day, steady that of a clock that nobody
   sets, both seconds. */
bool pop3_policy_clock_check_at(struct pop3_policy_clock_check *check,
				double host, double steady);
/* The same, when the database has told its time. */
bool pop3_policy_clock_check_database_at(struct pop3_policy_clock_check *check,
					 double database, double host,
					 double steady);

#endif
