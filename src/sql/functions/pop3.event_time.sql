-- When what is being recorded happened: now, unless pop3.replay_at() said
-- otherwise for this transaction. Never later than now, and no more than 30 days
-- before. Only a service's sessions are believed.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.event_time() RETURNS timestamptz
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    -- the same as the DEFAULT of pop3.audit.at
    RETURN CASE
           WHEN current_setting('pop3.replay_at', true) <> '' AND
                pg_has_role(session_user, 'pop3_service', 'MEMBER')
           THEN least(now(), greatest(
               now() - interval '30 days',
               to_timestamp(current_setting('pop3.replay_at')::float8)))
           ELSE now() END;
END
$$;

COMMENT ON FUNCTION pop3.event_time() IS
    'When what is being recorded happened: now, or the time of a record that is sent late';
