-- Trigger, once a statement: tells services to look whether removals by policy
-- are stopped.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.tell_control() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM pg_notify('pop3_policy', '');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pop3.tell_control() IS
    'Trigger: tells services that removals by policy may have been stopped, or go on';
