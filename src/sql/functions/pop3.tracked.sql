-- The messages of a maildrop that have state, in UID order: what must be
-- pruned when the mailbox lost messages.
-- Calls: nothing. Tables: reads message, would_remove.

CREATE FUNCTION pop3.tracked(p_maildrop_id bigint)
    RETURNS TABLE (uid bigint, message_guid uuid, hidden boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.uid, s.message_guid, s.hidden_at IS NOT NULL
      FROM pop3.message s WHERE s.maildrop_id = p_maildrop_id
    UNION ALL
    SELECT w.uid, w.message_guid, false
      FROM pop3.would_remove w
     WHERE w.maildrop_id = p_maildrop_id
       AND NOT EXISTS (SELECT FROM pop3.message s
                        WHERE s.maildrop_id = p_maildrop_id
                          AND s.uid = w.uid)
     ORDER BY 1;
END
$$;

COMMENT ON FUNCTION pop3.tracked(bigint) IS
    'Messages of a maildrop that have state or are in pop3.would_remove, in UID order';
