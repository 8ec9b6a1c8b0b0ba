-- Trigger, once a statement, before it: a change of pop3.policy or pop3.preset
-- moves pop3.generation on, by one for a transaction, and tells services to
-- look. Others that change policies wait from here on.
-- After a statement that changes or deletes rows of pop3.policy_history that
-- services may not have seen, they cannot find in it what they have to load.
-- Calls: nothing. Tables: writes generation.

CREATE FUNCTION pop3.move_generation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_TABLE_NAME = 'policy_history' THEN
        -- they look each second, or load everything
        IF TG_OP <> 'TRUNCATE' THEN
            IF NOT EXISTS (SELECT FROM before_it b
                            WHERE b.at > now() - interval '1 day') THEN
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    -- many updates of one row in one transaction would be slow
    UPDATE pop3.generation g
       SET generation = g.generation + 1, changed_at = now(),
           changed_by = pg_current_xact_id()
     WHERE g.changed_at <> now() OR g.changed_by <> pg_current_xact_id();
    IF FOUND THEN
        PERFORM pg_notify('pop3_policy', '');
    END IF;
    IF TG_TABLE_NAME = 'policy_history' THEN
        UPDATE pop3.generation g SET history_from = g.generation
         WHERE g.history_from <> g.generation;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pop3.move_generation() IS
    'Trigger: moves pop3.generation on';
