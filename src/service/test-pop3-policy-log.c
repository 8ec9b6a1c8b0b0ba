/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "crc32.h"
#include "ioloop.h"
#include "str.h"
#include "unlink-directory.h"
#include "write-full.h"
#include "test-common.h"
#include "pop3-policy-log-read.h"
#include "pop3-policy-log.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEST_DIR ".test-pop3-policy-log"
#define CHAIN "11111111-2222-4333-8444-555555555555"
#define KEEP 86400
#define HOUR (3600 * (int64_t)1000000)

static struct event *test_event;

/* --- entries --- */

static const char *const params[] = { "one", NULL, "", "f\xc3\xbcr\n\t{1,2}" };

static struct pop3_policy_log_entry
record(uint64_t id, const char *username)
{
	struct pop3_policy_log_entry entry;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_RECORD;
	entry.time = 1000000 * (int64_t)id;
	entry.id = id;
	entry.function = "record_session";
	entry.username = username;
	entry.seqs = 1;
	entry.params = params;
	entry.param_count = N_ELEMENTS(params);
	return entry;
}

static struct pop3_policy_log_entry
head(enum pop3_policy_log_type type, int64_t batch, int64_t seq,
     unsigned char mac)
{
	struct pop3_policy_log_entry entry;

	i_zero(&entry);
	entry.type = type;
	entry.head.batch = batch;
	entry.head.seq = seq;
	memset(entry.head.mac, mac, sizeof(entry.head.mac));
	entry.epoch = type == POP3_POLICY_LOG_OPEN ? batch + 1 : 0;
	return entry;
}

static struct pop3_policy_log_entry
ids(enum pop3_policy_log_type type, int64_t batch, const uint64_t *list,
    unsigned int count)
{
	struct pop3_policy_log_entry entry = head(type, batch, batch * 10, 0);

	entry.ids = list;
	entry.id_count = count;
	return entry;
}

static bool
entry_equals(const struct pop3_policy_log_entry *e1,
	     const struct pop3_policy_log_entry *e2)
{
	unsigned int i;

	if (e1->type != e2->type || e1->time != e2->time ||
	    e1->id != e2->id || e1->copy_of != e2->copy_of ||
	    e1->accepted != e2->accepted || e1->seqs != e2->seqs ||
	    e1->epoch != e2->epoch || e1->oldest != e2->oldest ||
	    e1->first_seq != e2->first_seq ||
	    e1->param_count != e2->param_count ||
	    e1->id_count != e2->id_count ||
	    null_strcmp(e1->chain_id, e2->chain_id) != 0 ||
	    null_strcmp(e1->function, e2->function) != 0 ||
	    null_strcmp(e1->username, e2->username) != 0 ||
	    memcmp(&e1->head, &e2->head, sizeof(e1->head)) != 0)
		return FALSE;
	for (i = 0; i < e1->param_count; i++) {
		if (null_strcmp(e1->params[i], e2->params[i]) != 0)
			return FALSE;
	}
	for (i = 0; i < e1->id_count; i++) {
		if (e1->ids[i] != e2->ids[i])
			return FALSE;
	}
	return TRUE;
}

static void test_log_format(void)
{
	static const uint64_t list[] = { 1, 2, 3, 7, 9, 10, 1ULL << 60 };
	struct pop3_policy_log_entry entries[] = {
		record(1, "jane@example.org"), record(UINT64_MAX, NULL),
		ids(POP3_POLICY_LOG_BATCH, 3, list, N_ELEMENTS(list)),
		ids(POP3_POLICY_LOG_DONE, 0, list, 1),
		ids(POP3_POLICY_LOG_DONE, 0, NULL, 0),
		head(POP3_POLICY_LOG_ACK, INT64_MAX, 0, 0xff),
		head(POP3_POLICY_LOG_SEALED, 4, 5, 1),
		head(POP3_POLICY_LOG_OPEN, 4, 5, 1),
		head(POP3_POLICY_LOG_START, 4, 5, 1),
		head(POP3_POLICY_LOG_ADOPTED, 0, 0, 0),
	}, parsed;
	unsigned int i;
	size_t size, cut;
	buffer_t *buf;

	entries[1].copy_of = 17;
	entries[1].accepted = TRUE;
	entries[3].head.batch = entries[3].head.seq = 0;
	entries[4].head.batch = entries[4].head.seq = 0;
	entries[8].chain_id = entries[9].chain_id = CHAIN;
	entries[8].oldest = 12;
	entries[8].id = entries[9].id = 5;

	test_begin("log: entries");
	for (i = 0; i < N_ELEMENTS(entries); i++) {
		buf = t_buffer_create(256);
		pop3_policy_log_encode(buf, &entries[i]);
		/* whole, with something behind it */
		buffer_append_c(buf, 'x');
		test_assert_idx(pop3_policy_log_decode(buf->data, buf->used,
						       &parsed, &size) == 1, i);
		test_assert_idx(size == buf->used - 1, i);
		test_assert_idx(entry_equals(&entries[i], &parsed), i);
		/* cut off anywhere */
		for (cut = 0; cut < size; cut++) {
			unsigned char *copy = i_malloc(cut + 1);

			memcpy(copy, buf->data, cut);
			test_assert_idx(pop3_policy_log_decode(copy, cut,
				&parsed, &size) == 0, i);
			i_free(copy);
		}
	}
	test_end();
}

/* An entry with ids 1, 2 and 5 whose runs are put in the place of its own. */
static int decode_runs(uint64_t start1, uint32_t count1, uint64_t start2,
		       uint32_t count2)
{
	static const uint64_t ids[] = { 1, 2, 5 };
	struct pop3_policy_log_entry entry, parsed;
	buffer_t *buf = t_buffer_create(128);
	unsigned char *data;
	size_t size;

	i_zero(&entry);
	entry.type = POP3_POLICY_LOG_DONE;
	entry.ids = ids;
	entry.id_count = N_ELEMENTS(ids);
	pop3_policy_log_encode(buf, &entry);
	data = buffer_get_modifiable_data(buf, &size);
	cpu64_to_be_unaligned(start1, data + size - 24);
	cpu32_to_be_unaligned(count1, data + size - 16);
	cpu64_to_be_unaligned(start2, data + size - 12);
	cpu32_to_be_unaligned(count2, data + size - 4);
	cpu32_to_be_unaligned(crc32_data_more(crc32_data(data + 4, 4),
		data + POP3_POLICY_LOG_ENTRY_HEADER,
		size - POP3_POLICY_LOG_ENTRY_HEADER), data + 8);
	return pop3_policy_log_decode(data, size, &parsed, &size);
}

static void test_log_ids(void)
{
	test_begin("log: ids ascend");
	test_assert(decode_runs(1, 2, 5, 1) == 1);
	test_assert(decode_runs(1, 4, 5, 1) == 1);
	test_assert(decode_runs(1, 5, 5, 1) == -1);
	test_assert(decode_runs(5, 1, 1, 2) == -1);
	test_assert(decode_runs(1, 0, 5, 1) == -1);
	test_assert(decode_runs(1, 1, 5, 0) == -1);
	test_assert(decode_runs(1, 1, UINT64_MAX - 1, 1) == 1);
	test_assert(decode_runs(1, 1, UINT64_MAX - 1, 2) == -1);
	test_assert(decode_runs(1, 1, 5, UINT32_MAX) == -1);
	/* in twelve bytes each */
	test_assert(decode_runs(1, 1, 5, POP3_POLICY_LOG_MAX_IDS - 1) == 1);
	test_assert(decode_runs(1, 1, 5, POP3_POLICY_LOG_MAX_IDS) == -1);
	test_end();
}

/* --- a log on disk --- */

struct damage {
	unsigned int count;
	char path[256];
	uoff_t offset, size;
	bool torn;
};

static void damaged(const char *path, uoff_t offset, uoff_t size, bool torn,
		    void *context)
{
	struct damage *damage = context;

	damage->count++;
	i_strocpy(damage->path, path, sizeof(damage->path));
	damage->offset = offset;
	damage->size = size;
	damage->torn = torn;
}

static void dir_clear(void)
{
	const char *error;

	if (unlink_directory(TEST_DIR, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0 && errno != ENOENT)
		i_fatal("unlink_directory(%s) failed: %s", TEST_DIR, error);
	if (mkdir(TEST_DIR, 0700) < 0)
		i_fatal("mkdir(%s) failed: %m", TEST_DIR);
}

static struct pop3_policy_log *log_open(void)
{
	struct pop3_policy_log *log;
	const char *error;

	if (pop3_policy_log_open(test_event, TEST_DIR, CHAIN, KEEP, &log,
				 &error) < 0)
		i_fatal("%s", error);
	return log;
}

static const char *segment_path(uint32_t segment)
{
	return pop3_policy_log_path(pop3_policy_log_dir(TEST_DIR, CHAIN),
				    segment);
}

static void append(struct pop3_policy_log *log,
		   struct pop3_policy_log_entry entry)
{
	test_assert(pop3_policy_log_append(log, &entry, 1) == 0);
}

static void file_write(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write_full(fd, data, size) < 0 || close(fd) < 0)
		i_fatal("write(%s) failed: %m", path);
}

static buffer_t *file_read(const char *path)
{
	buffer_t *buf = t_buffer_create(4096);
	unsigned char block[4096];
	int fd = open(path, O_RDONLY);
	ssize_t ret;

	if (fd < 0)
		i_fatal("open(%s) failed: %m", path);
	while ((ret = read(fd, block, sizeof(block))) > 0)
		buffer_append(buf, block, ret);
	i_close_fd(&fd);
	return buf;
}

/* Ids of the records in the log; other entries are 0. */
static void read_ids(ARRAY_TYPE(uint64_t) *result, struct damage *damage)
{
	struct pop3_policy_log_reader *reader;
	struct pop3_policy_log_entry entry, expected;
	const char *error;
	bool more;

	i_zero(damage);
	array_clear(result);
	if (pop3_policy_log_reader_init(pop3_policy_log_dir(TEST_DIR, CHAIN), 0,
					damaged, damage, &reader, &error) < 0)
		i_fatal("%s", error);
	do T_BEGIN {
		more = pop3_policy_log_reader_next(reader, &entry);
		if (more) {
			uint64_t id = entry.type == POP3_POLICY_LOG_RECORD ?
				entry.id : 0;

			array_push_back(result, &id);
			expected = record(entry.id, "jane");
			test_assert(id == 0 || entry_equals(&entry, &expected));
		}
	} T_END; while (more);
	pop3_policy_log_reader_deinit(&reader);
}

/* START, records 1 to 4 and an ACK: offsets of the entries and of the end. */
static void small_log(size_t *offsets)
{
	struct pop3_policy_log *log;
	struct pop3_policy_log_entry entry;
	const unsigned char *data;
	unsigned int i;
	size_t size;
	buffer_t *buf;

	dir_clear();
	log = log_open();
	for (i = 1; i <= 4; i++)
		append(log, record(i, "jane"));
	append(log, head(POP3_POLICY_LOG_ACK, 1, 4, 0));
	pop3_policy_log_close(&log);
	buf = file_read(segment_path(1));
	data = buf->data;
	offsets[0] = 0;
	for (i = 0; i < 6; i++) {
		test_assert(pop3_policy_log_decode(data + offsets[i],
			buf->used - offsets[i], &entry, &size) == 1);
		offsets[i + 1] = offsets[i] + size;
	}
	test_assert(offsets[6] == buf->used);
}

static void test_log_cut(void)
{
	ARRAY_TYPE(uint64_t) found;
	struct damage damage;
	size_t offsets[7], cut;
	unsigned int whole;
	buffer_t *buf;

	test_begin("log: cut off anywhere");
	t_array_init(&found, 8);
	small_log(offsets);
	buf = file_read(segment_path(1));
	for (cut = 0; cut <= buf->used; cut++) {
		file_write(segment_path(1), buf->data, cut);
		read_ids(&found, &damage);
		for (whole = 0; whole < 6 && offsets[whole + 1] <= cut; )
			whole++;
		test_assert_idx(array_count(&found) == whole, cut);
		if (cut == offsets[whole])
			test_assert_idx(damage.count == 0, cut);
		else {
			test_assert_idx(damage.count == 1 && damage.torn &&
					damage.offset == offsets[whole] &&
					damage.size == cut - offsets[whole],
					cut);
			test_assert_strcmp(damage.path, segment_path(1));
		}
	}
	test_end();
}

static void test_log_flip(void)
{
	ARRAY_TYPE(uint64_t) found;
	struct damage damage;
	size_t offsets[7], pos;
	unsigned int bit, hit, i;
	unsigned char *data;
	buffer_t *buf;

	test_begin("log: each bit flipped");
	t_array_init(&found, 8);
	small_log(offsets);
	buf = file_read(segment_path(1));
	data = buffer_get_modifiable_data(buf, NULL);
	for (pos = 0; pos < buf->used; pos++) T_BEGIN {
		for (hit = 0; offsets[hit + 1] <= pos; )
			hit++;
		for (bit = 0; bit < 8; bit++) {
			data[pos] ^= 1 << bit;
			file_write(segment_path(1), data, buf->used);
			data[pos] ^= 1 << bit;
			read_ids(&found, &damage);
			/* all but the one, in their order */
			test_assert_idx(array_count(&found) == 5, pos);
			for (i = 0; i < array_count(&found); i++) {
				unsigned int nr = i < hit ? i : i + 1;

				test_assert_idx(*array_idx(&found, i) ==
						(nr < 5 ? nr : 0), pos);
			}
			test_assert_idx(damage.count == 1 &&
				damage.offset == offsets[hit] && damage.size ==
				offsets[hit + 1] - offsets[hit], pos);
		}
	} T_END;
	test_end();
}

static void test_log_segments(void)
{
	static const unsigned char zeros[100];
	ARRAY_TYPE(uint64_t) found;
	struct pop3_policy_log *log;
	struct damage damage;
	unsigned int i;

	test_begin("log: segments missing, empty, with zeros");
	t_array_init(&found, 8);
	dir_clear();
	/* each opening begins another one */
	for (i = 1; i <= 4; i++) {
		log = log_open();
		test_assert(pop3_policy_log_next_id(log) == i);
		test_assert(pop3_policy_log_is_new(log) == (i == 1));
		append(log, record(i, "jane"));
		pop3_policy_log_close(&log);
	}
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 8 && damage.count == 0);

	file_write(segment_path(2), "", 0);
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 6 && damage.count == 0);

	i_unlink(segment_path(2));
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 6);
	test_assert(damage.count == 1 && damage.size == 0 && !damage.torn);
	test_assert_strcmp(damage.path, segment_path(2));

	file_write(segment_path(5), zeros, sizeof(zeros));
	i_unlink(segment_path(1));
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 4);
	test_assert(damage.count == 1 && damage.torn && damage.offset == 0 &&
		    damage.size == sizeof(zeros));

	/* the torn one is cut off, and the log goes on in the next */
	log = log_open();
	test_assert(pop3_policy_log_next_id(log) == 5);
	append(log, record(5, "jane"));
	pop3_policy_log_close(&log);
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 6 && damage.count == 0);
	test_assert(access(segment_path(6), F_OK) == 0);
	test_end();
}

/* --- what it comes to --- */

static void test_log_state(void)
{
	static const uint64_t first[] = { 1, 2 }, second[] = { 3, 4 },
		third[] = { 4 };
	static const struct {
		const char *name;
		/* appended after records 1 to 5 */
		struct { char type; int64_t batch; } entries[6];
		/* a digit for each that is not settled */
		const char *unsettled;
		int64_t head;
	} tests[] = {
		{ "nothing sent", { { 'O', 0 } }, "12345", 0 },
		{ "sent", { { 'O', 0 }, { '1', 1 } }, "12345", 0 },
		{ "acknowledged", { { 'O', 0 }, { '1', 1 }, { 'A', 1 } },
		  "345", 1 },
		{ "two under way, one answer", { { 'O', 0 }, { '1', 1 },
		  { '2', 2 }, { 'A', 2 } }, "5", 2 },
		{ "sent again with others", { { 'O', 0 }, { '1', 1 },
		  { '2', 1 }, { 'A', 1 } }, "125", 1 },
		{ "the head says so", { { 'O', 0 }, { '1', 1 }, { '2', 2 },
		  { 'O', 1 } }, "345", 1 },
		{ "not durable, not sent again", { { 'O', 0 }, { '1', 1 },
		  { 'O', 0 }, { '3', 1 }, { 'A', 1 } }, "1235", 1 },
		{ "done", { { 'O', 0 }, { 'D', 0 } }, "125", 0 },
		{ "the head went back", { { 'O', 7 }, { '1', 8 }, { 'A', 8 },
		  { 'O', 6 } }, "345", 6 },
	};
	struct pop3_policy_log_entry entry;
	const struct pop3_policy_log_state *state;
	struct pop3_policy_log *log;
	unsigned int i, j, again;
	uint64_t id;
	string_t *found;

	test_begin("log: what is settled");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		dir_clear();
		log = log_open();
		for (id = 1; id <= 5; id++)
			append(log, record(id, "jane"));
		for (j = 0; tests[i].entries[j].type != '\0'; j++) {
			int64_t batch = tests[i].entries[j].batch;

			switch (tests[i].entries[j].type) {
			case 'O':
				entry = head(POP3_POLICY_LOG_OPEN, batch,
					     batch * 10, 0);
				break;
			case 'A':
				entry = head(POP3_POLICY_LOG_ACK, batch,
					     batch * 10, 0);
				break;
			case 'D':
				entry = ids(POP3_POLICY_LOG_DONE, 0, second, 2);
				break;
			case '1':
				entry = ids(POP3_POLICY_LOG_BATCH, batch,
					    first, 2);
				break;
			case '2':
				entry = ids(POP3_POLICY_LOG_BATCH, batch,
					    second, 2);
				break;
			default:
				entry = ids(POP3_POLICY_LOG_BATCH, batch,
					    third, 1);
				break;
			}
			append(log, entry);
		}
		/* as it was written, and as it is read */
		for (again = 0; again < 2; again++) {
			state = pop3_policy_log_get_state(log);
			found = t_str_new(8);
			for (id = 1; id <= 5; id++) {
				if (!pop3_policy_log_state_is_settled(state,
								      id))
					str_append_c(found, '0' + id);
			}
			test_assert_strcmp_idx(str_c(found),
					       tests[i].unsettled, i);
			test_assert_idx(state->unsettled == str_len(found), i);
			test_assert_idx(state->head.batch == tests[i].head, i);
			test_assert_idx(state->opened, i);
			pop3_policy_log_close(&log);
			log = log_open();
		}
		pop3_policy_log_close(&log);
	}
	test_end();
}

static void test_log_is_ours(void)
{
	static const uint64_t list[] = { 1 };
	static const struct {
		int64_t batch;
		unsigned char mac;
		int64_t epoch;
		bool ours;
	} tests[] = {
		/* what the log says: the head, and what was under way */
		{ 7, 'a', 9, TRUE },
		{ 8, 'b', 9, TRUE },
		{ 8, 'b', 12, TRUE },
		/* something else was written in its place */
		{ 8, 'c', 12, FALSE },
		{ 7, 'c', 9, FALSE },
		{ 6, 'a', 9, FALSE },
		/* the log's end is lost, and nobody else opened it since */
		{ 9, 'c', 9, TRUE },
		{ 9, 'c', 10, FALSE },
		{ 9, 'c', 8, FALSE },
	};
	struct pop3_policy_log_state state;
	struct pop3_policy_log_entry entry;
	unsigned int i;

	test_begin("log: whose head it is");
	pop3_policy_log_state_init(&state);
	entry = head(POP3_POLICY_LOG_OPEN, 7, 70, 'a');
	pop3_policy_log_state_apply(&state, &entry, 1);
	test_assert(state.epoch == 8);
	entry = ids(POP3_POLICY_LOG_BATCH, 8, list, N_ELEMENTS(list));
	pop3_policy_log_state_apply(&state, &entry, 1);
	entry = head(POP3_POLICY_LOG_SEALED, 8, 80, 'b');
	pop3_policy_log_state_apply(&state, &entry, 1);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		entry = head(POP3_POLICY_LOG_ACK, tests[i].batch,
			     tests[i].batch * 10, tests[i].mac);
		test_assert_idx(pop3_policy_log_state_is_ours(&state,
			&entry.head, tests[i].epoch) == tests[i].ours, i);
	}
	pop3_policy_log_state_deinit(&state);
	test_end();
}

/* Only what is needed is read at a start: STARTs sum up the rest. */
static void test_log_starts(void)
{
	struct pop3_policy_log *log;
	const struct pop3_policy_log_state *state;
	struct pop3_policy_log_reader *reader;
	struct pop3_policy_log_entry entry;
	const struct pop3_policy_log_head back = { .batch = 5, .seq = 50 };
	const char *error;
	uint64_t id;

	test_begin("log: segments sum up those before");
	dir_clear();
	for (id = 1; id <= 9; id++) {
		log = log_open();
		if (id == 1)
			append(log, head(POP3_POLICY_LOG_OPEN, 0, 0, 0));
		append(log, record(id, "jane"));
		append(log, ids(POP3_POLICY_LOG_BATCH, id, &id, 1));
		if (id < 9)
			append(log, head(POP3_POLICY_LOG_ACK, id, id * 10, 7));
		pop3_policy_log_close(&log);
	}
	/* damage where nothing is unsettled is not even seen */
	file_write(segment_path(2), "damaged", 7);
	log = log_open();
	state = pop3_policy_log_get_state(log);
	test_assert(state->last_id == 9 && state->unsettled == 1);
	test_assert(state->opened && state->epoch == 1);
	test_assert(state->head.batch == 8 && state->head.seq == 80);
	test_assert(pop3_policy_log_state_oldest(state) == 9);
	test_assert(array_count(&state->pending) == 1);

	/* back to an earlier head */
	test_assert(pop3_policy_log_read_from(log, &back, &reader,
					      &error) == 0);
	test_assert(pop3_policy_log_reader_next(reader, &entry));
	test_assert(entry.type == POP3_POLICY_LOG_START &&
		    entry.head.batch == 5 && entry.id == 5);
	pop3_policy_log_reader_deinit(&reader);
	pop3_policy_log_close(&log);
	test_end();
}

static bool exists(uint32_t segment)
{
	return access(segment_path(segment), F_OK) == 0;
}

static void test_log_keep(void)
{
	struct pop3_policy_log *log;
	uint64_t id = 1;
	struct pop3_policy_log_entry entry;

	test_begin("log: kept for a day after it was settled");
	dir_clear();
	log = log_open();
	append(log, head(POP3_POLICY_LOG_OPEN, 0, 0, 0));
	/* a segment does not last longer than a quarter of that */
	append(log, record(1, "jane"));
	pop3_policy_log_expire(log, 5 * HOUR);
	test_assert(!exists(2));
	pop3_policy_log_expire(log, 6 * HOUR);
	test_assert(exists(1) && exists(2));
	/* not settled: never removed */
	pop3_policy_log_expire(log, 50 * HOUR);
	test_assert(exists(1));
	entry = ids(POP3_POLICY_LOG_BATCH, 1, &id, 1);
	entry.time = 50 * HOUR;
	append(log, entry);
	entry = head(POP3_POLICY_LOG_ACK, 1, 10, 0);
	entry.time = 51 * HOUR;
	append(log, entry);
	pop3_policy_log_expire(log, 52 * HOUR);
	test_assert(exists(1) && exists(3));
	pop3_policy_log_expire(log, 75 * HOUR);
	test_assert(exists(1));
	/* the next one began at 52 */
	pop3_policy_log_expire(log, 76 * HOUR);
	test_assert(!exists(1) && !exists(2) && exists(3));
	/* with nothing but its START it can stay */
	pop3_policy_log_expire(log, 1000 * HOUR);
	test_assert(exists(3) && !exists(4));
	pop3_policy_log_close(&log);
	log = log_open();
	test_assert(pop3_policy_log_next_id(log) == 2);
	pop3_policy_log_close(&log);
	test_end();
}

/* --- a full disk --- */

static void file_limit(rlim_t limit)
{
	struct rlimit rlim;

	if (getrlimit(RLIMIT_FSIZE, &rlim) < 0)
		i_fatal("getrlimit() failed: %m");
	rlim.rlim_cur = limit == RLIM_INFINITY ? rlim.rlim_max : limit;
	if (setrlimit(RLIMIT_FSIZE, &rlim) < 0)
		i_fatal("setrlimit() failed: %m");
}

static void test_log_full(void)
{
	ARRAY_TYPE(uint64_t) found;
	struct damage damage;
	struct pop3_policy_log *log;
	struct pop3_policy_log_entry entry;
	struct stat st;

	test_begin("log: nowhere to write");
	t_array_init(&found, 8);
	dir_clear();
	log = log_open();
	append(log, record(1, "jane"));
	test_assert(stat(segment_path(1), &st) == 0);

	/* a short write: its beginning does not stay */
	file_limit(st.st_size + 20);
	test_expect_error_string("cannot be written");
	entry = record(2, "jane");
	test_assert(pop3_policy_log_append(log, &entry, 1) < 0);
	test_expect_no_more_errors();
	file_limit(20);
	test_assert(!pop3_policy_log_is_usable(log));
	test_assert(stat(segment_path(1), &st) == 0);
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 2 && damage.count == 0);
	test_assert(pop3_policy_log_next_id(log) == 2);

	/* not tried again at once; said once */
	ioloop_timeval.tv_sec += 2;
	test_assert(!pop3_policy_log_is_usable(log));
	test_assert(pop3_policy_log_append(log, &entry, 1) < 0);

	file_limit(RLIM_INFINITY);
	ioloop_timeval.tv_sec += 2;
	test_assert(pop3_policy_log_is_usable(log));
	append(log, record(2, "jane"));
	pop3_policy_log_close(&log);
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 4 && damage.count == 0);
	test_end();
}

static void test_log_reserve(void)
{
	static const size_t large = 1024 * 1024;
	struct pop3_policy_log *log;
	struct pop3_policy_log_entry entry;
	char *text = i_malloc(large);
	const char *const large_params[] = { text };
	uint64_t id;

	test_begin("log: what settles records has a reserve");
	memset(text, 'x', large - 1);
	dir_clear();
	log = log_open();
	append(log, head(POP3_POLICY_LOG_OPEN, 0, 0, 0));
	/* no other segment can be begun */
	test_assert(mkdir(segment_path(2), 0700) == 0);
	test_expect_error_string("cannot be written");
	for (id = 1; ; id++) {
		entry = record(id, "jane");
		entry.params = large_params;
		entry.param_count = 1;
		if (pop3_policy_log_append(log, &entry, 1) < 0)
			break;
		test_assert(id < 20);
	}
	test_expect_no_more_errors();
	test_assert(id == 16);
	append(log, ids(POP3_POLICY_LOG_BATCH, 1, &id, 0));
	append(log, head(POP3_POLICY_LOG_ACK, 1, 10, 0));
	id = 1;
	append(log, ids(POP3_POLICY_LOG_DONE, 0, &id, 1));
	test_assert(pop3_policy_log_get_state(log)->unsettled == 14);
	test_assert(pop3_policy_log_sync(log) == 0);
	pop3_policy_log_close(&log);
	if (rmdir(segment_path(2)) < 0)
		i_fatal("rmdir() failed: %m");
	i_free(text);
	test_end();
}

static void test_log_many_done(void)
{
	const unsigned int count = 2 * POP3_POLICY_LOG_MAX_IDS + 1;
	ARRAY_TYPE(uint64_t) list, found;
	struct pop3_policy_log *log;
	struct damage damage;
	const uint64_t *ids;
	uint64_t id;

	test_begin("log: more are settled than an entry can say");
	dir_clear();
	log = log_open();
	i_array_init(&list, count);
	for (id = 1; id <= count; id++) T_BEGIN {
		append(log, record(id, "jane"));
		array_push_back(&list, &id);
	} T_END;
	ids = array_front(&list);
	test_assert(pop3_policy_log_get_state(log)->unsettled == count);
	test_assert(pop3_policy_log_append_done(log, 1, ids, count) == 0);
	test_assert(pop3_policy_log_get_state(log)->unsettled == 0);
	/* none is an entry, too */
	test_assert(pop3_policy_log_append_done(log, 1, ids, 0) == 0);
	pop3_policy_log_close(&log);

	i_array_init(&found, count + 5);
	read_ids(&found, &damage);
	test_assert(array_count(&found) == 1 + count + 3 + 1);
	test_assert(damage.count == 0);
	log = log_open();
	test_assert(pop3_policy_log_get_state(log)->unsettled == 0);
	pop3_policy_log_close(&log);
	array_free(&found);
	array_free(&list);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_log_format,
		test_log_ids,
		test_log_cut,
		test_log_flip,
		test_log_segments,
		test_log_state,
		test_log_is_ours,
		test_log_starts,
		test_log_keep,
		test_log_full,
		test_log_reserve,
		test_log_many_done,
		NULL
	};
	struct ioloop *ioloop;
	const char *error;
	int ret;

	lib_init();
	signal(SIGXFSZ, SIG_IGN);
	ioloop = io_loop_create();
	test_event = event_create(NULL);
	ret = test_run(test_functions);
	if (unlink_directory(TEST_DIR, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0)
		i_error("unlink_directory(%s) failed: %s", TEST_DIR, error);
	event_unref(&test_event);
	io_loop_destroy(&ioloop);
	lib_deinit();
	return ret;
}
