-- The threshold of quota_warn, in percent, that a notice told a user of last;
-- lower, down to 0, where usage has fallen below it since. NULL if
-- pop3.policies_known() is no longer p_known, unless that is NULL.
-- Calls: policies_known. Tables: reads notice.

CREATE FUNCTION pop3.told_level(p_username text, p_known text DEFAULT NULL)
    RETURNS int
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF p_known IS NOT NULL AND
       p_known IS DISTINCT FROM pop3.policies_known() THEN
        RETURN NULL;
    END IF;
    RETURN coalesce((SELECT n.level FROM pop3.notice n
                      WHERE n.username = p_username AND n.kind = 'quota'), 0);
END
$$;

COMMENT ON FUNCTION pop3.told_level(text, text) IS
    'Threshold of quota_warn (percent) that a user was told of last, 0 if none';
