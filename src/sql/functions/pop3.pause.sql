-- Stop every removal by policy, at once and on all hosts, until pop3.resume().
-- What clients delete themselves goes on, and so does hiding. An audit row, event
-- paused. Returns whether it was not paused before; if it was, nothing changes.
-- Calls: who. Tables: writes control, audit.

CREATE FUNCTION pop3.pause(p_reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.control c
       SET paused_at = now(), paused_by = pop3.who(), reason = p_reason
     WHERE c.paused_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('paused', 'admin', concat_ws(': ', 'by ' || pop3.who(), p_reason));
    RETURN true;
END
$$;

COMMENT ON FUNCTION pop3.pause(text) IS
    'Stop every removal by policy until pop3.resume(); whether it was not paused before';
