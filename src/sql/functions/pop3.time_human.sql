-- A time as administrators' commands print it: UTC, to the second, in the form
-- that they take it.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.time_human(p_at timestamptz) RETURNS text
    LANGUAGE sql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN isfinite(p_at)
                THEN to_char(p_at AT TIME ZONE 'UTC',
                             'YYYY-MM-DD"T"HH24:MI:SS"Z"') END
$$;

COMMENT ON FUNCTION pop3.time_human(timestamptz) IS
    'A time as administrators'' commands print it: UTC, to the second (internal)';
