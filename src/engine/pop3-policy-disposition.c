/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* What becomes of a message at UPDATE. */

#include "lib.h"
#include "pop3-policy-disposition.h"

static const char *const action_names[] = {
	[POP3_POLICY_ACTION_NONE] = "none",
	[POP3_POLICY_ACTION_HIDE] = "hide",
	[POP3_POLICY_ACTION_MOVE] = "move",
	[POP3_POLICY_ACTION_EXPUNGE] = "expunge",
};

static const char *const reason_names[] = {
	[POP3_POLICY_REASON_NONE] = "none",
	[POP3_POLICY_REASON_DELE] = "dele",
	[POP3_POLICY_REASON_RETRIEVED] = "retrieved",
	[POP3_POLICY_REASON_EXPIRED_RETRIEVED] = "expired-retrieved",
	[POP3_POLICY_REASON_EXPIRED_UNRETRIEVED] = "expired-unretrieved",
	[POP3_POLICY_REASON_EXPIRED_HIDDEN] = "expired-hidden",
	[POP3_POLICY_REASON_LEAVE_LIMIT] = "leave-limit",
	[POP3_POLICY_REASON_QUOTA] = "quota",
	[POP3_POLICY_REASON_MASS_DELETE] = "mass-delete",
	[POP3_POLICY_REASON_ADMIN] = "admin",
	[POP3_POLICY_REASON_GONE] = "gone",
};
_Static_assert(N_ELEMENTS(reason_names) == POP3_POLICY_REASON_COUNT,
	       "every reason has a name");

const char *pop3_policy_action_name(enum pop3_policy_action action)
{
	i_assert(action < N_ELEMENTS(action_names));
	return action_names[action];
}

int pop3_policy_action_parse(const char *name,
			     enum pop3_policy_action *action_r)
{
	for (unsigned int i = 0; i < N_ELEMENTS(action_names); i++) {
		if (strcmp(action_names[i], name) == 0) {
			*action_r = (enum pop3_policy_action)i;
			return 0;
		}
	}
	return -1;
}

bool pop3_policy_action_removes(enum pop3_policy_action action)
{
	return action >= POP3_POLICY_ACTION_MOVE;
}

const char *pop3_policy_reason_name(enum pop3_policy_reason reason)
{
	i_assert(reason < N_ELEMENTS(reason_names));
	return reason_names[reason];
}

int pop3_policy_reason_parse(const char *name,
			     enum pop3_policy_reason *reason_r)
{
	for (unsigned int i = 0; i < N_ELEMENTS(reason_names); i++) {
		if (strcmp(reason_names[i], name) == 0) {
			*reason_r = (enum pop3_policy_reason)i;
			return 0;
		}
	}
	return -1;
}

static bool is_enforced(const struct pop3_policy *policy)
{
	return pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
		POP3_POLICY_ENFORCEMENT_ENFORCE;
}

static bool is_held(const struct pop3_policy *policy)
{
	return pop3_policy_num(policy, POP3_POLICY_PARAM_POP3_HOLD) ==
		POP3_POLICY_YES;
}

static enum pop3_policy_action
on_dele_action(const struct pop3_policy *policy)
{
	switch (pop3_policy_num(policy, POP3_POLICY_PARAM_ON_DELE)) {
	case POP3_POLICY_ON_DELE_DELETE:
		return POP3_POLICY_ACTION_EXPUNGE;
	case POP3_POLICY_ON_DELE_HIDE:
		return POP3_POLICY_ACTION_HIDE;
	case POP3_POLICY_ON_DELE_MOVE:
		return POP3_POLICY_ACTION_MOVE;
	case POP3_POLICY_ON_DELE_REFUSE:
		return POP3_POLICY_ACTION_NONE;
	}
	i_unreached();
}

static enum pop3_policy_action
on_retrieve_action(const struct pop3_policy *policy)
{
	switch (pop3_policy_num(policy, POP3_POLICY_PARAM_ON_RETRIEVE)) {
	case POP3_POLICY_ON_RETRIEVE_KEEP:
		return POP3_POLICY_ACTION_NONE;
	case POP3_POLICY_ON_RETRIEVE_HIDE:
		return POP3_POLICY_ACTION_HIDE;
	case POP3_POLICY_ON_RETRIEVE_MOVE:
		return POP3_POLICY_ACTION_MOVE;
	case POP3_POLICY_ON_RETRIEVE_DELETE:
		return POP3_POLICY_ACTION_EXPUNGE;
	}
	i_unreached();
}

/* One rule speaks. It wins only if it is stronger than those before it. */
static void
consider(enum pop3_policy_action rule_action,
	 enum pop3_policy_reason rule_reason, bool held,
	 enum pop3_policy_action *action, enum pop3_policy_reason *reason)
{
	/* a held message stays in the mailbox */
	if (held && rule_action > POP3_POLICY_ACTION_HIDE)
		rule_action = POP3_POLICY_ACTION_HIDE;
	if (rule_action > *action) {
		*action = rule_action;
		*reason = rule_reason;
	}
}

void pop3_policy_dispose(const struct pop3_policy *policy,
			 const struct pop3_policy_message_facts *facts,
			 struct pop3_policy_disposition *disposition_r)
{
	struct pop3_policy_disposition *disp = disposition_r;
	enum pop3_policy_action action = POP3_POLICY_ACTION_NONE;
	enum pop3_policy_reason reason = POP3_POLICY_REASON_NONE;
	bool held = is_held(policy);

	i_zero(disp);
	/* what enforce does; DELE first, so that it keeps a draw */
	if (facts->dele && facts->mass_delete && !held) {
		consider(POP3_POLICY_ACTION_HIDE, POP3_POLICY_REASON_MASS_DELETE,
			 held, &action, &reason);
	} else if (facts->dele) {
		consider(on_dele_action(policy), POP3_POLICY_REASON_DELE,
			 held, &action, &reason);
	}
	if (facts->retrieved && !facts->spared && !facts->master &&
	    (!policy->paused || held ||
	     !pop3_policy_action_removes(on_retrieve_action(policy)))) {
		consider(on_retrieve_action(policy),
			 POP3_POLICY_REASON_RETRIEVED, held, &action, &reason);
	}
	if (is_enforced(policy)) {
		disp->action = action;
		disp->reason = reason;
		return;
	}

	/* RFC 1939 as it is, but for the hold */
	if (facts->dele) {
		consider(POP3_POLICY_ACTION_EXPUNGE, POP3_POLICY_REASON_DELE,
			 held, &disp->action, &disp->reason);
	}
	if (pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) ==
	    POP3_POLICY_ENFORCEMENT_OBSERVE && action != disp->action) {
		disp->would_action = action;
		disp->would_reason = reason;
	}
}

bool pop3_policy_hides(const struct pop3_policy *policy)
{
	return is_enforced(policy) || is_held(policy);
}

bool pop3_policy_filters_view(const struct pop3_policy *policy)
{
	return is_enforced(policy);
}

bool pop3_policy_removes_due(const struct pop3_policy *policy)
{
	return is_enforced(policy) && !is_held(policy) && !policy->paused;
}

enum pop3_policy_mode pop3_policy_mode(const struct pop3_policy *policy)
{
	if (is_held(policy))
		return POP3_POLICY_MODE_NONE;
	switch (pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT)) {
	case POP3_POLICY_ENFORCEMENT_OFF:
		return POP3_POLICY_MODE_NONE;
	case POP3_POLICY_ENFORCEMENT_OBSERVE:
		return POP3_POLICY_MODE_OBSERVE;
	case POP3_POLICY_ENFORCEMENT_ENFORCE:
		return POP3_POLICY_MODE_ENFORCE;
	}
	i_unreached();
}

bool pop3_policy_limits_leaving(const struct pop3_policy *policy)
{
	return pop3_policy_num(policy, POP3_POLICY_PARAM_LEAVE_MAX_MESSAGES) !=
		POP3_POLICY_UNLIMITED ||
		pop3_policy_num(policy, POP3_POLICY_PARAM_LEAVE_MAX_BYTES) !=
		POP3_POLICY_UNLIMITED;
}

enum pop3_policy_yes_no
pop3_policy_marks_seen(const struct pop3_policy *policy)
{
	if (!is_enforced(policy))
		return POP3_POLICY_MARK_SEEN_AS_CONFIGURED;
	switch (pop3_policy_num(policy, POP3_POLICY_PARAM_MARK_SEEN)) {
	case POP3_POLICY_NO:
		return POP3_POLICY_NO;
	case POP3_POLICY_YES:
		return POP3_POLICY_YES;
	default:
		return POP3_POLICY_MARK_SEEN_AS_CONFIGURED;
	}
}

bool pop3_policy_needs_intent(const struct pop3_policy *policy)
{
	return pop3_policy_num(policy, POP3_POLICY_PARAM_ENFORCEMENT) !=
		POP3_POLICY_ENFORCEMENT_OFF || is_held(policy);
}

int pop3_policy_expire_days(const struct pop3_policy *policy)
{
	int64_t limits[4];
	int64_t seconds = POP3_POLICY_NEVER;
	unsigned int i, count = 0;

	/* a pause is no promise */
	if (!is_enforced(policy) || is_held(policy))
		return -1;

	limits[count++] = pop3_policy_num(policy,
		POP3_POLICY_PARAM_EXPIRE_RETRIEVED);
	limits[count++] = pop3_policy_num(policy,
		POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED);
	switch (pop3_policy_num(policy, POP3_POLICY_PARAM_ON_RETRIEVE)) {
	case POP3_POLICY_ON_RETRIEVE_DELETE:
		limits[count++] = 0;
		break;
	case POP3_POLICY_ON_RETRIEVE_HIDE:
		limits[count++] = pop3_policy_num(policy,
			POP3_POLICY_PARAM_EXPIRE_HIDDEN);
		break;
	}
	for (i = 0; i < count; i++) {
		if (limits[i] != POP3_POLICY_NEVER &&
		    (seconds == POP3_POLICY_NEVER || limits[i] < seconds))
			seconds = limits[i];
	}
	return seconds == POP3_POLICY_NEVER ? -1 : (int)(seconds / 86400);
}
