-- Take the right to write a notice, as pop3.notice_due() tells it: of several at
-- the same time one gets it. Remembers what it tells, and writes an audit row of
-- event notice (repeat, if it was taken before; notice-refused, if it may not be
-- written). p_until (seconds since 1970) and p_messages are of kind expiry: the end
-- of the time that it looked at, and how many messages it tells of.
-- Calls: notice_due, policy_values, expiring. Tables: writes notice, audit;
-- reads parameter, maildrop.

CREATE FUNCTION pop3.take_notice(
    p_chain_id uuid, p_seq bigint, p_username text, p_session_id uuid,
    p_dovecot_session text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_kind text, p_level int, p_until bigint, p_messages bigint,
    p_version text, p_message_id text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_event text := 'notice';
    v_until timestamptz := to_timestamp(p_until);
    v_policy jsonb;
    v_own_scope boolean;
    v_maildrop bigint;
    v_before bigint;
    v_old jsonb;
    v_told jsonb;
    v_detail text;
    n pop3.notice;
BEGIN
    -- one after the other: an insert that another one is waited for finds its
    -- row then
    INSERT INTO pop3.notice (username, kind, at)
    VALUES (p_username, p_kind, '-infinity')
    ON CONFLICT (username, kind) DO NOTHING;
    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = p_kind FOR UPDATE;

    IF NOT pop3.notice_due(p_username, p_kind, p_level, p_version,
                           p_message_id) THEN
        v_event := 'notice-refused';
    ELSIF n.message_id = p_message_id THEN
        v_event := 'repeat';
    END IF;

    IF p_kind = 'quota' THEN
        v_detail := p_level || ' %';
    ELSIF p_kind = 'expiry' THEN
        v_detail := format('%s messages until %s', p_messages,
            to_char(v_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') ||
            ' UTC');
        SELECT jsonb_object_agg(v.parameter, v.value),
               bool_or(v.parameter = 'expire_unretrieved' AND v.level = 0)
          INTO v_policy, v_own_scope
          FROM pop3.policy_values(p_username) v;
        v_maildrop := (SELECT d.maildrop_id FROM pop3.maildrop d
                        WHERE d.username = p_username
                          AND d.mailbox_guid = p_mailbox_guid
                          AND d.uidvalidity = p_uidvalidity);
        v_before := (SELECT e.before_uid
                       FROM pop3.expiring(p_username, p_mailbox_guid,
                                          p_uidvalidity, v_until, v_policy,
                                          v_own_scope, n.told) e);
        v_old := CASE WHEN (n.told ->> 'maildrop')::bigint = v_maildrop
                      THEN n.told END;
        -- of what does not expire now nothing was told
        v_told := jsonb_build_object(
            'maildrop', v_maildrop,
            'before', greatest(v_before, (v_old ->> 'before')::bigint),
            'restored', greatest((v_old ->> 'restored')::timestamptz,
                CASE WHEN v_before IS NOT NULL
                     THEN least(now(), v_until - make_interval(secs =>
                         (v_policy ->> 'expire_unretrieved')::bigint)) END),
            'retrieved', greatest((v_old ->> 'retrieved')::timestamptz,
                CASE WHEN v_policy ->> 'expire_retrieved' <> '-1'
                     THEN least(now(), v_until - make_interval(secs =>
                         (v_policy ->> 'expire_retrieved')::bigint)) END));
    ELSE
        SELECT jsonb_object_agg(v.parameter, v.value),
               string_agg(v.parameter, ', ' ORDER BY p."position")
                   FILTER (WHERE v.value <> coalesce(n.told ->> p.name,
                                                     p.builtin))
          INTO v_told, v_detail
          FROM pop3.policy_values(p_username) v
               JOIN pop3.parameter p ON p.name = v.parameter
         WHERE p.concerns_owner;
    END IF;

    IF v_event = 'notice' THEN
        UPDATE pop3.notice x
           SET at = now(), message_id = p_message_id, told = v_told,
               level = CASE p_kind WHEN 'quota' THEN p_level ELSE 0 END,
               until = CASE p_kind WHEN 'expiry' THEN v_until END
         WHERE x.username = p_username AND x.kind = p_kind;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, reason, session_id, dovecot_session,
            username, mailbox_guid, uidvalidity, message_id, detail)
    VALUES (p_chain_id, p_seq, v_event, p_kind, p_session_id,
            p_dovecot_session, p_username, p_mailbox_guid, p_uidvalidity,
            p_message_id, v_detail);
    RETURN v_event <> 'notice-refused';
END
$$;

COMMENT ON FUNCTION pop3.take_notice(uuid, bigint, text, uuid, text, uuid, bigint, text, int, bigint, bigint, text, text) IS
    'Take the right to write a notice; whether it was got. One sequence number';
