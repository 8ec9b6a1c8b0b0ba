-- Who is at work, for the detail of an audit row: "role" or
-- "role for caller", the caller being what the setting pop3.caller says.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.who() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT session_user ||
           coalesce(' for ' || nullif(current_setting('pop3.caller', true),
                                      ''), '')
$$;

COMMENT ON FUNCTION pop3.who() IS
    'Role that logged in, and on whose behalf if the setting pop3.caller says so (internal)';
