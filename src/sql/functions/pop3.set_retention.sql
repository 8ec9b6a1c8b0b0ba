-- How long records are kept: days of pop3.audit, pop3.session and pop3.seal are
-- dropped by pop3.maintain() when they ended p_days days ago, and what belongs to
-- them in pop3.session_lost. NULL keeps them for ever. An audit row, event
-- retention-set. Returns what holds now, in words. A day is dropped for all users,
-- those on hold (pop3_hold) included: a hold is about mail.
-- Calls: who. Tables: writes control, audit.

CREATE FUNCTION pop3.set_retention(p_days bigint) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_text text := coalesce(p_days || ' days', 'for ever');
BEGIN
    -- days are rolled up again until they are three days old
    IF p_days NOT BETWEEN 7 AND 36500 THEN
        RAISE EXCEPTION 'records are kept for 7 to 36500 days, or (NULL) for ever'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE pop3.control c SET retention_days = p_days;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('retention-set', 'admin', v_text || ', by ' || pop3.who());
    RETURN v_text;
END
$$;

COMMENT ON FUNCTION pop3.set_retention(bigint) IS
    'Set how many days of audit and sessions are kept; NULL: all';
