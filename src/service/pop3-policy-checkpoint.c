/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "hex-binary.h"
#include "ioloop.h"
#include "lib-event.h"
#include "str.h"
#include "write-full.h"
#include "pop3-policy-checkpoint.h"

#include <fcntl.h>
#include <unistd.h>

#define POP3_POLICY_CHECKPOINT_SECS 60
#define POP3_POLICY_CHECKPOINT_ROWS 1000
#define POP3_POLICY_CHECKPOINT_MAX_LINE 128

struct pop3_policy_checkpoint {
	struct event *event;
	char *dir;

	/* the last head that is known */
	char *chain_id;
	int64_t seq;
	unsigned char mac[POP3_POLICY_CHAIN_MAC_SIZE];
	/* the last one that was noted, and when */
	int64_t noted_seq;
	time_t noted;
	bool failed;
	/* while one is not noted yet */
	struct timeout *to_note;
};

struct pop3_policy_checkpoint *
pop3_policy_checkpoint_init(struct event *event_parent, const char *dir)
{
	struct pop3_policy_checkpoint *checkpoint;

	checkpoint = i_new(struct pop3_policy_checkpoint, 1);
	checkpoint->event = event_create(event_parent);
	checkpoint->dir = i_strdup(dir);
	return checkpoint;
}

/* Take away what is behind the last whole line: a full disk cut it off, or the
   host lost its power and there are zeros instead. */
static int pop3_policy_checkpoint_mend(int fd)
{
	char tail[POP3_POLICY_CHECKPOINT_MAX_LINE];
	off_t size = lseek(fd, 0, SEEK_END), keep = size;
	ssize_t len;

	if (size < 0)
		return -1;
	while (keep > 0) {
		len = I_MIN(keep, (off_t)sizeof(tail));
		if (pread(fd, tail, len, keep - len) != len)
			return -1;
		while (len > 0 && tail[len - 1] != '\n') {
			len--;
			keep--;
		}
		if (len > 0)
			break;
	}
	return keep == size ? 0 : ftruncate(fd, keep);
}

static int
pop3_policy_checkpoint_append(const char *path, const string_t *line)
{
	int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int ret;

	if (fd == -1)
		return -1;
	ret = pop3_policy_checkpoint_mend(fd);
	if (ret == 0)
		ret = write_full(fd, str_data(line), str_len(line));
	i_close_fd(&fd);
	return ret;
}

static void
pop3_policy_checkpoint_write(struct pop3_policy_checkpoint *checkpoint,
			     const char *word)
{
	const char *path = t_strdup_printf("%s/checkpoints.%s",
					   checkpoint->dir,
					   checkpoint->chain_id);
	string_t *line = t_str_new(128);

	timeout_remove(&checkpoint->to_note);
	str_printfa(line, "%"PRIdTIME_T" %s%"PRId64" ", ioloop_time, word,
		    checkpoint->seq);
	binary_to_hex_append(line, checkpoint->mac, sizeof(checkpoint->mac));
	str_append_c(line, '\n');
	if (pop3_policy_checkpoint_append(path, line) == 0) {
		checkpoint->failed = FALSE;
	} else if (!checkpoint->failed) {
		checkpoint->failed = TRUE;
		e_error(checkpoint->event, "write(%s) failed: %m; the end of "
			"the chain cannot be verified without it", path);
	}
	checkpoint->noted_seq = checkpoint->seq;
	checkpoint->noted = ioloop_time;
}

static void
pop3_policy_checkpoint_timeout(struct pop3_policy_checkpoint *checkpoint)
{
	pop3_policy_checkpoint_write(checkpoint, "");
}

static void
pop3_policy_checkpoint_set(
	struct pop3_policy_checkpoint *checkpoint, const char *chain_id,
	int64_t seq,
	const unsigned char mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE])
{
	if (null_strcmp(checkpoint->chain_id, chain_id) != 0) {
		if (checkpoint->to_note != NULL)
			pop3_policy_checkpoint_write(checkpoint, "");
		i_free(checkpoint->chain_id);
		checkpoint->chain_id = i_strdup(chain_id);
		checkpoint->noted_seq = 0;
		checkpoint->noted = 0;
	}
	checkpoint->seq = seq;
	memcpy(checkpoint->mac, mac, sizeof(checkpoint->mac));
}

void pop3_policy_checkpoint_head(
	struct pop3_policy_checkpoint *checkpoint, const char *chain_id,
	int64_t seq,
	const unsigned char mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE])
{
	unsigned int msecs;
	time_t age;

	pop3_policy_checkpoint_set(checkpoint, chain_id, seq, mac);
	age = ioloop_time - checkpoint->noted;
	if (age < 0 || age >= POP3_POLICY_CHECKPOINT_SECS ||
	    seq - checkpoint->noted_seq >= POP3_POLICY_CHECKPOINT_ROWS) {
		pop3_policy_checkpoint_write(checkpoint, "");
	} else if (checkpoint->to_note == NULL) {
		msecs = (POP3_POLICY_CHECKPOINT_SECS - age) * 1000;
		checkpoint->to_note = timeout_add_short(msecs,
			pop3_policy_checkpoint_timeout, checkpoint);
	}
}

void pop3_policy_checkpoint_back(
	struct pop3_policy_checkpoint *checkpoint, const char *chain_id,
	int64_t seq,
	const unsigned char mac[STATIC_ARRAY POP3_POLICY_CHAIN_MAC_SIZE])
{
	pop3_policy_checkpoint_set(checkpoint, chain_id, seq, mac);
	pop3_policy_checkpoint_write(checkpoint, "back ");
}

void pop3_policy_checkpoint_deinit(struct pop3_policy_checkpoint **_checkpoint)
{
	struct pop3_policy_checkpoint *checkpoint = *_checkpoint;

	*_checkpoint = NULL;
	if (checkpoint->to_note != NULL)
		pop3_policy_checkpoint_write(checkpoint, "");
	event_unref(&checkpoint->event);
	i_free(checkpoint->chain_id);
	i_free(checkpoint->dir);
	i_free(checkpoint);
}
