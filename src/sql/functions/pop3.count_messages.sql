-- Count the messages of all maildrops, for the breaker.
-- Calls: nothing. Tables: writes control; reads maildrop.

CREATE FUNCTION pop3.count_messages() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.control c
       SET counted_at = now(),
           messages = (SELECT coalesce(sum(d.messages), 0)
                         FROM pop3.maildrop d);
END
$$;

COMMENT ON FUNCTION pop3.count_messages() IS
    'Count the messages of all maildrops, for the breaker (internal)';
