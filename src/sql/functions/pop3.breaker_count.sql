-- How many messages policies removed in the last 24 hours, as far as the breaker
-- counts them.
-- Calls: nothing. Tables: reads control, removal_count.

CREATE FUNCTION pop3.breaker_count() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT coalesce(sum(r.removals), 0)::bigint
      FROM pop3.removal_count r
     WHERE r.hour > now() - interval '24 hours'
       -- what was before an administrator said that it is wanted is over
       AND r.hour >= coalesce((SELECT date_bin('1 hour', c.confirmed_until,
                                               '2000-01-01 00:00:00+00')
                                 FROM pop3.control c), '-infinity')
    $$;

COMMENT ON FUNCTION pop3.breaker_count() IS
    'Messages that policies removed in 24 hours, as the breaker counts (internal)';
