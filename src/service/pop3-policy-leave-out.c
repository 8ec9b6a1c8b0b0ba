/* Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "pop3-policy-leave-out.h"
#include "pop3-policy-protocol.h"
#include "pop3-policy-service-settings.h"

/* Dovecot makes its session ids of time, port and address of the client. */
static const char *const address_keys[] = { "dsession", "rip", NULL };
/* of the messages removed, and the one that room is made for */
static const char *const message_id_keys[] = { "for", "message_id", NULL };
/* its message_id= is that of a notice, which we write ourselves, and which
   tells a repeated request */
static const char *const own_message_id_verb = "NOTICE";

static void leave_out_keys(struct pop3_policy_wire_line *line,
			   const char *const *keys)
{
	unsigned int i, kept = 0;

	for (i = 0; i < line->field_count; i++) {
		if (!str_array_find(keys, line->fields[i].key))
			line->fields[kept++] = line->fields[i];
	}
	line->field_count = kept;
}

static void leave_out(struct pop3_policy_wire_message *message,
		      const char *const *keys)
{
	unsigned int i;

	leave_out_keys(&message->head, keys);
	for (i = 0; i < message->item_count; i++)
		leave_out_keys(&message->items[i], keys);
}

void pop3_policy_leave_out(const struct pop3_policy_service_settings *set,
			   struct pop3_policy_wire_message *message)
{
	if (!set->record_address)
		leave_out(message, address_keys);
	if (!set->record_message_id &&
	    strcmp(message->head.name, own_message_id_verb) != 0)
		leave_out(message, message_id_keys);
}
