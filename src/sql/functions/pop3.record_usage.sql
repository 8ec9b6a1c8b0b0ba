-- Note what users have on the server, and which limits are in force (NULL: none);
-- each user once. p_level is the threshold of quota_warn that is reached,
-- percent; p_lowest the lowest one since the last such record: what a user was
-- told of is lowered to it, so that the next crossing is told again. No sequence
-- number.
-- Calls: nothing. Tables: writes usage, notice.

CREATE FUNCTION pop3.record_usage(
    p_username text[], p_bytes bigint[], p_messages bigint[],
    p_storage_limit bigint[], p_message_limit bigint[], p_level int[],
    p_lowest int[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (cardinality(p_username) = ALL (ARRAY[
            cardinality(p_bytes), cardinality(p_messages),
            cardinality(p_storage_limit), cardinality(p_message_limit),
            cardinality(p_level), cardinality(p_lowest)])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'record_usage: the arrays differ in length'
            USING ERRCODE = 'P3002';
    END IF;
    INSERT INTO pop3.usage AS u
           (username, bytes, messages, storage_limit, message_limit, level)
    SELECT a.username, a.bytes, a.messages, a.storage_limit, a.message_limit,
           a.level
      FROM unnest(p_username, p_bytes, p_messages, p_storage_limit,
                  p_message_limit, p_level)
           a (username, bytes, messages, storage_limit, message_limit, level)
     ORDER BY a.username
    ON CONFLICT (username) DO UPDATE
       SET at = now(), bytes = excluded.bytes, messages = excluded.messages,
           storage_limit = excluded.storage_limit,
           message_limit = excluded.message_limit, level = excluded.level;
    UPDATE pop3.notice n SET level = a.lowest
      FROM unnest(p_username, p_lowest) a (username, lowest)
     WHERE n.username = a.username AND n.kind = 'quota' AND n.level > a.lowest;
END
$$;

COMMENT ON FUNCTION pop3.record_usage(text[], bigint[], bigint[], bigint[], bigint[], int[], int[]) IS
    'Note what users have on the server (bytes, messages), and their limits. No sequence number';
