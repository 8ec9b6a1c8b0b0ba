-- What happened to a user's mail, to a message (by Message-ID, with or without
-- its <>), or in a session (its id, or Dovecot's), within p_since to p_until (NULL:
-- any time): the last p_limit lines, newest last. One of p_username, p_message_id
-- and p_session is needed. Times are UTC. scope is the scope of the policy that
-- decided. What became of an intent is in its line; sessions have lines where no
-- message is asked for, those without effect one per hour.
-- Calls: event_text, time_human. Tables: reads audit, session.

CREATE FUNCTION pop3.log(p_username text DEFAULT NULL,
                         p_since timestamptz DEFAULT NULL,
                         p_until timestamptz DEFAULT NULL,
                         p_message_id text DEFAULT NULL,
                         p_session text DEFAULT NULL,
                         p_limit bigint DEFAULT 100)
    RETURNS TABLE (at text, username text, what text, rule text, scope text,
                   address text, client text, uid bigint, message_id text,
                   size bigint, session text, detail text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_since timestamptz := coalesce(p_since, '-infinity');
    v_until timestamptz := coalesce(p_until, 'infinity');
    v_message_ids text[] := ARRAY['<' || btrim(p_message_id, ' <>') || '>',
                                  p_message_id];
    v_session text := lower(translate(p_session, '-', ''));
    v_where text;
BEGIN
    IF p_username IS NULL AND p_message_id IS NULL AND p_session IS NULL THEN
        RAISE EXCEPTION 'a user, a Message-ID or a session is needed'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- plans depend on which of them are given
    v_where := concat_ws(' AND ',
        CASE WHEN p_username IS NOT NULL THEN 'a.username = $1' END,
        CASE WHEN p_session IS NOT NULL
             THEN '(a.dovecot_session = $5 OR '
                  'translate(a.session_id::text, ''-'', '''') = $6)' END);
    RETURN QUERY EXECUTE format($query$
        WITH chosen AS MATERIALIZED (
            SELECT a.*
              FROM pop3.audit a
             WHERE a.at >= $2 AND a.at < $3 AND %s
               AND NOT (a.uid IS NULL AND a.event IN (
                            'committed', 'committed-late', 'released') OR
                        a.uid IS NOT NULL AND a.event IN (
                            'released', 'presumed') OR
                        a.event IN ('repeat', 'late', 'repair-late',
                                    'session-found'))
             ORDER BY a.at DESC, a.seq DESC NULLS LAST LIMIT $7
        ), outcome AS MATERIALIZED (
            -- the outcome is of the whole intent, a repair of each message
            SELECT o.session_id, o.intent_no, o.uid, o.event
              FROM pop3.audit o
             WHERE o.username IN (SELECT c.username FROM chosen c
                                   WHERE c.event = 'intent')
               AND o.at >= (SELECT min(c.at) FROM chosen c)
               AND o.event IN ('committed', 'committed-late', 'released',
                               'presumed')
        ), line AS (
            SELECT c.at, c.seq, c.username,
                   pop3.event_text(c.event, c.action, c.reason, c.moved_to,
                       CASE WHEN c.event = 'intent' THEN coalesce(
                           (SELECT CASE o.event WHEN 'released' THEN o.event
                                                ELSE 'committed' END
                              FROM outcome o
                             WHERE o.session_id = c.session_id
                               AND o.intent_no = c.intent_no
                               AND o.uid IS NULL LIMIT 1),
                           (SELECT o.event FROM outcome o
                             WHERE o.session_id = c.session_id
                               AND o.intent_no = c.intent_no
                               AND o.uid = c.uid LIMIT 1)) END) AS what,
                   c.reason AS rule, c.scope, c.remote_address,
                   c.device, c.auth_user, c.uid, c.message_id, c.size,
                   coalesce(c.dovecot_session, c.session_id::text) AS session,
                   c.detail
              FROM chosen c
            %s
        ), newest AS (
            SELECT * FROM line l
             ORDER BY l.at DESC, l.seq DESC NULLS LAST, l.uid DESC LIMIT $7
        )
        SELECT pop3.time_human(n.at), n.username, n.what, n.rule, n.scope,
               n.remote_address,
               nullif(concat_ws(' ', n.device, 'as ' || n.auth_user), ''),
               n.uid, n.message_id, n.size, n.session, n.detail
          FROM newest n ORDER BY n.at, n.seq NULLS FIRST, n.uid
        $query$,
        concat_ws(' AND ', CASE WHEN p_message_id IS NOT NULL
                                THEN 'a.message_id = ANY ($4)' END,
                  nullif(v_where, '')),
        CASE WHEN p_message_id IS NULL THEN format($sessions$
            UNION ALL
            (SELECT a.ended_at, a.seq, a.username,
                    CASE WHEN a.ended_by = 'poll'
                         THEN a.polls || ' sessions without effect'
                         ELSE format('session ended by %%s: %%s messages '
                                  'retrieved, %%s bytes sent', a.ended_by,
                                  coalesce((SELECT sum(upper(r) - lower(r))
                                              FROM unnest(a.retrieved) r), 0),
                                  a.bytes) END,
                    NULL, NULL, a.remote_address, a.device, a.auth_user,
                    NULL::bigint, NULL, NULL::bigint,
                    CASE WHEN a.ended_by <> 'poll'
                         THEN coalesce(a.dovecot_session,
                                       a.session_id::text) END,
                    'began ' || pop3.time_human(a.started_at)
               FROM pop3.session a
              WHERE a.ended_at >= $2 AND a.ended_at < $3 AND %s
              ORDER BY a.ended_at DESC LIMIT $7)
            $sessions$, v_where) END)
    USING p_username, v_since, v_until, v_message_ids, p_session, v_session,
          p_limit;
END
$$;

COMMENT ON FUNCTION pop3.log(text, timestamptz, timestamptz, text, text, bigint) IS
    'What happened to a user''s mail, to a message, or in a session, in words, newest last; sizes in bytes';
