-- Count what is kept of the maildrops for which that was done longest ago, or
-- never; at least 5,000 of them or a twelfth, none that was counted within 20
-- hours. Called hourly, it goes round all of them in a day. Returns how many.
-- Calls: nothing. Tables: writes kept; reads maildrop, message.

CREATE FUNCTION pop3.count_kept() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET jit = off
    AS $$
DECLARE
    v_count bigint;
BEGIN
    DELETE FROM pop3.kept k
     WHERE NOT EXISTS (SELECT FROM pop3.maildrop d
                        WHERE d.maildrop_id = k.maildrop_id);
    INSERT INTO pop3.kept AS k
           (maildrop_id, retrieved, retrieved_bytes, oldest_retrieved_at,
            hidden, hidden_bytes, oldest_hidden_at)
    SELECT d.maildrop_id, s.*
      FROM (SELECT m.maildrop_id
              FROM pop3.maildrop m
                   LEFT JOIN pop3.kept o ON o.maildrop_id = m.maildrop_id
             WHERE o.at IS NULL OR o.at < now() - interval '20 hours'
             ORDER BY o.at NULLS FIRST, m.maildrop_id
             LIMIT greatest(5000, (SELECT count(*) / 12
                                     FROM pop3.maildrop))) d,
           -- OFFSET 0: maildrop by maildrop, by index
           LATERAL (SELECT count(*) FILTER (WHERE x.hidden_at IS NULL AND
                                            x.retrieved_at IS NOT NULL),
                           coalesce(sum(x.size)
                               FILTER (WHERE x.hidden_at IS NULL AND
                                       x.retrieved_at IS NOT NULL), 0),
                           min(x.retrieved_at)
                               FILTER (WHERE x.hidden_at IS NULL),
                           count(x.hidden_at),
                           coalesce(sum(x.size)
                               FILTER (WHERE x.hidden_at IS NOT NULL), 0),
                           min(x.hidden_at)
                      FROM pop3.message x
                     WHERE x.maildrop_id = d.maildrop_id OFFSET 0) s
    ON CONFLICT (maildrop_id) DO UPDATE
       SET at = now(), retrieved = excluded.retrieved,
           retrieved_bytes = excluded.retrieved_bytes,
           oldest_retrieved_at = excluded.oldest_retrieved_at,
           hidden = excluded.hidden, hidden_bytes = excluded.hidden_bytes,
           oldest_hidden_at = excluded.oldest_hidden_at;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

COMMENT ON FUNCTION pop3.count_kept() IS
    'Count retrieved and hidden mail of the maildrops for which that is due; how many';
