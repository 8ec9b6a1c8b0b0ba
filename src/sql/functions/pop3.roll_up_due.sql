-- Roll up the days that have ended (UTC) and were not counted yet, from an hour
-- after their end; the last three again each day, since sessions may be
-- recorded after the day on which they began, and removals be decided then.
-- What comes later than that is in pop3.session and pop3.audit, and is counted
-- only if pop3.roll_up() is called for its day. At most seven days at once, and
-- none is begun when the transaction is ten seconds old, since it keeps the
-- versions of rows that are updated meanwhile; but one always is. Where that is
-- stopped by a statement_timeout there is a warning, and the rest of the upkeep
-- goes on. Returns how many.
-- Calls: roll_up. Tables: reads rolled_up.

CREATE FUNCTION pop3.roll_up_due() RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_day date;
    v_count int := 0;
BEGIN
    FOR v_day IN
        SELECT p.day
          FROM (SELECT to_date(right(i.inhrelid::regclass::text, 8),
                               'YYYYMMDD') AS day
                  FROM pg_inherits i
                 WHERE i.inhparent = 'pop3.session'::regclass
                   AND i.inhrelid::regclass::text ~ '_[0-9]{8}$') p
               LEFT JOIN pop3.rolled_up r ON r.day = p.day
         WHERE (p.day + 1)::timestamptz <= now() - interval '1 hour'
           AND (r.at IS NULL OR
                r.at < now() - interval '20 hours' AND
                r.at < (p.day + 1)::timestamptz + interval '3 days')
         ORDER BY r.at NULLS FIRST, p.day LIMIT 7
    LOOP
        EXIT WHEN v_count > 0 AND
                  clock_timestamp() > now() + interval '10 seconds';
        BEGIN
            PERFORM pop3.roll_up(v_day);
        EXCEPTION WHEN query_canceled THEN
            RAISE WARNING 'rolling up % takes too long', v_day
                USING HINT = 'Call pop3.roll_up() for that day by hand.';
            EXIT;
        END;
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END
$$;

COMMENT ON FUNCTION pop3.roll_up_due() IS
    'Roll up the days that have ended and were not counted yet, the last three again; how many';
