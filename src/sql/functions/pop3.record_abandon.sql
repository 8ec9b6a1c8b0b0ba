-- A session is over without having said what became of its open intents: they
-- may be repaired from now on. No sequence number.
-- Calls: nothing. Tables: writes intent.

CREATE FUNCTION pop3.record_abandon(p_session_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.intent i SET state = 'abandoned'
     WHERE i.session_id = p_session_id AND i.state = 'open';
END
$$;

COMMENT ON FUNCTION pop3.record_abandon(uuid) IS
    'The session is over: its open intents may be repaired. No sequence number';
