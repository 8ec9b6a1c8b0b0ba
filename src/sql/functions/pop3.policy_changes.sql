-- What a service that keeps policies has to load, in one snapshot. It knows
-- them as of p_generation, when the last row of pop3.policy_history was
-- p_history_id; if that is NULL or too long ago, it gets everything. Rows are
--   all, some       the first one, and whether that is all there is, or some
--                   that changed: with generation, changed_by and history_id
--   scope           a row of the site or a domain; version is NULL if it was
--                   deleted
--   preset          the same of a preset
--   user            a user whose own row changed, and has to be asked for (of
--                   some only: see pop3.policy_users())
-- Calls: nothing. Tables: reads generation, policy_history, policy_row.

CREATE FUNCTION pop3.policy_changes(p_generation bigint, p_history_id bigint)
    RETURNS TABLE (kind text, name text, preset text, version bigint,
                   "values" text[], generation bigint, changed_by xid8,
                   history_id bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 10
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    -- loading as many one by one is no less work
    c_many CONSTANT bigint := 10000;
    v_last bigint := coalesce((SELECT max(h.history_id)
                                 FROM pop3.policy_history h), 0);
    v_some boolean;
    g pop3.generation;
BEGIN
    SELECT x.* INTO STRICT g FROM pop3.generation x;
    v_some := coalesce(p_generation BETWEEN g.history_from AND g.generation AND
                       p_history_id BETWEEN v_last - c_many AND v_last, false);
    RETURN QUERY
    SELECT CASE WHEN v_some THEN 'some' ELSE 'all' END, NULL::text,
           NULL::text, NULL::bigint, NULL::text[], g.generation, g.changed_by,
           v_last;
    IF NOT v_some THEN
        RETURN QUERY
        SELECT CASE WHEN r.is_preset THEN 'preset' ELSE 'scope' END, r.name,
               r.preset, r.version, r."values", NULL::bigint, NULL::xid8,
               NULL::bigint
          FROM pop3.policy_row r
         WHERE r.is_preset OR r.name = '*' OR r.name LIKE '@%';
        RETURN;
    END IF;
    RETURN QUERY
    WITH changed AS MATERIALIZED (
        SELECT DISTINCT h.kind, n.name,
               h.kind = 'policy' AND n.name <> '*' AND
               n.name NOT LIKE '@%' AS is_user
          FROM pop3.policy_history h,
               -- the one before it was renamed, too
               LATERAL (VALUES (h.old ->> CASE h.kind WHEN 'policy'
                                               THEN 'scope' ELSE 'name' END),
                               (h.new ->> CASE h.kind WHEN 'policy'
                                               THEN 'scope' ELSE 'name' END))
                       n (name)
         WHERE h.history_id > p_history_id AND n.name IS NOT NULL
    )
    SELECT 'user', c.name, NULL::text, NULL::bigint, NULL::text[],
           NULL::bigint, NULL::xid8, NULL::bigint
      FROM changed c WHERE c.is_user
    UNION ALL
    SELECT CASE c.kind WHEN 'preset' THEN 'preset' ELSE 'scope' END, c.name,
           r.preset, r.version, r."values", NULL, NULL, NULL
      FROM changed c
           LEFT JOIN pop3.policy_row r
           ON r.is_preset = (c.kind = 'preset') AND r.name = c.name
     WHERE NOT c.is_user;
END
$$;

COMMENT ON FUNCTION pop3.policy_changes(bigint, bigint) IS
    'Rows of policies that changed since a generation and a row of pop3.policy_history, or all but those of users';
