-- What may go from a maildrop to make room for a delivery: as many messages as
-- give p_bytes and p_messages, at most p_limit. Hidden ones first, the oldest
-- hiding first, then retrieved ones, the oldest retrieval first. A size that is
-- not known counts 0. more tells, in each row, that there are others besides.
-- Never what was not retrieved, or restored, what mass-delete holds, or what an
-- open intent is about.
-- Calls: nothing. Tables: reads maildrop, message, intent.

CREATE FUNCTION pop3.evictable(
    p_username text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_bytes bigint, p_messages bigint, p_limit int)
    RETURNS TABLE (uid bigint, message_guid uuid, size bigint, more boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_maildrop_id bigint;
    v_busy int8multirange;
    v_uid bigint[] := '{}';
    v_guid uuid[] := '{}';
    v_size bigint[] := '{}';
    v_count int := 0;
    v_bytes bigint := 0;
    v_more boolean := false;
    v_hidden refcursor;
    v_retrieved refcursor;
    r record;
BEGIN
    SELECT d.maildrop_id INTO v_maildrop_id FROM pop3.maildrop d
     WHERE d.username = p_username AND d.mailbox_guid = p_mailbox_guid
       AND d.uidvalidity = p_uidvalidity;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}')
      INTO v_busy
      FROM pop3.intent i, unnest(i.uid) u (uid)
     WHERE i.username = p_username AND i.state <> 'closed'
       AND i.maildrop_id = v_maildrop_id;
    -- by their indexes, no further than needed
    OPEN v_hidden FOR
        SELECT s.uid, s.message_guid, s.size FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id AND s.hidden_at IS NOT NULL
           AND s.restored_at IS NULL
           AND s.reason IS DISTINCT FROM 'mass-delete'
           AND NOT v_busy @> s.uid
         ORDER BY s.hidden_at, s.uid;
    OPEN v_retrieved FOR
        SELECT s.uid, s.message_guid, s.size FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id AND s.retrieved_at IS NOT NULL
           AND s.hidden_at IS NULL AND s.restored_at IS NULL
           AND NOT v_busy @> s.uid
         ORDER BY s.retrieved_at, s.uid;
    LOOP
        FETCH v_hidden INTO r;
        IF NOT FOUND THEN
            FETCH v_retrieved INTO r;
        END IF;
        EXIT WHEN NOT FOUND;
        v_more := v_count >= p_limit OR
                  v_bytes >= p_bytes AND v_count >= p_messages;
        EXIT WHEN v_more;
        v_uid := v_uid || r.uid;
        v_guid := v_guid || r.message_guid;
        v_size := v_size || r.size;
        v_count := v_count + 1;
        v_bytes := v_bytes + coalesce(r.size, 0);
    END LOOP;
    CLOSE v_hidden;
    CLOSE v_retrieved;
    RETURN QUERY
    SELECT u.uid, u.message_guid, u.size, v_more
      FROM unnest(v_uid, v_guid, v_size) WITH ORDINALITY
           u (uid, message_guid, size, nr)
     ORDER BY u.nr;
END
$$;

COMMENT ON FUNCTION pop3.evictable(text, uuid, bigint, bigint, bigint, int) IS
    'Hidden, then retrieved messages that give so many bytes and messages, the oldest first; more: there are others';
