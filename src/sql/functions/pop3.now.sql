-- The database's time, seconds since 1970.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.now() RETURNS float8
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT extract(epoch FROM clock_timestamp())::float8 $$;

COMMENT ON FUNCTION pop3.now() IS
    'The database''s time, in seconds since 1970-01-01 UTC';
