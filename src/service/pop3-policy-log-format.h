#ifndef POP3_POLICY_LOG_FORMAT_H
#define POP3_POLICY_LOG_FORMAT_H

/* How entries of the service's log look on disk: no files here.

   An entry is the four bytes "P3LG", the length of its body and the CRC-32 of
   length and body (32 bits each, big endian), and the body: a byte for the
   type, the time, and what the type has. Texts have no NULs and lengths always
   do, so that no text can look like an entry. */

#define POP3_POLICY_LOG_MAC_SIZE 32
/* Bytes before the body. */
#define POP3_POLICY_LOG_ENTRY_HEADER 12
/* A body that claims to be longer is damaged. */
#define POP3_POLICY_LOG_MAX_BODY (256*1024*1024)
/* Records that an entry may be about: many more than a batch has. One that claims
   to be about more is damaged; ids are told as runs, and take no room. */
#define POP3_POLICY_LOG_MAX_IDS 4096

enum pop3_policy_log_type {
	/* the first of each segment: how things stood when it was begun */
	POP3_POLICY_LOG_START = 1,
	/* what is to be written to the database */
	POP3_POLICY_LOG_RECORD,
	/* records (ids) are about to be sent in one transaction */
	POP3_POLICY_LOG_BATCH,
	/* once that transaction is durable, the chain's head is this */
	POP3_POLICY_LOG_SEALED,
	/* that transaction is durable, and the chain's head so */
	POP3_POLICY_LOG_ACK,
	/* records (ids) that are settled otherwise */
	POP3_POLICY_LOG_DONE,
	/* the chain was opened, and its head is so: all batches up to it are
	   durable, no other is */
	POP3_POLICY_LOG_OPEN,
	/* the records of another chain's log up to last_id were copied */
	POP3_POLICY_LOG_ADOPTED,

	POP3_POLICY_LOG_TYPE_COUNT
};

/* The head of a chain, as in pop3.chain. */
struct pop3_policy_log_head {
	int64_t batch, seq;
	/* all zeros: not known */
	unsigned char mac[POP3_POLICY_LOG_MAC_SIZE];
};

struct pop3_policy_log_entry {
	enum pop3_policy_log_type type;
	/* microseconds since 1970, by the database's clock as far as known */
	int64_t time;
	/* START, ADOPTED */
	const char *chain_id;
	/* RECORD: its id; START, ADOPTED: the last one */
	uint64_t id;

	/* RECORD: the SQL function; whose it is (or NULL); the sequence
	   numbers that it takes; parameters without chain and sequence
	   number; the id of the one it is a copy of, or 0; whether it was
	   durable once */
	const char *function, *username;
	unsigned int seqs;
	const char *const *params;
	unsigned int param_count;
	uint64_t copy_of;
	bool accepted;

	/* BATCH: number and last sequence number, and the MAC if it is known;
	   SEALED, ACK, OPEN, START: the head */
	struct pop3_policy_log_head head;
	/* BATCH */
	int64_t first_seq;
	/* OPEN, START: pop3.chain.epoch */
	int64_t epoch;
	/* START: the first segment that holds a record not settled then */
	uint32_t oldest;
	/* BATCH, DONE; ascending */
	const uint64_t *ids;
	unsigned int id_count;
};

/* Append the entry to the buffer. */
void pop3_policy_log_encode(buffer_t *dest,
			    const struct pop3_policy_log_entry *entry);
/* Parse the entry at data. Returns 1 and its size, 0 if it goes on after
   data + size, -1 if there is none. Texts point into data; arrays are allocated
   from the data stack. */
int pop3_policy_log_decode(const unsigned char *data, size_t size,
			   struct pop3_policy_log_entry *entry_r,
			   size_t *size_r);

bool pop3_policy_log_mac_known(const struct pop3_policy_log_head *head);
/* TRUE if they are the same as far as known. */
bool pop3_policy_log_head_equals(const struct pop3_policy_log_head *head1,
				 const struct pop3_policy_log_head *head2);

#endif
