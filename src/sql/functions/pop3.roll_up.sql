-- Count the sessions and events of a day that has ended (UTC) into pop3.daily
-- and pop3.daily_event, in place of what they have of it; the ended days before
-- it that were never counted, too. May be called again at any time: that is how
-- what came late is counted. Refused for a day that was counted and whose
-- records are no longer kept.
--
-- Reads the partitions of that day, and of the next, since a removal of the
-- last minutes may have been decided then; later ones only about removals that
-- were not decided within a day. Removals that are open are not counted.
-- Calls: roll_up. Tables: writes daily, daily_event, rolled_up; reads
-- report_session, event_counted.

CREATE FUNCTION pop3.roll_up(p_day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET jit = off
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_from timestamptz := p_day::timestamptz;
    v_to timestamptz := (p_day + 1)::timestamptz;
    v_earlier date;
BEGIN
    IF p_day IS NULL OR p_day >= current_date THEN
        RAISE EXCEPTION 'day % has not ended', p_day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM pop3.rolled_up r WHERE r.day = p_day) AND
       (SELECT count(*) FROM pg_inherits i
         WHERE i.inhrelid IN (
                   to_regclass(to_char(p_day, '"pop3.audit_"YYYYMMDD')),
                   to_regclass(to_char(p_day, '"pop3.session_"YYYYMMDD')))
       ) < 2 THEN
        RAISE EXCEPTION 'the records of % are no longer kept: what was counted stays',
            p_day USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- reports take what is after the last day that was counted as it is
    FOR v_earlier IN
        SELECT to_date(right(i.inhrelid::regclass::text, 8), 'YYYYMMDD')
          FROM pg_inherits i
         WHERE i.inhparent = 'pop3.session'::regclass
           AND i.inhrelid::regclass::text ~ '_[0-9]{8}$'
        EXCEPT SELECT r.day FROM pop3.rolled_up r
         ORDER BY 1
    LOOP
        EXIT WHEN v_earlier >= p_day;
        PERFORM pop3.roll_up(v_earlier);
    END LOOP;

    -- two at the same time take turns here
    INSERT INTO pop3.rolled_up AS r (day) VALUES (p_day)
    ON CONFLICT (day) DO UPDATE SET at = now();
    DELETE FROM pop3.daily d WHERE d.day = p_day;
    INSERT INTO pop3.daily
           (day, domain, users, sessions, polls, quits, refused, broken, retr,
            top, dele, fetched, retrieved, removed, bytes)
    SELECT p_day, coalesce(s.domain, ''), count(DISTINCT s.username),
           sum(s.sessions),
           coalesce(sum(s.sessions) FILTER (WHERE s.ended_by = 'poll'), 0),
           count(*) FILTER (WHERE s.ended_by = 'quit'),
           count(*) FILTER (WHERE s.ended_by = 'refused'),
           count(*) FILTER (WHERE s.ended_by NOT IN ('quit', 'poll', 'refused',
                                                     'sweep')),
           sum(s.retr), sum(s.top), sum(s.dele), sum(s.fetched),
           sum(s.retrieved), sum(s.removed), sum(s.bytes)
      FROM pop3.report_session s
     WHERE s.started_at >= v_from AND s.started_at < v_to
     GROUP BY 2;

    DELETE FROM pop3.daily_event d WHERE d.day = p_day;
    INSERT INTO pop3.daily_event
           (day, domain, event, rule, events, users, bytes)
    SELECT p_day,
           CASE WHEN strpos(e.username, '@') > 0
                THEN lower(substr(e.username, strpos(e.username, '@') + 1))
                ELSE '' END,
           e.event, coalesce(e.rule, ''), count(*),
           count(DISTINCT e.username), coalesce(sum(e.size), 0)
      FROM pop3.event_counted e
     WHERE e.at >= v_from AND e.at < v_to
     GROUP BY 2, 3, 4;
END
$$;

COMMENT ON FUNCTION pop3.roll_up(date) IS
    'Count the sessions and events of a day that has ended (UTC) for reports across users, in place of what was counted of it';
