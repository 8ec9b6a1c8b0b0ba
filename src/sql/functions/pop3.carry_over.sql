-- A mailbox got a new UIDVALIDITY (or GUID): state of maildrop p_maildrop_id
-- goes to the new one, for the messages that were found again (p_old_uid[n] is
-- now p_new_uid[n]), and is dropped for others. Arrival begins anew: without
-- watermarks all mail arrived now. Open intents cannot be decided any more.
-- One audit row, event carried. Returns the id of the new maildrop.
-- Calls: maildrop_find. Tables: writes audit, maildrop, message, would_remove,
-- intent.

CREATE FUNCTION pop3.carry_over(
    p_chain_id uuid, p_seq bigint, p_session_id uuid, p_username text,
    p_maildrop_id bigint, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_uidnext bigint, p_messages bigint, p_old_uid bigint[],
    p_new_uid bigint[])
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    old pop3.maildrop;
    v_new bigint;
    v_carried bigint := 0;
    v_dropped bigint := 0;
    v_intents bigint := 0;
BEGIN
    IF cardinality(p_old_uid) <> cardinality(p_new_uid) THEN
        RAISE EXCEPTION 'carry-over of maildrop %: the arrays differ in length',
            p_maildrop_id USING ERRCODE = 'P3002';
    END IF;
    v_new := pop3.maildrop_find(p_username, p_mailbox_guid, p_uidvalidity);
    SELECT d.* INTO old FROM pop3.maildrop d
     WHERE d.maildrop_id = p_maildrop_id AND d.username = p_username
       AND d.maildrop_id <> v_new
       FOR UPDATE;
    IF FOUND THEN
        INSERT INTO pop3.message
               (maildrop_id, uid, message_guid, size, retrieved_at, hidden_at,
                restored_at, retrieved_count, reason, postponed)
        SELECT v_new, a.new_uid, s.message_guid, s.size, s.retrieved_at,
               s.hidden_at, s.restored_at, s.retrieved_count, s.reason,
               s.postponed
          FROM unnest(p_old_uid, p_new_uid) a (old_uid, new_uid)
               JOIN pop3.message s
               ON s.maildrop_id = p_maildrop_id AND s.uid = a.old_uid
         ORDER BY a.new_uid
        ON CONFLICT (maildrop_id, uid) DO NOTHING;
        GET DIAGNOSTICS v_carried = ROW_COUNT;
        DELETE FROM pop3.message s WHERE s.maildrop_id = p_maildrop_id;
        GET DIAGNOSTICS v_dropped = ROW_COUNT;
        v_dropped := v_dropped - v_carried;
        INSERT INTO pop3.would_remove
               (maildrop_id, uid, message_guid, size, reason, since)
        SELECT v_new, a.new_uid, w.message_guid, w.size, w.reason, w.since
          FROM unnest(p_old_uid, p_new_uid) a (old_uid, new_uid)
               JOIN pop3.would_remove w
               ON w.maildrop_id = p_maildrop_id AND w.uid = a.old_uid
        ON CONFLICT (maildrop_id, uid) DO NOTHING;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = p_maildrop_id;
        UPDATE pop3.intent i
           SET state = 'closed', result = 'undecided', closed_at = now(),
               maildrop_id = NULL
         WHERE i.username = p_username AND i.state <> 'closed'
           AND i.maildrop_id = p_maildrop_id;
        GET DIAGNOSTICS v_intents = ROW_COUNT;
        UPDATE pop3.maildrop d
           SET uidnext = greatest(d.uidnext, p_uidnext),
               messages = p_messages,
               tracked = d.tracked + v_carried,
               retrieved = d.retrieved + coalesce(
                   (SELECT range_agg(int8range(s.uid, s.uid + 1))
                      FROM pop3.message s
                     WHERE s.maildrop_id = v_new
                       AND s.retrieved_at IS NOT NULL), '{}'),
               last_login_at = greatest(d.last_login_at, old.last_login_at),
               last_quit_at = greatest(d.last_quit_at, old.last_quit_at),
               imap_used_at = greatest(d.imap_used_at, old.imap_used_at),
               postponed_at = greatest(d.postponed_at, old.postponed_at),
               sessions = d.sessions + old.sessions,
               retrievals = d.retrievals + old.retrievals,
               removals = d.removals + old.removals,
               bytes = d.bytes + old.bytes
         WHERE d.maildrop_id = v_new;
        -- takes its watermarks with it
        DELETE FROM pop3.maildrop d WHERE d.maildrop_id = p_maildrop_id;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, username, mailbox_guid,
            uidvalidity, detail)
    VALUES (p_chain_id, p_seq, 'carried', p_session_id, p_username,
            p_mailbox_guid, p_uidvalidity,
            CASE WHEN old.maildrop_id IS NULL
                 THEN format('nothing to carry over from maildrop %s',
                             p_maildrop_id)
                 ELSE format('from maildrop %s, UIDVALIDITY %s: state of %s '
                             'messages carried over, of %s dropped; %s '
                             'intents left undecided', p_maildrop_id,
                             old.uidvalidity, v_carried, v_dropped,
                             v_intents)
            END);
    RETURN v_new;
END
$$;

COMMENT ON FUNCTION pop3.carry_over(uuid, bigint, uuid, text, bigint, uuid, bigint, bigint, bigint, bigint[], bigint[]) IS
    'Carry a maildrop''s state over to a new UIDVALIDITY; id of the new maildrop. One sequence number';
