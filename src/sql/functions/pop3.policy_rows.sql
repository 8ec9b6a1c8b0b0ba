-- The rows that make up a user's policy, most specific first: level 0 the
-- user's own, 1 the preset it names, 2 and 3 its domain's, 4 and 5 the site's.
-- Only rows that exist. scope is the row's key: scope, or name of the preset.
-- values are canonical text in the order of pop3.parameter; NULL is inherit.
-- Calls: nothing. Tables: reads policy_row.

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
        SELECT CASE r.name WHEN '*' THEN 4 WHEN v_domain THEN 2 ELSE 0 END
                   AS level, r.name, r.preset, r.version, r."values"
          FROM pop3.policy_row r
         WHERE NOT r.is_preset AND r.name IN (v_user, v_domain, '*')
    )
    SELECT o.level::smallint AS level, o.name, o.version, o."values"
      FROM own o
    UNION ALL
    SELECT (o.level + 1)::smallint, p.name, p.version, p."values"
      FROM own o JOIN pop3.policy_row p ON p.is_preset AND p.name = o.preset
     ORDER BY 1;
END
$$;

COMMENT ON FUNCTION pop3.policy_rows(text) IS
    'Rows of pop3.policy and pop3.preset that make up a user''s policy; level 0 to 5: user, its preset, domain, its preset, site, its preset';
