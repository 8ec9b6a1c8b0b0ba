/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* The files with the texts of notices. Notices are rare: files are read when
   one is to be written, so that a change acts at once. */

#include "lib.h"
#include "str.h"
#include "pop3-policy-notice-private.h"
#include "pop3-policy-template.h"
#include "pop3-policy-words.h"

#include <fcntl.h>
#include <unistd.h>

#define WORDS_FILE "rules.txt"

static int read_fd(int fd, const char *path, string_t *str,
		   const char **error_r)
{
	unsigned char buf[4096];
	ssize_t ret;

	while ((ret = read(fd, buf, sizeof(buf))) > 0) {
		str_append_data(str, buf, ret);
		if (str_len(str) > POP3_POLICY_TEMPLATE_MAX_SIZE) {
			*error_r = t_strdup_printf("%s: the file is too long: "
				"at most %u bytes are allowed", path,
				POP3_POLICY_TEMPLATE_MAX_SIZE);
			return -1;
		}
	}
	if (ret < 0) {
		*error_r = t_strdup_printf("read(%s) failed: %m", path);
		return -1;
	}
	if (memchr(str_data(str), '\0', str_len(str)) != NULL) {
		*error_r = t_strdup_printf("%s: the file has NUL bytes: only "
			"UTF-8 text is allowed", path);
		return -1;
	}
	return 0;
}

int pop3_policy_notice_read(struct pop3_policy_notifier *notifier,
			    const char *name, const char **text_r,
			    const char **error_r)
{
	const char *path = t_strconcat(notifier->set->notice_dir, "/", name,
				       NULL);
	string_t *str = t_str_new(4096);
	int fd, ret;

	/* never wait for a pipe */
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m (euid %s): "
			"pop3_policy_notice_dir must have quota.txt, "
			"expiry.txt, policy.txt and rules.txt, readable by "
			"mail processes", path, dec2str(geteuid()));
		return -1;
	}
	ret = read_fd(fd, path, str, error_r);
	i_close_fd(&fd);
	*text_r = str_c(str);
	return ret;
}

const struct pop3_policy_words *
pop3_policy_notice_words(struct pop3_policy_notifier *notifier)
{
	const char *text, *error;

	if (notifier->words_read)
		return notifier->words;
	notifier->words_read = TRUE;
	if (pop3_policy_notice_read(notifier, WORDS_FILE, &text, &error) < 0) {
		e_error(notifier->event, "Notices are not written: %s", error);
	} else if (pop3_policy_words_parse(notifier->pool, text,
					   &notifier->words, &error) < 0) {
		e_error(notifier->event, "Notices are not written: "
			"%s/"WORDS_FILE", %s", notifier->set->notice_dir,
			error);
	}
	return notifier->words;
}
