-- Take an intent over for repair by session p_session_id, for p_lease seconds:
-- one whose session is over, or whose lease has run out. Returns its messages;
-- no rows if it may not be repaired (any more). The same session may claim it
-- again. No sequence number.
-- Calls: event_time. Tables: writes intent.

CREATE FUNCTION pop3.claim_intent(
    p_session_id uuid, p_username text, p_intent_session uuid,
    p_intent_no int, p_lease int)
    RETURNS TABLE (uid bigint, guid uuid, action text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    i pop3.intent;
BEGIN
    UPDATE pop3.intent x
       SET state = 'claimed', claimed_by = p_session_id,
           lease_until = pop3.event_time() + make_interval(secs => p_lease)
     WHERE x.session_id = p_intent_session AND x.intent_no = p_intent_no
       AND x.username = p_username AND x.maildrop_id IS NOT NULL
       AND (x.state IN ('abandoned', 'stale') OR
            x.state IN ('open', 'claimed') AND
            x.lease_until < pop3.event_time() OR
            x.state = 'claimed' AND x.claimed_by = p_session_id)
    RETURNING x.* INTO i;
    IF FOUND THEN
        RETURN QUERY
        SELECT a.uid, a.guid, a.action, a.reason
          FROM unnest(i.uid, i.guid, i.action, i.reason)
               a (uid, guid, action, reason);
    END IF;
END
$$;

COMMENT ON FUNCTION pop3.claim_intent(uuid, text, uuid, int, int) IS
    'Take an intent over for repair; its messages, no rows if that is not possible. No sequence number';
