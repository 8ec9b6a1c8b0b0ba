-- What tripped the breaker is wanted: let policies remove again, and count nothing
-- for p_hours. May be said before it trips. An audit row, event
-- breaker-confirmed. Returns whether it had tripped.
-- Calls: who. Tables: writes control, audit.

CREATE FUNCTION pop3.confirm_breaker(p_hours bigint DEFAULT 24)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_tripped timestamptz;
BEGIN
    IF (p_hours BETWEEN 1 AND 720) IS NOT TRUE THEN
        RAISE EXCEPTION 'the breaker can be confirmed for 1 to 720 hours'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT c.tripped_at INTO v_tripped FROM pop3.control c FOR UPDATE;
    UPDATE pop3.control c
       SET tripped_at = NULL, tripped_by = NULL, confirmed_by = pop3.who(),
           confirmed_until = now() + make_interval(hours => p_hours::int);
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('breaker-confirmed', 'admin',
            format('for %s hours, by %s', p_hours, pop3.who()));
    RETURN v_tripped IS NOT NULL;
END
$$;

COMMENT ON FUNCTION pop3.confirm_breaker(bigint) IS
    'Let policies remove again after the breaker tripped, uncounted for so many hours; whether it had';
