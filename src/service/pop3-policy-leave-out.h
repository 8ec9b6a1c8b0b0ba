#ifndef POP3_POLICY_LEAVE_OUT_H
#define POP3_POLICY_LEAVE_OUT_H

struct pop3_policy_service_settings;
struct pop3_policy_wire_message;

/* Take out of a request what the settings record_address and record_message_id
   say is not to be recorded. Whoever reads the request then finds nothing. */
void pop3_policy_leave_out(const struct pop3_policy_service_settings *set,
			   struct pop3_policy_wire_message *message);

#endif
