-- Effective policy per known user: a row per parameter, with where it comes
-- from. The same as pop3.effective_policy() gives for one user.

CREATE VIEW pop3.report_policy AS
SELECT p.username, p.domain, r.name AS parameter, v.value, e.human,
       CASE (l.level - 1) / 2 WHEN 0 THEN 'user' WHEN 1 THEN 'domain'
                              WHEN 2 THEN 'site' ELSE 'built-in' END AS level,
       CASE (l.level - 1) / 2 WHEN 0 THEN (p.own).scope
                              WHEN 1 THEN (p.domain_own).scope
                              WHEN 2 THEN (p.site_own).scope END AS scope,
       CASE l.level WHEN 2 THEN (p.own).preset
                    WHEN 4 THEN (p.domain_own).preset
                    WHEN 6 THEN (p.site_own).preset END AS preset
  FROM pop3.policy_source p,
       LATERAL (VALUES
           ('enforcement', ARRAY[
               (p.own).enforcement, (p.own_preset).enforcement,
               (p.domain_own).enforcement, (p.domain_preset).enforcement,
               (p.site_own).enforcement, (p.site_preset).enforcement]),
           ('pop3_access', ARRAY[
               (p.own).pop3_access, (p.own_preset).pop3_access,
               (p.domain_own).pop3_access, (p.domain_preset).pop3_access,
               (p.site_own).pop3_access, (p.site_preset).pop3_access]),
           ('view_since', ARRAY[
               (p.own).view_since, (p.own_preset).view_since,
               (p.domain_own).view_since, (p.domain_preset).view_since,
               (p.site_own).view_since, (p.site_preset).view_since]::text[]),
           ('view_window', ARRAY[
               (p.own).view_window, (p.own_preset).view_window,
               (p.domain_own).view_window, (p.domain_preset).view_window,
               (p.site_own).view_window, (p.site_preset).view_window]::text[]),
           ('view_limit', ARRAY[
               (p.own).view_limit, (p.own_preset).view_limit,
               (p.domain_own).view_limit, (p.domain_preset).view_limit,
               (p.site_own).view_limit, (p.site_preset).view_limit]::text[]),
           ('on_retrieve', ARRAY[
               (p.own).on_retrieve, (p.own_preset).on_retrieve,
               (p.domain_own).on_retrieve, (p.domain_preset).on_retrieve,
               (p.site_own).on_retrieve, (p.site_preset).on_retrieve]),
           ('on_dele', ARRAY[
               (p.own).on_dele, (p.own_preset).on_dele, (p.domain_own).on_dele,
               (p.domain_preset).on_dele, (p.site_own).on_dele,
               (p.site_preset).on_dele]),
           ('move_mailbox', ARRAY[
               (p.own).move_mailbox, (p.own_preset).move_mailbox,
               (p.domain_own).move_mailbox, (p.domain_preset).move_mailbox,
               (p.site_own).move_mailbox, (p.site_preset).move_mailbox]),
           ('mark_seen', ARRAY[
               (p.own).mark_seen, (p.own_preset).mark_seen,
               (p.domain_own).mark_seen, (p.domain_preset).mark_seen,
               (p.site_own).mark_seen, (p.site_preset).mark_seen]),
           ('expire_retrieved', ARRAY[
               (p.own).expire_retrieved, (p.own_preset).expire_retrieved,
               (p.domain_own).expire_retrieved,
               (p.domain_preset).expire_retrieved,
               (p.site_own).expire_retrieved,
               (p.site_preset).expire_retrieved]::text[]),
           ('expire_unretrieved', ARRAY[
               (p.own).expire_unretrieved, (p.own_preset).expire_unretrieved,
               (p.domain_own).expire_unretrieved,
               (p.domain_preset).expire_unretrieved,
               (p.site_own).expire_unretrieved,
               (p.site_preset).expire_unretrieved]::text[]),
           ('expire_hidden', ARRAY[
               (p.own).expire_hidden, (p.own_preset).expire_hidden,
               (p.domain_own).expire_hidden, (p.domain_preset).expire_hidden,
               (p.site_own).expire_hidden,
               (p.site_preset).expire_hidden]::text[]),
           ('leave_max_messages', ARRAY[
               (p.own).leave_max_messages, (p.own_preset).leave_max_messages,
               (p.domain_own).leave_max_messages,
               (p.domain_preset).leave_max_messages,
               (p.site_own).leave_max_messages,
               (p.site_preset).leave_max_messages]::text[]),
           ('leave_max_bytes', ARRAY[
               (p.own).leave_max_bytes, (p.own_preset).leave_max_bytes,
               (p.domain_own).leave_max_bytes,
               (p.domain_preset).leave_max_bytes, (p.site_own).leave_max_bytes,
               (p.site_preset).leave_max_bytes]::text[]),
           ('quota_storage', ARRAY[
               (p.own).quota_storage, (p.own_preset).quota_storage,
               (p.domain_own).quota_storage, (p.domain_preset).quota_storage,
               (p.site_own).quota_storage,
               (p.site_preset).quota_storage]::text[]),
           ('quota_messages', ARRAY[
               (p.own).quota_messages, (p.own_preset).quota_messages,
               (p.domain_own).quota_messages, (p.domain_preset).quota_messages,
               (p.site_own).quota_messages,
               (p.site_preset).quota_messages]::text[]),
           ('quota_action', ARRAY[
               (p.own).quota_action, (p.own_preset).quota_action,
               (p.domain_own).quota_action, (p.domain_preset).quota_action,
               (p.site_own).quota_action, (p.site_preset).quota_action]),
           ('quota_warn', ARRAY[
               (p.own).quota_warn::text, (p.own_preset).quota_warn::text,
               (p.domain_own).quota_warn::text,
               (p.domain_preset).quota_warn::text,
               (p.site_own).quota_warn::text,
               (p.site_preset).quota_warn::text]),
           ('login_delay', ARRAY[
               (p.own).login_delay, (p.own_preset).login_delay,
               (p.domain_own).login_delay, (p.domain_preset).login_delay,
               (p.site_own).login_delay, (p.site_preset).login_delay]::text[]),
           ('download_daily', ARRAY[
               (p.own).download_daily, (p.own_preset).download_daily,
               (p.domain_own).download_daily, (p.domain_preset).download_daily,
               (p.site_own).download_daily,
               (p.site_preset).download_daily]::text[]),
           ('top_lines', ARRAY[
               (p.own).top_lines, (p.own_preset).top_lines,
               (p.domain_own).top_lines, (p.domain_preset).top_lines,
               (p.site_own).top_lines, (p.site_preset).top_lines]::text[]),
           ('mass_delete_percent', ARRAY[
               (p.own).mass_delete_percent, (p.own_preset).mass_delete_percent,
               (p.domain_own).mass_delete_percent,
               (p.domain_preset).mass_delete_percent,
               (p.site_own).mass_delete_percent,
               (p.site_preset).mass_delete_percent]::text[]),
           ('mass_delete_hold', ARRAY[
               (p.own).mass_delete_hold, (p.own_preset).mass_delete_hold,
               (p.domain_own).mass_delete_hold,
               (p.domain_preset).mass_delete_hold,
               (p.site_own).mass_delete_hold,
               (p.site_preset).mass_delete_hold]::text[]),
           ('pop3_hold', ARRAY[
               (p.own).pop3_hold, (p.own_preset).pop3_hold,
               (p.domain_own).pop3_hold, (p.domain_preset).pop3_hold,
               (p.site_own).pop3_hold, (p.site_preset).pop3_hold]),
           ('notify', ARRAY[
               (p.own).notify, (p.own_preset).notify, (p.domain_own).notify,
               (p.domain_preset).notify, (p.site_own).notify,
               (p.site_preset).notify])) c (name, "values")
       JOIN pop3.parameter r ON r.name = c.name,
       -- the first level that says something; for a hold, that says yes
       LATERAL (SELECT coalesce(
                    CASE WHEN r.name = 'pop3_hold'
                         THEN array_position(c."values", 'yes') END,
                    (SELECT min(i) FROM generate_series(1, 6) i
                      WHERE c."values"[i] IS NOT NULL), 7) AS level) l,
       LATERAL (SELECT coalesce(c."values"[l.level], r.builtin) AS raw) w,
       LATERAL (SELECT CASE
                    WHEN r.type = 'percents' THEN btrim(w.raw, '{}')
                    WHEN r.type <> 'timestamp' OR w.raw = '-1' THEN w.raw
                    WHEN w.raw = '-infinity' THEN '-1'
                    ELSE floor(extract(epoch FROM
                                       w.raw::timestamptz))::bigint::text
                END AS value) v,
       LATERAL (SELECT pop3.value_human(r.name, v.value) AS human) e;

COMMENT ON VIEW pop3.report_policy IS
    'Effective policy of every known user, with the scope each value came from';
COMMENT ON COLUMN pop3.report_policy.username IS 'User';
COMMENT ON COLUMN pop3.report_policy.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_policy.parameter IS 'Name of the parameter';
COMMENT ON COLUMN pop3.report_policy.value IS
    'Value: seconds, bytes, numbers, words; -1 never or unlimited, -2 as configured';
COMMENT ON COLUMN pop3.report_policy.human IS 'The same as a person reads it';
COMMENT ON COLUMN pop3.report_policy.level IS
    'Where it comes from: user, domain, site or built-in';
COMMENT ON COLUMN pop3.report_policy.scope IS
    'The scope that says so; NULL for built-in';
COMMENT ON COLUMN pop3.report_policy.preset IS
    'The scope''s preset, if the value is that''s';
