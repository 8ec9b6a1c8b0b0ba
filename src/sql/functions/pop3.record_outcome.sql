-- Record what became of a session's own intent (p_result committed or failed):
-- one audit row, of event committed or released, and the messages' state:
-- expunge and move drop it, hide makes it (but where another session removed the
-- message meanwhile), flag leaves it alone; all of them decide what was postponed,
-- hide what was so for the same reason. A failure of what was postponed takes it back: event
-- released. What is hidden
-- already stays so since then, by the later rule; but what mass-delete hid, or
-- hides now, is held by it from that time on.
-- A commit that is told after a repair has closed the intent did happen all the
-- same: the repair looked before it. Of event committed-late, it drops the
-- state of messages that it expunged or moved, as long as their UID and GUID
-- are the same. A hide is not made up for: it may have been shown since.
-- Returns
--   ok       (also for the same outcome sent again: event repeat)
--   fenced   it was given up meanwhile, or closed otherwise: event
--            committed-late, as above; else late, and no state changes
--   unknown  there is no such intent: event late
-- Calls: removed_meanwhile, unhide, event_time. Tables: writes audit, intent, message, would_remove,
-- maildrop.

CREATE FUNCTION pop3.record_outcome(
    p_chain_id uuid, p_seq bigint, p_session_id uuid, p_intent_no int,
    p_result text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    i pop3.intent;
    v_return text := 'ok';
    v_event text;
    v_gone bigint := 0;
    v_new bigint := 0;
    v_other int8multirange;
    v_removed bigint[];
BEGIN
    IF p_result IS NULL OR p_result NOT IN ('committed', 'failed') THEN
        RAISE EXCEPTION 'outcome "%" is neither committed nor failed',
            p_result USING ERRCODE = 'P3002';
    END IF;
    UPDATE pop3.intent x
       SET state = 'closed', result = p_result, closed_at = now()
     WHERE x.session_id = p_session_id AND x.intent_no = p_intent_no
       AND (x.state IN ('open', 'abandoned') OR
            x.state = 'stale' AND p_result = 'failed')
    RETURNING x.* INTO i;
    IF FOUND THEN
        v_event := CASE p_result WHEN 'failed' THEN 'released'
                                 ELSE p_result END;
    ELSE
        SELECT x.* INTO i FROM pop3.intent x
         WHERE x.session_id = p_session_id AND x.intent_no = p_intent_no
           FOR UPDATE;
        v_event := 'late';
        IF NOT FOUND THEN
            v_return := 'unknown';
        ELSIF i.result = 'postponed' AND p_result = 'failed' THEN
            v_event := 'released';
            UPDATE pop3.intent x SET result = p_result
             WHERE x.session_id = p_session_id
               AND x.intent_no = p_intent_no;
            -- nor is it decided, unless another session postponed it as well
            UPDATE pop3.message s SET postponed = NULL
              FROM unnest(i.uid, i.guid) a (uid, guid)
             WHERE s.maildrop_id = i.maildrop_id AND s.uid = a.uid
               AND s.message_guid = a.guid AND s.postponed IS NOT NULL
               AND NOT EXISTS (
                   SELECT FROM pop3.intent o
                    WHERE o.username = i.username
                      AND o.maildrop_id = i.maildrop_id
                      AND o.result = 'postponed' AND a.uid = ANY (o.uid));
            PERFORM pop3.unhide(i.maildrop_id, (
                SELECT array_agg(s.uid)
                  FROM unnest(i.uid, i.guid, i.action) a (uid, guid, action)
                       JOIN pop3.message s
                       ON s.maildrop_id = i.maildrop_id AND s.uid = a.uid
                 WHERE s.message_guid = a.guid AND a.action = 'hide'
                   -- what another session hides stays so
                   AND NOT EXISTS (
                       SELECT FROM pop3.intent o,
                              unnest(o.uid, o.action) h (uid, action)
                        WHERE o.username = i.username
                          AND o.maildrop_id = i.maildrop_id
                          AND (o.session_id, o.intent_no) <>
                              (i.session_id, i.intent_no)
                          AND o.result IN ('postponed', 'committed')
                          AND h.uid = a.uid AND h.action = 'hide')));
        ELSIF i.result = 'repaired' AND p_result = 'committed' AND
              i.action && ARRAY['expunge', 'move'] THEN
            v_event := 'committed-late';
            v_return := 'fenced';
            UPDATE pop3.intent x SET result = p_result
             WHERE x.session_id = p_session_id
               AND x.intent_no = p_intent_no;
        ELSIF i.state = 'closed' AND i.result = p_result THEN
            v_event := 'repeat';
        ELSE
            v_return := 'fenced';
        END IF;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, detail)
    VALUES (p_chain_id, p_seq, v_event, p_session_id, p_intent_no,
            i.dovecot_session, i.username, i.auth_user, i.remote_address,
            i.device, i.mailbox_guid, i.uidvalidity,
            CASE v_event WHEN 'late' THEN p_result || ', but the intent is ' ||
                                          coalesce(i.state, 'unknown')
                         WHEN 'committed-late' THEN 'after a repair'
                         WHEN 'repeat' THEN p_result END);

    IF v_event IN ('committed', 'committed-late') AND
       i.maildrop_id IS NOT NULL THEN
        IF v_event = 'committed' AND 'hide' = ANY (i.action) THEN
            -- what another message with this UID was
            SELECT range_agg(int8range(s.uid, s.uid + 1)) INTO v_other
              FROM unnest(i.uid, i.guid, i.action) a (uid, guid, action)
                   JOIN pop3.message s
                   ON s.maildrop_id = i.maildrop_id AND s.uid = a.uid
             WHERE a.action = 'hide' AND s.message_guid <> a.guid;
            v_removed := pop3.removed_meanwhile(
                i.username, i.maildrop_id, i.created_at, i.uid, i.guid);
            WITH hide AS (
                INSERT INTO pop3.message AS s
                       (maildrop_id, uid, message_guid, size, hidden_at,
                        reason)
                SELECT i.maildrop_id, a.uid, a.guid, a.size, pop3.event_time(),
                       a.reason
                  FROM unnest(i.uid, i.guid, i.size, i.action, i.reason)
                       a (uid, guid, size, action, reason)
                 WHERE a.action = 'hide'
                   AND (a.uid = ANY (v_removed)) IS NOT TRUE
                 ORDER BY a.uid
                ON CONFLICT (maildrop_id, uid) DO UPDATE
                   SET message_guid = excluded.message_guid,
                       size = excluded.size,
                       hidden_at =
                           CASE WHEN s.message_guid <> excluded.message_guid
                                     OR excluded.reason = 'mass-delete'
                                        AND s.reason IS DISTINCT FROM
                                            'mass-delete'
                                THEN excluded.hidden_at
                                ELSE coalesce(s.hidden_at,
                                              excluded.hidden_at) END,
                       retrieved_at =
                           CASE WHEN s.message_guid <> excluded.message_guid
                                THEN NULL ELSE s.retrieved_at END,
                       retrieved_count =
                           CASE WHEN s.message_guid <> excluded.message_guid
                                THEN 0 ELSE s.retrieved_count END,
                       restored_at = NULL,
                       -- Decided is what this hides for the reason that it
                       -- was postponed for (all but DELEs are decided as
                       -- what was retrieved). Of another one it is a session
                       -- that did not know of it, or that another rule hides
                       -- for; nor does it know what was postponed since the
                       -- intent.
                       postponed =
                           CASE WHEN s.message_guid = excluded.message_guid
                                     AND s.postponed IS NOT NULL AND (
                                    excluded.reason <> 'mass-delete' AND
                                    (excluded.reason = 'dele') <>
                                    (s.postponed = 'dele')
                                    OR EXISTS (
                                    SELECT FROM pop3.intent o
                                     WHERE o.username = i.username
                                       AND o.maildrop_id = i.maildrop_id
                                       AND o.result = 'postponed'
                                       AND o.closed_at >= i.created_at
                                       AND s.uid = ANY (o.uid)))
                                THEN s.postponed END,
                       reason =
                           CASE WHEN s.message_guid = excluded.message_guid
                                     AND s.reason = 'mass-delete'
                                THEN s.reason ELSE excluded.reason END
                RETURNING s.xmax = 0 AS is_new
            )
            SELECT count(*) FILTER (WHERE is_new) INTO v_new FROM hide;
        END IF;
        IF v_event = 'committed' AND 'flag' = ANY (i.action) THEN
            -- the mark hides it now
            PERFORM pop3.unhide(i.maildrop_id, (
                SELECT array_agg(s.uid)
                  FROM unnest(i.uid, i.action) a (uid, action)
                       JOIN pop3.message s
                       ON s.maildrop_id = i.maildrop_id AND s.uid = a.uid
                 WHERE a.action = 'flag' AND s.postponed IS NOT NULL));
        END IF;
        DELETE FROM pop3.message s
         USING unnest(i.uid, i.guid, i.action) a (uid, guid, action)
         WHERE s.maildrop_id = i.maildrop_id AND s.uid = a.uid
           AND a.action IN ('expunge', 'move')
           AND (v_event = 'committed' OR s.message_guid = a.guid);
        GET DIAGNOSTICS v_gone = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         USING unnest(i.uid, i.guid, i.action) a (uid, guid, action)
         WHERE w.maildrop_id = i.maildrop_id AND w.uid = a.uid
           AND a.action IN ('expunge', 'move')
           AND (v_event = 'committed' OR w.message_guid = a.guid);
        UPDATE pop3.maildrop d
           SET tracked = d.tracked + v_new - v_gone,
               retrieved = d.retrieved - coalesce(v_other, '{}'),
               postponed_at = CASE
                   WHEN d.postponed_at IS NOT NULL AND EXISTS (
                       SELECT FROM pop3.message s
                        WHERE s.maildrop_id = d.maildrop_id
                          AND s.hidden_at IS NOT NULL
                          AND s.postponed IS NOT NULL)
                   THEN d.postponed_at END,
               removals = d.removals +
                   (SELECT count(*) FROM unnest(i.action) a (action)
                     WHERE a.action IN ('expunge', 'move'))
         WHERE d.maildrop_id = i.maildrop_id;
    END IF;
    RETURN v_return;
END
$$;

COMMENT ON FUNCTION pop3.record_outcome(uuid, bigint, uuid, int, text) IS
    'Record what became of an intent (committed, failed): ok, fenced or unknown. One sequence number';
