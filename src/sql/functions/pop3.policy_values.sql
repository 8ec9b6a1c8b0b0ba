-- A user's effective policy, as the service merges it: a row per parameter, in
-- their order, with its canonical value, the level that it comes from (as in
-- pop3.policy_rows(), 6 is built-in), the scope that says so, and its preset if
-- the value is that's. pop3_hold is yes if any level says yes.
-- Calls: policy_rows. Tables: reads parameter.

CREATE FUNCTION pop3.policy_values(p_username text)
    RETURNS TABLE (parameter text, value text, level smallint, scope text,
                   preset text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 25
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH levels AS MATERIALIZED (
        SELECT r.level, r."values", r.scope FROM pop3.policy_rows(p_username) r
    )
    SELECT p.name, e.value, e.level,
           -- the preset's own row has its name, the one above the scope
           CASE WHEN e.level < 6 AND e.level % 2 = 1
                THEN (SELECT l.scope FROM levels l WHERE l.level = e.level - 1)
                ELSE e.scope END,
           CASE WHEN e.level < 6 AND e.level % 2 = 1 THEN e.scope END
      FROM pop3.parameter p,
           LATERAL (SELECT c.level, c.scope, c.value
                      FROM (SELECT l.level, l.scope,
                                   l."values"[p."position"] AS value
                              FROM levels l
                            UNION ALL
                            SELECT 6::smallint, NULL, p.builtin) c
                     WHERE c.value IS NOT NULL
                     -- a hold on any level wins
                     ORDER BY (p.name = 'pop3_hold' AND c.value = 'yes') DESC,
                              c.level
                     LIMIT 1) e
     ORDER BY p."position";
END
$$;

COMMENT ON FUNCTION pop3.policy_values(text) IS
    'A user''s effective policy: every parameter with its canonical value, level (0 to 6), scope and preset';
