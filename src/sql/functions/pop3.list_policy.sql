-- What scopes set themselves, a row per value: the site first, then domains, then
-- users, of those whose name fits the mask (with * and ?; NULL: all). p_limit
-- and p_offset give a part.
-- Calls: mask_like, row_value, value_human. Tables: reads policy, parameter.

CREATE FUNCTION pop3.list_policy(p_mask text DEFAULT NULL,
                                 p_limit bigint DEFAULT NULL,
                                 p_offset bigint DEFAULT 0)
    RETURNS TABLE (scope text, parameter text, value text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT o.scope, a.name,
           CASE a.name WHEN 'preset' THEN o."row" ->> 'preset'
                ELSE pop3.value_human(a.name,
                                      pop3.row_value(o."row", a.name)) END
      FROM (SELECT x.scope, jsonb_strip_nulls(to_jsonb(x)) AS "row"
              FROM pop3.policy x
             WHERE x.scope LIKE pop3.mask_like(p_mask)) o
           JOIN (SELECT 0 AS "position", 'preset' AS name
                 UNION ALL
                 SELECT p."position", p.name FROM pop3.parameter p) a
           ON o."row" ? a.name
     ORDER BY CASE WHEN o.scope = '*' THEN 0
                   WHEN o.scope LIKE '@%' THEN 1 ELSE 2 END,
              o.scope, a."position"
     LIMIT p_limit OFFSET p_offset;
END
$$;

COMMENT ON FUNCTION pop3.list_policy(text, bigint, bigint) IS
    'What scopes set themselves: the site, domains, users; by a mask with * and ?';
