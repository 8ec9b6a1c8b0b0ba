#ifndef POP3_POLICY_ADMIN_H
#define POP3_POLICY_ADMIN_H

/* The database connection for administrators' calls: of another role than the
   others, made when one is needed, and closed when none was for a while. Each
   call is a transaction. */

struct pop3_policy_admin;
struct pop3_policy_admin_call;
struct pop3_policy_admin_stmt;
struct pop3_policy_db_result;
struct pop3_policy_service_settings;

/* Milliseconds after which a call is given up. */
#define POP3_POLICY_ADMIN_CALL_MSECS (70 * 1000)

/* The result is that of the statement, and has been committed if it is OK;
   NULL if the database could not be asked: error says why. */
typedef void
pop3_policy_admin_callback_t(const struct pop3_policy_db_result *result,
			     const char *error, void *context);

struct pop3_policy_admin *
pop3_policy_admin_init(struct event *event_parent,
		       const struct pop3_policy_service_settings *set);
/* Calls that are under way are not called back. */
void pop3_policy_admin_deinit(struct pop3_policy_admin **admin);

/* Send a statement. params as it takes; caller is who it is for (may be NULL).
   Both are copied. The callback is called later, once. */
struct pop3_policy_admin_call *
pop3_policy_admin_call(struct pop3_policy_admin *admin,
		       const struct pop3_policy_admin_stmt *stmt,
		       const char *caller, const char *const *params,
		       pop3_policy_admin_callback_t *callback, void *context);
/* Do not call back any more. What was sent may be done all the same. */
void pop3_policy_admin_call_abort(struct pop3_policy_admin_call **call);

#endif
