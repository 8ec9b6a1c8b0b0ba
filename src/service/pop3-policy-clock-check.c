/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "pop3-policy-clock-check.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

struct pop3_policy_clock_check {
	struct event *event;
	/* what the time of day is ahead of the steady clock, while it goes
	   well; small corrections are followed */
	double base;
	bool base_known;
	/* it is another since then, on the steady clock */
	double stepped_at, stepped_by;
	bool stepped;
	/* what the database's clock is ahead */
	double ahead;
	/* that it cannot be trusted was logged */
	bool wrong;
};

struct pop3_policy_clock_check *
pop3_policy_clock_check_init(struct event *event_parent)
{
	struct pop3_policy_clock_check *check;

	check = i_new(struct pop3_policy_clock_check, 1);
	check->event = event_create(event_parent);
	return check;
}

void pop3_policy_clock_check_deinit(struct pop3_policy_clock_check **_check)
{
	struct pop3_policy_clock_check *check = *_check;

	*_check = NULL;
	event_unref(&check->event);
	i_free(check);
}

static bool
pop3_policy_clock_disagrees(const struct pop3_policy_clock_check *check)
{
	return fabs(check->ahead) > POP3_POLICY_CLOCK_MAX_SECS;
}

static void
pop3_policy_clock_check_step(struct pop3_policy_clock_check *check,
			     double host, double steady)
{
	double by = host - steady - check->base;

	if (!check->base_known) {
		check->base = host - steady;
		check->base_known = TRUE;
	} else if (fabs(by) <= POP3_POLICY_CLOCK_MAX_SECS) {
		check->base += by;
		check->stepped = FALSE;
	} else if (!check->stepped ||
		   fabs(by - check->stepped_by) > POP3_POLICY_CLOCK_MAX_SECS ||
		   pop3_policy_clock_disagrees(check)) {
		check->stepped = TRUE;
		check->stepped_at = steady;
		check->stepped_by = by;
	} else if (steady - check->stepped_at >= POP3_POLICY_CLOCK_STEP_SECS) {
		check->base += by;
		check->stepped = FALSE;
	}
}

bool pop3_policy_clock_check_at(struct pop3_policy_clock_check *check,
				double host, double steady)
{
	bool wrong;

	pop3_policy_clock_check_step(check, host, steady);
	wrong = check->stepped || pop3_policy_clock_disagrees(check);
	if (wrong == check->wrong)
		return !wrong;
	check->wrong = wrong;
	if (!wrong) {
		e_info(check->event, "The clocks are well again: messages are "
		       "removed by time");
	} else if (check->stepped) {
		e_warning(check->event, "This host's clock was set by %+.0f s: "
			  "nothing is removed by time until it is set back, or "
			  "has gone well for an hour", check->stepped_by);
	} else {
		e_warning(check->event, "The database's clock is %+.0f s ahead "
			  "of this host's: nothing is removed by time until "
			  "they agree within %d s", check->ahead,
			  POP3_POLICY_CLOCK_MAX_SECS);
	}
	return !wrong;
}

bool pop3_policy_clock_check_database_at(struct pop3_policy_clock_check *check,
					 double database, double host,
					 double steady)
{
	check->ahead = database - host;
	return pop3_policy_clock_check_at(check, host, steady);
}

static double pop3_policy_clock_get(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts) < 0)
		i_fatal("clock_gettime() failed: %m");
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void pop3_policy_clock_check_database(struct pop3_policy_clock_check *check,
				      const char *now)
{
	(void)pop3_policy_clock_check_database_at(check, strtod(now, NULL),
		pop3_policy_clock_get(CLOCK_REALTIME),
		pop3_policy_clock_get(CLOCK_BOOTTIME));
}

bool pop3_policy_clock_is_right(struct pop3_policy_clock_check *check)
{
	return pop3_policy_clock_check_at(check,
		pop3_policy_clock_get(CLOCK_REALTIME),
		pop3_policy_clock_get(CLOCK_BOOTTIME));
}
