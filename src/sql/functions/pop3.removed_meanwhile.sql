-- Which of these messages other sessions removed, by intents that are committed:
-- a session that hides one at the same moment must not make state for it again.
-- Looked for since ten minutes before p_since: what is older a session sees.
-- Returns NULL if there is none.
-- Calls: nothing. Tables: intent.

CREATE FUNCTION pop3.removed_meanwhile(
    p_username text, p_maildrop_id bigint, p_since timestamptz,
    p_uid bigint[], p_guid uuid[])
    RETURNS bigint[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT array_agg(x.uid)
  FROM pop3.intent i, unnest(i.uid, i.guid, i.action) x (uid, guid, action)
       JOIN unnest(p_uid, p_guid) a (uid, guid)
       ON a.uid = x.uid AND a.guid = x.guid
 WHERE i.username = p_username AND i.state = 'closed'
   AND i.closed_at >= p_since - interval '10 minutes'
   AND i.result = 'committed' AND i.maildrop_id = p_maildrop_id
   AND x.action IN ('expunge', 'move')
$$;

COMMENT ON FUNCTION pop3.removed_meanwhile(text, bigint, timestamptz, bigint[], uuid[]) IS
    'Which of these messages other sessions removed lately (internal)';
