/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "pop3-policy-log-state.h"

/* Settled items at the beginning that are worth a move of the others. */
#define POP3_POLICY_LOG_TRIM_MIN 1024

void pop3_policy_log_state_init(struct pop3_policy_log_state *state)
{
	i_zero(state);
	i_array_init(&state->items, 64);
	i_array_init(&state->pending, 4);
	i_array_init(&state->adopted, 4);
}

static void
pop3_policy_log_pending_remove(struct pop3_policy_log_state *state,
			       unsigned int idx)
{
	struct pop3_policy_log_pending *pending =
		array_idx_modifiable(&state->pending, idx);

	i_free(pending->ids);
	array_delete(&state->pending, idx, 1);
}

void pop3_policy_log_state_deinit(struct pop3_policy_log_state *state)
{
	struct pop3_policy_log_adopted *adopted;

	while (array_count(&state->pending) > 0)
		pop3_policy_log_pending_remove(state, 0);
	array_foreach_modifiable(&state->adopted, adopted)
		i_free(adopted->chain_id);
	array_free(&state->items);
	array_free(&state->pending);
	array_free(&state->adopted);
}

/* --- records --- */

/* Its index, or that of the first one behind it. */
static unsigned int
pop3_policy_log_state_find(const struct pop3_policy_log_state *state,
			   uint64_t id)
{
	const struct pop3_policy_log_item *items;
	unsigned int count, low = 0, mid;

	items = array_get(&state->items, &count);
	while (low < count) {
		mid = low + (count - low) / 2;
		if (items[mid].id < id)
			low = mid + 1;
		else
			count = mid;
	}
	return low;
}

static void
pop3_policy_log_state_trim(struct pop3_policy_log_state *state)
{
	const struct pop3_policy_log_item *items;
	unsigned int i, count;

	items = array_get(&state->items, &count);
	if (state->unsettled == 0) {
		array_clear(&state->items);
		return;
	}
	for (i = 0; i < count && items[i].settled; i++) ;
	if (i >= POP3_POLICY_LOG_TRIM_MIN && i > count / 2)
		array_delete(&state->items, 0, i);
}

static void
pop3_policy_log_state_settle(struct pop3_policy_log_state *state,
			     const uint64_t *ids, unsigned int id_count)
{
	struct pop3_policy_log_item *item;
	unsigned int i, idx;

	for (i = 0; i < id_count; i++) {
		idx = pop3_policy_log_state_find(state, ids[i]);
		if (idx == array_count(&state->items))
			continue;
		item = array_idx_modifiable(&state->items, idx);
		if (item->id != ids[i] || item->settled)
			continue;
		item->settled = TRUE;
		i_assert(state->unsettled > 0);
		state->unsettled--;
	}
	pop3_policy_log_state_trim(state);
}

bool pop3_policy_log_state_is_settled(const struct pop3_policy_log_state *state,
				      uint64_t id)
{
	const struct pop3_policy_log_item *item;
	unsigned int idx = pop3_policy_log_state_find(state, id);

	if (idx == array_count(&state->items))
		return TRUE;
	item = array_idx(&state->items, idx);
	return item->id != id || item->settled;
}

uint32_t pop3_policy_log_state_oldest(const struct pop3_policy_log_state *state)
{
	const struct pop3_policy_log_item *item;

	array_foreach(&state->items, item) {
		if (!item->settled)
			return item->segment;
	}
	return 0;
}

static void
pop3_policy_log_state_record(struct pop3_policy_log_state *state, uint64_t id,
			     uint32_t segment)
{
	struct pop3_policy_log_item item = { id, segment, FALSE };

	/* ids ascend, unless the log was tampered with */
	if (id <= state->last_id)
		return;
	state->last_id = id;
	array_push_back(&state->items, &item);
	state->unsettled++;
}

/* --- batches --- */

static void
pop3_policy_log_state_batch(struct pop3_policy_log_state *state,
			    const struct pop3_policy_log_entry *entry)
{
	struct pop3_policy_log_pending *pending;
	unsigned int i;

	/* what was sent with this number before failed */
	for (i = array_count(&state->pending); i-- > 0; ) {
		pending = array_idx_modifiable(&state->pending, i);
		if (pending->head.batch >= entry->head.batch)
			pop3_policy_log_pending_remove(state, i);
	}
	pending = array_append_space(&state->pending);
	pending->head = entry->head;
	pending->ids = i_new(uint64_t, entry->id_count + 1);
	if (entry->id_count > 0) {
		memcpy(pending->ids, entry->ids,
		       sizeof(*entry->ids) * entry->id_count);
	}
	pending->id_count = entry->id_count;
}

static void
pop3_policy_log_state_sealed(struct pop3_policy_log_state *state,
			     const struct pop3_policy_log_head *head)
{
	struct pop3_policy_log_pending *pending;

	array_foreach_modifiable(&state->pending, pending) {
		if (pending->head.batch == head->batch)
			pending->head = *head;
	}
}

/* All batches up to the head are durable. */
static void
pop3_policy_log_state_durable(struct pop3_policy_log_state *state,
			      const struct pop3_policy_log_head *head)
{
	const struct pop3_policy_log_pending *pending;

	while (array_count(&state->pending) > 0) {
		pending = array_front(&state->pending);
		if (pending->head.batch > head->batch)
			break;
		pop3_policy_log_state_settle(state, pending->ids,
					     pending->id_count);
		pop3_policy_log_pending_remove(state, 0);
	}
	state->head = *head;
}

const struct pop3_policy_log_pending *
pop3_policy_log_state_pending(const struct pop3_policy_log_state *state,
			      const struct pop3_policy_log_head *head)
{
	const struct pop3_policy_log_pending *pending;

	array_foreach(&state->pending, pending) {
		/* what is not known was not sealed, and so not sent as a
		   whole */
		if (pending->head.batch == head->batch &&
		    pending->head.seq == head->seq &&
		    memcmp(pending->head.mac, head->mac,
			   sizeof(head->mac)) == 0)
			return pending;
	}
	return NULL;
}

bool pop3_policy_log_state_is_ours(const struct pop3_policy_log_state *state,
				   const struct pop3_policy_log_head *head,
				   int64_t epoch)
{
	return pop3_policy_log_head_equals(&state->head, head) ||
		pop3_policy_log_state_pending(state, head) != NULL ||
		(head->batch > state->head.batch && epoch == state->epoch + 1);
}

/* --- adoption --- */

static void
pop3_policy_log_state_adopt(struct pop3_policy_log_state *state,
			    const char *chain_id, uint64_t last_id)
{
	struct pop3_policy_log_adopted *adopted;

	if (chain_id == NULL)
		return;
	array_foreach_modifiable(&state->adopted, adopted) {
		if (strcmp(adopted->chain_id, chain_id) == 0) {
			adopted->last_id = last_id;
			return;
		}
	}
	adopted = array_append_space(&state->adopted);
	adopted->chain_id = i_strdup(chain_id);
	adopted->last_id = last_id;
}

uint64_t
pop3_policy_log_state_adopted(const struct pop3_policy_log_state *state,
			      const char *chain_id)
{
	const struct pop3_policy_log_adopted *adopted;

	array_foreach(&state->adopted, adopted) {
		if (strcmp(adopted->chain_id, chain_id) == 0)
			return adopted->last_id;
	}
	return 0;
}

/* --- entries --- */

void pop3_policy_log_state_apply(struct pop3_policy_log_state *state,
				 const struct pop3_policy_log_entry *entry,
				 uint32_t segment)
{
	switch (entry->type) {
	case POP3_POLICY_LOG_START:
		/* sums up what was before it, if that was not read */
		if (state->last_id < entry->id)
			state->last_id = entry->id;
		if (!state->opened && entry->epoch > 0) {
			state->opened = TRUE;
			state->epoch = entry->epoch;
			state->head = entry->head;
		}
		break;
	case POP3_POLICY_LOG_RECORD:
		pop3_policy_log_state_record(state, entry->id, segment);
		break;
	case POP3_POLICY_LOG_BATCH:
		pop3_policy_log_state_batch(state, entry);
		break;
	case POP3_POLICY_LOG_SEALED:
		pop3_policy_log_state_sealed(state, &entry->head);
		break;
	case POP3_POLICY_LOG_ACK:
		pop3_policy_log_state_durable(state, &entry->head);
		break;
	case POP3_POLICY_LOG_DONE:
		pop3_policy_log_state_settle(state, entry->ids,
					     entry->id_count);
		break;
	case POP3_POLICY_LOG_OPEN:
		pop3_policy_log_state_durable(state, &entry->head);
		while (array_count(&state->pending) > 0)
			pop3_policy_log_pending_remove(state, 0);
		state->opened = TRUE;
		state->epoch = entry->epoch;
		break;
	case POP3_POLICY_LOG_ADOPTED:
		pop3_policy_log_state_adopt(state, entry->chain_id, entry->id);
		break;
	case POP3_POLICY_LOG_TYPE_COUNT:
		i_unreached();
	}
}
