/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

/* Dovecot 2.4: what its configuration loads, so that it knows our settings and
   our service. Symbols are named after the module. */

#include "lib.h"
#include "array.h"
#include "settings-parser.h"
#include "service-settings.h"
#include "pop3-policy-login-setting-info.h"
#include "pop3-policy-setting-info.h"
#include "pop3-policy-settings-module.h"

/* More than there may be pop3 processes: each keeps a connection. */
#define POP3_POLICY_CLIENT_LIMIT 4096

const char *pop3_policy_settings_version = DOVECOT_ABI_VERSION;

const struct setting_parser_info *const pop3_policy_settings_set_infos[] = {
	&pop3_policy_setting_parser_info,
	&pop3_policy_login_setting_parser_info,
	NULL
};

/* One writer keeps the order of the audit: it must not come and go with the
   load, nor end for being idle. */
const struct service_settings pop3_policy_settings_service_settings = {
	.name = "pop3-policy",
	.protocol = "",
	.type = "",
	.executable = "pop3-policy -c " POP3_POLICY_SERVICE_CONFIG,
	.user = "$SET:default_internal_user",
	.group = "",
	.privileged_group = "",
	.extra_groups = ARRAY_INIT,
	.chroot = "",

	.process_min_avail = 1,
	.process_limit = 1,
	.client_limit = POP3_POLICY_CLIENT_LIMIT,
	.restart_request_count = SET_UINT_UNLIMITED,

	.unix_listeners = ARRAY_INIT,
	.fifo_listeners = ARRAY_INIT,
	.inet_listeners = ARRAY_INIT,
};

const struct setting_keyvalue pop3_policy_settings_service_settings_defaults[] = {
	{ "unix_listener", "pop3-policy pop3-policy-admin" },

	{ "unix_listener/pop3-policy/path", "pop3-policy" },
	{ "unix_listener/pop3-policy/mode", "0660" },
	{ "unix_listener/pop3-policy-admin/path", "pop3-policy-admin" },
	{ "unix_listener/pop3-policy-admin/mode", "0600" },

	{ NULL, NULL }
};
