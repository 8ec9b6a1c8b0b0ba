/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "crc32.h"
#include "pop3-policy-log-format.h"

static const unsigned char log_marker[4] = { 'P', '3', 'L', 'G' };

/* --- writing --- */

static void put_num(buffer_t *dest, uint64_t value, unsigned int bytes)
{
	while (bytes-- > 0)
		buffer_append_c(dest, (value >> (bytes * 8)) & 0xff);
}

static void put_num_at(buffer_t *dest, size_t pos, uint32_t value)
{
	unsigned char *data = buffer_get_space_unsafe(dest, pos, 4);

	data[0] = (value >> 24) & 0xff;
	data[1] = (value >> 16) & 0xff;
	data[2] = (value >> 8) & 0xff;
	data[3] = value & 0xff;
}

static void put_text(buffer_t *dest, const char *text)
{
	if (text == NULL) {
		buffer_append_c(dest, 0);
		return;
	}
	buffer_append_c(dest, 1);
	buffer_append(dest, text, strlen(text) + 1);
}

/* As runs: they mostly follow each other. */
static void put_ids(buffer_t *dest, const uint64_t *ids, unsigned int count)
{
	unsigned int i, start, runs = 0;
	size_t pos = dest->used;

	i_assert(count <= POP3_POLICY_LOG_MAX_IDS);
	put_num(dest, 0, 4);
	for (start = 0; start < count; start = i, runs++) {
		for (i = start + 1; i < count; i++) {
			i_assert(ids[i] > ids[i - 1]);
			if (ids[i] != ids[i - 1] + 1)
				break;
		}
		put_num(dest, ids[start], 8);
		put_num(dest, i - start, 4);
	}
	put_num_at(dest, pos, runs);
}

static void put_head(buffer_t *dest, const struct pop3_policy_log_head *head)
{
	put_num(dest, (uint64_t)head->batch, 8);
	put_num(dest, (uint64_t)head->seq, 8);
	buffer_append(dest, head->mac, sizeof(head->mac));
}

static void
put_record(buffer_t *dest, const struct pop3_policy_log_entry *entry)
{
	unsigned int i;

	put_num(dest, entry->id, 8);
	put_num(dest, entry->copy_of, 8);
	put_num(dest, entry->accepted ? 1 : 0, 1);
	put_num(dest, entry->seqs, 4);
	put_text(dest, entry->function);
	put_text(dest, entry->username);
	put_num(dest, entry->param_count, 4);
	for (i = 0; i < entry->param_count; i++)
		put_text(dest, entry->params[i]);
}

void pop3_policy_log_encode(buffer_t *dest,
			    const struct pop3_policy_log_entry *entry)
{
	size_t start = dest->used, body;

	buffer_append(dest, log_marker, sizeof(log_marker));
	put_num(dest, 0, 4);
	put_num(dest, 0, 4);
	body = dest->used;
	put_num(dest, entry->type, 1);
	put_num(dest, (uint64_t)entry->time, 8);
	switch (entry->type) {
	case POP3_POLICY_LOG_START:
		put_text(dest, entry->chain_id);
		put_num(dest, entry->id, 8);
		put_num(dest, (uint64_t)entry->epoch, 8);
		put_head(dest, &entry->head);
		put_num(dest, entry->oldest, 4);
		break;
	case POP3_POLICY_LOG_RECORD:
		put_record(dest, entry);
		break;
	case POP3_POLICY_LOG_BATCH:
		put_head(dest, &entry->head);
		put_num(dest, (uint64_t)entry->first_seq, 8);
		put_ids(dest, entry->ids, entry->id_count);
		break;
	case POP3_POLICY_LOG_SEALED:
	case POP3_POLICY_LOG_ACK:
		put_head(dest, &entry->head);
		break;
	case POP3_POLICY_LOG_DONE:
		put_ids(dest, entry->ids, entry->id_count);
		break;
	case POP3_POLICY_LOG_OPEN:
		put_num(dest, (uint64_t)entry->epoch, 8);
		put_head(dest, &entry->head);
		break;
	case POP3_POLICY_LOG_ADOPTED:
		put_text(dest, entry->chain_id);
		put_num(dest, entry->id, 8);
		break;
	case POP3_POLICY_LOG_TYPE_COUNT:
		i_unreached();
	}
	i_assert(dest->used - body <= POP3_POLICY_LOG_MAX_BODY);
	put_num_at(dest, start + 4, dest->used - body);
	put_num_at(dest, start + 8, crc32_data_more(
		crc32_data(CONST_PTR_OFFSET(dest->data, start + 4), 4),
		CONST_PTR_OFFSET(dest->data, body), dest->used - body));
}

/* --- reading --- */

struct log_input {
	const unsigned char *data, *end;
	bool failed;
};

static uint64_t get_num(struct log_input *input, unsigned int bytes)
{
	uint64_t value = 0;

	if (input->end - input->data < (ptrdiff_t)bytes) {
		input->failed = TRUE;
		return 0;
	}
	while (bytes-- > 0)
		value = value << 8 | *input->data++;
	return value;
}

static const char *get_text(struct log_input *input)
{
	const unsigned char *text, *nul;

	if (get_num(input, 1) == 0)
		return NULL;
	text = input->data;
	nul = memchr(text, '\0', input->end - text);
	if (nul == NULL) {
		input->failed = TRUE;
		return NULL;
	}
	input->data = nul + 1;
	return (const char *)text;
}

/* A number of things of at least `bytes' bytes each. */
static unsigned int get_count(struct log_input *input, unsigned int bytes)
{
	uint64_t count = get_num(input, 4);

	if (count > (uint64_t)(input->end - input->data) / bytes) {
		input->failed = TRUE;
		return 0;
	}
	return (unsigned int)count;
}

static void
get_ids(struct log_input *input, struct pop3_policy_log_entry *entry)
{
	unsigned int i, count, runs = get_count(input, 12);
	uint64_t *ids, start, next = 0, total = 0;
	struct log_input counting = *input;

	for (i = 0; i < runs; i++) {
		start = get_num(&counting, 8);
		count = (unsigned int)get_num(&counting, 4);
		/* ascending, each of them once */
		if (count == 0 || start < next || start > UINT64_MAX - count) {
			input->failed = TRUE;
			return;
		}
		next = start + count;
		total += count;
	}
	if (total > POP3_POLICY_LOG_MAX_IDS) {
		input->failed = TRUE;
		return;
	}
	entry->ids = ids = t_new(uint64_t, total + 1);
	entry->id_count = (unsigned int)total;
	for (i = 0; i < runs; i++) {
		start = get_num(input, 8);
		count = (unsigned int)get_num(input, 4);
		while (count-- > 0)
			*ids++ = start++;
	}
}

static void
get_head(struct log_input *input, struct pop3_policy_log_head *head_r)
{
	head_r->batch = (int64_t)get_num(input, 8);
	head_r->seq = (int64_t)get_num(input, 8);
	if (input->end - input->data < (ptrdiff_t)sizeof(head_r->mac)) {
		input->failed = TRUE;
		return;
	}
	memcpy(head_r->mac, input->data, sizeof(head_r->mac));
	input->data += sizeof(head_r->mac);
}

static void
get_record(struct log_input *input, struct pop3_policy_log_entry *entry)
{
	const char **params;
	unsigned int i;

	entry->id = get_num(input, 8);
	entry->copy_of = get_num(input, 8);
	entry->accepted = get_num(input, 1) != 0;
	entry->seqs = (unsigned int)get_num(input, 4);
	entry->function = get_text(input);
	entry->username = get_text(input);
	entry->param_count = get_count(input, 1);
	entry->params = params = t_new(const char *, entry->param_count + 1);
	for (i = 0; i < entry->param_count; i++)
		params[i] = get_text(input);
	if (entry->function == NULL)
		input->failed = TRUE;
}

static bool
get_body(struct log_input *input, struct pop3_policy_log_entry *entry)
{
	i_zero(entry);
	entry->type = get_num(input, 1);
	entry->time = (int64_t)get_num(input, 8);
	switch (entry->type) {
	case POP3_POLICY_LOG_START:
		entry->chain_id = get_text(input);
		entry->id = get_num(input, 8);
		entry->epoch = (int64_t)get_num(input, 8);
		get_head(input, &entry->head);
		entry->oldest = (uint32_t)get_num(input, 4);
		break;
	case POP3_POLICY_LOG_RECORD:
		get_record(input, entry);
		break;
	case POP3_POLICY_LOG_BATCH:
		get_head(input, &entry->head);
		entry->first_seq = (int64_t)get_num(input, 8);
		get_ids(input, entry);
		break;
	case POP3_POLICY_LOG_SEALED:
	case POP3_POLICY_LOG_ACK:
		get_head(input, &entry->head);
		break;
	case POP3_POLICY_LOG_DONE:
		get_ids(input, entry);
		break;
	case POP3_POLICY_LOG_OPEN:
		entry->epoch = (int64_t)get_num(input, 8);
		get_head(input, &entry->head);
		break;
	case POP3_POLICY_LOG_ADOPTED:
		entry->chain_id = get_text(input);
		entry->id = get_num(input, 8);
		break;
	default:
		return FALSE;
	}
	return !input->failed && input->data == input->end;
}

int pop3_policy_log_decode(const unsigned char *data, size_t size,
			   struct pop3_policy_log_entry *entry_r,
			   size_t *size_r)
{
	struct log_input input;
	uint32_t length, crc;

	if (memcmp(data, log_marker, I_MIN(size, sizeof(log_marker))) != 0)
		return -1;
	if (size < POP3_POLICY_LOG_ENTRY_HEADER)
		return 0;
	i_zero(&input);
	input.data = data + sizeof(log_marker);
	input.end = data + size;
	length = (uint32_t)get_num(&input, 4);
	crc = (uint32_t)get_num(&input, 4);
	if (length > POP3_POLICY_LOG_MAX_BODY)
		return -1;
	if (length > size - POP3_POLICY_LOG_ENTRY_HEADER)
		return 0;
	if (crc32_data_more(crc32_data(data + sizeof(log_marker), 4),
			    input.data, length) != crc)
		return -1;
	input.end = input.data + length;
	if (!get_body(&input, entry_r))
		return -1;
	*size_r = POP3_POLICY_LOG_ENTRY_HEADER + length;
	return 1;
}

/* --- heads --- */

bool pop3_policy_log_mac_known(const struct pop3_policy_log_head *head)
{
	static const unsigned char none[POP3_POLICY_LOG_MAC_SIZE];

	return memcmp(head->mac, none, sizeof(none)) != 0;
}

bool pop3_policy_log_head_equals(const struct pop3_policy_log_head *head1,
				 const struct pop3_policy_log_head *head2)
{
	return head1->batch == head2->batch && head1->seq == head2->seq &&
		(!pop3_policy_log_mac_known(head1) ||
		 !pop3_policy_log_mac_known(head2) ||
		 memcmp(head1->mac, head2->mac, sizeof(head1->mac)) == 0);
}
