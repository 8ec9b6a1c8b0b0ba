-- The threshold of quota_warn, in percent, that a notice told a user of last;
-- lower, down to 0, where usage has fallen below it since.
-- Calls: nothing. Tables: reads notice.

CREATE FUNCTION pop3.told_level(p_username text) RETURNS int
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN coalesce((SELECT n.level FROM pop3.notice n
                      WHERE n.username = p_username AND n.kind = 'quota'), 0);
END
$$;

COMMENT ON FUNCTION pop3.told_level(text) IS
    'Threshold of quota_warn (percent) that a user was told of last, 0 if none';
