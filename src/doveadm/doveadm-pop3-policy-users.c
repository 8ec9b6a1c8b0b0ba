/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "strfuncs.h"
#include "wildcard-match.h"
#include "auth-master.h"
#include "doveadm.h"
#include "pop3-policy-compat.h"
#include "doveadm-pop3-policy-call.h"
#include "doveadm-pop3-policy-plugin.h"
#include "doveadm-pop3-policy-users.h"

static void users_info(struct auth_user_info *info_r)
{
	i_zero(info_r);
	pop3_policy_compat_auth_service(info_r) = "doveadm";
}

static int
users_from_userdb(pool_t pool, const char *mask, ARRAY_TYPE(const_string) *users)
{
	struct auth_master_connection *conn;
	struct auth_master_user_list_ctx *list;
	struct auth_user_info info;
	const char *name;
	int ret;

	users_info(&info);
	conn = auth_master_init(doveadm_settings->auth_socket_path, 0);
	list = auth_master_user_list_init(conn, mask, &info);
	while ((name = auth_master_user_list_next(list)) != NULL) {
		if (!wildcard_match_icase(name, mask))
			continue;
		name = p_strdup(pool, name);
		array_push_back(users, &name);
	}
	ret = auth_master_user_list_deinit(&list);
	auth_master_deinit(&conn);
	if (ret < 0) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL,
			"The userdb did not list its users (see Dovecot's "
			"log): can it, with its iterate_query or the like?");
	}
	return ret;
}

static int
users_one(pool_t pool, const char *user, ARRAY_TYPE(const_string) *users)
{
	struct auth_master_connection *conn;
	struct auth_user_info info;
	const char *name, *const *fields;
	int ret;

	users_info(&info);
	conn = auth_master_init(doveadm_settings->auth_socket_path, 0);
	ret = auth_master_user_lookup(conn, user, &info, pool, &name, &fields);
	auth_master_deinit(&conn);
	if (ret < 0) {
		doveadm_pop3_policy_failed(EX_TEMPFAIL, t_strdup_printf(
			"The userdb could not be asked for %s (see Dovecot's "
			"log)", user));
		return -1;
	}
	if (ret == 0) {
		e_warning(doveadm_pop3_policy_event,
			  "The userdb does not know %s", user);
		name = user;
	}
	name = p_strdup(pool, name);
	array_push_back(users, &name);
	return 0;
}

static int
users_from_file(pool_t pool, struct istream *input,
		ARRAY_TYPE(const_string) *users)
{
	const char *name;

	while ((name = i_stream_read_next_line(input)) != NULL) {
		if (*name == '\0')
			continue;
		name = p_strdup(pool, name);
		array_push_back(users, &name);
	}
	if (input->stream_errno == 0)
		return 0;
	doveadm_pop3_policy_failed(EX_DATAERR, t_strdup_printf(
		"read(%s) failed: %s", i_stream_get_name(input),
		i_stream_get_error(input)));
	return -1;
}

bool doveadm_pop3_policy_has_users(struct doveadm_cmd_context *cctx)
{
	struct istream *input;
	const char *user;
	bool all;

	return doveadm_cmd_param_str(cctx, "user", &user) ||
		doveadm_cmd_param_bool(cctx, "all-users", &all) ||
		doveadm_cmd_param_istream(cctx, "user-file", &input);
}

int doveadm_pop3_policy_users(struct doveadm_cmd_context *cctx, pool_t pool,
			      const char *const **users_r, bool *many_r)
{
	ARRAY_TYPE(const_string) users;
	struct istream *input;
	const char *user;
	bool all;
	int ret;

	p_array_init(&users, pool, 16);
	*many_r = TRUE;
	if (doveadm_cmd_param_istream(cctx, "user-file", &input))
		ret = users_from_file(pool, input, &users);
	else if (doveadm_cmd_param_bool(cctx, "all-users", &all) && all)
		ret = users_from_userdb(pool, "*", &users);
	else if (!doveadm_cmd_param_str(cctx, "user", &user))
		i_unreached();
	else if (strpbrk(user, "*?") != NULL)
		ret = users_from_userdb(pool, user, &users);
	else {
		*many_r = FALSE;
		ret = users_one(pool, user, &users);
	}
	array_append_zero(&users);
	*users_r = array_front(&users);
	return ret;
}
