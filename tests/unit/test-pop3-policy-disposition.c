/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dispositions at UPDATE. The expected outcomes are written out below. */

#include "lib.h"
#include "test-common.h"
#include "pop3-policy-disposition.h"
#include "test-pop3-policy-engine.h"

#define NO "none none"
#define X_D "expunge dele"
#define X_R "expunge retrieved"
#define M_D "move dele"
#define M_R "move retrieved"
#define H_D "hide dele"
#define H_R "hide retrieved"

/* Outcomes for one way of enforcing. A message is deleted by the client
   (rows: on_dele = delete, hide, move, refuse), retrieved (columns:
   on_retrieve = keep, hide, move, delete), or both. */
struct outcomes {
	const char *dele[4];
	const char *retrieved[4];
	const char *both[4][4];
};

static const struct outcomes enforced = {
	.dele = { X_D, H_D, M_D, NO },
	.retrieved = { NO, H_R, M_R, X_R },
	.both = { { X_D, X_D, X_D, X_D },
		  { H_D, H_D, M_R, X_R },
		  { M_D, M_D, M_D, X_R },
		  { NO, H_R, M_R, X_R } },
};
static const struct outcomes enforced_hold = {
	.dele = { H_D, H_D, H_D, NO },
	.retrieved = { NO, H_R, H_R, H_R },
	.both = { { H_D, H_D, H_D, H_D },
		  { H_D, H_D, H_D, H_D },
		  { H_D, H_D, H_D, H_D },
		  { NO, H_R, H_R, H_R } },
};
/* RFC 1939 alone */
static const struct outcomes plain = {
	.dele = { X_D, X_D, X_D, X_D },
	.retrieved = { NO, NO, NO, NO },
	.both = { { X_D, X_D, X_D, X_D },
		  { X_D, X_D, X_D, X_D },
		  { X_D, X_D, X_D, X_D },
		  { X_D, X_D, X_D, X_D } },
};
static const struct outcomes plain_hold = {
	.dele = { H_D, H_D, H_D, H_D },
	.retrieved = { NO, NO, NO, NO },
	.both = { { H_D, H_D, H_D, H_D },
		  { H_D, H_D, H_D, H_D },
		  { H_D, H_D, H_D, H_D },
		  { H_D, H_D, H_D, H_D } },
};
/* observe: what enforce would have done, where that is something else */
static const struct outcomes would = {
	.dele = { NO, H_D, M_D, NO },
	.retrieved = { NO, H_R, M_R, X_R },
	.both = { { NO, NO, NO, NO },
		  { H_D, H_D, M_R, NO },
		  { M_D, M_D, M_D, NO },
		  { NO, H_R, M_R, NO } },
};
static const struct outcomes would_hold = {
	.dele = { NO, NO, NO, NO },
	.retrieved = { NO, H_R, H_R, H_R },
	.both = { { NO, NO, NO, NO },
		  { NO, NO, NO, NO },
		  { NO, NO, NO, NO },
		  { NO, NO, NO, NO } },
};
static const struct outcomes nothing = {
	.dele = { NO, NO, NO, NO },
	.retrieved = { NO, NO, NO, NO },
	.both = { { NO, NO, NO, NO },
		  { NO, NO, NO, NO },
		  { NO, NO, NO, NO },
		  { NO, NO, NO, NO } },
};

/* [enforcement][hold] */
static const struct outcomes *const actual_outcomes[3][2] = {
	[POP3_POLICY_ENFORCEMENT_OFF] = { &plain, &plain_hold },
	[POP3_POLICY_ENFORCEMENT_OBSERVE] = { &plain, &plain_hold },
	[POP3_POLICY_ENFORCEMENT_ENFORCE] = { &enforced, &enforced_hold },
};
static const struct outcomes *const would_outcomes[3][2] = {
	[POP3_POLICY_ENFORCEMENT_OFF] = { &nothing, &nothing },
	[POP3_POLICY_ENFORCEMENT_OBSERVE] = { &would, &would_hold },
	[POP3_POLICY_ENFORCEMENT_ENFORCE] = { &nothing, &nothing },
};

static const char *
expect(const struct outcomes *outcomes, bool dele, bool counts,
       unsigned int on_dele, unsigned int on_retrieve)
{
	if (dele && counts)
		return outcomes->both[on_dele][on_retrieve];
	if (dele)
		return outcomes->dele[on_dele];
	return counts ? outcomes->retrieved[on_retrieve] : NO;
}

static const char *
outcome(enum pop3_policy_action action, enum pop3_policy_reason reason)
{
	return t_strdup_printf("%s %s", pop3_policy_action_name(action),
			       pop3_policy_reason_name(reason));
}

static void
set_num(struct pop3_policy *policy, enum pop3_policy_param param, int64_t num)
{
	policy->values[param].num = num;
}

static void test_cell(unsigned int cell)
{
	unsigned int on_retrieve = cell & 3;
	unsigned int on_dele = (cell >> 2) & 3;
	unsigned int hold = (cell >> 4) & 1;
	const struct pop3_policy_message_facts facts = {
		.dele = ((cell >> 5) & 1) != 0,
		.retrieved = ((cell >> 6) & 1) != 0,
		.spared = ((cell >> 7) & 1) != 0,
		.master = ((cell >> 8) & 1) != 0,
	};
	unsigned int enforcement = cell >> 9;
	bool counts = facts.retrieved && !facts.spared && !facts.master;
	struct pop3_policy_disposition disp;
	struct pop3_policy policy;

	pop3_policy_init_builtin(&policy);
	set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT, enforcement);
	set_num(&policy, POP3_POLICY_PARAM_POP3_HOLD, hold);
	set_num(&policy, POP3_POLICY_PARAM_ON_DELE, on_dele);
	set_num(&policy, POP3_POLICY_PARAM_ON_RETRIEVE, on_retrieve);
	memset(&disp, 0x5a, sizeof(disp));
	pop3_policy_dispose(&policy, &facts, &disp);

	test_assert_strcmp_idx(outcome(disp.action, disp.reason),
		expect(actual_outcomes[enforcement][hold], facts.dele,
		       counts, on_dele, on_retrieve), cell);
	test_assert_strcmp_idx(outcome(disp.would_action, disp.would_reason),
		expect(would_outcomes[enforcement][hold], facts.dele,
		       counts, on_dele, on_retrieve), cell);
}

void test_disposition_cells(void)
{
	test_begin("dispositions: every cell");
	for (unsigned int cell = 0; cell < (3 << 9); cell++) T_BEGIN {
		test_cell(cell);
	} T_END;
	test_end();
}

void test_disposition_names(void)
{
	static const char *const actions[] =
		{ "none", "hide", "move", "expunge" };
	static const char *const reasons[] =
		{ "none", "dele", "retrieved", "expired-retrieved",
		  "expired-unretrieved", "expired-hidden", "leave-limit",
		  "quota", "mass-delete", "admin", "gone" };
	static const char *const unknown[] =
		{ "", "Expunge", "expunge ", "dele,", "expired_hidden" };
	enum pop3_policy_action action;
	enum pop3_policy_reason reason;
	unsigned int i;

	test_begin("dispositions: names");
	for (i = 0; i < N_ELEMENTS(actions); i++) {
		test_assert_strcmp_idx(pop3_policy_action_name(i),
				       actions[i], i);
		test_assert_idx(pop3_policy_action_parse(actions[i],
							 &action) == 0, i);
		test_assert_idx(action == (enum pop3_policy_action)i, i);
		test_assert_idx(pop3_policy_action_removes(i) == (i >= 2), i);
	}
	test_assert(N_ELEMENTS(reasons) == POP3_POLICY_REASON_COUNT);
	for (i = 0; i < N_ELEMENTS(reasons); i++) {
		test_assert_strcmp_idx(pop3_policy_reason_name(i),
				       reasons[i], i);
		test_assert_idx(pop3_policy_reason_parse(reasons[i],
							 &reason) == 0, i);
		test_assert_idx(reason == (enum pop3_policy_reason)i, i);
	}
	for (i = 0; i < N_ELEMENTS(unknown); i++) {
		test_assert_idx(pop3_policy_action_parse(unknown[i],
							 &action) == -1, i);
		test_assert_idx(pop3_policy_reason_parse(unknown[i],
							 &reason) == -1, i);
	}
	test_end();
}

void test_disposition_rules(void)
{
	static const struct {
		enum pop3_policy_enforcement enforcement;
		enum pop3_policy_yes_no hold;
		bool hides, filters_view, removes_due, needs_intent;
		enum pop3_policy_mode mode;
	} tests[] = {
		{ POP3_POLICY_ENFORCEMENT_OFF, POP3_POLICY_NO,
		  FALSE, FALSE, FALSE, FALSE, POP3_POLICY_MODE_NONE },
		{ POP3_POLICY_ENFORCEMENT_OFF, POP3_POLICY_YES,
		  TRUE, FALSE, FALSE, TRUE, POP3_POLICY_MODE_NONE },
		{ POP3_POLICY_ENFORCEMENT_OBSERVE, POP3_POLICY_NO,
		  FALSE, FALSE, FALSE, TRUE, POP3_POLICY_MODE_OBSERVE },
		{ POP3_POLICY_ENFORCEMENT_OBSERVE, POP3_POLICY_YES,
		  TRUE, FALSE, FALSE, TRUE, POP3_POLICY_MODE_NONE },
		{ POP3_POLICY_ENFORCEMENT_ENFORCE, POP3_POLICY_NO,
		  TRUE, TRUE, TRUE, TRUE, POP3_POLICY_MODE_ENFORCE },
		{ POP3_POLICY_ENFORCEMENT_ENFORCE, POP3_POLICY_YES,
		  TRUE, TRUE, FALSE, TRUE, POP3_POLICY_MODE_NONE },
	};
	struct pop3_policy policy;

	test_begin("dispositions: which rules apply");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		pop3_policy_init_builtin(&policy);
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			tests[i].enforcement);
		set_num(&policy, POP3_POLICY_PARAM_POP3_HOLD, tests[i].hold);
		test_assert_idx(pop3_policy_hides(&policy) ==
				tests[i].hides, i);
		test_assert_idx(pop3_policy_filters_view(&policy) ==
				tests[i].filters_view, i);
		test_assert_idx(pop3_policy_removes_due(&policy) ==
				tests[i].removes_due, i);
		test_assert_idx(pop3_policy_needs_intent(&policy) ==
				tests[i].needs_intent, i);
		test_assert_idx(pop3_policy_mode(&policy) ==
				tests[i].mode, i);
	}
	test_end();
}

/* A mass deletion's DELEs hide, whatever on_dele says; on_retrieve goes its
   own way. [on_dele][on_retrieve], for what was retrieved as well */
void test_disposition_mass_delete(void)
{
#define H_M "hide mass-delete"
	static const char *const both[4] = { H_M, H_M, M_R, X_R };
	struct pop3_policy_message_facts facts = {
		.dele = TRUE, .mass_delete = TRUE,
	};
	struct pop3_policy_disposition disp;
	struct pop3_policy policy;
	unsigned int cell, on_retrieve;

	test_begin("dispositions: mass deletion");
	for (cell = 0; cell < 2 << 4; cell++) T_BEGIN {
		on_retrieve = cell & 3;
		pop3_policy_init_builtin(&policy);
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_ENFORCE);
		set_num(&policy, POP3_POLICY_PARAM_ON_RETRIEVE, on_retrieve);
		set_num(&policy, POP3_POLICY_PARAM_ON_DELE, (cell >> 2) & 3);
		facts.retrieved = cell >> 4;
		pop3_policy_dispose(&policy, &facts, &disp);
		test_assert_strcmp_idx(outcome(disp.action, disp.reason),
			facts.retrieved ? both[on_retrieve] : H_M, cell);
		/* a hold hides by its own reason */
		set_num(&policy, POP3_POLICY_PARAM_POP3_HOLD, POP3_POLICY_YES);
		set_num(&policy, POP3_POLICY_PARAM_ON_DELE,
			POP3_POLICY_ON_DELE_DELETE);
		pop3_policy_dispose(&policy, &facts, &disp);
		test_assert_strcmp_idx(outcome(disp.action, disp.reason),
				       H_D, cell);
		/* and where nothing is enforced, DELE is RFC 1939's */
		set_num(&policy, POP3_POLICY_PARAM_POP3_HOLD, POP3_POLICY_NO);
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_OBSERVE);
		pop3_policy_dispose(&policy, &facts, &disp);
		test_assert_strcmp_idx(outcome(disp.action, disp.reason),
				       X_D, cell);
	} T_END;
	test_end();
}

/* What on_retrieve removes stays, all else is as it is. */
void test_disposition_paused(void)
{
	static const struct outcomes paused = {
		.dele = { X_D, H_D, M_D, NO },
		.retrieved = { NO, H_R, NO, NO },
		.both = { { X_D, X_D, X_D, X_D },
			  { H_D, H_D, H_D, H_D },
			  { M_D, M_D, M_D, M_D },
			  { NO, H_R, NO, NO } },
	};
	struct pop3_policy_message_facts facts;
	struct pop3_policy_disposition disp;
	struct pop3_policy policy;
	unsigned int cell, hold, on_dele, on_retrieve;

	test_begin("dispositions: paused");
	for (cell = 0; cell < 2 << 6; cell++) T_BEGIN {
		on_retrieve = cell & 3;
		on_dele = (cell >> 2) & 3;
		hold = (cell >> 6) & 1;
		i_zero(&facts);
		facts.dele = ((cell >> 4) & 1) != 0;
		facts.retrieved = ((cell >> 5) & 1) != 0;
		pop3_policy_init_builtin(&policy);
		test_assert_idx(!policy.paused, cell);
		policy.paused = TRUE;
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_ENFORCE);
		set_num(&policy, POP3_POLICY_PARAM_POP3_HOLD, hold);
		set_num(&policy, POP3_POLICY_PARAM_ON_DELE, on_dele);
		set_num(&policy, POP3_POLICY_PARAM_ON_RETRIEVE, on_retrieve);
		set_num(&policy, POP3_POLICY_PARAM_EXPIRE_RETRIEVED, 86400);

		pop3_policy_dispose(&policy, &facts, &disp);
		test_assert_strcmp_idx(outcome(disp.action, disp.reason),
			expect(hold != 0 ? &enforced_hold : &paused,
			       facts.dele, facts.retrieved, on_dele,
			       on_retrieve), cell);
		test_assert_idx(!pop3_policy_removes_due(&policy), cell);
		/* the view and intents are as without */
		test_assert_idx(pop3_policy_hides(&policy) &&
				pop3_policy_filters_view(&policy) &&
				pop3_policy_needs_intent(&policy), cell);
		/* and what CAPA announces holds after it */
		test_assert_idx((pop3_policy_expire_days(&policy) == -1) ==
				(hold != 0), cell);
	} T_END;
	test_end();
}

void test_disposition_marks_seen(void)
{
	static const enum pop3_policy_yes_no words[] = {
		POP3_POLICY_NO, POP3_POLICY_YES,
		POP3_POLICY_MARK_SEEN_AS_CONFIGURED,
	};
	struct pop3_policy policy;
	unsigned int i, enforcement;

	test_begin("dispositions: mark_seen");
	pop3_policy_init_builtin(&policy);
	test_assert(pop3_policy_marks_seen(&policy) ==
		    POP3_POLICY_MARK_SEEN_AS_CONFIGURED);
	for (i = 0; i < N_ELEMENTS(words); i++) {
		set_num(&policy, POP3_POLICY_PARAM_MARK_SEEN, words[i]);
		for (enforcement = POP3_POLICY_ENFORCEMENT_OFF;
		     enforcement <= POP3_POLICY_ENFORCEMENT_ENFORCE;
		     enforcement++) {
			set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
				enforcement);
			test_assert_idx(pop3_policy_marks_seen(&policy) ==
				(enforcement ==
				 POP3_POLICY_ENFORCEMENT_ENFORCE ? words[i] :
				 POP3_POLICY_MARK_SEEN_AS_CONFIGURED), i);
		}
	}
	test_end();
}

void test_disposition_limits_leaving(void)
{
	static const struct {
		int64_t messages, bytes;
		bool limits;
	} tests[] = {
		{ POP3_POLICY_UNLIMITED, POP3_POLICY_UNLIMITED, FALSE },
		{ 0, POP3_POLICY_UNLIMITED, TRUE },
		{ POP3_POLICY_UNLIMITED, 0, TRUE },
		{ 1000, 1000, TRUE },
	};
	struct pop3_policy policy;

	test_begin("dispositions: leave limits");
	pop3_policy_init_builtin(&policy);
	test_assert(!pop3_policy_limits_leaving(&policy));
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		set_num(&policy, POP3_POLICY_PARAM_LEAVE_MAX_MESSAGES,
			tests[i].messages);
		set_num(&policy, POP3_POLICY_PARAM_LEAVE_MAX_BYTES,
			tests[i].bytes);
		test_assert_idx(pop3_policy_limits_leaving(&policy) ==
				tests[i].limits, i);
	}
	test_end();
}

#define NEVER POP3_POLICY_NEVER
#define DAY 86400
#define KEEP POP3_POLICY_ON_RETRIEVE_KEEP
#define HIDE POP3_POLICY_ON_RETRIEVE_HIDE
#define MOVE POP3_POLICY_ON_RETRIEVE_MOVE
#define DELETE POP3_POLICY_ON_RETRIEVE_DELETE

void test_disposition_expire_days(void)
{
	static const struct {
		enum pop3_policy_on_retrieve on_retrieve;
		int64_t retrieved, unretrieved, hidden;
		int days;
	} tests[] = {
		{ KEEP, NEVER, NEVER, NEVER, -1 },
		{ KEEP, 14 * DAY, NEVER, NEVER, 14 },
		{ KEEP, NEVER, 60 * DAY, NEVER, 60 },
		{ KEEP, 7 * DAY, 60 * DAY, NEVER, 7 },
		{ KEEP, 60 * DAY, 7 * DAY, NEVER, 7 },
		/* whole days, rounded down */
		{ KEEP, 36 * 3600, NEVER, NEVER, 1 },
		{ KEEP, DAY - 1, NEVER, NEVER, 0 },
		{ KEEP, DAY, NEVER, NEVER, 1 },
		{ KEEP, 2 * DAY - 1, NEVER, NEVER, 1 },
		{ KEEP, 0, NEVER, NEVER, 0 },
		{ KEEP, NEVER, 1, NEVER, 0 },
		{ KEEP, 36525LL * DAY, NEVER, NEVER, 36525 },
		/* expire_hidden counts only if retrieval hides */
		{ KEEP, NEVER, NEVER, DAY, -1 },
		{ KEEP, 14 * DAY, NEVER, DAY, 14 },
		{ HIDE, NEVER, NEVER, NEVER, -1 },
		{ HIDE, NEVER, NEVER, DAY, 1 },
		{ HIDE, 14 * DAY, 60 * DAY, 30 * DAY, 14 },
		{ HIDE, 14 * DAY, 60 * DAY, DAY, 1 },
		{ DELETE, NEVER, NEVER, NEVER, 0 },
		{ DELETE, 14 * DAY, 60 * DAY, DAY, 0 },
		{ MOVE, NEVER, NEVER, DAY, -1 },
		{ MOVE, 14 * DAY, NEVER, NEVER, 14 },
	};
	struct pop3_policy policy;

	test_begin("dispositions: EXPIRE");
	for (unsigned int i = 0; i < N_ELEMENTS(tests); i++) {
		pop3_policy_init_builtin(&policy);
		set_num(&policy, POP3_POLICY_PARAM_ON_RETRIEVE,
			tests[i].on_retrieve);
		set_num(&policy, POP3_POLICY_PARAM_EXPIRE_RETRIEVED,
			tests[i].retrieved);
		set_num(&policy, POP3_POLICY_PARAM_EXPIRE_UNRETRIEVED,
			tests[i].unretrieved);
		set_num(&policy, POP3_POLICY_PARAM_EXPIRE_HIDDEN,
			tests[i].hidden);

		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_ENFORCE);
		test_assert_idx(pop3_policy_expire_days(&policy) ==
				tests[i].days, i);
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_OBSERVE);
		test_assert_idx(pop3_policy_expire_days(&policy) == -1, i);
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_OFF);
		test_assert_idx(pop3_policy_expire_days(&policy) == -1, i);
		set_num(&policy, POP3_POLICY_PARAM_ENFORCEMENT,
			POP3_POLICY_ENFORCEMENT_ENFORCE);
		set_num(&policy, POP3_POLICY_PARAM_POP3_HOLD, POP3_POLICY_YES);
		test_assert_idx(pop3_policy_expire_days(&policy) == -1, i);
	}
	test_end();
}
