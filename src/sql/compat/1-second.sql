-- Functions that services of version 1 call as a later version 1 had them. They
-- call those of today; the migration to version 3 drops them.

CREATE FUNCTION pop3.record_intent(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_policy_version text, p_lease int,
    p_uid bigint[], p_guid uuid[], p_size bigint[], p_action text[],
    p_reason text[], p_uidl text[], p_message_id text[], p_mailbox text[])
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN pop3.record_intent(
        p_chain_id, p_first_seq, p_session_id, p_intent_no, p_dovecot_session,
        p_username, p_auth_user, p_remote_address, p_device, p_mailbox_guid,
        p_uidvalidity,
        -- not told of a stop, which concerns removals by policy alone
        CASE pop3.policy_version(p_username)
             WHEN p_policy_version || '.stopped'
             THEN p_policy_version || '.stopped'
             ELSE p_policy_version END,
        p_lease, p_uid, p_guid, p_size,
        p_action, p_reason, p_uidl, p_message_id, p_mailbox, NULL::text);
END
$$;

COMMENT ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[]) IS
    'For services of version 1: pop3.record_intent() without what room is made for';
GRANT EXECUTE ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[]) TO pop3_service;
