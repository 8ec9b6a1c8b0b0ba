/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "var-expand.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "pop3-common.h"
#include "pop3-policy-compat.h"

struct pop3_policy_uidl_parts {
	uint32_t uidvalidity, uid;
	/* NULL if the format does not ask for it */
	const char *md5, *filename, *guid;
};

#if DOVECOT_PREREQ(2, 4, 0)
static int
pop3_policy_expand_uidl(const char *format,
			const struct pop3_policy_uidl_parts *parts,
			string_t *dest)
{
	const struct var_expand_table table[] = {
		{ .key = "uidvalidity", .value = dec2str(parts->uidvalidity) },
		{ .key = "uid", .value = dec2str(parts->uid) },
		{ .key = "md5", .value = parts->md5 },
		{ .key = "filename", .value = parts->filename },
		{ .key = "guid", .value = parts->guid },
		VAR_EXPAND_TABLE_END
	};
	const struct var_expand_params params = { .table = table };
	const char *error;

	return var_expand(dest, format, &params, &error) < 0 ? -1 : 0;
}
#else
static int
pop3_policy_expand_uidl(const char *format,
			const struct pop3_policy_uidl_parts *parts,
			string_t *dest)
{
	const struct var_expand_table table[] = {
		{ 'v', dec2str(parts->uidvalidity), "uidvalidity" },
		{ 'u', dec2str(parts->uid), "uid" },
		{ 'm', parts->md5, "md5" },
		{ 'f', parts->filename, "filename" },
		{ 'g', parts->guid, "guid" },
		{ '\0', NULL, NULL }
	};
	const char *error;

	return var_expand(dest, format, table, &error) > 0 ? 0 : -1;
}
#endif

int pop3_policy_compat_uidl(struct client *client, struct mail *mail,
			    uint32_t uidvalidity, string_t *dest)
{
	const char *value, *md5 = NULL, *filename = NULL, *guid = NULL;

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

	return pop3_policy_expand_uidl(client->mail_set->pop3_uidl_format,
				       &(struct pop3_policy_uidl_parts) {
					.uidvalidity = uidvalidity,
					.uid = mail->uid,
					.md5 = md5,
					.filename = filename,
					.guid = guid,
				       }, dest);
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

bool pop3_policy_compat_is_tls(struct mail_user *user)
{
#if DOVECOT_PREREQ(2, 4, 0)
	return user->conn.end_client_tls_secured;
#else
	return user->conn.ssl_secured;
#endif
}

const char *pop3_policy_compat_base_dir(struct mail_user *user)
{
	return user->set->base_dir;
}

void pop3_policy_compat_destroy_ignored(struct client *client ATTR_UNUSED)
{
#if DOVECOT_PREREQ(2, 4, 0)
	/* client_destroy() drops a reference behind v.destroy */
	event_ref(client->event);
#endif
}

void pop3_policy_compat_undelete(struct client *client)
{
	i_free(client->deleted_bitmask);
	client->deleted_count = 0;
	client->deleted_size = 0;
#if !DOVECOT_PREREQ(2, 4, 2)
	client->deleted = FALSE;
#endif
}
