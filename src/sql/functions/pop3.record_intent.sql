-- Record the intent to remove or hide messages: an audit row for each (uses as
-- many sequence numbers), and the intent itself. Changes no state. p_mailbox is
-- where messages are moved to, of action move; p_for is the Message-ID of what
-- room is made for, NULL if it is not about that.
-- Returns
--   ok      it holds for p_lease seconds
--   stale   policy or hold changed since p_policy_version, or removals by policy
--           are stopped, or would trip the breaker: nothing may be done
--   fenced  it was recorded before, and has been given up or closed since
-- What was postponed before says in detail by which session, and from where.
-- An intent that is sent again gets rows of event repeat, and its state's
-- answer.
-- Calls: maildrop_find, policy_version, deciding_scopes, breaker_allows,
-- event_time, forgotten_name. Tables: writes audit, intent; reads control, maildrop, message.

CREATE FUNCTION pop3.record_intent(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_policy_version text, p_lease int,
    p_uid bigint[], p_guid uuid[], p_size bigint[], p_action text[],
    p_reason text[], p_uidl text[], p_message_id text[], p_mailbox text[],
    p_for text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_result text := 'ok';
    v_event text := 'intent';
    v_maildrop bigint;
    v_scopes jsonb;
    v_removals bigint;
    v_details text[];
    v_forgotten text := pop3.forgotten_name(p_username);
BEGIN
    IF (cardinality(p_uid) = ALL (ARRAY[
            cardinality(p_guid), cardinality(p_size), cardinality(p_action),
            cardinality(p_reason), cardinality(p_uidl),
            cardinality(p_message_id), cardinality(p_mailbox)])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'intent % of session %: the arrays differ in length',
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
        p_for := NULL;
    END IF;
    -- his state was forgotten, too
    IF v_forgotten IS NULL THEN
        v_maildrop := pop3.maildrop_find(p_username, p_mailbox_guid,
                                         p_uidvalidity);
    END IF;
    IF current_setting('pop3.replay_accepted', true) = 'true' THEN
        -- its session was told so, and acted on it
        v_result := 'ok';
    ELSIF p_policy_version IS DISTINCT FROM pop3.policy_version(p_username) THEN
        v_result := 'stale';
    ELSE
        -- clients delete what they like
        SELECT count(*) INTO v_removals
          FROM unnest(p_action, p_reason) a (action, reason)
         WHERE a.action IN ('expunge', 'move') AND a.reason <> 'dele';
        IF v_removals > 0 AND EXISTS (SELECT FROM pop3.control c
                                       WHERE c.stopped IS NOT NULL) THEN
            v_result := 'stale';
        ELSIF v_removals > 0 THEN
            -- what sessions come to by time, limit and quota
            SELECT count(*) INTO v_removals
              FROM unnest(p_action, p_reason) a (action, reason)
             WHERE a.action IN ('expunge', 'move')
               AND (a.reason LIKE 'expired-%' OR
                    a.reason IN ('leave-limit', 'quota'));
            IF v_removals > 0 AND
               NOT EXISTS (SELECT FROM pop3.intent i
                            WHERE i.session_id = p_session_id
                              AND i.intent_no = p_intent_no) AND
               NOT pop3.breaker_allows(p_chain_id, p_username, v_removals)
            THEN
                v_result := 'stale';
            END IF;
        END IF;
    END IF;

    INSERT INTO pop3.intent
           (session_id, intent_no, maildrop_id, username, chain_id, first_seq,
            state, lease_until, dovecot_session, auth_user, remote_address,
            device, mailbox_guid, uidvalidity, uid, guid, size, action, reason)
    VALUES (p_session_id, p_intent_no, v_maildrop, p_username, p_chain_id,
            p_first_seq, CASE v_result WHEN 'ok' THEN 'open' ELSE v_result END,
            pop3.event_time() + make_interval(secs => p_lease),
            p_dovecot_session,
            p_auth_user, p_remote_address, p_device, p_mailbox_guid,
            p_uidvalidity, p_uid, p_guid, p_size, p_action, p_reason)
    ON CONFLICT (session_id, intent_no) DO NOTHING;
    IF NOT FOUND THEN
        v_event := 'repeat';
        SELECT CASE i.state WHEN 'open' THEN 'ok' WHEN 'stale' THEN 'stale'
                            ELSE 'fenced' END INTO v_result
          FROM pop3.intent i
         WHERE i.session_id = p_session_id AND i.intent_no = p_intent_no;
    END IF;

    -- A statement of its own: the other one has no partitions to plan for then.
    IF p_for IS NULL AND
       EXISTS (SELECT FROM pop3.maildrop d
                WHERE d.maildrop_id = v_maildrop
                  AND d.postponed_at IS NOT NULL) THEN
        v_details := ARRAY(
            SELECT (SELECT format('postponed: asked for %s by session %s%s',
                               to_char(q.at AT TIME ZONE 'UTC',
                                       'YYYY-MM-DD HH24:MI:SS UTC'),
                               coalesce(q.dovecot_session,
                                        q.session_id::text),
                               ' from ' || q.remote_address)
                      FROM pop3.message s, pop3.audit q
                     WHERE s.maildrop_id = v_maildrop AND s.uid = a.uid
                       AND s.postponed IS NOT NULL
                       AND q.message_guid = a.guid AND q.event = 'postponed'
                       AND q.username = p_username AND q.at >= s.hidden_at
                     ORDER BY q.at DESC LIMIT 1)
              FROM unnest(p_uid, p_guid) WITH ORDINALITY a (uid, guid, nr)
             ORDER BY a.nr);
    END IF;
    v_scopes := pop3.deciding_scopes(p_username, p_reason);
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, uid, message_guid, size, action, reason, uidl,
            message_id, moved_to, detail, scope)
    SELECT p_chain_id, p_first_seq + a.nr - 1, v_event, p_session_id,
           p_intent_no, p_dovecot_session, p_username, p_auth_user,
           p_remote_address, p_device, p_mailbox_guid, p_uidvalidity, a.uid,
           a.guid, a.size, a.action, a.reason, a.uidl, a.message_id,
           CASE a.action WHEN 'move' THEN a.mailbox END,
           CASE WHEN p_for IS NOT NULL THEN 'room for ' || p_for
                ELSE v_details[a.nr] END,
           v_scopes ->> a.reason
      FROM unnest(p_uid, p_guid, p_size, p_action, p_reason, p_uidl,
                  p_message_id, p_mailbox)
           WITH ORDINALITY a (uid, guid, size, action, reason, uidl,
                              message_id, mailbox, nr);
    RETURN v_result;
END
$$;

COMMENT ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[], text) IS
    'Record an intent to remove or hide messages; ok, stale or fenced. A sequence number per message';
