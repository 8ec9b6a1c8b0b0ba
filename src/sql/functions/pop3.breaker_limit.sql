-- How many messages policies may remove in 24 hours before the breaker trips.
-- Calls: nothing. Tables: reads control.

CREATE FUNCTION pop3.breaker_limit() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT greatest(c.breaker_min,
                    coalesce(c.messages, 0) * c.breaker_percent / 100)
      FROM pop3.control c
     WHERE c.breaker_percent < 100
    $$;

COMMENT ON FUNCTION pop3.breaker_limit() IS
    'Messages that policies may remove in 24 hours before the breaker trips; NULL: any number (internal)';
