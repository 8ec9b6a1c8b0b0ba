-- Set several parameters of a scope (and its preset) at once: all or none. An
-- element of p_values that is NULL, or p_values being NULL, unsets. Returns a
-- row for each: what the scope itself said before, and what it says now, as a
-- person reads it; NULL is inherit.
-- Calls: parse_scope, row_with, row_value, value_human, set_policy,
-- unset_policy. Tables: reads policy.

CREATE FUNCTION pop3.set_policies(p_scope text, p_names text[],
                                  p_values text[] DEFAULT NULL)
    RETURNS TABLE (scope text, parameter text, old text, new text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_old jsonb;
    v_new jsonb;
BEGIN
    -- one after the other, so that old is what this changes
    PERFORM pg_advisory_xact_lock(hashtext('pop3.set_policies'),
                                  hashtext(v_scope));
    v_old := coalesce((SELECT to_jsonb(o) FROM pop3.policy o
                        WHERE o.scope = v_scope), '{}');
    -- refuses all before anything is changed
    PERFORM pop3.row_with(v_old, p_names, p_values);
    PERFORM pop3.set_policy(v_scope, p_names[n], p_values[n])
       FROM generate_subscripts(p_names, 1) n
      WHERE p_values[n] IS NOT NULL;
    PERFORM pop3.unset_policy(v_scope, p_names[n])
       FROM generate_subscripts(p_names, 1) n
      WHERE p_values[n] IS NULL;
    v_new := coalesce((SELECT to_jsonb(o) FROM pop3.policy o
                        WHERE o.scope = v_scope), '{}');
    RETURN QUERY
    SELECT v_scope, a.name,
           CASE a.name WHEN 'preset' THEN v_old ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_old, a.name))
           END,
           CASE a.name WHEN 'preset' THEN v_new ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_new, a.name))
           END
      FROM unnest(p_names) WITH ORDINALITY a (name, nr)
     ORDER BY a.nr;
END
$$;

COMMENT ON FUNCTION pop3.set_policies(text, text[], text[]) IS
    'Set several parameters of a scope, all or none; NULL unsets. What it said before, and says now';
