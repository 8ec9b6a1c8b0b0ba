-- Id of a user's maildrop, which is made if it is not there yet.
-- Calls: nothing. Tables: reads and writes maildrop.

CREATE FUNCTION pop3.maildrop_find(p_username text, p_mailbox_guid uuid,
                                   p_uidvalidity bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_id bigint;
BEGIN
    LOOP
        SELECT m.maildrop_id INTO v_id
          FROM pop3.maildrop m
         WHERE m.username = p_username AND m.mailbox_guid = p_mailbox_guid
           AND m.uidvalidity = p_uidvalidity;
        IF FOUND THEN
            RETURN v_id;
        END IF;
        -- Somebody else may make it at the same time: look again then.
        INSERT INTO pop3.maildrop AS m (username, mailbox_guid, uidvalidity)
        VALUES (p_username, p_mailbox_guid, p_uidvalidity)
        ON CONFLICT (username, mailbox_guid, uidvalidity) DO NOTHING
        RETURNING m.maildrop_id INTO v_id;
        IF FOUND THEN
            RETURN v_id;
        END IF;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pop3.maildrop_find(text, uuid, bigint) IS
    'Id of a maildrop, which is made if it is not there yet (internal)';
