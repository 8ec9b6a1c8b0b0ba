-- Fold sessions without effect into hourly rows of pop3.session, one per user,
-- device and address, and note the logins. p_hour and p_last (of the last
-- poll) are seconds since 1970. No sequence number.
-- Calls: nothing. Tables: writes session, maildrop.

CREATE FUNCTION pop3.record_polls(
    p_hour float8[], p_username text[], p_device text[],
    p_remote_address text[], p_tls boolean[], p_polls int[], p_last float8[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO pop3.session AS s
           (session_id, started_at, ended_at, polls, tls, username, device,
            remote_address, ended_by)
    SELECT md5(concat_ws(E'\x01', p.username, coalesce(p.device, E'\x02'),
                         coalesce(p.address, E'\x02'), p.hour))::uuid,
           to_timestamp(p.hour), to_timestamp(max(p.last)), sum(p.polls),
           bool_and(p.tls), p.username, p.device, p.address, 'poll'
      FROM unnest(p_hour, p_username, p_device, p_remote_address, p_tls,
                  p_polls, p_last)
           p (hour, username, device, address, tls, polls, last)
     GROUP BY p.hour, p.username, p.device, p.address
     ORDER BY 1
    ON CONFLICT (session_id, started_at) DO UPDATE
       SET polls = s.polls + excluded.polls,
           ended_at = greatest(s.ended_at, excluded.ended_at),
           tls = s.tls AND excluded.tls;

    UPDATE pop3.maildrop d
       SET last_login_at = greatest(d.last_login_at, l.last),
           last_quit_at = greatest(d.last_quit_at, l.last)
      FROM (SELECT p.username, to_timestamp(max(p.last)) AS last
              FROM unnest(p_username, p_last) p (username, last)
             GROUP BY p.username ORDER BY p.username) l
     WHERE d.username = l.username
       AND (d.last_login_at IS NULL OR d.last_login_at < l.last OR
            d.last_quit_at IS NULL OR d.last_quit_at < l.last);
END
$$;

COMMENT ON FUNCTION pop3.record_polls(float8[], text[], text[], text[], boolean[], int[], float8[]) IS
    'Fold sessions without effect into hourly rows. No sequence number';
