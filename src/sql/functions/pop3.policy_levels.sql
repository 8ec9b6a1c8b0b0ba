-- What pop3.policy_rows() gives, and while removals by policy are stopped a row
-- of level 6, without values, whose scope says by what: paused or breaker.
-- Services of version 1 know of no level 6.
-- Calls: policy_rows. Tables: reads control.

CREATE FUNCTION pop3.policy_levels(p_username text)
    RETURNS TABLE (level smallint, scope text, version bigint,
                   "values" text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 3
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT r.level, r.scope, r.version, r."values"
      FROM pop3.policy_rows(p_username) r;
    RETURN QUERY
    SELECT 6::smallint, c.stopped, 0::bigint, '{}'::text[]
      FROM pop3.control c WHERE c.stopped IS NOT NULL;
END
$$;

COMMENT ON FUNCTION pop3.policy_levels(text) IS
    'Rows of pop3.policy_rows(), and one of level 6 while removals by policy are stopped';
