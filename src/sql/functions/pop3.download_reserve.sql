-- May a session send p_reserve more bytes under download_daily? p_bytes is what
-- it has sent until now: what was reserved before is corrected to that first.
-- If less than p_limit was used in the last 24 hours, by all sessions of the
-- user, p_reserve is counted from now on; otherwise nothing is.
--   used   bytes in the last 24 hours, without p_reserve
--   wait   seconds, rounded up, until so much of that is 24 hours ago that used
--          is below p_limit; NULL if it is
-- Sessions of a user take turns, so that each sees what the others reserved.
-- The same call again changes nothing. Its transaction commits asynchronously:
-- what a crash of the database forgets is some of the load that is limited.
--
-- Time is counted in steps of five minutes: a row's bytes are over 24 hours
-- after the step's end. Rows of that age are deleted; only of p_session_id they
-- are kept, since the last one says what was counted of it.
-- Calls: download_settle. Tables: writes download.

CREATE FUNCTION pop3.download_reserve(p_username text, p_session_id uuid,
                                      p_limit bigint, p_bytes bigint,
                                      p_reserve bigint)
    RETURNS TABLE (used bigint, wait bigint)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_window CONSTANT interval := '24:05:00';
    v_now timestamptz;
    v_at timestamptz;
    v_is_old boolean;
    v_until timestamptz;
BEGIN
    IF p_username IS NULL OR p_session_id IS NULL OR
       (p_limit > 0 AND p_bytes >= 0 AND p_reserve >= 0) IS NOT TRUE THEN
        RAISE EXCEPTION 'a download needs a user, a session, a limit and bytes'
            USING ERRCODE = 'P3002';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(hashtext('pop3.download_reserve'),
                                  hashtext(p_username));
    PERFORM pop3.download_settle(p_username, p_session_id, p_bytes);

    -- after waiting for the others, now() is too early
    v_now := clock_timestamp();
    SELECT coalesce(sum(d.bytes) FILTER (WHERE d.at > v_now - v_window), 0),
           coalesce(bool_or(d.at <= v_now - v_window AND
                            d.session_id <> p_session_id), false)
      INTO used, v_is_old
      FROM pop3.download d WHERE d.username = p_username;
    IF v_is_old THEN
        -- pop3.maintain() may be at them
        WITH old AS (
            SELECT d.session_id, d.at FROM pop3.download d
             WHERE d.username = p_username AND d.at <= v_now - v_window
               AND d.session_id <> p_session_id
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.download d USING old o
         WHERE d.username = p_username AND d.session_id = o.session_id
           AND d.at = o.at;
    END IF;

    IF used >= p_limit THEN
        SELECT min(x.at) + v_window INTO v_until
          FROM (SELECT d.at,
                       sum(d.bytes) OVER (ORDER BY d.at, d.session_id) AS past
                  FROM pop3.download d
                 WHERE d.username = p_username
                   AND d.at > v_now - v_window) x
         WHERE used - x.past < p_limit;
        wait := greatest(1, ceil(extract(epoch FROM v_until - v_now)));
    ELSE
        v_at := date_bin('5 minutes', v_now, '2000-01-01 00:00:00+00');
        INSERT INTO pop3.download AS d
               (username, session_id, at, bytes, total)
        VALUES (p_username, p_session_id, v_at, p_reserve,
                p_bytes + p_reserve)
        ON CONFLICT (username, session_id, at) DO UPDATE
           SET bytes = d.bytes + p_reserve, total = excluded.total;
    END IF;
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION pop3.download_reserve(text, uuid, bigint, bigint, bigint) IS
    'May a session send more bytes under download_daily? Bytes used in 24 hours, and seconds to wait if that is the limit. No sequence number';
