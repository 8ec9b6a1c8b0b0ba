-- The state of a user's maildrops, for a login: one row each, most recently
-- used first. Time limits are seconds, -1 is none; p_view_since is seconds
-- since 1970, -1 or NULL is none; p_due_limit bounds the due messages of each.
--
--   hidden, spared, would, postponed
--                           UID sets of hidden, of restored, of messages
--                           recorded in would_remove, and of those whose removal
--                           an outage postponed; NULL if empty
--   retrieved               UID set of what was ever retrieved and not restored
--                           since, also of what is gone; NULL unless
--                           p_with_retrieved
--   hidden_uid, hidden_guid the highest hidden message
--   view_from               UIDs below it arrived before view_since, or before
--                           the view_window; NULL if none did
--   before_uid, exempt      UIDs below it arrived before expire_unretrieved's
--                           limit; those of them that were retrieved, or
--                           restored within it, or hidden by mass-delete, or
--                           that an intent is about. NULL if IMAP used the
--                           mailbox within it, unless p_unretrieved_own_scope
--   tracked                 number of messages that have state
--   due_*                   messages whose time has come, oldest first
--   intent_*                intents that may be repaired now
--   postponed_*             postponed removals that are to be decided now, oldest
--                           first, at most p_due_limit; not what clients did not
--                           ask for while removals by policy are stopped
--   fresh_until             when the row may become another one by the mere passing
--                           of time, infinity if never; NULL if there is something
--                           to do now, or an intent
--
-- p_known is how the policy was known that the limits are from, as
-- pop3.policies_known() said: if that is no longer what it says, there is one row
-- of NULLs, and the policy has to be asked for. NULL: whatever it says.
--
-- What is postponed is not due. What mass-delete hid is due p_mass_delete_hold
-- after that, and by no other rule. While removals by policy are stopped nothing
-- is due.
--
-- Only hidden, restored and due messages are looked at: the cost does not grow
-- with the retrieved mail that is left. One statement finds whether there is
-- more to ask for, since a statement costs more than what it finds.
-- Calls: policies_known. Tables: reads maildrop, message, watermark,
-- would_remove, intent, control.

CREATE FUNCTION pop3.maildrop_state(
    p_username text, p_expire_retrieved bigint, p_expire_hidden bigint,
    p_expire_unretrieved bigint, p_unretrieved_own_scope boolean,
    p_view_since float8, p_view_window bigint, p_mass_delete_hold bigint,
    p_with_retrieved boolean, p_due_limit int, p_known text DEFAULT NULL)
    RETURNS TABLE (
        maildrop_id bigint, mailbox_guid uuid, uidvalidity bigint,
        uidnext bigint, messages bigint, anchor_uid bigint, anchor_guid uuid,
        hidden int8multirange, hidden_uid bigint, hidden_guid uuid,
        view_from bigint, before_uid bigint, exempt int8multirange,
        spared int8multirange, would int8multirange,
        retrieved int8multirange, tracked bigint,
        due_uid bigint[], due_guid uuid[], due_reason text[],
        intent_session uuid[], intent_no int[], postponed int8multirange,
        postponed_uid bigint[], postponed_guid uuid[], postponed_reason text[],
        fresh_until timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    -- planning takes longer than any plan would save
    SET plan_cache_mode = force_generic_plan
    AS $$
#variable_conflict use_column
DECLARE
    v_retrieved_limit timestamptz := now() -
        CASE WHEN p_expire_retrieved >= 0
             THEN make_interval(secs => p_expire_retrieved) END;
    v_hidden_limit timestamptz := now() -
        CASE WHEN p_expire_hidden >= 0
             THEN make_interval(secs => p_expire_hidden) END;
    v_mass_limit timestamptz := now() -
        CASE WHEN p_mass_delete_hold >= 0
             THEN make_interval(secs => p_mass_delete_hold) END;
    v_unretrieved_limit timestamptz := now() -
        CASE WHEN p_expire_unretrieved >= 0
             THEN make_interval(secs => p_expire_unretrieved) END;
    v_window_limit timestamptz := now() -
        CASE WHEN p_view_window >= 0
             THEN make_interval(secs => p_view_window) END;
    v_since timestamptz :=
        CASE WHEN p_view_since >= 0 THEN to_timestamp(p_view_since) END;
    v_busy int8multirange;
    v_stopped boolean :=
        EXISTS (SELECT FROM pop3.control c WHERE c.stopped IS NOT NULL);
    m record;
BEGIN
    IF p_known IS NOT NULL AND
       p_known IS DISTINCT FROM pop3.policies_known() THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF v_stopped THEN
        v_retrieved_limit := NULL; v_hidden_limit := NULL;
        v_mass_limit := NULL; v_unretrieved_limit := NULL;
    END IF;
    FOR m IN
        SELECT d.*, h.hidden, h.hidden_uid, h.held, h.postponed,
               h.next_hidden, h.next_held, r.spared, r.fresh, r.next_restored,
               w.would, w.would_count,
               (SELECT k.uidnext FROM pop3.watermark k
                 WHERE k.maildrop_id = d.maildrop_id
                   AND k.at <= v_unretrieved_limit
                 ORDER BY k.at DESC LIMIT 1) AS old_uidnext,
               (SELECT k.uidnext FROM pop3.watermark k
                 WHERE k.maildrop_id = d.maildrop_id
                   AND k.at <= v_window_limit
                 ORDER BY k.at DESC LIMIT 1) AS window_uidnext,
               (SELECT k.uidnext FROM pop3.watermark k
                 WHERE k.maildrop_id = d.maildrop_id AND k.at <= v_since
                 ORDER BY k.at DESC LIMIT 1) AS since_uidnext,
               EXISTS (SELECT FROM pop3.intent i
                        WHERE i.username = p_username
                          AND i.state <> 'closed') AS has_intents,
               EXISTS (SELECT FROM pop3.message s
                        WHERE s.maildrop_id = d.maildrop_id
                          AND s.retrieved_at <= v_retrieved_limit
                          AND s.reason IS DISTINCT FROM 'mass-delete') OR
               coalesce(h.oldest_hidden <= v_hidden_limit, false) OR
               coalesce(h.oldest_held <= v_mass_limit, false) AS has_due
          FROM pop3.maildrop d,
               LATERAL (SELECT range_agg(int8range(s.uid, s.uid + 1))
                                   AS hidden,
                               max(s.uid) AS hidden_uid,
                               min(s.hidden_at)
                                   FILTER (WHERE s.reason IS DISTINCT FROM
                                                 'mass-delete')
                                   AS oldest_hidden,
                               range_agg(int8range(s.uid, s.uid + 1))
                                   FILTER (WHERE s.reason = 'mass-delete')
                                   AS held,
                               min(s.hidden_at)
                                   FILTER (WHERE s.reason = 'mass-delete')
                                   AS oldest_held,
                               range_agg(int8range(s.uid, s.uid + 1))
                                   FILTER (WHERE s.postponed IS NOT NULL)
                                   AS postponed,
                               min(s.hidden_at)
                                   FILTER (WHERE s.hidden_at > v_hidden_limit
                                             AND s.reason IS DISTINCT FROM
                                                 'mass-delete')
                                   AS next_hidden,
                               min(s.hidden_at)
                                   FILTER (WHERE s.hidden_at > v_mass_limit
                                             AND s.reason = 'mass-delete')
                                   AS next_held
                          FROM pop3.message s
                         WHERE s.maildrop_id = d.maildrop_id
                           AND s.hidden_at IS NOT NULL) h,
               LATERAL (SELECT range_agg(int8range(s.uid, s.uid + 1))
                                   AS spared,
                               range_agg(int8range(s.uid, s.uid + 1))
                                   FILTER (WHERE s.restored_at >
                                                 v_unretrieved_limit) AS fresh,
                               min(s.restored_at)
                                   FILTER (WHERE s.restored_at >
                                                 v_unretrieved_limit)
                                   AS next_restored
                          FROM pop3.message s
                         WHERE s.maildrop_id = d.maildrop_id
                           AND s.restored_at IS NOT NULL) r,
               LATERAL (SELECT range_agg(int8range(s.uid, s.uid + 1))
                                   AS would,
                               count(*) AS would_count
                          FROM pop3.would_remove s
                         WHERE s.maildrop_id = d.maildrop_id) w
         WHERE d.username = p_username
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
        hidden := m.hidden;
        hidden_uid := m.hidden_uid;
        spared := m.spared;
        would := m.would;
        retrieved := CASE WHEN p_with_retrieved THEN m.retrieved END;
        tracked := m.tracked + m.would_count;
        hidden_guid := NULL;
        due_uid := NULL; due_guid := NULL; due_reason := NULL;
        intent_session := NULL; intent_no := NULL;
        postponed := m.postponed;
        postponed_uid := NULL; postponed_guid := NULL;
        postponed_reason := NULL;
        v_busy := '{}';

        view_from := nullif(greatest(
            m.window_uidnext,
            CASE WHEN p_view_window BETWEEN 0 AND m.view_window
                 THEN m.view_window_uid END,
            CASE WHEN v_since IS NULL THEN NULL
                 -- nothing has arrived after a time that is still to come
                 WHEN v_since > now() THEN 4294967295
                 WHEN m.view_since = v_since THEN m.view_since_uid
                 ELSE m.since_uidnext END), 1);
        -- What an intent is about is nobody else's.
        IF m.has_intents THEN
            SELECT array_agg(i.session_id ORDER BY i.created_at, i.intent_no)
                       FILTER (WHERE i.state IN ('abandoned', 'stale') OR
                                     i.lease_until < now()),
                   array_agg(i.intent_no ORDER BY i.created_at, i.intent_no)
                       FILTER (WHERE i.state IN ('abandoned', 'stale') OR
                                     i.lease_until < now())
              INTO intent_session, intent_no
              FROM pop3.intent i
             WHERE i.username = p_username AND i.state <> 'closed'
               AND i.maildrop_id = m.maildrop_id;
            SELECT coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}')
              INTO v_busy
              FROM pop3.intent i, unnest(i.uid) u (uid)
             WHERE i.username = p_username AND i.state <> 'closed'
               AND i.maildrop_id = m.maildrop_id;
        END IF;
        before_uid := CASE WHEN p_unretrieved_own_scope OR
                                m.imap_used_at IS NULL OR
                                m.imap_used_at <= v_unretrieved_limit
                           THEN m.old_uidnext END;
        exempt := nullif((m.retrieved + coalesce(m.fresh, '{}') +
                          coalesce(m.held, '{}') + v_busy) *
                         int8multirange(int8range(1, greatest(before_uid, 1))),
                         '{}');
        IF before_uid IS NULL THEN
            exempt := NULL;
        END IF;

        IF hidden_uid IS NOT NULL THEN
            SELECT s.message_guid INTO hidden_guid
              FROM pop3.message s
             WHERE s.maildrop_id = m.maildrop_id AND s.uid = m.hidden_uid;
        END IF;
        IF m.postponed IS NOT NULL THEN
            SELECT array_agg(p.uid ORDER BY p.hidden_at, p.uid),
                   array_agg(p.message_guid ORDER BY p.hidden_at, p.uid),
                   array_agg(p.postponed ORDER BY p.hidden_at, p.uid)
              INTO postponed_uid, postponed_guid, postponed_reason
              FROM (SELECT s.uid, s.message_guid, s.postponed, s.hidden_at
                      FROM pop3.message s
                     WHERE s.maildrop_id = m.maildrop_id
                       AND s.hidden_at IS NOT NULL
                       AND s.postponed IS NOT NULL
                       AND (s.postponed = 'dele' OR NOT v_stopped)
                       AND NOT v_busy @> s.uid
                     ORDER BY s.hidden_at, s.uid LIMIT p_due_limit) p;
        END IF;
        IF m.has_due THEN
            SELECT array_agg(d.uid ORDER BY d.due_since, d.uid),
                   array_agg(d.message_guid ORDER BY d.due_since, d.uid),
                   array_agg(d.reason ORDER BY d.due_since, d.uid)
              INTO due_uid, due_guid, due_reason
              FROM (SELECT c.uid, c.message_guid, c.reason, c.due_since
                      FROM ((SELECT s.uid, s.message_guid,
                                    'expired-retrieved' AS reason,
                                    s.retrieved_at AS due_since
                               FROM pop3.message s
                              WHERE s.maildrop_id = m.maildrop_id
                                AND s.retrieved_at <= v_retrieved_limit
                                AND (s.hidden_at <= v_hidden_limit)
                                    IS NOT TRUE
                                AND s.reason IS DISTINCT FROM 'mass-delete'
                                AND s.postponed IS NULL
                                AND NOT v_busy @> s.uid
                              ORDER BY s.retrieved_at LIMIT p_due_limit)
                            UNION ALL
                            (SELECT s.uid, s.message_guid, 'expired-hidden',
                                    s.hidden_at
                               FROM pop3.message s
                              WHERE s.maildrop_id = m.maildrop_id
                                AND s.hidden_at <= v_hidden_limit
                                AND s.reason IS DISTINCT FROM 'mass-delete'
                                AND s.postponed IS NULL
                                AND NOT v_busy @> s.uid
                              ORDER BY s.hidden_at LIMIT p_due_limit)
                            UNION ALL
                            (SELECT s.uid, s.message_guid, 'mass-delete',
                                    s.hidden_at
                               FROM pop3.message s
                              WHERE s.maildrop_id = m.maildrop_id
                                AND s.hidden_at <= v_mass_limit
                                AND s.reason = 'mass-delete'
                                AND s.postponed IS NULL
                                AND NOT v_busy @> s.uid
                              ORDER BY s.hidden_at LIMIT p_due_limit)) c
                     ORDER BY c.due_since, c.uid LIMIT p_due_limit) d;
        END IF;

        fresh_until := NULL;
        IF NOT (m.has_intents OR m.has_due OR m.postponed IS NOT NULL) THEN
            fresh_until := least('infinity',
                CASE WHEN v_since > now() THEN v_since END,
                m.next_hidden + make_interval(secs => p_expire_hidden),
                m.next_held + make_interval(secs => p_mass_delete_hold),
                m.next_restored + make_interval(secs => p_expire_unretrieved),
                CASE WHEN m.imap_used_at > v_unretrieved_limit
                     THEN m.imap_used_at +
                          make_interval(secs => p_expire_unretrieved) END);
            -- statements of their own, for those who have such limits
            IF v_retrieved_limit IS NOT NULL THEN
                fresh_until := least(fresh_until,
                    (SELECT s.retrieved_at +
                            make_interval(secs => p_expire_retrieved)
                       FROM pop3.message s
                      WHERE s.maildrop_id = m.maildrop_id
                        AND s.retrieved_at > v_retrieved_limit
                      ORDER BY s.retrieved_at LIMIT 1));
            END IF;
            IF v_unretrieved_limit IS NOT NULL THEN
                fresh_until := least(fresh_until,
                    (SELECT k.at + make_interval(secs => p_expire_unretrieved)
                       FROM pop3.watermark k
                      WHERE k.maildrop_id = m.maildrop_id
                        AND k.at > v_unretrieved_limit
                      ORDER BY k.at LIMIT 1));
            END IF;
            IF v_window_limit IS NOT NULL THEN
                fresh_until := least(fresh_until,
                    (SELECT k.at + make_interval(secs => p_view_window)
                       FROM pop3.watermark k
                      WHERE k.maildrop_id = m.maildrop_id
                        AND k.at > v_window_limit
                      ORDER BY k.at LIMIT 1));
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, bigint, boolean, int, text) IS
    'State of a user''s maildrops, for a login; limits in seconds, -1 for none; most recently used first';
