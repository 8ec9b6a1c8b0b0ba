-- Those of p_usernames for whom a sweep has something to do: why is due or repair
-- (see pop3.due_users()), or new, where no maildrop of the user was ever opened:
-- the sweep is to give it its first watermark.
-- Calls: due_users. Tables: reads maildrop.

CREATE FUNCTION pop3.sweep_select(p_usernames text[])
    RETURNS TABLE (username text, why text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT u.username, u.why
      FROM pop3.due_users(NULL, NULL, p_usernames) u
    UNION ALL
    SELECT DISTINCT n.username, 'new'
      FROM unnest(p_usernames) n (username)
     WHERE n.username IS NOT NULL
       AND NOT EXISTS (SELECT FROM pop3.maildrop d
                        WHERE d.username = n.username)
     ORDER BY 1;
END
$$;

COMMENT ON FUNCTION pop3.sweep_select(text[]) IS
    'Those of the users for whom a sweep has something to do: due, repair or new';
