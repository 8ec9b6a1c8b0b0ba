-- Which scope said what a rule does to a user's mail: for each of the rules (a
-- reason of pop3.audit) the scope, with "preset" and its name behind it where the
-- value is a preset's; built-in, where no scope says it; no key where no
-- parameter is behind it. What a client deletes is not decided by a scope unless
-- enforcement is enforce.
-- Calls: policy_rows. Tables: reads parameter.

CREATE FUNCTION pop3.deciding_scopes(p_username text, p_reasons text[])
    RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN (
        WITH levels AS MATERIALIZED (
            SELECT r.level, r.scope, r."values",
                   -- a preset's row has its name, the one above it the scope
                   CASE WHEN r.level % 2 = 1
                        THEN lag(r.scope) OVER (ORDER BY r.level) ||
                             ' preset ' || r.scope
                        ELSE r.scope END AS label
              FROM pop3.policy_rows(p_username) r
             WHERE r.level < 6
        ), rule AS (
            SELECT x.reason, p."position"
              FROM (VALUES ('dele', 'on_dele'), ('retrieved', 'on_retrieve'),
                           ('expired-retrieved', 'expire_retrieved'),
                           ('expired-unretrieved', 'expire_unretrieved'),
                           ('expired-hidden', 'expire_hidden'),
                           ('leave-limit', 'leave_max_messages'),
                           ('leave-limit', 'leave_max_bytes'),
                           ('quota', 'quota_action'),
                           ('mass-delete', 'mass_delete_percent'),
                           ('pop3-access', 'pop3_access'),
                           ('login-delay', 'login_delay'),
                           ('download-daily', 'download_daily'))
                   x (reason, parameter)
                   JOIN pop3.parameter p ON p.name = x.parameter
             WHERE x.reason = ANY (p_reasons)
               AND (x.reason <> 'dele' OR
                    (SELECT l."values"[1] FROM levels l
                      WHERE l."values"[1] IS NOT NULL
                      ORDER BY l.level LIMIT 1) = 'enforce')
        ), decided AS (
            SELECT DISTINCT ON (r.reason) r.reason,
                   coalesce(l.label, 'built-in') AS label
              FROM rule r
                   LEFT JOIN levels l
                   ON l."values"[r."position"] IS NOT NULL
             ORDER BY r.reason, l.level
        )
        SELECT jsonb_object_agg(d.reason, d.label) FROM decided d);
END
$$;

COMMENT ON FUNCTION pop3.deciding_scopes(text, text[]) IS
    'Which scopes of a user''s policy are behind these rules (internal)';
