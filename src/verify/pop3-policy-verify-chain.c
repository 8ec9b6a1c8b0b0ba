/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "pop3-policy-verify-chain-private.h"
#include "pop3-policy-verify-checkpoint.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-row.h"

/* Numbers that no seal covers. */
struct verify_gap {
	int64_t first, last;
	uint64_t present;
	/* 0 if none is missing */
	int64_t first_missing, last_missing;
};

struct pop3_policy_verify_row *
pop3_policy_verify_chain_take(struct pop3_policy_verify_chain *chain,
			      int64_t limit)
{
	const struct pop3_policy_verify_row *row =
		pop3_policy_verify_rows_peek(chain->set.rows);

	if (row == NULL || row->seq > limit ||
	    memcmp(row->chain_id, chain->set.chain_id,
		   sizeof(row->chain_id)) != 0)
		return NULL;
	return pop3_policy_verify_rows_take(chain->set.rows);
}

void pop3_policy_verify_chain_absolve(struct pop3_policy_verify_chain *chain)
{
	if (chain->suspect != NULL) {
		pop3_policy_verify_finding_set(chain->suspect,
			"altered: its MAC in the seal");
		chain->suspect = NULL;
	}
}

void pop3_policy_verify_chain_late(struct pop3_policy_verify_chain *chain,
				   const struct pop3_policy_verify_row *row)
{
	(void)pop3_policy_verify_report_row(chain->set.report, row,
		"altered: the time of its seal, which is before its own");
}

struct pop3_policy_verify_chain *
pop3_policy_verify_chain_begin(
	const struct pop3_policy_verify_chain_settings *set)
{
	struct pop3_policy_verify_chain *chain;

	chain = i_new(struct pop3_policy_verify_chain, 1);
	chain->set = *set;
	chain->expected = 1;
	chain->form = buffer_create_dynamic(default_pool, 512);
	return chain;
}

/* --- checkpoints --- */

/* Those up to this number are not looked at. */
static void verify_chain_skip_checkpoints(struct pop3_policy_verify_chain *chain,
					  int64_t last)
{
	struct pop3_policy_verify_checkpoints *checkpoints =
		chain->set.checkpoints;
	const struct pop3_policy_verify_checkpoint *checkpoint;

	if (checkpoints == NULL)
		return;
	while ((checkpoint = pop3_policy_verify_checkpoints_peek(
			checkpoints)) != NULL && checkpoint->seq <= last)
		pop3_policy_verify_checkpoints_next(checkpoints);
}

static void
verify_chain_checkpoint(struct pop3_policy_verify_chain *chain, int64_t seq,
			const unsigned char *mac)
{
	const struct pop3_policy_verify_checkpoint *checkpoint;

	if (chain->set.checkpoints == NULL)
		return;
	while ((checkpoint = pop3_policy_verify_checkpoints_peek(
			chain->set.checkpoints)) != NULL &&
	       checkpoint->seq <= seq) {
		const char *when =
			pop3_policy_verify_time(checkpoint->time * 1000000);

		if (checkpoint->seq == seq &&
		    memcmp(checkpoint->mac, mac,
			   sizeof(checkpoint->mac)) != 0) {
			(void)pop3_policy_verify_report_add(chain->set.report,
				chain->set.chain_id, seq, seq,
				"another MAC than the checkpoint of %s on "
				"this host", when);
		} else if (checkpoint->seq < seq &&
			   checkpoint->seq >= chain->skip_below &&
			   checkpoint->seq > chain->set.retained_after) {
			(void)pop3_policy_verify_report_add(chain->set.report,
				chain->set.chain_id, checkpoint->seq,
				checkpoint->seq, "not sealed any more; it was "
				"at the checkpoint of %s on this host", when);
		}
		pop3_policy_verify_checkpoints_next(chain->set.checkpoints);
	}
}

/* --- numbers without a seal --- */

static void verify_gap_missing(struct verify_gap *gap, int64_t first,
			       int64_t last)
{
	if (first > last)
		return;
	if (gap->first_missing == 0)
		gap->first_missing = first;
	gap->last_missing = last;
}

/* Take the rows from the next number up to this one. */
static void verify_gap_take(struct pop3_policy_verify_chain *chain,
			    int64_t last, struct verify_gap *gap_r)
{
	struct pop3_policy_verify_row *row;
	int64_t next = chain->expected;

	i_zero(gap_r);
	gap_r->first = chain->expected;
	gap_r->last = last;
	while ((row = pop3_policy_verify_chain_take(chain, last)) != NULL) {
		if (row->seq > 0 && row->seq < chain->skip_below) {
			/* of batches before those that are looked at */
			if (row->table == POP3_POLICY_VERIFY_AUDIT &&
			    row->at >= chain->set.since)
				pop3_policy_verify_chain_late(chain, row);
		} else if (row->seq < next) {
			pop3_policy_verify_report_inserted(chain->set.report,
				&row, row->seq < gap_r->first ?
				"inserted: it has no number in the chain" :
				"inserted: another row has its number");
			continue;
		} else {
			verify_gap_missing(gap_r, next, row->seq - 1);
			next = row->seq + 1;
			gap_r->present++;
		}
		pop3_policy_verify_rows_free(chain->set.rows, &row);
	}
	verify_gap_missing(gap_r, next, last);
}

static void verify_gap_unsealed(struct pop3_policy_verify_chain *chain,
				const struct verify_gap *gap)
{
	struct pop3_policy_verify_counts *counts = &chain->counts;

	if (gap->present == 0)
		return;
	if (chain->begun) {
		(void)pop3_policy_verify_report_add(chain->set.report,
			chain->set.chain_id, gap->first, gap->last,
			"not sealed: %"PRIu64" rows that no seal covers, after "
			"sealed ones", gap->present);
	}
	if (counts->unsealed == 0)
		counts->unsealed_first = gap->first;
	counts->unsealed += gap->present;
	counts->unsealed_last = gap->last;
}

/* Of rows that no seal covers some are not there. */
static void verify_gap_removed(struct pop3_policy_verify_chain *chain,
			       const struct verify_gap *gap)
{
	if (gap->first_missing == 0)
		return;
	if (gap->last_missing <= chain->set.retained_after) {
		chain->counts.dropped +=
			(gap->last - gap->first + 1) - gap->present;
		return;
	}
	(void)pop3_policy_verify_report_add(chain->set.report,
		chain->set.chain_id,
		I_MAX(gap->first_missing, chain->set.retained_after + 1),
		gap->last_missing, "removed, of rows that are not sealed");
}

static void
verify_gap_before(struct pop3_policy_verify_chain *chain,
		  const struct pop3_policy_verify_seal *seal)
{
	struct pop3_policy_verify_report *report = chain->set.report;
	struct verify_gap gap;

	static const unsigned char zeros[POP3_POLICY_CHAIN_MAC_SIZE];

	if (chain->set.has_since && !chain->begun &&
	    memcmp(seal->prev_mac, zeros, sizeof(zeros)) == 0) {
		/* the chain's first seal: what is before it has none, and may
		   be older than what was read */
		chain->skip_below = chain->expected = seal->first_seq;
	}
	verify_gap_take(chain, seal->first_seq - 1, &gap);
	if (gap.first > gap.last)
		return;
	if (memcmp(seal->prev_mac, chain->last_mac,
		   sizeof(chain->last_mac)) == 0) {
		verify_gap_unsealed(chain, &gap);
		verify_gap_removed(chain, &gap);
		return;
	}
	verify_chain_skip_checkpoints(chain, gap.last);
	if (gap.last <= chain->set.retained_after) {
		chain->counts.dropped += gap.last - gap.first + 1;
	} else if (gap.present > 0) {
		(void)pop3_policy_verify_report_add(report, seal->chain_id,
			gap.first, gap.last,
			"removed: their seal (%"PRIu64" of the rows are "
			"there)", gap.present);
	} else if (!chain->begun) {
		(void)pop3_policy_verify_report_add(report, seal->chain_id,
			gap.first, gap.last, "removed, with their seals: the "
			"beginning of the chain is missing");
	} else {
		(void)pop3_policy_verify_report_add(report, seal->chain_id,
			gap.first, gap.last, "removed, with their seals");
	}
}

/* --- seals --- */

static void verify_chain_last(struct pop3_policy_verify_chain *chain,
			      const struct pop3_policy_verify_seal *seal)
{
	unsigned int count = seal->last_seq - seal->first_seq + 1;

	memcpy(chain->last_mac, seal->macs +
	       (count - 1) * POP3_POLICY_CHAIN_MAC_SIZE,
	       sizeof(chain->last_mac));
	chain->expected = seal->last_seq + 1;
}

void pop3_policy_verify_chain_resume(struct pop3_policy_verify_chain *chain,
				     const struct pop3_policy_verify_seal *seal)
{
	verify_chain_last(chain, seal);
	chain->skip_below = chain->expected;
	chain->begun = TRUE;
}

void pop3_policy_verify_chain_seal(struct pop3_policy_verify_chain *chain,
				   const struct pop3_policy_verify_seal *seal)
{
	const struct pop3_policy_verify_key *key;
	unsigned int i, count;
	bool follows;

	chain->counts.seals++;
	if (seal->first_seq < chain->expected ||
	    seal->last_seq < seal->first_seq) {
		(void)pop3_policy_verify_report_add(chain->set.report,
			seal->chain_id, seal->first_seq, seal->last_seq,
			"inserted: a second seal of these numbers");
		return;
	}
	verify_gap_before(chain, seal);
	follows = seal->first_seq == chain->expected;
	if (!follows) {
		chain->have_other = FALSE;
		chain->suspect = NULL;
	}
	key = pop3_policy_verify_key_find(chain->set.keys, seal->key_id);
	count = seal->last_seq - seal->first_seq + 1;
	for (i = 0; i < count; i++) T_BEGIN {
		verify_chain_checkpoint(chain, seal->first_seq + i,
			seal->macs + i * POP3_POLICY_CHAIN_MAC_SIZE);
		pop3_policy_verify_number(chain, seal, i, follows, &key);
		chain->begun = TRUE;
	} T_END;
	if (key == NULL) {
		(void)pop3_policy_verify_report_add(chain->set.report,
			seal->chain_id, seal->first_seq, seal->last_seq,
			"cannot be verified: key %s is not known", seal->key_id);
	}
	verify_chain_last(chain, seal);
}

/* --- the end --- */

/* Returns TRUE if something was missing or too much. */
static bool verify_chain_tail(struct pop3_policy_verify_chain *chain,
			      int64_t head_seq, bool sealed)
{
	struct pop3_policy_verify_report *report = chain->set.report;
	struct verify_gap gap;

	verify_gap_take(chain, head_seq, &gap);
	if (gap.first > gap.last)
		return FALSE;
	verify_gap_unsealed(chain, &gap);
	if (!sealed) {
		verify_gap_removed(chain, &gap);
	} else if (gap.first_missing > 0 &&
		   gap.last_missing > chain->set.retained_after) {
		(void)pop3_policy_verify_report_add(report,
			chain->set.chain_id, gap.first_missing,
			gap.last_missing, "removed, with their seals: the end "
			"of the chain is missing");
	} else if (gap.first_missing > 0) {
		chain->counts.dropped +=
			(gap.last - gap.first + 1) - gap.present;
	}
	return gap.first_missing > 0;
}

static void verify_chain_head(struct pop3_policy_verify_chain *chain,
			      bool tail_found)
{
	struct pop3_policy_verify_report *report = chain->set.report;
	const struct pop3_policy_verify_head *head = chain->set.head;

	if (head == NULL) {
		(void)pop3_policy_verify_report_add(report,
			chain->set.chain_id, 0, 0,
			"removed: its row in pop3.chain");
		return;
	}
	if (head->last_seq < chain->expected - 1) {
		(void)pop3_policy_verify_report_add(report,
			chain->set.chain_id, 0, 0, "altered: last_seq in "
			"pop3.chain is %"PRId64", and seq %"PRId64" is sealed",
			head->last_seq, chain->expected - 1);
	}
	if (!chain->begun && !head->have_mac)
		return;
	if (chain->begun && head->have_mac &&
	    memcmp(head->last_mac, chain->last_mac,
		   sizeof(chain->last_mac)) == 0)
		return;
	if (chain->begun && head->have_mac && chain->have_other &&
	    memcmp(head->last_mac, chain->other_mac,
		   sizeof(chain->other_mac)) == 0)
		pop3_policy_verify_chain_absolve(chain);
	else if (!chain->begun &&
		 head->last_seq <= chain->set.retained_after)
		/* there is none of it any more */;
	else if (!chain->begun && head->have_mac)
		(void)pop3_policy_verify_report_add(report,
			chain->set.chain_id, 0, 0,
			"removed: all seals of the chain");
	else if (chain->begun != head->have_mac || !tail_found)
		(void)pop3_policy_verify_report_add(report,
			chain->set.chain_id, 0, 0, "altered: last_mac in "
			"pop3.chain is not that of the last seal");
}

static void verify_chain_last_checkpoint(struct pop3_policy_verify_chain *chain)
{
	const struct pop3_policy_verify_checkpoint *checkpoint;
	struct pop3_policy_verify_checkpoint last;

	if (chain->set.checkpoints == NULL)
		return;
	i_zero(&last);
	while ((checkpoint = pop3_policy_verify_checkpoints_peek(
			chain->set.checkpoints)) != NULL) {
		last = *checkpoint;
		pop3_policy_verify_checkpoints_next(chain->set.checkpoints);
	}
	if (last.seq < chain->expected ||
	    last.seq <= chain->set.retained_after)
		return;
	(void)pop3_policy_verify_report_add(chain->set.report,
		chain->set.chain_id, chain->expected, last.seq,
		"removed, with their seals: the chain went so far at the "
		"checkpoint of %s on this host",
		pop3_policy_verify_time(last.time * 1000000));
}

/* A fail-over to a standby that lagged; the service says so in both places. */
static void verify_chain_back(struct pop3_policy_verify_chain *chain)
{
	unsigned int back;

	if (chain->set.checkpoints == NULL || chain->set.has_since ||
	    chain->set.retained_after > 0)
		return;
	back = pop3_policy_verify_checkpoints_back(chain->set.checkpoints);
	if (back > chain->counts.back) {
		(void)pop3_policy_verify_report_add(chain->set.report,
			chain->set.chain_id, 0, 0, "its checkpoints say that "
			"it went back %u times, and the chain says %u times "
			"(event chain-back)", back, chain->counts.back);
	}
}

void pop3_policy_verify_chain_end(struct pop3_policy_verify_chain **_chain,
				  struct pop3_policy_verify_counts *counts_r)
{
	struct pop3_policy_verify_chain *chain = *_chain;
	const struct pop3_policy_verify_head *head = chain->set.head;
	struct pop3_policy_verify_row *row;
	int64_t head_seq = head == NULL ? chain->expected - 1 :
		I_MAX(head->last_seq, chain->expected - 1);
	/* without seals at all: the rows are older than what was read */
	bool skip = chain->set.has_until ||
		(chain->set.has_since && !chain->begun);
	bool sealed = chain->begun || (head != NULL && head->have_mac);
	bool tail_found = FALSE;

	*_chain = NULL;
	if (!skip)
		tail_found = verify_chain_tail(chain, head_seq, sealed);
	while ((row = pop3_policy_verify_chain_take(chain,
						    INT64_MAX)) != NULL) {
		if (skip) {
			pop3_policy_verify_rows_free(chain->set.rows, &row);
			continue;
		}
		pop3_policy_verify_report_inserted(chain->set.report, &row,
			t_strdup_printf("inserted: the chain ends at seq "
					"%"PRId64, head_seq));
	}
	if (!chain->set.has_until) {
		verify_chain_head(chain, tail_found);
		verify_chain_last_checkpoint(chain);
		verify_chain_back(chain);
	}
	*counts_r = chain->counts;
	buffer_free(&chain->form);
	i_free(chain);
}
