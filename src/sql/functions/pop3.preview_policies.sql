-- What pop3.set_policies() would change, without changing anything: a row for
-- each parameter given; with a preset also for each whose effective value
-- changes for somebody.
--   old, new        what the scope itself says, and would say; NULL is inherit
--   users           known users whose effective value changes
--   due_before, due_after
--                   messages of users to whom the change matters whose time has
--                   come, and would have come at once: by expire_retrieved,
--                   expire_hidden and mass_delete_hold; by expire_unretrieved at
--                   most so many, since there is no row for each. 0 where
--                   enforcement is not enforce, or under a hold. The same in
--                   every row; NULL if no parameter is given that bears on it
-- Leave limits and quotas are not looked at.
-- Calls: parse_scope, row_with, row_value, value_human, effective_sql,
-- preview_due. Tables: reads policy, preset, parameter, policy_source.

CREATE FUNCTION pop3.preview_policies(p_scope text, p_names text[],
                                      p_values text[] DEFAULT NULL)
    RETURNS TABLE (parameter text, old text, new text, users bigint,
                   due_before bigint, due_after bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
#variable_conflict use_column
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_old jsonb;
    v_new jsonb;
    v_policy pop3.policy;
    v_preset pop3.preset;
    v_names text[];
    v_users jsonb;
BEGIN
    v_old := coalesce((SELECT to_jsonb(o) FROM pop3.policy o
                        WHERE o.scope = v_scope), '{}');
    v_new := pop3.row_with(v_old, p_names, p_values);
    v_policy := jsonb_populate_record(NULL::pop3.policy, v_new ||
                    jsonb_build_object('scope', v_scope, 'version', 0));
    SELECT s.* INTO v_preset FROM pop3.preset s
     WHERE s.name = v_policy.preset;
    v_names := CASE WHEN 'preset' = ANY (p_names)
                    THEN (SELECT array_agg(p.name) FROM pop3.parameter p)
                    ELSE p_names END;

    -- one scan, with a count for each
    EXECUTE (SELECT format($q$SELECT jsonb_build_object(%s)
                             FROM pop3.policy_source p WHERE %s$q$,
                    string_agg(format('%L, count(*) FILTER (WHERE %s IS '
                                      'DISTINCT FROM %s)', n.name,
                                      pop3.effective_sql(n.name, NULL),
                                      pop3.effective_sql(n.name, v_scope)),
                               ', '),
                    pop3.effective_sql(NULL, v_scope))
               FROM unnest(v_names) n (name))
       INTO v_users USING v_policy, v_preset, v_scope;
    IF v_names && ARRAY['enforcement', 'pop3_hold', 'expire_retrieved',
                        'expire_unretrieved', 'expire_hidden',
                        'mass_delete_hold'] THEN
        SELECT d.before, d.after INTO due_before, due_after
          FROM pop3.preview_due(v_scope, v_policy, v_preset) d;
    END IF;

    RETURN QUERY
    SELECT a.name,
           CASE a.name WHEN 'preset' THEN v_old ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_old, a.name))
           END,
           CASE a.name WHEN 'preset' THEN v_new ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_new, a.name))
           END,
           (v_users ->> a.name)::bigint, due_before, due_after
      FROM (SELECT g.name, g.nr FROM unnest(p_names) WITH ORDINALITY
                                     g (name, nr)
            UNION ALL
            SELECT p.name, 1000 + p."position" FROM pop3.parameter p
             WHERE p.name <> ALL (p_names)
               AND (v_users ->> p.name)::bigint > 0) a
     ORDER BY a.nr;
END
$$;

COMMENT ON FUNCTION pop3.preview_policies(text, text[], text[]) IS
    'What pop3.set_policies() would change, for how many users, and how many messages would be due; changes nothing';
