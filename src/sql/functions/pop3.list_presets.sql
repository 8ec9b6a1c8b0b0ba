-- The presets: what each sets (as a line), what it is for, where the values come
-- from, and how many scopes build on it.
-- Calls: row_value, value_human. Tables: reads preset, policy, parameter.

CREATE FUNCTION pop3.list_presets()
    RETURNS TABLE (preset text, "values" text, description text, source text,
                   scopes bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.name,
           (SELECT string_agg(p.name || '=' || pop3.value_human(p.name,
                                  pop3.row_value(x."row", p.name)),
                              ', ' ORDER BY p."position")
              FROM pop3.parameter p WHERE x."row" ? p.name),
           s.description, s.source,
           (SELECT count(*) FROM pop3.policy o WHERE o.preset = s.name)
      FROM pop3.preset s,
           LATERAL (SELECT jsonb_strip_nulls(to_jsonb(s)) AS "row") x
     ORDER BY s.name;
END
$$;

COMMENT ON FUNCTION pop3.list_presets() IS
    'The presets: what they set, what for, their source, how many scopes use them';
