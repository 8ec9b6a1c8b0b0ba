-- What a service looks at each second. source tells one database from another,
-- and from what the same one was before it was started again: what was known
-- before that is worth nothing then. changed_by is the transaction that made the
-- generation. stopped is what removals by policy are
-- stopped by, paused or breaker, else NULL; now is seconds since 1970.
-- Calls: nothing. Tables: reads generation, control.

CREATE FUNCTION pop3.policy_generation()
    RETURNS TABLE (source text, generation bigint, changed_by xid8, stopped text,
                   now float8)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT extract(epoch FROM pg_postmaster_start_time()) || ' ' ||
           'pop3.generation'::regclass::oid,
           g.generation, g.changed_by,
           (SELECT c.stopped FROM pop3.control c),
           extract(epoch FROM clock_timestamp())::float8
      FROM pop3.generation g;
END
$$;

COMMENT ON FUNCTION pop3.policy_generation() IS
    'Generation of the policies, what removals by policy are stopped by, and the time';
