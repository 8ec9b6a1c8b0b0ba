-- The messages of a maildrop that exceed leave_max_messages or leave_max_bytes
-- (-1: no limit), the oldest retrieval first, at most p_limit of them. What
-- counts is retrieved and in the view: not hidden or restored mail, nor what an
-- open intent is about, nor p_except, which the session is about to remove or
-- hide. p_uid and p_size are what the session retrieved, in that order, and
-- leaves in the view; they count as retrieved last, unless they were retrieved
-- before. p_maildrop_id is NULL for a maildrop that is not known yet.
-- message_guid is NULL where the message has no state yet.
-- Calls: nothing. Tables: reads maildrop, message, intent.

CREATE FUNCTION pop3.leave_excess(
    p_username text, p_maildrop_id bigint, p_max_messages bigint,
    p_max_bytes bigint, p_except int8multirange, p_uid bigint[],
    p_size bigint[], p_limit int)
    RETURNS TABLE (uid bigint, message_guid uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_not int8multirange := coalesce(p_except, '{}');
    v_maildrop_id bigint;
BEGIN
    IF cardinality(p_uid) <> cardinality(p_size) THEN
        RAISE EXCEPTION 'leave_excess: the arrays differ in length'
            USING ERRCODE = 'P3002';
    END IF;
    SELECT d.maildrop_id INTO v_maildrop_id FROM pop3.maildrop d
     WHERE d.maildrop_id = p_maildrop_id AND d.username = p_username;
    SELECT v_not + coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}')
      INTO v_not
      FROM pop3.intent i, unnest(i.uid) u (uid)
     WHERE i.username = p_username AND i.state <> 'closed'
       AND i.maildrop_id = v_maildrop_id;
    RETURN QUERY
    -- what was restored is not retrieved, until it is again
    WITH item AS (
        SELECT a.uid, a.size, a.nr
          FROM unnest(p_uid, p_size) WITH ORDINALITY a (uid, size, nr)
         WHERE NOT v_not @> a.uid
    ), left_there AS (
        SELECT s.uid, s.message_guid, s.size, s.retrieved_at, 0::bigint AS nr
          FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id AND s.retrieved_at IS NOT NULL
           AND s.hidden_at IS NULL AND NOT v_not @> s.uid
        UNION ALL
        SELECT i.uid, s.message_guid, i.size, 'infinity', i.nr
          FROM item i
               LEFT JOIN pop3.message s
               ON s.maildrop_id = v_maildrop_id AND s.uid = i.uid
         WHERE s.uid IS NULL OR
               s.retrieved_at IS NULL AND s.hidden_at IS NULL AND
               s.restored_at IS NULL
    ), ranked AS (
        -- with all that were retrieved after it
        SELECT l.*, row_number() OVER newest AS count,
               sum(l.size) OVER newest AS bytes
          FROM left_there l
        WINDOW newest AS (ORDER BY l.retrieved_at DESC, l.nr DESC, l.uid DESC
                          ROWS UNBOUNDED PRECEDING)
    )
    SELECT r.uid, r.message_guid
      FROM ranked r
     WHERE p_max_messages >= 0 AND r.count > p_max_messages OR
           p_max_bytes >= 0 AND r.bytes > p_max_bytes
     ORDER BY r.retrieved_at, r.nr, r.uid
     LIMIT p_limit;
END
$$;

COMMENT ON FUNCTION pop3.leave_excess(text, bigint, bigint, bigint, int8multirange, bigint[], bigint[], int) IS
    'Retrieved messages beyond leave_max_messages or leave_max_bytes (bytes), the oldest retrieval first';
