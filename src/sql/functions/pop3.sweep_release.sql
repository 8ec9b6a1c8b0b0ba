-- A sweep is done with a user. p_done: all that was due has been removed, so that
-- the user is due again only by what becomes old enough later. Returns whether the
-- sweep had the user; if not, nothing changes.
-- Calls: nothing. Tables: writes sweep, maildrop; reads policy_user, watermark,
-- message, intent.

CREATE FUNCTION pop3.sweep_release(p_username text, p_sweeper uuid,
                                   p_done boolean DEFAULT false)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM pop3.sweep s
     WHERE s.username = p_username AND s.sweeper = p_sweeper;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_done THEN
        UPDATE pop3.maildrop d
           SET swept_before = x.before
          FROM (SELECT m.maildrop_id, k.before
                  FROM pop3.maildrop m
                       JOIN pop3.policy_user u ON u.username = m.username,
                       LATERAL (SELECT max(w.uidnext) AS before
                                  FROM pop3.watermark w
                                 WHERE w.maildrop_id = m.maildrop_id
                                   AND w.at <= now() - make_interval(
                                       secs => u.expire_unretrieved)) k
                 WHERE m.username = p_username
                   AND u.expire_unretrieved >= 0
                   -- what is spared now has its time later
                   AND NOT EXISTS (
                       SELECT FROM pop3.message s
                        WHERE s.maildrop_id = m.maildrop_id
                          AND s.restored_at IS NOT NULL)
                   AND NOT EXISTS (
                       SELECT FROM pop3.intent i
                        WHERE i.username = p_username
                          AND i.state <> 'closed')) x
         WHERE d.maildrop_id = x.maildrop_id
           AND d.swept_before IS DISTINCT FROM x.before;
    END IF;
    RETURN true;
END
$$;

COMMENT ON FUNCTION pop3.sweep_release(text, uuid, boolean) IS
    'A sweep is done with a user; whether it had the user';
