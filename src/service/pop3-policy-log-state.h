#ifndef POP3_POLICY_LOG_STATE_H
#define POP3_POLICY_LOG_STATE_H

/* What a log's entries come to, one after the other: which records are not
   settled, and where the chain stands. No files here. */

#include "pop3-policy-log-format.h"

/* A record that is in the log. Settled ones stay until those before them are
   settled, too. */
struct pop3_policy_log_item {
	uint64_t id;
	uint32_t segment;
	bool settled;
};

/* A batch of which it is not known whether it is durable. */
struct pop3_policy_log_pending {
	struct pop3_policy_log_head head;
	uint64_t *ids;
	unsigned int id_count;
};

struct pop3_policy_log_adopted {
	char *chain_id;
	uint64_t last_id;
};

struct pop3_policy_log_state {
	/* of all records */
	uint64_t last_id;
	/* the chain was opened at least once; with this epoch at last */
	bool opened;
	int64_t epoch;
	/* of it */
	struct pop3_policy_log_head head;
	/* ascending by id */
	ARRAY(struct pop3_policy_log_item) items;
	unsigned int unsettled;
	/* ascending by number */
	ARRAY(struct pop3_policy_log_pending) pending;
	ARRAY(struct pop3_policy_log_adopted) adopted;
};

void pop3_policy_log_state_init(struct pop3_policy_log_state *state);
void pop3_policy_log_state_deinit(struct pop3_policy_log_state *state);

/* The next entry, of this segment. */
void pop3_policy_log_state_apply(struct pop3_policy_log_state *state,
				 const struct pop3_policy_log_entry *entry,
				 uint32_t segment);
bool pop3_policy_log_state_is_settled(const struct pop3_policy_log_state *state,
				      uint64_t id);
/* The first segment with a record that is not settled; 0 if there is none. */
uint32_t pop3_policy_log_state_oldest(const struct pop3_policy_log_state *state);
/* The batch that led to this head if it is durable, or NULL. */
const struct pop3_policy_log_pending *
pop3_policy_log_state_pending(const struct pop3_policy_log_state *state,
			      const struct pop3_policy_log_head *head);
/* TRUE if the chain was brought to this head by whoever wrote the log. That is
   what the log says, or the head is ahead of it and nobody opened the chain
   before `epoch', which is the latest: the end of the log was lost in a crash of
   the host, or could not be written. */
bool pop3_policy_log_state_is_ours(const struct pop3_policy_log_state *state,
				   const struct pop3_policy_log_head *head,
				   int64_t epoch);
/* The last record of that chain that was copied here, 0 if there is none. */
uint64_t
pop3_policy_log_state_adopted(const struct pop3_policy_log_state *state,
			      const char *chain_id);

#endif
