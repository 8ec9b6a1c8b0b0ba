-- May a chain's policies remove p_count messages more? Counts them, and returns
-- true; or trips the breaker, with an audit row of event breaker, and returns
-- false. While an administrator has confirmed that it is wanted nothing is
-- counted.
-- Calls: breaker_count, breaker_limit, count_messages. Tables: writes control,
-- removal_count, audit.

CREATE FUNCTION pop3.breaker_allows(p_chain_id uuid, p_username text,
                                    p_count bigint)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    c pop3.control;
    v_hour timestamptz := date_bin('1 hour', now(), '2000-01-01 00:00:00+00');
    v_count bigint;
BEGIN
    SELECT x.* INTO c FROM pop3.control x;
    IF c.confirmed_until > now() OR c.breaker_percent >= 100 THEN
        RETURN true;
    END IF;
    v_count := pop3.breaker_count() + p_count;
    IF v_count > pop3.breaker_limit() AND
       coalesce(c.counted_at < now() - interval '5 minutes', true) THEN
        -- the site may have grown since it was counted
        PERFORM pop3.count_messages();
    END IF;
    IF v_count <= pop3.breaker_limit() THEN
        INSERT INTO pop3.removal_count AS r (chain_id, hour, removals)
        VALUES (p_chain_id, v_hour, p_count)
        ON CONFLICT (chain_id, hour) DO UPDATE
           SET removals = r.removals + excluded.removals;
        RETURN true;
    END IF;

    UPDATE pop3.control x
       SET tripped_at = now(),
           tripped_by = format('removals by policy would have come to %s of '
                               '%s messages within 24 hours; %s are allowed',
                               v_count, x.messages, pop3.breaker_limit())
     WHERE x.tripped_at IS NULL
    RETURNING x.* INTO c;
    IF FOUND THEN
        INSERT INTO pop3.audit (event, username, detail)
        VALUES ('breaker', p_username, c.tripped_by);
    END IF;
    RETURN false;
END
$$;

COMMENT ON FUNCTION pop3.breaker_allows(uuid, text, bigint) IS
    'Count removals by policy, or trip the breaker; whether they may be done (internal)';
