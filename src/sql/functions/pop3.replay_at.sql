-- What the rest of the transaction records happened at p_at (seconds since
-- 1970): a record that was kept in a service's log. p_accepted says that it was
-- durable once, and was lost by a fail-over: then it is taken as it is, whatever
-- the policy is now.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.replay_at(p_at float8, p_accepted boolean)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM set_config('pop3.replay_at', coalesce(p_at::text, ''), true),
            set_config('pop3.replay_accepted',
                       coalesce(p_accepted, false)::text, true);
END
$$;

COMMENT ON FUNCTION pop3.replay_at(float8, boolean) IS
    'What the rest of the transaction records happened then, and whether it was durable once';
