-- Users for whom a sweep has something to do, in the order of names behind
-- p_after, at most p_limit, of p_usernames (NULL: all): messages are due, or an
-- intent can be repaired (why: due, repair). Mail that was never retrieved has no
-- rows: of that a user is due once for each watermark that gets old enough, until
-- pop3.sweep_release() says that it was dealt with.
--
-- A scan of maildrops with effective policies; where messages have state, the
-- oldest retrieval and hiding are looked up by index. Nothing is due where
-- removals are stopped. What an outage postponed is due whatever the policy is;
-- while removals are stopped, only what clients asked for.
-- Calls: nothing. Tables: reads policy_user, maildrop, message, watermark,
-- intent, control.

CREATE FUNCTION pop3.due_users(p_limit bigint DEFAULT NULL,
                               p_after text DEFAULT NULL,
                               p_usernames text[] DEFAULT NULL)
    RETURNS TABLE (username text, why text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT w.username, min(w.why)
      FROM (SELECT d.username, 'due' AS why
              FROM pop3.policy_user u
                   JOIN pop3.maildrop d ON d.username = u.username
             WHERE u.enforcement = 'enforce' AND u.pop3_hold = 'no'
               AND (p_usernames IS NULL OR u.username = ANY (p_usernames))
               AND (d.tracked > 0 AND (
                        u.expire_retrieved >= 0 AND EXISTS (
                            SELECT FROM pop3.message s
                             WHERE s.maildrop_id = d.maildrop_id
                               AND s.reason IS DISTINCT FROM 'mass-delete'
                               AND s.retrieved_at <= now() - make_interval(
                                   secs => u.expire_retrieved)) OR
                        u.expire_hidden >= 0 AND EXISTS (
                            SELECT FROM pop3.message s
                             WHERE s.maildrop_id = d.maildrop_id
                               AND s.reason IS DISTINCT FROM 'mass-delete'
                               AND s.hidden_at <= now() - make_interval(
                                   secs => u.expire_hidden)) OR
                        u.mass_delete_hold >= 0 AND EXISTS (
                            SELECT FROM pop3.message s
                             WHERE s.maildrop_id = d.maildrop_id
                               AND s.reason = 'mass-delete'
                               AND s.hidden_at <= now() - make_interval(
                                   secs => u.mass_delete_hold))) OR
                    u.expire_unretrieved >= 0 AND
                    (u.unretrieved_own OR d.imap_used_at IS NULL OR
                     d.imap_used_at <= now() - make_interval(
                         secs => u.expire_unretrieved)) AND
                    coalesce(d.messages, 1) > 0 AND
                    (SELECT k.uidnext FROM pop3.watermark k
                      WHERE k.maildrop_id = d.maildrop_id
                        AND k.at <= now() - make_interval(
                            secs => u.expire_unretrieved)
                      ORDER BY k.at DESC LIMIT 1) >
                    coalesce(d.swept_before, 1))
               AND NOT EXISTS (SELECT FROM pop3.control c
                                WHERE c.stopped IS NOT NULL)
            UNION ALL
            SELECT d.username, 'due'
              FROM pop3.maildrop d
             WHERE d.postponed_at IS NOT NULL
               AND (p_usernames IS NULL OR d.username = ANY (p_usernames))
               AND EXISTS (
                   SELECT FROM pop3.message s
                    WHERE s.maildrop_id = d.maildrop_id
                      AND s.hidden_at IS NOT NULL
                      AND s.postponed IS NOT NULL
                      AND (s.postponed = 'dele' OR
                           NOT EXISTS (SELECT FROM pop3.control c
                                        WHERE c.stopped IS NOT NULL)))
            UNION ALL
            SELECT i.username, 'repair'
              FROM pop3.intent i
             WHERE i.state <> 'closed' AND i.maildrop_id IS NOT NULL
               AND (i.state IN ('abandoned', 'stale') OR
                    i.lease_until < now())
               AND (p_usernames IS NULL OR i.username = ANY (p_usernames))) w
     WHERE p_after IS NULL OR w.username COLLATE "C" > p_after
     GROUP BY w.username
     ORDER BY w.username COLLATE "C" LIMIT p_limit;
END
$$;

COMMENT ON FUNCTION pop3.due_users(bigint, text, text[]) IS
    'Users for whom a sweep has something to do: due or repair';
