-- Let policies remove again what pop3.pause() stopped. The breaker, if it tripped,
-- is not confirmed by this. An audit row, event resumed. Returns whether it was
-- paused.
-- Calls: who. Tables: writes control, audit.

CREATE FUNCTION pop3.resume() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.control c
       SET paused_at = NULL, paused_by = NULL, reason = NULL
     WHERE c.paused_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('resumed', 'admin', 'by ' || pop3.who());
    RETURN true;
END
$$;

COMMENT ON FUNCTION pop3.resume() IS
    'Let policies remove again after pop3.pause(); whether it was paused';
