-- Record what repair found of a claimed intent: for each message an audit row
-- (and sequence number), of event released if it is present, hides included,
-- or presumed if it is gone; the state of those is dropped. Closes the intent.
-- Returns ok; or fenced if p_session_id does not hold the claim any more: the
-- rows have event repair-late then, and nothing changes.
-- Calls: nothing. Tables: writes audit, intent, message, would_remove,
-- maildrop.

CREATE FUNCTION pop3.record_repair(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_username text,
    p_intent_session uuid, p_intent_no int, p_uid bigint[],
    p_present boolean[])
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    i pop3.intent;
    v_fenced boolean;
    v_gone bigint[];
    v_count bigint;
BEGIN
    IF cardinality(p_uid) <> cardinality(p_present) THEN
        RAISE EXCEPTION 'repair of intent % of session %: the arrays differ in length',
            p_intent_no, p_intent_session USING ERRCODE = 'P3002';
    END IF;
    UPDATE pop3.intent x
       SET state = 'closed', result = 'repaired', closed_at = now()
     WHERE x.session_id = p_intent_session AND x.intent_no = p_intent_no
       AND x.username = p_username AND x.state = 'claimed'
       AND x.claimed_by = p_session_id
    RETURNING x.* INTO i;
    v_fenced := NOT FOUND;
    IF v_fenced THEN
        SELECT x.* INTO i FROM pop3.intent x
         WHERE x.session_id = p_intent_session
           AND x.intent_no = p_intent_no AND x.username = p_username;
    END IF;

    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, username,
            mailbox_guid, uidvalidity, uid, message_guid, size, action,
            reason, detail)
    SELECT p_chain_id, p_first_seq + a.nr - 1,
           CASE WHEN v_fenced THEN 'repair-late'
                WHEN a.present THEN 'released' ELSE 'presumed' END,
           p_intent_session, p_intent_no, p_username, i.mailbox_guid,
           i.uidvalidity, a.uid, x.guid, x.size, x.action, x.reason,
           'repaired by session ' || p_session_id ||
           CASE WHEN NOT v_fenced THEN ''
                WHEN a.present THEN ' too late: present'
                ELSE ' too late: gone' END
      FROM unnest(p_uid, p_present) WITH ORDINALITY a (uid, present, nr)
           LEFT JOIN unnest(i.uid, i.guid, i.size, i.action, i.reason)
                     x (uid, guid, size, action, reason) ON x.uid = a.uid;
    IF v_fenced THEN
        RETURN 'fenced';
    END IF;

    SELECT array_agg(a.uid) INTO v_gone
      FROM unnest(p_uid, p_present) a (uid, present)
     WHERE NOT a.present AND a.uid = ANY (i.uid);
    IF v_gone IS NOT NULL THEN
        DELETE FROM pop3.message s
         WHERE s.maildrop_id = i.maildrop_id AND s.uid = ANY (v_gone);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = i.maildrop_id AND w.uid = ANY (v_gone);
        IF v_count > 0 THEN
            UPDATE pop3.maildrop d SET tracked = d.tracked - v_count
             WHERE d.maildrop_id = i.maildrop_id;
        END IF;
    END IF;
    RETURN 'ok';
END
$$;

COMMENT ON FUNCTION pop3.record_repair(uuid, bigint, uuid, text, uuid, int, bigint[], boolean[]) IS
    'Record what became of a claimed intent: ok or fenced. A sequence number per message';
