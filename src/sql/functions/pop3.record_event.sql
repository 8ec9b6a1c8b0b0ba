-- Record an event: an audit row for each UID, or one if there are none (uses
-- as many sequence numbers). State changes for
--   gone, mismatch  the state of these messages is dropped
--   gone            what sessions removed meanwhile is told by their intents, and
--                   what has no state any more was told: such a message has a
--                   row of event unused. The state of what an undecided intent
--                   is to remove stays: the intent's end tells what became of it
--   rollback        the mailbox was put back: state of UIDs from p_uidnext on
--                   is dropped, and all watermarks: they may speak of UIDs
--                   that were given out again, so all mail arrives now,
--                   and observation begins anew. Below p_uidnext only what
--                   has state counts as retrieved: what was removed may be
--                   there again, or its UID be that of another message
--   kept            what an outage postponed was decided: the messages are in
--                   the view again
-- Calls: deciding_scopes, forgotten_name, unhide. Tables: writes audit, message,
-- would_remove, watermark, maildrop, notice, intent.

CREATE FUNCTION pop3.record_event(
    p_chain_id uuid, p_first_seq bigint, p_event text, p_reason text,
    p_session_id uuid, p_dovecot_session text, p_username text,
    p_auth_user text, p_remote_address text, p_device text,
    p_mailbox_guid uuid, p_uidvalidity bigint, p_uidnext bigint,
    p_uid bigint[], p_detail text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_uid bigint[] := p_uid;
    v_detail text := p_detail;
    v_maildrop bigint;
    v_count bigint := 0;
    v_marks bigint;
    v_scope text;
    v_unused bigint[];
    v_busy bigint[];
    v_forgotten text := pop3.forgotten_name(p_username);
BEGIN
    IF v_forgotten IS NOT NULL THEN
        p_username := v_forgotten;
        p_auth_user := NULL;
        p_dovecot_session := NULL;
        p_remote_address := NULL;
        p_device := NULL;
        v_detail := NULL;
    END IF;
    IF p_event IS NULL THEN
        RAISE EXCEPTION 'an event needs a name' USING ERRCODE = 'P3002';
    END IF;
    IF coalesce(cardinality(p_uid), 0) = 0 THEN
        v_uid := ARRAY[NULL::bigint];
    END IF;
    SELECT d.maildrop_id INTO v_maildrop
      FROM pop3.maildrop d
     WHERE d.username = p_username AND d.mailbox_guid = p_mailbox_guid
       AND d.uidvalidity = p_uidvalidity;

    IF p_event = 'rollback' AND v_maildrop IS NOT NULL THEN
        IF p_uidnext IS NULL THEN
            RAISE EXCEPTION 'a rollback needs the mailbox''s UIDNEXT'
                USING ERRCODE = 'P3002';
        END IF;
        DELETE FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop AND s.uid >= p_uidnext;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = v_maildrop;
        DELETE FROM pop3.watermark w
         WHERE w.maildrop_id = v_maildrop;
        GET DIAGNOSTICS v_marks = ROW_COUNT;
        -- UIDs from p_uidnext on will be those of new mail
        UPDATE pop3.maildrop d
           SET uidnext = p_uidnext, anchor_uid = NULL, anchor_guid = NULL,
               messages = NULL, view_since = NULL, view_since_uid = NULL,
               view_window = NULL, view_window_uid = NULL,
               swept_before = NULL,
               retrieved = coalesce(
                   (SELECT range_agg(int8range(s.uid, s.uid + 1))
                      FROM pop3.message s
                     WHERE s.maildrop_id = v_maildrop
                       AND s.retrieved_at IS NOT NULL), '{}'),
               tracked = d.tracked - v_count
         WHERE d.maildrop_id = v_maildrop;
        -- what sessions removed may be there again
        UPDATE pop3.intent i SET maildrop_id = NULL
         WHERE i.username = p_username AND i.maildrop_id = v_maildrop
           AND i.state = 'closed';
        -- what it covered may be other messages now
        UPDATE pop3.notice n SET told = NULL
         WHERE n.username = p_username AND n.kind = 'expiry';
        v_detail := concat_ws('; ', v_detail,
            format('UIDNEXT %s: state of %s messages and %s watermarks dropped',
                   p_uidnext, v_count, v_marks));
    END IF;

    IF p_event = 'gone' AND v_maildrop IS NOT NULL THEN
        -- two that tell the same message come here one after the other
        PERFORM FROM pop3.message s
          WHERE s.maildrop_id = v_maildrop AND s.uid = ANY (v_uid)
          ORDER BY s.uid FOR UPDATE;
        PERFORM FROM pop3.would_remove w
          WHERE w.maildrop_id = v_maildrop AND w.uid = ANY (v_uid)
          ORDER BY w.uid FOR UPDATE;
        WITH removal AS MATERIALIZED (
            SELECT x.uid, x.guid, bool_or(i.state = 'closed') AS is_closed
              FROM (SELECT o.* FROM pop3.intent o
                     WHERE o.username = p_username
                       AND o.state IN ('open', 'abandoned', 'claimed')
                    UNION ALL
                    SELECT o.* FROM pop3.intent o
                     WHERE o.username = p_username AND o.state = 'closed'
                       AND o.result IN ('committed', 'repaired')) i,
                   unnest(i.uid, i.guid, i.action) x (uid, guid, action)
             WHERE i.maildrop_id = v_maildrop AND x.uid = ANY (v_uid)
               AND x.action IN ('expunge', 'move')
               AND (i.result IS DISTINCT FROM 'repaired' OR
                    EXISTS (SELECT FROM pop3.audit q
                             WHERE q.session_id = i.session_id
                               AND q.intent_no = i.intent_no
                               AND q.uid = x.uid AND q.event = 'presumed'
                               AND q.at >= i.created_at))
             GROUP BY x.uid, x.guid
        )
        SELECT array_agg(a.uid),
               array_agg(a.uid) FILTER (WHERE NOT r.is_closed)
          INTO v_unused, v_busy
          FROM unnest(v_uid) a (uid)
               LEFT JOIN pop3.message s
               ON s.maildrop_id = v_maildrop AND s.uid = a.uid
               LEFT JOIN pop3.would_remove w
               ON w.maildrop_id = v_maildrop AND w.uid = a.uid
               LEFT JOIN removal r
               ON r.uid = a.uid AND
                  r.guid = coalesce(s.message_guid, w.message_guid)
         WHERE a.uid IS NOT NULL
           AND (r.uid IS NOT NULL OR s.uid IS NULL AND w.uid IS NULL);
        INSERT INTO pop3.audit (chain_id, seq, event)
        SELECT p_chain_id, p_first_seq + a.nr - 1, 'unused'
          FROM unnest(v_uid) WITH ORDINALITY a (uid, nr)
         WHERE a.uid = ANY (v_unused);
    END IF;

    -- refusals have a rule, mass deletion is one
    IF p_event IN ('refused', 'would-refuse', 'mass-delete',
                   'would-mass-delete', 'kept') THEN
        SELECT x.value INTO v_scope
          FROM jsonb_each_text(pop3.deciding_scopes(p_username,
                   ARRAY[CASE WHEN p_event LIKE '%mass-delete'
                              THEN 'mass-delete' ELSE p_reason END])) x;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, reason, session_id, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, uid, message_guid, size, detail, scope)
    SELECT p_chain_id, p_first_seq + a.nr - 1, p_event, p_reason,
           p_session_id, p_dovecot_session, p_username, p_auth_user,
           p_remote_address, p_device, p_mailbox_guid, p_uidvalidity, a.uid,
           coalesce(s.message_guid, w.message_guid),
           coalesce(s.size, w.size), v_detail, v_scope
      FROM unnest(v_uid) WITH ORDINALITY a (uid, nr)
           LEFT JOIN pop3.message s
           ON s.maildrop_id = v_maildrop AND s.uid = a.uid
           LEFT JOIN pop3.would_remove w
           ON w.maildrop_id = v_maildrop AND w.uid = a.uid
     WHERE (a.uid = ANY (v_unused)) IS NOT TRUE;

    IF p_event = 'kept' AND v_maildrop IS NOT NULL THEN
        PERFORM pop3.unhide(v_maildrop, (
            SELECT array_agg(s.uid) FROM pop3.message s
             WHERE s.maildrop_id = v_maildrop AND s.uid = ANY (v_uid)
               AND s.postponed IS NOT NULL));
    END IF;
    IF p_event IN ('gone', 'mismatch') AND v_maildrop IS NOT NULL THEN
        DELETE FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop AND s.uid = ANY (v_uid)
           AND (s.uid = ANY (v_busy)) IS NOT TRUE;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = v_maildrop AND w.uid = ANY (v_uid)
           AND (w.uid = ANY (v_busy)) IS NOT TRUE;
        -- also where there was no row: a retrieved one may have been removed
        UPDATE pop3.maildrop d
           SET tracked = d.tracked - v_count,
               retrieved = d.retrieved - coalesce(x.uids, '{}')
          FROM (SELECT range_agg(int8range(u.uid, u.uid + 1)) AS uids
                  FROM unnest(v_uid) u (uid)
                 WHERE u.uid IS NOT NULL
                   -- what sessions remove stays in it
                   AND (u.uid = ANY (v_unused)) IS NOT TRUE) x
         WHERE d.maildrop_id = v_maildrop
           AND (v_count > 0 OR d.retrieved && x.uids);
    END IF;
END
$$;

COMMENT ON FUNCTION pop3.record_event(uuid, bigint, text, text, uuid, text, text, text, text, text, uuid, bigint, bigint, bigint[], text) IS
    'Record an event, with the change of state it means. A sequence number per message, at least one';
