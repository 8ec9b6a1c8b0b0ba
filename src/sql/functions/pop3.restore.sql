-- Put hidden messages of a user back into the view: those that fit all that is
-- given (NULL: whatever it is): UIDs, a Message-ID (with or without its <>), the
-- session that hid them (its id, or Dovecot's), and when they were hidden, from
-- p_since until before p_until. Their clocks start again, and on_retrieve spares
-- them once. What a Message-ID or a session names is found by the audit: by what
-- hid it.
-- An audit row each, event restored; written in plain SQL, so of no chain.
-- Returns the number of messages.
-- Calls: who. Tables: writes message, maildrop, audit.

CREATE FUNCTION pop3.restore(p_username text,
                             p_uids int8multirange DEFAULT NULL,
                             p_message_id text DEFAULT NULL,
                             p_session text DEFAULT NULL,
                             p_since timestamptz DEFAULT NULL,
                             p_until timestamptz DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_message_id text := '<' || btrim(p_message_id, ' <>') || '>';
    v_session text := lower(translate(p_session, '-', ''));
    v_count bigint;
BEGIN
    WITH hidden AS (
        SELECT d.mailbox_guid, d.uidvalidity, s.maildrop_id, s.uid, s.reason
          FROM pop3.maildrop d
               JOIN pop3.message s ON s.maildrop_id = d.maildrop_id
         WHERE d.username = p_username AND s.hidden_at IS NOT NULL
           AND (p_uids IS NULL OR p_uids @> s.uid)
           AND (p_since IS NULL OR s.hidden_at >= p_since)
           AND (p_until IS NULL OR s.hidden_at < p_until)
           AND (p_message_id IS NULL AND p_session IS NULL OR
                -- UIDs change with a UIDVALIDITY, GUIDs do not
                s.message_guid IN (
                    SELECT a.message_guid FROM pop3.audit a
                     WHERE a.username = p_username AND a.event IN ('intent', 'postponed')
                       AND a.action = 'hide'
                       AND (p_message_id IS NULL OR
                            a.message_id IN (v_message_id, p_message_id))
                       AND (p_session IS NULL OR
                            a.dovecot_session = p_session OR
                            translate(a.session_id::text, '-', '') =
                            v_session)))
         ORDER BY s.maildrop_id, s.uid
           FOR UPDATE OF s
    ), restored AS (
        UPDATE pop3.message s
           SET restored_at = now(), retrieved_at = NULL, hidden_at = NULL,
               reason = NULL, postponed = NULL
          FROM hidden h
         WHERE s.maildrop_id = h.maildrop_id AND s.uid = h.uid
        RETURNING h.mailbox_guid, h.uidvalidity, h.reason AS hidden_by,
                  s.uid, s.message_guid, s.size
    ), maildrop AS (
        UPDATE pop3.maildrop d
           SET retrieved = d.retrieved - x.uids, swept_before = NULL
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

COMMENT ON FUNCTION pop3.restore(text, int8multirange, text, text, timestamptz, timestamptz) IS
    'Put hidden messages of a user back into the view, all or by UIDs, Message-ID, session, time of hiding; how many';
