-- Users with a row of their own in pop3.policy, in order: names after p_after
-- ('' begins), at most p_limit, each on a line of its own; the last of them; and
-- how many there are. No row has names if there are none.
-- Calls: nothing. Tables: reads policy.

CREATE FUNCTION pop3.policy_users(p_after text, p_limit int)
    RETURNS TABLE (names text, last text, count bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT string_agg(u.scope, E'\n'), max(u.scope), count(*)
      FROM (SELECT o.scope FROM pop3.policy o
             WHERE o.scope > p_after AND o.scope <> '*' AND
                   o.scope NOT LIKE '@%'
             ORDER BY o.scope LIMIT p_limit) u;
END
$$;

COMMENT ON FUNCTION pop3.policy_users(text, int) IS
    'Names of users with a policy of their own, after a name, some at a time';
