-- Put hidden messages back into the view: all of a user, or those of the given
-- UIDs. Their clocks start again, and on_retrieve spares them once. An audit
-- row each, event restored; written in plain SQL, so of no chain. Returns the
-- number of messages.
-- Calls: who. Tables: writes message, maildrop, audit.

CREATE FUNCTION pop3.restore(p_username text,
                             p_uids int8multirange DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_count bigint;
BEGIN
    WITH hidden AS (
        SELECT d.mailbox_guid, d.uidvalidity, s.maildrop_id, s.uid, s.reason
          FROM pop3.maildrop d
               JOIN pop3.message s ON s.maildrop_id = d.maildrop_id
         WHERE d.username = p_username AND s.hidden_at IS NOT NULL
           AND (p_uids IS NULL OR p_uids @> s.uid)
         ORDER BY s.maildrop_id, s.uid
           FOR UPDATE OF s
    ), restored AS (
        UPDATE pop3.message s
           SET restored_at = now(), retrieved_at = NULL, hidden_at = NULL,
               reason = NULL
          FROM hidden h
         WHERE s.maildrop_id = h.maildrop_id AND s.uid = h.uid
        RETURNING h.mailbox_guid, h.uidvalidity, h.reason AS hidden_by,
                  s.uid, s.message_guid, s.size
    ), maildrop AS (
        UPDATE pop3.maildrop d
           SET retrieved = d.retrieved - x.uids
          FROM (SELECT h.maildrop_id,
                       range_agg(int8range(h.uid, h.uid + 1)) AS uids
                  FROM hidden h GROUP BY h.maildrop_id) x
         WHERE d.maildrop_id = x.maildrop_id
    )
    INSERT INTO pop3.audit
           (event, reason, username, mailbox_guid, uidvalidity, uid,
            message_guid, size, detail)
    SELECT 'restored', 'admin', p_username, r.mailbox_guid, r.uidvalidity,
           r.uid, r.message_guid, r.size,
           format('by %s; was hidden by %s', pop3.who(),
                  coalesce(r.hidden_by, 'an unknown rule'))
      FROM restored r;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

COMMENT ON FUNCTION pop3.restore(text, int8multirange) IS
    'Put hidden messages of a user back into the view; how many';
