-- How many messages of the users of p_scope are due, as pop3.maildrop_due()
-- counts them: as things are, and after a change of the scope's row to p_policy,
-- and its preset to p_preset.
-- Calls: effective_sql, maildrop_due. Tables: reads policy_source, maildrop.

CREATE FUNCTION pop3.preview_due(p_scope text, p_policy pop3.policy,
                                 p_preset pop3.preset)
    RETURNS TABLE (before bigint, after bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
DECLARE
    v_changed text;
    v_counts bigint[];
    v_count bigint;
BEGIN
    FOREACH v_changed IN ARRAY ARRAY[NULL, p_scope]
    LOOP
        EXECUTE format($query$
            SELECT coalesce(sum(pop3.maildrop_due(d.maildrop_id, u.retrieved,
                       u.hidden, u.mass, u.unretrieved, u.own)), 0)
              FROM (SELECT p.username, %s::bigint AS retrieved,
                           %s::bigint AS hidden, %s::bigint AS mass,
                           %s::bigint AS unretrieved,
                           (%s).expire_unretrieved IS NOT NULL AS own
                      FROM pop3.policy_source p
                     WHERE %s AND %s = 'enforce' AND %s = 'no') u
                   JOIN pop3.maildrop d ON d.username = u.username
             WHERE d.tracked > 0 AND (u.retrieved >= 0 OR u.hidden >= 0 OR
                                      u.mass >= 0) OR
                   u.unretrieved >= 0
            $query$,
            pop3.effective_sql('expire_retrieved', v_changed),
            pop3.effective_sql('expire_hidden', v_changed),
            pop3.effective_sql('mass_delete_hold', v_changed),
            pop3.effective_sql('expire_unretrieved', v_changed),
            -- a user's own row decides whether use by IMAP matters
            CASE WHEN v_changed = '*' OR v_changed LIKE '@%' OR
                      v_changed IS NULL THEN '(p.own)' ELSE '($1)' END,
            pop3.effective_sql(NULL, p_scope),
            pop3.effective_sql('enforcement', v_changed),
            pop3.effective_sql('pop3_hold', v_changed))
           INTO v_count USING p_policy, p_preset, p_scope;
        v_counts := v_counts || v_count;
    END LOOP;
    before := v_counts[1];
    after := v_counts[2];
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION pop3.preview_due(text, pop3.policy, pop3.preset) IS
    'Messages due in a scope before and after a change of its row (internal)';
