-- State of an intent: open, stale, abandoned, claimed or closed; NULL if it
-- was never seen (or closed more than a day ago).
-- Calls: nothing. Tables: reads intent.

CREATE FUNCTION pop3.intent_state(p_session_id uuid, p_intent_no int)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN (SELECT i.state FROM pop3.intent i
             WHERE i.session_id = p_session_id
               AND i.intent_no = p_intent_no);
END
$$;

COMMENT ON FUNCTION pop3.intent_state(uuid, int) IS
    'State of an intent; NULL if it was never seen';
