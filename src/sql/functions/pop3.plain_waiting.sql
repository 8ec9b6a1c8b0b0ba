-- How many rows of pop3.audit, written in plain SQL, wait to be made part of a
-- chain, at most p_max, and the time of the first (seconds since 1970).
-- Calls: nothing. Tables: reads audit.

CREATE FUNCTION pop3.plain_waiting(p_max int)
    RETURNS TABLE (waiting int, oldest float8)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN QUERY
    SELECT count(*)::int, extract(epoch FROM min(r.at))::float8
      FROM (SELECT a.at FROM pop3.audit a
             WHERE a.chain_id IS NULL AND pop3.is_plain_event(a.event)
             ORDER BY a.at LIMIT p_max) r;
END
$$;

COMMENT ON FUNCTION pop3.plain_waiting(int) IS
    'Rows of pop3.audit that wait to be made part of a chain, and the time of the first';
