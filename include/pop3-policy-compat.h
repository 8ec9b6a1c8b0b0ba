#ifndef POP3_POLICY_COMPAT_H
#define POP3_POLICY_COMPAT_H

/* The home of what differs between Dovecot versions: what all of our programs
   need is here, what needs a mail process is below it and in
   src/plugin/pop3-policy-compat.c. */

#include "lib.h"
#include "str.h"

#if !DOVECOT_PREREQ(2, 4, 0)
#  define str_begins_with(haystack, needle) str_begins(haystack, needle)
#endif

/* int pop3_policy_compat_get_interval(const char *str, unsigned int *secs_r,
				       const char **error_r): "10min" */
#if DOVECOT_PREREQ(2, 4, 0)
#  include "str-parse.h"
#  define pop3_policy_compat_get_interval str_parse_get_interval
#else
#  include "settings-parser.h"
#  define pop3_policy_compat_get_interval settings_get_time
#endif

/* The field of a struct auth_user_info that says who asks. */
#if DOVECOT_PREREQ(2, 4, 0)
#  define pop3_policy_compat_auth_service(info) (info)->protocol
#else
#  define pop3_policy_compat_auth_service(info) (info)->service
#endif

/* struct istream *
   pop3_policy_compat_istream_create(struct istream_private *stream,
				     struct istream *parent, int fd):
   a stream that reads nothing but its parent. For users of
   istream-private.h. */
#if DOVECOT_PREREQ(2, 4, 5)
#  define pop3_policy_compat_istream_create(stream, parent, fd) \
	i_stream_create(stream, parent, fd, ISTREAM_HIDDEN_INPUTS_NONE, 0)
#else
#  define pop3_policy_compat_istream_create(stream, parent, fd) \
	i_stream_create(stream, parent, fd, 0)
#endif

/* --- programs under Dovecot's master --- */

/* master_service_settings_read_simple() */
#if DOVECOT_PREREQ(2, 4, 0)
#  define pop3_policy_compat_settings_read(service, error_r) \
	master_service_settings_read_simple(service, error_r)
/* each service configures its own TLS, if any */
#  define MASTER_SERVICE_FLAG_DISABLE_SSL_SET 0
#  define master_service_settings_get(service) \
	master_service_get_service_settings(service)
#else
#  define pop3_policy_compat_settings_read(service, error_r) \
	master_service_settings_read_simple(service, NULL, error_r)
#endif

/* --- mail processes --- */

struct client;
struct mail;
struct mail_user;

/* Append the UIDL that a POP3 session shows (RFC 1939, section 7) for a mail
   that has not been listed by UIDL, as pop3_uidl_format and pop3_reuse_xuidl
   say. uidvalidity is the mailbox's. Returns 0 if ok, -1 if it cannot be
   had. */
int pop3_policy_compat_uidl(struct client *client, struct mail *mail,
			    uint32_t uidvalidity, string_t *dest);

/* TRUE if a master user logged in as this user. Dovecot sets auth_user for
   ordinary users as well, when the login name was changed. */
bool pop3_policy_compat_is_master(struct mail_user *user);

/* TRUE if the connection of the user's client is encrypted by TLS. */
bool pop3_policy_compat_is_tls(struct mail_user *user);

/* Dovecot's base_dir. */
const char *pop3_policy_compat_base_dir(struct mail_user *user);

/* client_destroy() was called, and the client's v.destroy leaves the client
   as it is, for a later call. */
void pop3_policy_compat_destroy_ignored(struct client *client);

/* No message is marked as deleted any more: as before the first DELE. */
void pop3_policy_compat_undelete(struct client *client);

#endif
