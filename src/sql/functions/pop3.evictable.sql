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
    RETURN QUERY
    WITH candidate AS (
        SELECT s.uid, s.message_guid, s.size, row_number() OVER oldest AS nr,
               sum(coalesce(s.size, 0)) OVER oldest - coalesce(s.size, 0)
                   AS bytes_before,
               count(*) OVER () AS total
          FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id
           AND (s.hidden_at IS NOT NULL OR s.retrieved_at IS NOT NULL)
           AND s.restored_at IS NULL
           AND s.reason IS DISTINCT FROM 'mass-delete'
           AND NOT v_busy @> s.uid
        WINDOW oldest AS (ORDER BY s.hidden_at NULLS LAST, s.retrieved_at,
                                   s.uid
                          ROWS UNBOUNDED PRECEDING)
    ), chosen AS (
        SELECT c.*, count(*) OVER () AS count
          FROM candidate c
         WHERE c.nr <= p_limit
           AND (c.bytes_before < p_bytes OR c.nr <= p_messages)
    )
    SELECT c.uid, c.message_guid, c.size, c.total > c.count
      FROM chosen c ORDER BY c.nr;
END
$$;

COMMENT ON FUNCTION pop3.evictable(text, uuid, bigint, bigint, bigint, int) IS
    'Hidden, then retrieved messages that give so many bytes and messages, the oldest first; more: there are others';
