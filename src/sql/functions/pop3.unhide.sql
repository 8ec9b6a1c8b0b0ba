-- Put hidden messages of a maildrop back into the view as if they had never been
-- hidden: unlike pop3.restore(), their clocks go on. If nothing is postponed any
-- more the maildrop's postponed_at is cleared.
-- Calls: nothing. Tables: writes message, maildrop.

CREATE FUNCTION pop3.unhide(p_maildrop_id bigint, p_uid bigint[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_gone bigint;
BEGIN
    DELETE FROM pop3.message s
     WHERE s.maildrop_id = p_maildrop_id AND s.uid = ANY (p_uid)
       AND s.hidden_at IS NOT NULL AND s.retrieved_at IS NULL
       AND s.restored_at IS NULL;
    GET DIAGNOSTICS v_gone = ROW_COUNT;
    UPDATE pop3.message s
       SET hidden_at = NULL, reason = NULL, postponed = NULL
     WHERE s.maildrop_id = p_maildrop_id AND s.uid = ANY (p_uid)
       AND s.hidden_at IS NOT NULL;
    UPDATE pop3.maildrop d
       SET tracked = d.tracked - v_gone,
           postponed_at = CASE WHEN EXISTS (
               SELECT FROM pop3.message s
                WHERE s.maildrop_id = d.maildrop_id
                  AND s.hidden_at IS NOT NULL AND s.postponed IS NOT NULL)
               THEN d.postponed_at END
     WHERE d.maildrop_id = p_maildrop_id;
END
$$;

COMMENT ON FUNCTION pop3.unhide(bigint, bigint[]) IS
    'Put hidden messages back into the view as if they had never been hidden (internal)';
