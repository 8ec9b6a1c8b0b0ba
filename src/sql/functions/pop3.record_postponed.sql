-- Record removals that a session wanted while the database was away: nothing was
-- removed, the messages are hidden until that is decided anew by the policy of
-- then. An audit row for each, of event postponed (uses as many sequence
-- numbers); the action is hide, or flag where the client's DELE only marks. What
-- was only to be hidden, and what mass-delete hides, is hidden for good.
-- Messages that other sessions removed meanwhile get no state.
-- The same postponement sent again gives rows of event repeat, and no changes.
-- Calls: maildrop_find, deciding_scopes, removed_meanwhile, event_time,
-- forgotten_name. Tables: writes audit, intent, message, maildrop.

CREATE FUNCTION pop3.record_postponed(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_uid bigint[], p_guid uuid[], p_size bigint[],
    p_action text[], p_reason text[], p_uidl text[], p_message_id text[],
    p_mailbox text[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_event text := 'postponed';
    v_action text[];
    v_maildrop bigint;
    v_scopes jsonb;
    v_new bigint;
    v_other int8multirange;
    v_removed bigint[];
    v_forgotten text := pop3.forgotten_name(p_username);
BEGIN
    IF (cardinality(p_uid) = ALL (ARRAY[
            cardinality(p_guid), cardinality(p_size), cardinality(p_action),
            cardinality(p_reason), cardinality(p_uidl),
            cardinality(p_message_id), cardinality(p_mailbox)])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'postponed intent % of session %: the arrays differ in length',
            p_intent_no, p_session_id USING ERRCODE = 'P3002';
    END IF;
    IF v_forgotten IS NOT NULL THEN
        p_username := v_forgotten;
        p_auth_user := NULL;
        p_dovecot_session := NULL;
        p_remote_address := NULL;
        p_device := NULL;
        p_uidl := array_fill(NULL::text, ARRAY[cardinality(p_uid)]);
        p_message_id := p_uidl;
        p_mailbox := p_uidl;
    END IF;
    -- his state was forgotten, too
    IF v_forgotten IS NULL THEN
        v_maildrop := pop3.maildrop_find(p_username, p_mailbox_guid,
                                         p_uidvalidity);
    END IF;
    v_action := (SELECT array_agg(CASE WHEN a.action = 'flag' THEN a.action
                                       ELSE 'hide' END ORDER BY a.nr)
                   FROM unnest(p_action) WITH ORDINALITY a (action, nr));
    INSERT INTO pop3.intent
           (session_id, intent_no, maildrop_id, username, chain_id, first_seq,
            state, result, lease_until, closed_at, dovecot_session, auth_user,
            remote_address, device, mailbox_guid, uidvalidity, uid, guid, size,
            action, reason)
    VALUES (p_session_id, p_intent_no, v_maildrop, p_username, p_chain_id,
            p_first_seq, 'closed', 'postponed', now(), now(),
            p_dovecot_session, p_auth_user, p_remote_address, p_device,
            p_mailbox_guid, p_uidvalidity, p_uid, p_guid, p_size, v_action,
            p_reason)
    ON CONFLICT (session_id, intent_no) DO NOTHING;
    IF NOT FOUND THEN
        v_event := 'repeat';
    END IF;

    v_scopes := pop3.deciding_scopes(p_username, p_reason);
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, uid, message_guid, size, action, reason, uidl,
            message_id, detail, scope)
    SELECT p_chain_id, p_first_seq + a.nr - 1, v_event, p_session_id,
           p_intent_no, p_dovecot_session, p_username, p_auth_user,
           p_remote_address, p_device, p_mailbox_guid, p_uidvalidity, a.uid,
           a.guid, a.size, v_action[a.nr], a.reason, a.uidl, a.message_id,
           CASE a.action WHEN 'expunge' THEN 'instead of a removal'
                         WHEN 'move' THEN 'instead of a move to ' || a.mailbox
                         END,
           v_scopes ->> a.reason
      FROM unnest(p_uid, p_guid, p_size, p_action, p_reason, p_uidl,
                  p_message_id, p_mailbox)
           WITH ORDINALITY a (uid, guid, size, action, reason, uidl,
                              message_id, mailbox, nr);
    IF v_event = 'repeat' OR v_forgotten IS NOT NULL THEN
        RETURN;
    END IF;

    -- what another message with this UID was
    SELECT range_agg(int8range(s.uid, s.uid + 1)) INTO v_other
      FROM unnest(p_uid, p_guid) a (uid, guid)
           JOIN pop3.message s
           ON s.maildrop_id = v_maildrop AND s.uid = a.uid
     WHERE s.message_guid <> a.guid;
    v_removed := pop3.removed_meanwhile(p_username, v_maildrop,
                                        pop3.event_time(), p_uid, p_guid);
    WITH hide AS (
        INSERT INTO pop3.message AS s
               (maildrop_id, uid, message_guid, size, hidden_at, reason,
                postponed)
        SELECT v_maildrop, a.uid, a.guid, a.size, pop3.event_time(), a.reason,
               CASE WHEN a.action IN ('expunge', 'move') AND
                         a.reason <> 'mass-delete' THEN a.reason END
          FROM unnest(p_uid, p_guid, p_size, p_action, p_reason)
               a (uid, guid, size, action, reason)
         WHERE a.action <> 'flag'
           AND (a.uid = ANY (v_removed)) IS NOT TRUE
         ORDER BY a.uid
        ON CONFLICT (maildrop_id, uid) DO UPDATE
           SET message_guid = excluded.message_guid,
               size = excluded.size,
               hidden_at =
                   CASE WHEN s.message_guid <> excluded.message_guid OR
                             excluded.reason = 'mass-delete' AND
                             s.reason IS DISTINCT FROM 'mass-delete'
                        THEN excluded.hidden_at
                        ELSE coalesce(s.hidden_at, excluded.hidden_at) END,
               retrieved_at =
                   CASE WHEN s.message_guid <> excluded.message_guid
                        THEN NULL ELSE s.retrieved_at END,
               retrieved_count =
                   CASE WHEN s.message_guid <> excluded.message_guid
                        THEN 0 ELSE s.retrieved_count END,
               restored_at = NULL,
               reason =
                   CASE WHEN s.message_guid = excluded.message_guid AND
                             s.reason = 'mass-delete'
                        THEN s.reason ELSE excluded.reason END,
               postponed =
                   CASE WHEN s.message_guid <> excluded.message_guid
                        THEN excluded.postponed
                        ELSE coalesce(excluded.postponed, s.postponed) END
        RETURNING s.xmax = 0 AS is_new
    )
    SELECT count(*) FILTER (WHERE is_new) INTO v_new FROM hide;
    UPDATE pop3.maildrop d
       SET tracked = d.tracked + v_new,
           retrieved = d.retrieved - coalesce(v_other, '{}'),
           postponed_at = CASE WHEN EXISTS (
               SELECT FROM unnest(p_action, p_reason) a (action, reason)
                WHERE a.action IN ('expunge', 'move') AND
                      a.reason <> 'mass-delete')
               THEN pop3.event_time() ELSE d.postponed_at END
     WHERE d.maildrop_id = v_maildrop;
END
$$;

COMMENT ON FUNCTION pop3.record_postponed(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[]) IS
    'Record removals that were postponed since the database was away, and hide the messages. A sequence number per message';
