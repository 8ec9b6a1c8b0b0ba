-- Take a user for a sweep, for p_seconds: true if no other sweep has it. The same
-- sweep may claim again, which makes it longer.
-- Calls: nothing. Tables: writes sweep.

CREATE FUNCTION pop3.sweep_claim(p_username text, p_sweeper uuid,
                                 p_seconds bigint DEFAULT 600)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF p_username IS NULL OR p_sweeper IS NULL OR
       (p_seconds BETWEEN 1 AND 86400) IS NOT TRUE THEN
        RAISE EXCEPTION 'a claim needs a user, a sweep and 1 to 86400 seconds'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO pop3.sweep AS s (username, sweeper, lease_until)
    VALUES (p_username, p_sweeper,
            now() + make_interval(secs => p_seconds))
    ON CONFLICT (username) DO UPDATE
       SET claimed_at = CASE WHEN s.sweeper = excluded.sweeper
                             THEN s.claimed_at ELSE now() END,
           sweeper = excluded.sweeper, lease_until = excluded.lease_until
     WHERE s.sweeper = excluded.sweeper OR s.lease_until < now();
    RETURN FOUND;
END
$$;

COMMENT ON FUNCTION pop3.sweep_claim(text, uuid, bigint) IS
    'Take a user for a sweep, for so many seconds; whether it was got';
