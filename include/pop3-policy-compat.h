#ifndef POP3_POLICY_COMPAT_H
#define POP3_POLICY_COMPAT_H

/* The home of what differs between Dovecot versions. */

struct client;
struct mail;
struct mail_user;

#include "str.h"

#ifndef str_begins_with
#  define str_begins_with(haystack, needle) str_begins(haystack, needle)
#endif

/* Append the UIDL that a POP3 session shows (RFC 1939, section 7) for a mail
   that has not been listed by UIDL, as pop3_uidl_format and pop3_reuse_xuidl
   say. uidvalidity is the mailbox's. Returns 0 if ok, -1 if it cannot be
   had. */
int pop3_policy_compat_uidl(struct client *client, struct mail *mail,
			    uint32_t uidvalidity, string_t *dest);

/* TRUE if a master user logged in as this user. Dovecot sets auth_user for
   ordinary users as well, when the login name was changed. */
bool pop3_policy_compat_is_master(struct mail_user *user);

/* One of the plugin's settings as text, NULL if it is not set. */
const char *pop3_policy_compat_setting(struct mail_user *user,
				       const char *name);
/* Dovecot's base_dir. */
const char *pop3_policy_compat_base_dir(struct mail_user *user);

#endif
