/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "pop3-policy-chain-form.h"

/* Never changed: what was sealed would no longer verify. A column that is new
   to these tables stays out, or begins a kind of its own. */

static const char *const audit_public[] = {
	"at", "session_id", "mailbox_guid", "message_guid", "uidvalidity",
	"uid", "size", "intent_no", "event", "action", "reason", NULL
};

static const char *const audit_personal[] = {
	"username", "auth_user", "dovecot_session", "remote_address", "device",
	"uidl", "message_id", "moved_to", "detail", "scope", NULL
};

static const char *const session_public[] = {
	"session_id", "started_at", "ended_at", "bytes", "uidvalidity",
	"uidnext", "uidnext_end", "messages", "mailbox_guid", "polls", "retr",
	"top", "dele", "tls", "ended_by", "fetched", "retrieved", "removed",
	NULL
};

static const char *const session_personal[] = {
	"username", "auth_user", "dovecot_session", "device",
	"remote_address", NULL
};

const char *const *pop3_policy_chain_form_columns(char kind, bool personal)
{
	switch (kind) {
	case POP3_POLICY_CHAIN_KIND_AUDIT:
		return personal ? audit_personal : audit_public;
	case POP3_POLICY_CHAIN_KIND_SESSION:
		return personal ? session_personal : session_public;
	}
	i_unreached();
}

void pop3_policy_chain_form_add_data(buffer_t *form, const void *value,
				     size_t size)
{
	char length[MAX_INT_STRLEN + 1];

	if (i_snprintf(length, sizeof(length), "%zu:", size) < 0)
		i_unreached();
	buffer_append(form, length, strlen(length));
	buffer_append(form, value, size);
	buffer_append_c(form, ',');
}

void pop3_policy_chain_form_add(buffer_t *form, const char *value)
{
	if (value == NULL)
		buffer_append(form, "-,", 2);
	else
		pop3_policy_chain_form_add_data(form, value, strlen(value));
}
