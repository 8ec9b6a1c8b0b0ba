-- A session has sent p_bytes until now: correct what was counted of it. What
-- was reserved and not sent is taken back; what was sent without having been
-- reserved is counted now.
-- Calls: nothing. Tables: writes download.

CREATE FUNCTION pop3.download_settle(p_username text, p_session_id uuid,
                                     p_bytes bigint)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r pop3.download;
    v_more bigint;
BEGIN
    SELECT d.* INTO r FROM pop3.download d
     WHERE d.username = p_username AND d.session_id = p_session_id
     ORDER BY d.at DESC LIMIT 1;
    v_more := p_bytes - coalesce(r.total, 0);
    IF v_more < 0 THEN
        UPDATE pop3.download d
           SET bytes = greatest(0, d.bytes + v_more), total = p_bytes
         WHERE d.username = p_username AND d.session_id = p_session_id
           AND d.at = r.at;
    ELSIF v_more > 0 THEN
        INSERT INTO pop3.download AS d
               (username, session_id, at, bytes, total)
        VALUES (p_username, p_session_id,
                date_bin('5 minutes', clock_timestamp(),
                         '2000-01-01 00:00:00+00'), v_more, p_bytes)
        ON CONFLICT (username, session_id, at) DO UPDATE
           SET bytes = d.bytes + v_more, total = excluded.total;
    END IF;
END
$$;

COMMENT ON FUNCTION pop3.download_settle(text, uuid, bigint) IS
    'Correct what was counted of a session to the bytes that it has sent (internal)';
