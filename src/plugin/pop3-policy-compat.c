/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "var-expand.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "pop3-common.h"
#include "pop3-policy-compat.h"

int pop3_policy_compat_uidl(struct client *client, struct mail *mail,
			    uint32_t uidvalidity, string_t *dest)
{
	const char *value, *md5 = NULL, *filename = NULL, *guid = NULL;
	const char *error;

	if (mail_get_special(mail, MAIL_FETCH_UIDL_BACKEND, &value) == 0 &&
	    *value != '\0') {
		str_append(dest, value);
		return 0;
	}
	if (client->set->pop3_reuse_xuidl &&
	    mail_get_first_header(mail, "X-UIDL", &value) > 0) {
		str_append(dest, value);
		return 0;
	}
	if ((client->uidl_keymask & UIDL_MD5) != 0 &&
	    mail_get_special(mail, MAIL_FETCH_HEADER_MD5, &md5) < 0)
		return -1;
	if ((client->uidl_keymask & UIDL_FILE_NAME) != 0 &&
	    mail_get_special(mail, MAIL_FETCH_STORAGE_ID, &filename) < 0)
		return -1;
	if ((client->uidl_keymask & UIDL_GUID) != 0 &&
	    mail_get_special(mail, MAIL_FETCH_GUID, &guid) < 0)
		return -1;

	const struct var_expand_table table[] = {
		{ 'v', dec2str(uidvalidity), "uidvalidity" },
		{ 'u', dec2str(mail->uid), "uid" },
		{ 'm', md5, "md5" },
		{ 'f', filename, "filename" },
		{ 'g', guid, "guid" },
		{ '\0', NULL, NULL }
	};
	return var_expand(dest, client->mail_set->pop3_uidl_format,
			  table, &error) > 0 ? 0 : -1;
}

bool pop3_policy_compat_is_master(struct mail_user *user)
{
	static const char key[] = "master_user=";
	const char *const *fields = user->userdb_fields;

	for (; fields != NULL && *fields != NULL; fields++) {
		if (strncmp(*fields, key, sizeof(key) - 1) == 0)
			return (*fields)[sizeof(key) - 1] != '\0';
	}
	return FALSE;
}

const char *pop3_policy_compat_setting(struct mail_user *user,
				       const char *name)
{
	return mail_user_plugin_getenv(user, name);
}

const char *pop3_policy_compat_base_dir(struct mail_user *user)
{
	return user->set->base_dir;
}
