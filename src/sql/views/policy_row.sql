-- Every row of pop3.policy and pop3.preset, with its values as the service
-- takes them.

CREATE VIEW pop3.policy_row AS
SELECT r.is_preset, r.name, r.preset, r.version, ARRAY[
           r.enforcement, r.pop3_access,
           CASE WHEN r.view_since = '-infinity' THEN '-1'
                ELSE floor(extract(epoch FROM r.view_since))::bigint::text
           END,
           r.view_window::text, r.view_limit::text, r.on_retrieve,
           r.on_dele, r.move_mailbox, r.mark_seen,
           r.expire_retrieved::text, r.expire_unretrieved::text,
           r.expire_hidden::text, r.leave_max_messages::text,
           r.leave_max_bytes::text, r.quota_storage::text,
           r.quota_messages::text, r.quota_action,
           array_to_string(r.quota_warn, ','), r.login_delay::text,
           r.download_daily::text, r.top_lines::text,
           r.mass_delete_percent::text, r.mass_delete_hold::text,
           r.pop3_hold, r.notify] AS "values"
  FROM (SELECT false AS is_preset, p.scope AS name, p.preset, p.version,
               p.enforcement, p.pop3_access, p.view_since, p.view_window,
               p.view_limit, p.on_retrieve, p.on_dele, p.move_mailbox,
               p.mark_seen, p.expire_retrieved, p.expire_unretrieved,
               p.expire_hidden, p.leave_max_messages, p.leave_max_bytes,
               p.quota_storage, p.quota_messages, p.quota_action,
               p.quota_warn, p.login_delay, p.download_daily, p.top_lines,
               p.mass_delete_percent, p.mass_delete_hold, p.pop3_hold,
               p.notify
          FROM pop3.policy p
        UNION ALL
        SELECT true, p.name, NULL, p.version,
               p.enforcement, p.pop3_access, p.view_since, p.view_window,
               p.view_limit, p.on_retrieve, p.on_dele, p.move_mailbox,
               p.mark_seen, p.expire_retrieved, p.expire_unretrieved,
               p.expire_hidden, p.leave_max_messages, p.leave_max_bytes,
               p.quota_storage, p.quota_messages, p.quota_action,
               p.quota_warn, p.login_delay, p.download_daily, p.top_lines,
               p.mass_delete_percent, p.mass_delete_hold, p.pop3_hold,
               p.notify
          FROM pop3.preset p) r;

COMMENT ON VIEW pop3.policy_row IS
    'Every row of pop3.policy and pop3.preset, with its values in canonical form (internal)';
COMMENT ON COLUMN pop3.policy_row.is_preset IS
    'Whether it is a row of pop3.preset';
COMMENT ON COLUMN pop3.policy_row.name IS 'Scope, or name of the preset';
COMMENT ON COLUMN pop3.policy_row.preset IS 'Preset of a scope';
COMMENT ON COLUMN pop3.policy_row.version IS 'Version of the row';
COMMENT ON COLUMN pop3.policy_row."values" IS
    'Values in the order of pop3.parameter; NULL is inherit';
