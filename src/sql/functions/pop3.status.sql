-- Users whose name fits the mask (with * and ?; NULL: all), in the order of names,
-- after p_after, at most p_limit: what is known of their maildrops. Times are UTC,
-- sizes bytes; due is how many messages the next login or sweep removes, of those
-- never retrieved at most so many; NULL where nothing is removed (enforcement is
-- not enforce, or a hold).
-- Calls: mask_like, maildrop_due, time_human. Tables: reads policy_user,
-- maildrop, message, usage.

CREATE FUNCTION pop3.status(p_mask text DEFAULT NULL,
                            p_limit bigint DEFAULT NULL,
                            p_after text DEFAULT NULL)
    RETURNS TABLE (username text, enforcement text, hold text,
                   messages bigint, retrieved bigint, hidden bigint,
                   due bigint, bytes bigint, quota bigint, quota_percent int,
                   last_login text, last_quit text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH u AS MATERIALIZED (
        SELECT x.* FROM pop3.policy_user x
         WHERE (p_mask IS NULL OR x.username LIKE pop3.mask_like(p_mask))
           AND (p_mask ~ '[*?]' OR p_mask IS NULL OR x.username = p_mask)
           AND (p_after IS NULL OR x.username COLLATE "C" > p_after)
         ORDER BY x.username COLLATE "C" LIMIT p_limit
    )
    SELECT u.username, u.enforcement, u.pop3_hold,
           coalesce(d.messages, q.messages), coalesce(d.retrieved, 0),
           coalesce(d.hidden, 0),
           CASE WHEN u.enforcement = 'enforce' AND u.pop3_hold = 'no'
                THEN coalesce(d.due, 0) END,
           q.bytes, q.storage_limit,
           CASE WHEN q.storage_limit > 0
                THEN least(100.0 * q.bytes / q.storage_limit,
                           2000000000)::int END,
           pop3.time_human(d.last_login_at), pop3.time_human(d.last_quit_at)
      FROM u LEFT JOIN pop3.usage q ON q.username = u.username,
           LATERAL (
               SELECT sum(m.messages)::bigint AS messages,
                      sum(s.retrieved)::bigint AS retrieved,
                      sum(s.hidden)::bigint AS hidden,
                      max(m.last_login_at) AS last_login_at,
                      max(m.last_quit_at) AS last_quit_at,
                      sum(pop3.maildrop_due(m.maildrop_id,
                              u.expire_retrieved, u.expire_hidden,
                              u.mass_delete_hold, u.expire_unretrieved,
                              u.unretrieved_own))::bigint AS due
                 FROM pop3.maildrop m,
                      LATERAL (SELECT count(x.retrieved_at) AS retrieved,
                                      count(x.hidden_at) AS hidden
                                 FROM pop3.message x
                                WHERE x.maildrop_id = m.maildrop_id
                                  AND m.tracked > 0) s
                WHERE m.username = u.username) d
     ORDER BY u.username COLLATE "C";
END
$$;

COMMENT ON FUNCTION pop3.status(text, bigint, text) IS
    'What is known of users'' maildrops, by a mask with * and ?; sizes in bytes';
