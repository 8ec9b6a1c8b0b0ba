/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "pop3-policy-verify-chain-private.h"
#include "pop3-policy-verify-db.h"
#include "pop3-policy-verify-row.h"

/* Rows outside the span that are looked for one by one. */
#define VERIFY_LOOKUPS_MAX 1000

/* The service noted that a fail-over lost the end of its chain, and wrote it
   again. */
#define VERIFY_EVENT_BACK "chain-back"

/* How a row fits a position. */
enum verify_fit {
	VERIFY_FIT_NOT = 0,
	VERIFY_FIT,
	/* but not the personal columns, or the salt */
	VERIFY_FIT_PERSONAL,
	/* but not the seal's digest */
	VERIFY_FIT_DIGEST,
	/* at the time of the seal */
	VERIFY_FIT_TIME,
	/* with another key */
	VERIFY_FIT_KEY
};

/* Which MAC it follows. */
enum verify_prev {
	/* as the position says */
	VERIFY_PREV_OWN = 0,
	/* the last one of the seal before */
	VERIFY_PREV_LAST,
	/* that which the last row had to have */
	VERIFY_PREV_OTHER
};

struct verify_result {
	enum verify_fit fit;
	enum verify_prev prev;
	const struct pop3_policy_verify_key *key;
};

static void verify_position_init(struct pop3_policy_verify_position *position,
				 const struct pop3_policy_verify_seal *seal,
				 unsigned int i,
				 const struct pop3_policy_verify_key *key)
{
	const size_t mac_size = POP3_POLICY_CHAIN_MAC_SIZE;

	i_zero(position);
	memcpy(position->chain_id, seal->chain_id, sizeof(position->chain_id));
	position->seq = seal->first_seq + i;
	position->key = key;
	position->at = seal->at;
	memcpy(position->prev, i == 0 ? seal->prev_mac :
	       seal->macs + (i - 1) * mac_size, mac_size);
	memcpy(position->mac, seal->macs + i * mac_size, mac_size);
	memcpy(position->digest, seal->digests + i * mac_size, mac_size);
	memcpy(position->salt, seal->salts + i * POP3_POLICY_CHAIN_SALT_SIZE,
	       POP3_POLICY_CHAIN_SALT_SIZE);
}

static bool verify_is_erased(const struct pop3_policy_verify_position *position)
{
	static const unsigned char zeros[POP3_POLICY_CHAIN_SALT_SIZE];

	return memcmp(position->salt, zeros, sizeof(zeros)) == 0;
}

static void
verify_row_mac(struct pop3_policy_verify_chain *chain,
	       const struct pop3_policy_verify_position *position,
	       const struct pop3_policy_verify_key *key,
	       const unsigned char *prev,
	       const struct pop3_policy_verify_row *row, const int64_t *at,
	       const unsigned char *digest,
	       unsigned char mac_r[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE])
{
	buffer_set_used_size(chain->form, 0);
	T_BEGIN {
		pop3_policy_verify_row_public(row, at, chain->form);
	} T_END;
	pop3_policy_chain_mac_row(key->mac, prev, position->chain_id,
				  position->seq,
				  pop3_policy_verify_row_kind(row),
				  chain->form, digest, mac_r);
}

static enum verify_fit
verify_fit(struct pop3_policy_verify_chain *chain,
	   const struct pop3_policy_verify_position *position,
	   const struct pop3_policy_verify_key *key,
	   const unsigned char *prev,
	   const struct pop3_policy_verify_row *row)
{
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];
	unsigned char digest[POP3_POLICY_CHAIN_MAC_SIZE];
	bool erased = verify_is_erased(position);

	pop3_policy_chain_mac_digest(key->mac, position->salt, row->personal,
				     digest);
	verify_row_mac(chain, position, key, prev, row, NULL,
		       position->digest, mac);
	if (memcmp(mac, position->mac, sizeof(mac)) == 0) {
		return erased || memcmp(digest, position->digest,
					sizeof(digest)) == 0 ?
			VERIFY_FIT : VERIFY_FIT_PERSONAL;
	}
	if (!erased) {
		verify_row_mac(chain, position, key, prev, row, NULL, digest,
			       mac);
		if (memcmp(mac, position->mac, sizeof(mac)) == 0)
			return VERIFY_FIT_DIGEST;
	}
	if (row->table == POP3_POLICY_VERIFY_AUDIT) {
		verify_row_mac(chain, position, key, prev, row, &position->at,
			       position->digest, mac);
		if (memcmp(mac, position->mac, sizeof(mac)) == 0)
			return VERIFY_FIT_TIME;
	}
	return VERIFY_FIT_NOT;
}

static void
verify_fit_any(struct pop3_policy_verify_chain *chain,
	       const struct pop3_policy_verify_position *position, bool first,
	       const struct pop3_policy_verify_row *row,
	       struct verify_result *result_r)
{
	const struct pop3_policy_verify_key *key;

	i_zero(result_r);
	result_r->key = position->key;
	if (position->key != NULL) {
		result_r->fit = verify_fit(chain, position, position->key,
					   position->prev, row);
		if (result_r->fit == VERIFY_FIT_NOT && first) {
			result_r->prev = VERIFY_PREV_LAST;
			result_r->fit = verify_fit(chain, position,
						   position->key,
						   chain->last_mac, row);
		}
		if (result_r->fit == VERIFY_FIT_NOT && chain->have_other) {
			result_r->prev = VERIFY_PREV_OTHER;
			result_r->fit = verify_fit(chain, position,
						   position->key,
						   chain->other_mac, row);
		}
		if (result_r->fit != VERIFY_FIT_NOT)
			return;
	}
	result_r->prev = VERIFY_PREV_OWN;
	for (key = chain->set.keys; key != NULL; key = key->next) {
		if (key != position->key &&
		    verify_fit(chain, position, key, position->prev, row) ==
		    VERIFY_FIT) {
			result_r->fit = VERIFY_FIT_KEY;
			result_r->key = key;
			return;
		}
	}
}

static void
verify_report_prev(struct pop3_policy_verify_chain *chain,
		   const struct pop3_policy_verify_seal *seal, bool first,
		   enum verify_prev prev)
{
	struct pop3_policy_verify_report *report = chain->set.report;

	switch (prev) {
	case VERIFY_PREV_OWN:
		if (!first || memcmp(seal->prev_mac, chain->last_mac,
				     sizeof(chain->last_mac)) == 0)
			break;
		if (chain->have_other &&
		    memcmp(seal->prev_mac, chain->other_mac,
			   sizeof(chain->other_mac)) == 0) {
			pop3_policy_verify_chain_absolve(chain);
			break;
		}
		(void)pop3_policy_verify_report_add(report, seal->chain_id,
			seal->first_seq, seal->first_seq,
			"altered: its seal says that another MAC is before it "
			"than is there");
		break;
	case VERIFY_PREV_LAST:
		(void)pop3_policy_verify_report_add(report, seal->chain_id,
			seal->first_seq, seal->last_seq,
			"altered: prev_mac of their seal");
		break;
	case VERIFY_PREV_OTHER:
		pop3_policy_verify_chain_absolve(chain);
		break;
	}
}

static void
verify_number_fits(struct pop3_policy_verify_chain *chain,
		   const struct pop3_policy_verify_position *position,
		   const struct pop3_policy_verify_row *row,
		   enum verify_fit fit)
{
	struct pop3_policy_verify_report *report = chain->set.report;

	switch (fit) {
	case VERIFY_FIT_NOT:
		i_unreached();
	case VERIFY_FIT:
	case VERIFY_FIT_KEY:
		chain->counts.verified++;
		if (row->table == POP3_POLICY_VERIFY_AUDIT &&
		    row->at > position->at)
			pop3_policy_verify_chain_late(chain, row);
		if (row->table == POP3_POLICY_VERIFY_AUDIT &&
		    strcmp(row->event, VERIFY_EVENT_BACK) == 0)
			chain->counts.back++;
		if (!verify_is_erased(position))
			break;
		chain->counts.erased++;
		if (row->bare) {
			chain->set.erased(row, chain->set.context);
			break;
		}
		(void)pop3_policy_verify_report_row(report, row,
			"altered: it is erased, but has personal columns");
		break;
	case VERIFY_FIT_PERSONAL:
		(void)pop3_policy_verify_report_row(report, row,
			"altered: personal columns, or their salt");
		break;
	case VERIFY_FIT_DIGEST:
		(void)pop3_policy_verify_report_row(report, row,
			"altered: its digest in the seal");
		break;
	case VERIFY_FIT_TIME:
		(void)pop3_policy_verify_report_row(report, row,
			t_strdup_printf("altered: its time, which was %s",
				pop3_policy_verify_time(position->at)));
		break;
	}
}

static void
verify_number_altered(struct pop3_policy_verify_chain *chain,
		      const struct pop3_policy_verify_position *position,
		      struct pop3_policy_verify_row **row)
{
	verify_row_mac(chain, position, position->key, position->prev, *row,
		       NULL, position->digest, chain->other_mac);
	chain->suspect = pop3_policy_verify_report_altered(chain->set.report,
							   position, row);
	chain->have_other = TRUE;
}

static struct pop3_policy_verify_row *
verify_number_rows(struct pop3_policy_verify_chain *chain, int64_t seq)
{
	struct pop3_policy_verify_row *list = NULL, **next = &list;

	while ((*next = pop3_policy_verify_chain_take(chain, seq)) != NULL)
		next = &(*next)->next;
	if (list == NULL && (chain->set.has_since || chain->set.has_until) &&
	    chain->lookups++ < VERIFY_LOOKUPS_MAX)
		list = pop3_policy_verify_rows_find(chain->set.rows,
						    chain->set.chain_id, seq);
	return list;
}

/* All but one: that which fits, or the first. */
static void verify_number_others(struct pop3_policy_verify_chain *chain,
				 struct pop3_policy_verify_row *list,
				 const struct pop3_policy_verify_row *best)
{
	struct pop3_policy_verify_row *row, *next;

	for (row = list; row != NULL; row = next) {
		next = row->next;
		if (row == best)
			continue;
		if (pop3_policy_verify_row_equals(row, best)) {
			(void)pop3_policy_verify_report_row(chain->set.report,
				row, "duplicated");
			pop3_policy_verify_rows_free(chain->set.rows, &row);
		} else {
			pop3_policy_verify_report_inserted(chain->set.report,
				&row, "inserted: another row has its number");
		}
	}
}

static void verify_number_removed(struct pop3_policy_verify_chain *chain,
	const struct pop3_policy_verify_position *position)
{
	if (position->seq <= chain->set.retained_after)
		chain->counts.dropped++;
	else if (position->key != NULL)
		pop3_policy_verify_report_removed(chain->set.report, position);
	else
		(void)pop3_policy_verify_report_add(chain->set.report,
			position->chain_id, position->seq, position->seq,
			"removed");
}

void pop3_policy_verify_number(struct pop3_policy_verify_chain *chain,
			       const struct pop3_policy_verify_seal *seal,
			       unsigned int i, bool follows,
			       const struct pop3_policy_verify_key **key)
{
	struct pop3_policy_verify_position position;
	struct pop3_policy_verify_row *list, *row, *best;
	struct verify_result result, row_result;
	bool first = i == 0 && follows;

	verify_position_init(&position, seal, i, *key);
	list = verify_number_rows(chain, position.seq);
	best = list;
	i_zero(&result);
	for (row = list; row != NULL; row = row->next) {
		verify_fit_any(chain, &position, first, row, &row_result);
		if (row_result.fit != VERIFY_FIT_NOT &&
		    result.fit == VERIFY_FIT_NOT) {
			result = row_result;
			best = row;
		}
	}
	if (result.fit != VERIFY_FIT_NOT)
		verify_report_prev(chain, seal, first, result.prev);
	chain->have_other = FALSE;
	chain->suspect = NULL;

	if (list == NULL) {
		verify_number_removed(chain, &position);
		return;
	}
	verify_number_others(chain, list, best);
	if (result.fit == VERIFY_FIT_KEY) {
		(void)pop3_policy_verify_report_add(chain->set.report,
			seal->chain_id, seal->first_seq, seal->last_seq,
			"altered: the key id of their seal, which was %s",
			pop3_policy_chain_mac_key_id(result.key->mac));
		*key = result.key;
	}
	if (result.fit != VERIFY_FIT_NOT)
		verify_number_fits(chain, &position, best, result.fit);
	else if (*key == NULL)
		chain->counts.unknown_key++;
	else
		verify_number_altered(chain, &position, &best);
	if (best != NULL)
		pop3_policy_verify_rows_free(chain->set.rows, &best);
}
