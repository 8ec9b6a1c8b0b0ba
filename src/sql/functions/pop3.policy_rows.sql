-- The rows that make up a user's policy, most specific first: level 0 the
-- user's own, 1 the preset it names, 2 and 3 its domain's, 4 and 5 the site's.
-- Only rows that exist. scope is the row's key: scope, or name of the preset.
-- values are canonical text in the order of pop3.parameter; NULL is inherit.
-- Calls: nothing. Tables: reads policy, preset.

CREATE FUNCTION pop3.policy_rows(p_username text)
    RETURNS TABLE (level smallint, scope text, version bigint,
                   "values" text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 3
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_at int := strpos(p_username, '@');
    v_domain text;
    v_user text := p_username;
BEGIN
    IF v_at > 0 THEN
        v_domain := lower(substr(p_username, v_at));
        v_user := left(p_username, v_at - 1) || v_domain;
    END IF;
    RETURN QUERY
    WITH own AS (
        SELECT CASE p.scope WHEN '*' THEN 4 WHEN v_domain THEN 2 ELSE 0 END
                   AS level, p.*
          FROM pop3.policy p
         WHERE p.scope IN (v_user, v_domain, '*')
    ), rows AS (
        SELECT o.level, o.scope, o.version,
               o.enforcement, o.pop3_access, o.view_since, o.view_window,
               o.view_limit, o.on_retrieve, o.on_dele, o.move_mailbox,
               o.mark_seen, o.expire_retrieved, o.expire_unretrieved,
               o.expire_hidden, o.leave_max_messages, o.leave_max_bytes,
               o.quota_storage, o.quota_messages, o.quota_action,
               o.quota_warn, o.login_delay, o.download_daily, o.top_lines,
               o.mass_delete_percent, o.mass_delete_hold, o.pop3_hold,
               o.notify
          FROM own o
        UNION ALL
        SELECT o.level + 1, p.name, p.version,
               p.enforcement, p.pop3_access, p.view_since, p.view_window,
               p.view_limit, p.on_retrieve, p.on_dele, p.move_mailbox,
               p.mark_seen, p.expire_retrieved, p.expire_unretrieved,
               p.expire_hidden, p.leave_max_messages, p.leave_max_bytes,
               p.quota_storage, p.quota_messages, p.quota_action,
               p.quota_warn, p.login_delay, p.download_daily, p.top_lines,
               p.mass_delete_percent, p.mass_delete_hold, p.pop3_hold,
               p.notify
          FROM own o JOIN pop3.preset p ON p.name = o.preset
    )
    SELECT r.level::smallint, r.scope, r.version, ARRAY[
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
               r.pop3_hold, r.notify]
      FROM rows r
     ORDER BY r.level;
END
$$;

COMMENT ON FUNCTION pop3.policy_rows(text) IS
    'Rows of pop3.policy and pop3.preset that make up a user''s policy; level 0 to 5: user, its preset, domain, its preset, site, its preset';
