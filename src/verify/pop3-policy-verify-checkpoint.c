/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "guid.h"
#include "hex-binary.h"
#include "istream.h"
#include "strnum.h"
#include "pop3-policy-verify-checkpoint.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define VERIFY_CHECKPOINT_PREFIX "checkpoints."
#define VERIFY_CHECKPOINT_MAX_LINE 1024

/* "TIME back SEQ MAC": what was noted before, of higher numbers, is void. */
struct verify_back {
	unsigned int line;
	int64_t seq;
};

struct pop3_policy_verify_checkpoints {
	char *path;
	struct istream *input;
	unsigned int line;
	ARRAY(struct verify_back) back;
	struct pop3_policy_verify_checkpoint current;
	bool have_current;
};

/* --- files --- */

static int
verify_file_cmp(const struct pop3_policy_verify_checkpoint_file *file1,
		const struct pop3_policy_verify_checkpoint_file *file2)
{
	return memcmp(file1->chain_id, file2->chain_id,
		      sizeof(file1->chain_id));
}

int pop3_policy_verify_checkpoint_files(const char *dir,
	ARRAY_TYPE(pop3_policy_verify_checkpoint_file) *files,
	const char **error_r)
{
	const size_t len = strlen(VERIFY_CHECKPOINT_PREFIX);
	struct pop3_policy_verify_checkpoint_file *file;
	struct dirent *entry;
	struct stat st;
	guid_128_t id;
	DIR *dirp;

	dirp = opendir(dir);
	if (dirp == NULL) {
		*error_r = t_strdup_printf("opendir(%s) failed: %m", dir);
		return -1;
	}
	while ((entry = readdir(dirp)) != NULL) T_BEGIN {
		const char *path = t_strconcat(dir, "/", entry->d_name, NULL);

		if (strncmp(entry->d_name, VERIFY_CHECKPOINT_PREFIX,
			    len) == 0 &&
		    guid_128_from_uuid_string(entry->d_name + len, id) == 0 &&
		    stat(path, &st) == 0) {
			file = array_append_space(files);
			memcpy(file->chain_id, id, sizeof(id));
			file->path = i_strdup(path);
			file->size = st.st_size;
		}
	} T_END;
	(void)closedir(dirp);
	array_sort(files, verify_file_cmp);
	return 0;
}

/* --- lines --- */

/* Returns 0 if ok, -1 if it is no such line. */
static int verify_checkpoint_parse(const char *line, bool *back_r,
	struct pop3_policy_verify_checkpoint *checkpoint_r)
{
	const char *const *words = t_strsplit_spaces(line, " ");
	unsigned int count = str_array_length(words);
	buffer_t *mac = t_buffer_create(POP3_POLICY_CHAIN_MAC_SIZE);

	*back_r = count == 4 && strcmp(words[1], "back") == 0;
	if (count != (*back_r ? 4 : 3) ||
	    str_to_int64(words[0], &checkpoint_r->time) < 0 ||
	    str_to_int64(words[count - 2], &checkpoint_r->seq) < 0 ||
	    strlen(words[count - 1]) != 2 * sizeof(checkpoint_r->mac))
		return -1;
	if (hex_to_binary(words[count - 1], mac) < 0)
		return -1;
	memcpy(checkpoint_r->mac, mac->data, sizeof(checkpoint_r->mac));
	return 0;
}

/* Returns 1 and the next line, 0 at the end, -1 + *error_r. */
static int
verify_checkpoints_read(struct pop3_policy_verify_checkpoints *checkpoints,
			bool *back_r,
			struct pop3_policy_verify_checkpoint *checkpoint_r,
			const char **error_r)
{
	const char *line = i_stream_read_next_line(checkpoints->input);

	if (line == NULL) {
		/* one without a newline was being written, or torn */
		if (checkpoints->input->stream_errno == 0)
			return 0;
		*error_r = t_strdup_printf("read(%s) failed: %s",
			checkpoints->path,
			i_stream_get_error(checkpoints->input));
		return -1;
	}
	checkpoints->line++;
	if (verify_checkpoint_parse(line, back_r, checkpoint_r) < 0) {
		*error_r = t_strdup_printf("%s line %u is no checkpoint",
					   checkpoints->path,
					   checkpoints->line);
		return -1;
	}
	return 1;
}

static bool
verify_checkpoint_is_void(
	const struct pop3_policy_verify_checkpoints *checkpoints,
	int64_t seq)
{
	const struct verify_back *back;

	array_foreach(&checkpoints->back, back) {
		if (back->line > checkpoints->line && back->seq < seq)
			return TRUE;
	}
	return FALSE;
}

void pop3_policy_verify_checkpoints_next(
	struct pop3_policy_verify_checkpoints *checkpoints)
{
	const char *error;
	bool back;
	int ret;

	/* all lines were read before, without an error */
	while ((ret = verify_checkpoints_read(checkpoints, &back,
					      &checkpoints->current,
					      &error)) > 0) {
		if (!back && !verify_checkpoint_is_void(
				checkpoints, checkpoints->current.seq))
			break;
	}
	checkpoints->have_current = ret > 0;
}

static int
verify_checkpoints_scan(struct pop3_policy_verify_checkpoints *checkpoints,
			const char **error_r)
{
	struct pop3_policy_verify_checkpoint checkpoint;
	struct verify_back *add;
	int64_t last_seq = 0;
	bool back;
	int ret;

	while ((ret = verify_checkpoints_read(checkpoints, &back, &checkpoint,
					      error_r)) > 0) {
		if (!back && checkpoint.seq < last_seq) {
			*error_r = t_strdup_printf("%s line %u is no "
				"checkpoint: number %"PRId64" comes after "
				"%"PRId64, checkpoints->path,
				checkpoints->line, checkpoint.seq, last_seq);
			return -1;
		}
		last_seq = checkpoint.seq;
		if (back) {
			add = array_append_space(&checkpoints->back);
			add->line = checkpoints->line;
			add->seq = checkpoint.seq;
		}
	}
	return ret;
}

int pop3_policy_verify_checkpoints_open(
	const struct pop3_policy_verify_checkpoint_file *file,
	struct pop3_policy_verify_checkpoints **checkpoints_r,
	const char **error_r)
{
	struct pop3_policy_verify_checkpoints *checkpoints;
	struct istream *input;
	int fd = open(file->path, O_RDONLY);

	if (fd < 0) {
		*error_r = t_strdup_printf("open(%s) failed: %m", file->path);
		return -1;
	}
	checkpoints = i_new(struct pop3_policy_verify_checkpoints, 1);
	checkpoints->path = i_strdup(file->path);
	i_array_init(&checkpoints->back, 4);
	input = i_stream_create_fd_autoclose(&fd, VERIFY_CHECKPOINT_MAX_LINE);
	checkpoints->input = i_stream_create_limit(input, file->size);
	i_stream_unref(&input);
	if (verify_checkpoints_scan(checkpoints, error_r) < 0) {
		pop3_policy_verify_checkpoints_close(&checkpoints);
		return -1;
	}
	i_stream_seek(checkpoints->input, 0);
	checkpoints->line = 0;
	pop3_policy_verify_checkpoints_next(checkpoints);
	*checkpoints_r = checkpoints;
	return 0;
}

void pop3_policy_verify_checkpoints_close(
	struct pop3_policy_verify_checkpoints **_checkpoints)
{
	struct pop3_policy_verify_checkpoints *checkpoints = *_checkpoints;

	*_checkpoints = NULL;
	i_stream_unref(&checkpoints->input);
	array_free(&checkpoints->back);
	i_free(checkpoints->path);
	i_free(checkpoints);
}

const struct pop3_policy_verify_checkpoint *
pop3_policy_verify_checkpoints_peek(
	const struct pop3_policy_verify_checkpoints *checkpoints)
{
	return checkpoints->have_current ? &checkpoints->current : NULL;
}

unsigned int pop3_policy_verify_checkpoints_back(
	const struct pop3_policy_verify_checkpoints *checkpoints)
{
	return array_count(&checkpoints->back);
}
