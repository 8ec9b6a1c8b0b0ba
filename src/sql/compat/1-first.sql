-- Functions that services of version 1 call as the first version 1 had them.
-- They call those of today; the migration to version 3 drops them.

CREATE FUNCTION pop3.maildrop_state(
    p_username text, p_expire_retrieved bigint, p_expire_hidden bigint,
    p_expire_unretrieved bigint, p_unretrieved_own_scope boolean,
    p_view_since float8, p_view_window bigint, p_due_limit int)
    RETURNS TABLE (
        maildrop_id bigint, mailbox_guid uuid, uidvalidity bigint,
        uidnext bigint, messages bigint, anchor_uid bigint, anchor_guid uuid,
        hidden int8multirange, hidden_uid bigint, hidden_guid uuid,
        view_from bigint, before_uid bigint, exempt int8multirange,
        spared int8multirange, would int8multirange, tracked bigint,
        due_uid bigint[], due_guid uuid[], due_reason text[],
        intent_session uuid[], intent_no int[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    -- planning takes longer than any plan would save
    SET plan_cache_mode = force_generic_plan
    AS $$
BEGIN
    RETURN QUERY
    SELECT s.maildrop_id, s.mailbox_guid, s.uidvalidity, s.uidnext,
           s.messages, s.anchor_uid, s.anchor_guid, s.hidden, s.hidden_uid,
           s.hidden_guid, s.view_from, s.before_uid, s.exempt, s.spared,
           s.would, s.tracked, s.due_uid, s.due_guid, s.due_reason,
           s.intent_session, s.intent_no
      FROM pop3.maildrop_state(
               p_username, p_expire_retrieved, p_expire_hidden,
               p_expire_unretrieved, p_unretrieved_own_scope, p_view_since,
               p_view_window, -1, false, p_due_limit) s;
END
$$;

COMMENT ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, int) IS
    'For services of version 1: pop3.maildrop_state() without mass_delete_hold, whose mail remains hidden, and UIDs of what was retrieved';
GRANT EXECUTE ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, int) TO pop3_service;

CREATE FUNCTION pop3.record_intent(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_policy_version text, p_lease int,
    p_uid bigint[], p_guid uuid[], p_size bigint[], p_action text[],
    p_reason text[], p_uidl text[], p_message_id text[])
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
        p_action, p_reason, p_uidl, p_message_id, array_fill(NULL::text,
        ARRAY[cardinality(p_uid)]), NULL::text);
END
$$;

COMMENT ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[]) IS
    'For services of version 1: pop3.record_intent() without mailboxes to move to';
GRANT EXECUTE ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[]) TO pop3_service;

CREATE FUNCTION pop3.record_session(
    p_chain_id uuid, p_seq bigint, p_session_id uuid, p_dovecot_session text,
    p_username text, p_auth_user text, p_remote_address text, p_tls boolean,
    p_device text, p_started float8, p_duration float8, p_ended_by text,
    p_mailbox_guid uuid, p_uidvalidity bigint, p_uidnext bigint,
    p_uidnext_end bigint, p_messages bigint, p_anchor_uid bigint,
    p_anchor_guid uuid, p_retr int, p_top int, p_dele int, p_bytes bigint,
    p_fetched int8multirange, p_removed int8multirange, p_uid bigint[],
    p_guid uuid[], p_size bigint[], p_action text[], p_would_uid bigint[],
    p_would_guid uuid[], p_would_size bigint[], p_would_reason text[],
    p_view_since float8, p_view_window bigint)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM pop3.record_session(
        p_chain_id, p_seq, p_session_id, p_dovecot_session, p_username,
        p_auth_user, p_remote_address, p_tls, p_device, p_started, p_duration,
        p_ended_by, p_mailbox_guid, p_uidvalidity, p_uidnext, p_uidnext_end,
        p_messages, p_anchor_uid, p_anchor_guid, p_retr, p_top, p_dele,
        p_bytes, p_fetched, p_removed, p_uid, p_guid, p_size, p_action,
        p_would_uid, p_would_guid, p_would_size, p_would_reason, p_view_since,
        p_view_window, NULL);
END
$$;

COMMENT ON FUNCTION pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean, text, float8, float8, text, uuid, bigint, bigint, bigint, bigint, bigint, uuid, int, int, int, bigint, int8multirange, int8multirange, bigint[], uuid[], bigint[], text[], bigint[], uuid[], bigint[], text[], float8, bigint) IS
    'For services of version 1: pop3.record_session() without download_daily';
GRANT EXECUTE ON FUNCTION pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean, text, float8, float8, text, uuid, bigint, bigint, bigint, bigint, bigint, uuid, int, int, int, bigint, int8multirange, int8multirange, bigint[], uuid[], bigint[], text[], bigint[], uuid[], bigint[], text[], float8, bigint) TO pop3_service;
