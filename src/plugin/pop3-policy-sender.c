/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "net.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "pop3-policy-client.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-sender.h"

void pop3_policy_sender_wire(const struct pop3_policy_sender *sender,
			     string_t *dest, const char *verb,
			     unsigned int id)
{
	pop3_policy_wire_begin(dest, verb, id);
	pop3_policy_wire_str(dest, "user", sender->user->username);
	pop3_policy_wire_str(dest, "session", guid_128_to_string(sender->id));
}

void pop3_policy_sender_wire_origin(const struct pop3_policy_sender *sender,
				    string_t *dest)
{
	const struct mail_user *user = sender->user;

	pop3_policy_wire_str(dest, "dsession", user->session_id);
	if (user->auth_user != NULL &&
	    strcmp(user->auth_user, user->username) != 0)
		pop3_policy_wire_str(dest, "auth_user", user->auth_user);
	if (user->conn.remote_ip != NULL && user->conn.remote_ip->family != 0) {
		pop3_policy_wire_str(dest, "rip",
				     net_ip2addr(user->conn.remote_ip));
	}
}

void pop3_policy_sender_wire_mailbox(const struct pop3_policy_sender *sender,
				     string_t *dest)
{
	if (sender->uidvalidity == 0)
		return;
	pop3_policy_wire_str(dest, "guid",
			     guid_128_to_string(sender->box_guid));
	pop3_policy_wire_num(dest, "uidvalidity", sender->uidvalidity);
}

void pop3_policy_sender_send(const struct pop3_policy_sender *sender,
			     const string_t *text)
{
	const char *error;

	if (pop3_policy_client_send(sender->service, text, &error) < 0)
		e_error(sender->event, "A record was not sent: %s", error);
}

void pop3_policy_sender_event(const struct pop3_policy_sender *sender,
			      const char *event, const char *reason,
			      const ARRAY_TYPE(seq_range) *uids,
			      uint32_t uidnext, const char *text)
{
	string_t *str = t_str_new(256), *set;

	pop3_policy_sender_wire(sender, str, "EVENT", 0);
	pop3_policy_sender_wire_origin(sender, str);
	pop3_policy_sender_wire_mailbox(sender, str);
	pop3_policy_wire_str(str, "event", event);
	pop3_policy_wire_str(str, "reason", reason);
	if (uids != NULL) {
		set = t_str_new(64);
		pop3_policy_uidset_append(set, uids);
		pop3_policy_wire_str(str, "uids", str_c(set));
	}
	if (uidnext != 0)
		pop3_policy_wire_num(str, "uidnext", uidnext);
	pop3_policy_wire_str(str, "text", text);
	pop3_policy_wire_end(str);
	pop3_policy_sender_send(sender, str);
}
