-- The name that stands for a user who was forgotten after what is being recorded
-- happened (pop3.event_time()); NULL if he was not, or if it is of now.
-- Calls: event_time. Tables: reads forgotten.

CREATE FUNCTION pop3.forgotten_name(p_username text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF coalesce(current_setting('pop3.replay_at', true), '') = '' THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT f.name FROM pop3.forgotten f
             WHERE f.username_digest =
                   sha256(convert_to(p_username, 'UTF8'))
               AND f.at > pop3.event_time());
END
$$;

COMMENT ON FUNCTION pop3.forgotten_name(text) IS
    'The name that stands for a user who was forgotten since what is recorded; else NULL';
