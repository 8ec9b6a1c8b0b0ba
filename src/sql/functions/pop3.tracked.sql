-- The messages of a maildrop that have state, in UID order: what must be
-- pruned when the mailbox lost messages. Without those that an undecided
-- intent is about: what became of them is told by its outcome.
-- Calls: nothing. Tables: reads message, would_remove, maildrop, intent.

CREATE FUNCTION pop3.tracked(p_maildrop_id bigint)
    RETURNS TABLE (uid bigint, message_guid uuid, hidden boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_busy int8multirange;
BEGIN
    SELECT coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}') INTO v_busy
      FROM pop3.maildrop d
           JOIN pop3.intent i ON i.username = d.username
            AND i.maildrop_id = d.maildrop_id
            AND i.state IN ('open', 'abandoned', 'claimed'),
           unnest(i.uid) u (uid)
     WHERE d.maildrop_id = p_maildrop_id;
    RETURN QUERY
    SELECT s.uid, s.message_guid, s.hidden_at IS NOT NULL
      FROM pop3.message s
     WHERE s.maildrop_id = p_maildrop_id AND NOT v_busy @> s.uid
    UNION ALL
    SELECT w.uid, w.message_guid, false
      FROM pop3.would_remove w
     WHERE w.maildrop_id = p_maildrop_id AND NOT v_busy @> w.uid
       AND NOT EXISTS (SELECT FROM pop3.message s
                        WHERE s.maildrop_id = p_maildrop_id
                          AND s.uid = w.uid)
     ORDER BY 1;
END
$$;

COMMENT ON FUNCTION pop3.tracked(bigint) IS
    'Messages of a maildrop that have state or are in pop3.would_remove, in UID order';
