-- Whether removals by policy are stopped, and what the breaker has counted: one
-- row. Times are UTC.
-- Calls: time_human, breaker_count, breaker_limit. Tables: reads control.

CREATE FUNCTION pop3.control_status()
    RETURNS TABLE (stopped text, since text, "by" text, reason text,
                   confirmed_until text, removals bigint,
                   breaker_limit bigint, messages bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT coalesce(c.stopped, 'no'),
           pop3.time_human(coalesce(c.paused_at, c.tripped_at)),
           c.paused_by,
           CASE c.stopped WHEN 'paused' THEN c.reason ELSE c.tripped_by END,
           CASE WHEN c.confirmed_until > now()
                THEN pop3.time_human(c.confirmed_until) END,
           pop3.breaker_count(), pop3.breaker_limit(), c.messages
      FROM pop3.control c;
END
$$;

COMMENT ON FUNCTION pop3.control_status() IS
    'Whether removals by policy are stopped, since when, why, and what the breaker counted in 24 hours';
