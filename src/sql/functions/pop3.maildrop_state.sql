-- The state of a user's maildrops, for a login: one row each, most recently
-- used first. Time limits are seconds, -1 is none; p_view_since is seconds
-- since 1970, -1 or NULL is none; p_due_limit bounds the due messages of each.
--
--   hidden, spared, would   UID sets of hidden, of restored, and of messages
--                           recorded in would_remove; NULL if empty
--   hidden_uid, hidden_guid the highest hidden message
--   view_from               UIDs below it arrived before view_since, or before
--                           the view_window; NULL if none did
--   before_uid, exempt      UIDs below it arrived before expire_unretrieved's
--                           limit; those of them that were retrieved, or
--                           restored within it. NULL if IMAP used the mailbox
--                           within it, unless p_unretrieved_own_scope
--   tracked                 number of messages that have state
--   due_*                   messages whose time has come, oldest first
--   intent_*                intents that may be repaired now
--
-- Only hidden, restored and due messages are looked at (and what may be
-- exempt): the cost does not grow with the retrieved mail that is left.
-- Calls: nothing. Tables: reads maildrop, message, watermark, would_remove,
-- intent.

CREATE FUNCTION pop3.maildrop_state(
    p_username text, p_expire_retrieved bigint, p_expire_hidden bigint,
    p_expire_unretrieved bigint, p_unretrieved_own_scope boolean,
    p_view_since float8, p_view_window bigint, p_due_limit int)
    RETURNS TABLE (
        maildrop_id bigint, mailbox_guid uuid, uidvalidity bigint,
        uidnext bigint, messages bigint, anchor_uid bigint, anchor_guid uuid,
        hidden int8multirange, hidden_uid bigint, hidden_guid uuid,
        view_from bigint, before_uid bigint, exempt int8multirange,
        spared int8multirange, would int8multirange, tracked bigint,
        due_uid bigint[], due_guid uuid[], due_reason text[],
        intent_session uuid[], intent_no int[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_retrieved_limit timestamptz := now() -
        CASE WHEN p_expire_retrieved >= 0
             THEN make_interval(secs => p_expire_retrieved) END;
    v_hidden_limit timestamptz := now() -
        CASE WHEN p_expire_hidden >= 0
             THEN make_interval(secs => p_expire_hidden) END;
    v_unretrieved_limit timestamptz := now() -
        CASE WHEN p_expire_unretrieved >= 0
             THEN make_interval(secs => p_expire_unretrieved) END;
    v_window_limit timestamptz := now() -
        CASE WHEN p_view_window >= 0
             THEN make_interval(secs => p_view_window) END;
    v_since timestamptz :=
        CASE WHEN p_view_since >= 0 THEN to_timestamp(p_view_since) END;
    v_busy bigint[];
    v_would_count bigint;
    m record;
BEGIN
    FOR m IN
        SELECT d.* FROM pop3.maildrop d WHERE d.username = p_username
         ORDER BY greatest(d.last_login_at, d.created_at) DESC,
                  d.maildrop_id DESC
    LOOP
        maildrop_id := m.maildrop_id;
        mailbox_guid := m.mailbox_guid;
        uidvalidity := m.uidvalidity;
        uidnext := m.uidnext;
        messages := m.messages;
        anchor_uid := m.anchor_uid;
        anchor_guid := m.anchor_guid;
        hidden := NULL; hidden_uid := NULL; hidden_guid := NULL;
        exempt := NULL; spared := NULL; before_uid := NULL;
        due_uid := NULL; due_guid := NULL; due_reason := NULL;

        -- When there are intents, what they are about is nobody else's.
        SELECT array_agg(i.session_id ORDER BY i.created_at, i.intent_no)
                   FILTER (WHERE repairable),
               array_agg(i.intent_no ORDER BY i.created_at, i.intent_no)
                   FILTER (WHERE repairable)
          INTO intent_session, intent_no
          FROM pop3.intent i,
               LATERAL (SELECT i.state IN ('abandoned', 'stale') OR
                               i.lease_until < now() AS repairable) r
         WHERE i.username = p_username AND i.state <> 'closed'
           AND i.maildrop_id = m.maildrop_id;

        SELECT range_agg(int8range(w.uid, w.uid + 1)), count(*)
          INTO would, v_would_count
          FROM pop3.would_remove w WHERE w.maildrop_id = m.maildrop_id;
        tracked := m.tracked + v_would_count;

        view_from := NULL;
        IF v_since IS NOT NULL THEN
            IF m.view_since = v_since THEN
                view_from := m.view_since_uid;
            ELSE
                SELECT w.uidnext INTO view_from
                  FROM pop3.watermark w
                 WHERE w.maildrop_id = m.maildrop_id AND w.at <= v_since
                 ORDER BY w.at DESC LIMIT 1;
            END IF;
        END IF;
        IF v_window_limit IS NOT NULL THEN
            view_from := greatest(view_from,
                (SELECT w.uidnext FROM pop3.watermark w
                  WHERE w.maildrop_id = m.maildrop_id
                    AND w.at <= v_window_limit
                  ORDER BY w.at DESC LIMIT 1));
        END IF;
        view_from := nullif(view_from, 1);

        IF v_unretrieved_limit IS NOT NULL AND
           (p_unretrieved_own_scope OR m.imap_used_at IS NULL OR
            m.imap_used_at <= v_unretrieved_limit) THEN
            SELECT w.uidnext INTO before_uid
              FROM pop3.watermark w
             WHERE w.maildrop_id = m.maildrop_id
               AND w.at <= v_unretrieved_limit
             ORDER BY w.at DESC LIMIT 1;
        END IF;

        IF m.tracked > 0 THEN
            IF before_uid IS NOT NULL THEN
                SELECT range_agg(int8range(s.uid, s.uid + 1)) INTO exempt
                  FROM pop3.message s
                 WHERE s.maildrop_id = m.maildrop_id AND s.uid < before_uid
                   AND (s.retrieved_at IS NOT NULL OR
                        s.restored_at > v_unretrieved_limit);
            END IF;
            SELECT range_agg(int8range(s.uid, s.uid + 1)), max(s.uid)
              INTO hidden, hidden_uid
              FROM pop3.message s
             WHERE s.maildrop_id = m.maildrop_id AND s.hidden_at IS NOT NULL;
            IF hidden_uid IS NOT NULL THEN
                SELECT s.message_guid INTO hidden_guid
                  FROM pop3.message s
                 WHERE s.maildrop_id = m.maildrop_id AND s.uid = hidden_uid;
            END IF;
            SELECT range_agg(int8range(s.uid, s.uid + 1)) INTO spared
              FROM pop3.message s
             WHERE s.maildrop_id = m.maildrop_id AND s.restored_at IS NOT NULL;

            IF v_retrieved_limit IS NOT NULL OR v_hidden_limit IS NOT NULL THEN
                SELECT coalesce(array_agg(u.uid), '{}') INTO v_busy
                  FROM pop3.intent i, unnest(i.uid) u (uid)
                 WHERE i.username = p_username AND i.state <> 'closed'
                   AND i.maildrop_id = m.maildrop_id;
                SELECT array_agg(d.uid ORDER BY d.due_since, d.uid),
                       array_agg(d.message_guid ORDER BY d.due_since, d.uid),
                       array_agg(d.reason ORDER BY d.due_since, d.uid)
                  INTO due_uid, due_guid, due_reason
                  FROM (SELECT c.uid, c.message_guid,
                               CASE WHEN c.hidden_at <= v_hidden_limit
                                    THEN 'expired-hidden'
                                    ELSE 'expired-retrieved' END AS reason,
                               CASE WHEN c.hidden_at <= v_hidden_limit
                                    THEN c.hidden_at
                                    ELSE c.retrieved_at END AS due_since
                          FROM ((SELECT s.uid, s.message_guid, s.hidden_at,
                                        s.retrieved_at
                                   FROM pop3.message s
                                  WHERE s.maildrop_id = m.maildrop_id
                                    AND s.retrieved_at <= v_retrieved_limit
                                    AND s.uid <> ALL (v_busy)
                                  ORDER BY s.retrieved_at LIMIT p_due_limit)
                                UNION
                                (SELECT s.uid, s.message_guid, s.hidden_at,
                                        s.retrieved_at
                                   FROM pop3.message s
                                  WHERE s.maildrop_id = m.maildrop_id
                                    AND s.hidden_at <= v_hidden_limit
                                    AND s.uid <> ALL (v_busy)
                                  ORDER BY s.hidden_at LIMIT p_due_limit)) c
                         ORDER BY due_since, c.uid LIMIT p_due_limit) d;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, int) IS
    'State of a user''s maildrops, for a login; limits in seconds, -1 for none; most recently used first';
