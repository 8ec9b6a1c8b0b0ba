-- How many rows of pop3.audit, written in plain SQL, wait to be made part of a
-- chain, at most p_max, and the times of the first and the last of them (seconds
-- since 1970). Of today and yesterday; where none of these wait, of p_days days
-- ago (UTC): only so many partitions are looked at as that takes.
-- Calls: is_plain_event. Tables: reads audit.

CREATE FUNCTION pop3.plain_waiting(p_max int, p_days int)
    RETURNS TABLE (waiting int, oldest float8, newest float8)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    -- planned for these days alone: that takes a millisecond, for all days of
    -- years half a second
    SET plan_cache_mode = force_custom_plan
    AS $$
DECLARE
    v_today timestamptz := date_trunc('day', now(), 'UTC');
    v_from timestamptz := v_today - interval '1 day';
    v_until timestamptz := now();
BEGIN
    FOR v_try IN 1..2 LOOP
        SELECT count(*)::int, extract(epoch FROM min(r.at))::float8,
               extract(epoch FROM max(r.at))::float8
          INTO waiting, oldest, newest
          FROM (SELECT a.at FROM pop3.audit a
                 WHERE a.chain_id IS NULL AND a.at >= v_from
                   AND a.at <= v_until AND pop3.is_plain_event(a.event)
                 ORDER BY a.at LIMIT p_max) r;
        EXIT WHEN waiting > 0;
        v_from := v_today - make_interval(days => p_days);
        v_until := least(v_from + interval '1 day', now());
    END LOOP;
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION pop3.plain_waiting(int, int) IS
    'Rows of pop3.audit that wait to be made part of a chain, and the times of the first and the last';
