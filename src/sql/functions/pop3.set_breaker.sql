-- When the breaker trips: at removals by policy, within 24 hours, of more than
-- p_percent of the site's messages and of more than p_min messages; NULL leaves
-- one as it is. 100 percent turns it off. An audit row, event breaker-set.
-- Calls: who. Tables: writes control, audit.

CREATE FUNCTION pop3.set_breaker(p_percent bigint DEFAULT NULL,
                                 p_min bigint DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_text text;
BEGIN
    IF p_percent NOT BETWEEN 0 AND 100 OR p_min < 0 THEN
        RAISE EXCEPTION 'the breaker takes 0 to 100 percent, and a number of messages'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE pop3.control c
       SET breaker_percent = coalesce(p_percent, c.breaker_percent),
           breaker_min = coalesce(p_min, c.breaker_min)
    RETURNING format('more than %s%% of the messages, and more than %s',
                     c.breaker_percent, c.breaker_min)
         INTO v_text;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('breaker-set', 'admin', v_text || ', by ' || pop3.who());
    RETURN v_text;
END
$$;

COMMENT ON FUNCTION pop3.set_breaker(bigint, bigint) IS
    'Set when the breaker trips: percent of the site''s messages, least number';
