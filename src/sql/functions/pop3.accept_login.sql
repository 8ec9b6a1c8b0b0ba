-- May the user log in under login_delay? Accepts the login and returns 0, or
-- returns how many seconds are missing (rounded up) since the last accepted
-- one: the login is refused then, which changes nothing, unless p_enforce is
-- false, when it is accepted all the same. Of two logins at the same time one
-- is accepted. The same session's login is accepted again, at no new time.
-- NULL, and nothing is done, if pop3.policies_known() is no longer p_known, unless
-- that is NULL: the delay may be another one.
-- An acceptance in the future counts for nothing: the clock was set back.
--
-- Its transaction commits asynchronously: what a crash of the database forgets
-- is that somebody has to wait.
-- Calls: policies_known. Tables: writes login.

CREATE FUNCTION pop3.accept_login(p_username text, p_session_id uuid,
                                  p_delay bigint, p_enforce boolean,
                                  p_known text DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    l pop3.login;
    v_locked boolean := false;
    v_now timestamptz;
    v_wait bigint;
BEGIN
    IF p_username IS NULL OR p_session_id IS NULL OR p_delay IS NULL OR
       p_delay < 0 OR p_enforce IS NULL THEN
        RAISE EXCEPTION 'a login needs a user, a session and a delay'
            USING ERRCODE = 'P3002';
    END IF;
    IF p_known IS NOT NULL AND
       p_known IS DISTINCT FROM pop3.policies_known() THEN
        RETURN NULL;
    END IF;
    LOOP
        IF v_locked THEN
            SELECT x.* INTO l FROM pop3.login x
             WHERE x.username = p_username FOR UPDATE;
        ELSE
            SELECT x.* INTO l FROM pop3.login x
             WHERE x.username = p_username;
        END IF;
        IF NOT FOUND THEN
            PERFORM set_config('synchronous_commit', 'off', true);
            INSERT INTO pop3.login (username, accepted_at, session_id)
            VALUES (p_username, clock_timestamp(), p_session_id)
            ON CONFLICT (username) DO NOTHING;
            IF FOUND THEN
                RETURN 0;
            END IF;
            -- somebody else came first: look at that
            v_locked := true;
            CONTINUE;
        END IF;
        IF l.session_id = p_session_id THEN
            RETURN 0;
        END IF;
        -- after a lock was waited for, now() is too early
        v_now := clock_timestamp();
        v_wait := CASE WHEN l.accepted_at > v_now THEN 0
                       ELSE greatest(0, ceil(extract(epoch FROM
                           l.accepted_at + make_interval(secs => p_delay) -
                           v_now)))::bigint END;
        IF v_wait > 0 AND p_enforce THEN
            RETURN v_wait;
        END IF;
        -- refused logins need no lock; it is looked at again under one
        EXIT WHEN v_locked;
        v_locked := true;
    END LOOP;
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE pop3.login x
       SET accepted_at = v_now, session_id = p_session_id
     WHERE x.username = p_username;
    RETURN v_wait;
END
$$;

COMMENT ON FUNCTION pop3.accept_login(text, uuid, bigint, boolean, text) IS
    'Accept a login, unless login_delay (p_delay, seconds) is against it; seconds to wait, 0 if accepted. No sequence number';
