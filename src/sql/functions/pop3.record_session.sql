-- Record a session at its end: one row in pop3.session (one sequence number),
-- and the maildrop's state. p_started is seconds since 1970, p_duration
-- seconds. p_uid and the arrays beside it are the retrieved messages with what
-- became of them (none, hide, flag, move, expunge); they count only if the
-- session ended by quit. p_would_* are messages that enforce would have
-- removed.
-- A session that was recorded before gives an audit row of event repeat, and
-- no changes. But where it was recorded as lost, it counts: its row is what is
-- known now, and what was recorded first goes to pop3.session_lost, with its
-- chain and number.
--
-- Watermarks: a UIDNEXT higher than the last known is noted with the time of
-- the login, in the row of that day (UTC) if there is one. view_since is
-- resolved before that, once, and what has left the view_window is kept, so
-- that moving the day's watermark does not let messages reappear. p_view_window
-- is NULL where it is not known: the last known one remains then.
--
-- A retrieved message that another session removed meanwhile, by an intent that
-- is committed, gets no state: that would be found to be gone, and told twice.
--
-- Where p_download is true (the user has a download_daily), p_bytes are counted
-- for that; NULL is not known, and is true if some were.
-- Calls: maildrop_find, download_settle, event_time, forgotten_name. Tables: writes session, session_lost,
-- audit, maildrop, message, watermark, would_remove, download; reads intent.

CREATE FUNCTION pop3.record_session(
    p_chain_id uuid, p_seq bigint, p_session_id uuid, p_dovecot_session text,
    p_username text, p_auth_user text, p_remote_address text, p_tls boolean,
    p_device text, p_started float8, p_duration float8, p_ended_by text,
    p_mailbox_guid uuid, p_uidvalidity bigint, p_uidnext bigint,
    p_uidnext_end bigint, p_messages bigint, p_anchor_uid bigint,
    p_anchor_guid uuid, p_retr int, p_top int, p_dele int, p_bytes bigint,
    p_fetched int8multirange, p_removed int8multirange, p_uid bigint[],
    p_guid uuid[], p_size bigint[], p_action text[], p_would_uid bigint[],
    p_would_guid uuid[], p_would_size bigint[], p_would_reason text[],
    p_view_since float8, p_view_window bigint, p_download boolean)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_started timestamptz := to_timestamp(p_started);
    v_ended timestamptz := to_timestamp(p_started + coalesce(p_duration, 0));
    v_quit boolean := coalesce(p_ended_by = 'quit', false);
    v_retrieved int8multirange;
    v_retrievals bigint := 0;
    v_taken bigint[];
    v_new bigint := 0;
    v_gone bigint := 0;
    v_since timestamptz;
    v_since_uid bigint;
    v_window bigint;
    v_window_uid bigint;
    v_mark pop3.watermark;
    v_at timestamptz;
    v_maildrop bigint;
    m pop3.maildrop;
    v_forgotten text := pop3.forgotten_name(p_username);
BEGIN
    IF v_forgotten IS NOT NULL THEN
        p_username := v_forgotten;
        p_auth_user := NULL;
        p_dovecot_session := NULL;
        p_remote_address := NULL;
        p_device := NULL;
    END IF;
    IF v_quit AND cardinality(p_uid) > 0 THEN
        v_retrievals := cardinality(p_uid);
        SELECT range_agg(int8range(u.uid, u.uid + 1)) INTO v_retrieved
          FROM unnest(p_uid) u (uid) WHERE u.uid IS NOT NULL;
    END IF;
    INSERT INTO pop3.session AS s
           (session_id, started_at, ended_at, chain_id, seq, bytes,
            uidvalidity, uidnext, uidnext_end, messages, mailbox_guid, retr,
            top, dele, tls, username, auth_user, dovecot_session, device,
            remote_address, ended_by, fetched, retrieved, removed)
    VALUES (p_session_id, v_started, v_ended, p_chain_id, p_seq,
            coalesce(p_bytes, 0), p_uidvalidity, p_uidnext, p_uidnext_end,
            p_messages, p_mailbox_guid, coalesce(p_retr, 0),
            coalesce(p_top, 0), coalesce(p_dele, 0), p_tls, p_username,
            p_auth_user, p_dovecot_session, p_device, p_remote_address,
            p_ended_by, p_fetched, v_retrieved, p_removed)
    ON CONFLICT (session_id, started_at) DO NOTHING;
    IF NOT FOUND AND p_ended_by <> 'lost' THEN
        -- Whoever finds it at the same time waits here, and finds none lost.
        INSERT INTO pop3.session_lost
        SELECT s.* FROM pop3.session s
         WHERE s.session_id = p_session_id AND s.started_at = v_started
           AND s.ended_by = 'lost' AND s.username = p_username
           FOR UPDATE;
        UPDATE pop3.session s
           SET ended_at = v_ended, chain_id = p_chain_id, seq = p_seq,
               bytes = coalesce(p_bytes, 0), uidvalidity = p_uidvalidity,
               uidnext = p_uidnext, uidnext_end = p_uidnext_end,
               messages = p_messages, mailbox_guid = p_mailbox_guid,
               retr = coalesce(p_retr, 0), top = coalesce(p_top, 0),
               dele = coalesce(p_dele, 0), tls = p_tls,
               auth_user = p_auth_user, dovecot_session = p_dovecot_session,
               device = p_device, remote_address = p_remote_address,
               ended_by = p_ended_by, fetched = p_fetched,
               retrieved = v_retrieved, removed = p_removed
         WHERE FOUND AND s.session_id = p_session_id
           AND s.started_at = v_started;
    END IF;
    IF NOT FOUND THEN
        INSERT INTO pop3.audit
               (chain_id, seq, event, session_id, dovecot_session, username,
                auth_user, remote_address, device, mailbox_guid, uidvalidity,
                detail)
        VALUES (p_chain_id, p_seq, 'repeat', p_session_id, p_dovecot_session,
                p_username, p_auth_user, p_remote_address, p_device,
                p_mailbox_guid, p_uidvalidity, 'session');
        RETURN;
    END IF;
    IF v_forgotten IS NOT NULL THEN
        -- his state was forgotten, too
        RETURN;
    END IF;
    -- of a lost session it is not known what was sent
    IF p_ended_by <> 'lost' AND
       coalesce(p_download,
                EXISTS (SELECT FROM pop3.download d
                         WHERE d.username = p_username
                           AND d.session_id = p_session_id)) THEN
        PERFORM pop3.download_settle(p_username, p_session_id,
                                     coalesce(p_bytes, 0));
    END IF;
    IF p_mailbox_guid IS NULL OR p_uidvalidity IS NULL THEN
        RETURN;
    END IF;
    SELECT d.* INTO m FROM pop3.maildrop d
     WHERE d.username = p_username AND d.mailbox_guid = p_mailbox_guid
       AND d.uidvalidity = p_uidvalidity;
    IF NOT FOUND THEN
        -- a statement does not see what it makes
        v_maildrop := pop3.maildrop_find(p_username, p_mailbox_guid,
                                         p_uidvalidity);
        SELECT d.* INTO m FROM pop3.maildrop d
         WHERE d.maildrop_id = v_maildrop;
    END IF;

    IF v_retrievals > 0 AND NOT p_action <@ ARRAY['expunge', 'move'] THEN
        -- clocks may differ by two minutes
        SELECT array_agg(x.uid) INTO v_taken
          FROM pop3.intent i, unnest(i.uid, i.guid, i.action)
                              x (uid, guid, action)
               JOIN unnest(p_uid, p_guid) a (uid, guid)
               ON a.uid = x.uid AND a.guid = x.guid
         WHERE i.username = p_username AND i.state = 'closed'
           AND i.closed_at >= v_started - interval '2 minutes'
           AND i.result = 'committed' AND i.maildrop_id = m.maildrop_id
           AND x.action IN ('expunge', 'move');
        WITH retrieve AS (
            INSERT INTO pop3.message AS s
                   (maildrop_id, uid, message_guid, size, retrieved_at,
                    retrieved_count)
            SELECT m.maildrop_id, a.uid, a.guid, a.size,
                   pop3.event_time(), 1
              FROM unnest(p_uid, p_guid, p_size, p_action)
                   a (uid, guid, size, action)
             WHERE a.action NOT IN ('expunge', 'move')
               AND (a.uid = ANY (v_taken)) IS NOT TRUE
             ORDER BY a.uid
            ON CONFLICT (maildrop_id, uid) DO UPDATE
               SET message_guid = excluded.message_guid,
                   size = excluded.size,
                   retrieved_at =
                       CASE WHEN s.message_guid <> excluded.message_guid
                            THEN excluded.retrieved_at
                            ELSE coalesce(s.retrieved_at,
                                          excluded.retrieved_at) END,
                   retrieved_count =
                       CASE WHEN s.message_guid <> excluded.message_guid
                            THEN 1 ELSE s.retrieved_count + 1 END,
                   hidden_at =
                       CASE WHEN s.message_guid <> excluded.message_guid
                            THEN NULL ELSE s.hidden_at END,
                   reason =
                       CASE WHEN s.message_guid <> excluded.message_guid
                            THEN NULL ELSE s.reason END,
                   postponed =
                       CASE WHEN s.message_guid <> excluded.message_guid
                            THEN NULL ELSE s.postponed END,
                   restored_at = NULL
            RETURNING s.xmax = 0 AS is_new
        )
        SELECT count(*) FILTER (WHERE is_new) INTO v_new FROM retrieve;
    END IF;

    -- Where no intent was needed nothing else tells that state is void.
    IF NOT isempty(coalesce(p_removed, '{}')) THEN
        DELETE FROM pop3.message s
         USING unnest(p_removed) r
         WHERE s.maildrop_id = m.maildrop_id AND s.uid >= lower(r)
           AND s.uid < upper(r);
        GET DIAGNOSTICS v_gone = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         USING unnest(p_removed) r
         WHERE w.maildrop_id = m.maildrop_id AND w.uid >= lower(r)
           AND w.uid < upper(r);
    END IF;

    IF cardinality(p_would_uid) > 0 THEN
        INSERT INTO pop3.would_remove AS w
               (maildrop_id, uid, message_guid, size, reason)
        SELECT m.maildrop_id, a.uid, a.guid, a.size, a.reason
          FROM unnest(p_would_uid, p_would_guid, p_would_size, p_would_reason)
               a (uid, guid, size, reason)
         WHERE NOT a.uid <@ coalesce(p_removed, '{}')
         ORDER BY a.uid
        ON CONFLICT (maildrop_id, uid) DO UPDATE
           SET message_guid = excluded.message_guid, size = excluded.size,
               reason = excluded.reason,
               since = CASE WHEN w.reason <> excluded.reason OR
                                 w.message_guid <> excluded.message_guid
                            THEN excluded.since ELSE w.since END
         WHERE w.reason <> excluded.reason OR
               w.message_guid <> excluded.message_guid;
    END IF;

    IF p_view_since >= 0 THEN
        v_since := to_timestamp(p_view_since);
        IF v_since > now() OR v_since = m.view_since THEN
            v_since := NULL;
        ELSE
            SELECT w.uidnext INTO v_since_uid
              FROM pop3.watermark w
             WHERE w.maildrop_id = m.maildrop_id AND w.at <= v_since
             ORDER BY w.at DESC LIMIT 1;
            v_since_uid := coalesce(v_since_uid, 1);
        END IF;
    END IF;

    v_window := coalesce(p_view_window, m.view_window);
    IF v_window >= 0 THEN
        SELECT greatest(w.uidnext,
                        CASE WHEN v_window <= m.view_window
                             THEN m.view_window_uid END)
          INTO v_window_uid
          FROM (SELECT max(k.uidnext) AS uidnext
                  FROM pop3.watermark k
                 WHERE k.maildrop_id = m.maildrop_id
                   AND k.at <= least(v_started, now()) -
                               make_interval(secs => v_window)) w;
    END IF;

    IF p_uidnext IS NOT NULL THEN
        SELECT w.* INTO v_mark FROM pop3.watermark w
         WHERE w.maildrop_id = m.maildrop_id ORDER BY w.at DESC LIMIT 1;
        IF v_mark.uidnext IS NULL OR v_mark.uidnext < p_uidnext THEN
            -- A wrong p_started must not make mail older than it is.
            v_at := greatest(least(v_started, now()), now() - interval '1 day',
                             v_mark.at);
            IF (v_mark.at AT TIME ZONE 'UTC')::date =
               (v_at AT TIME ZONE 'UTC')::date THEN
                UPDATE pop3.watermark w SET at = v_at, uidnext = p_uidnext
                 WHERE w.maildrop_id = m.maildrop_id AND w.at = v_mark.at;
            ELSE
                INSERT INTO pop3.watermark (maildrop_id, at, uidnext)
                VALUES (m.maildrop_id, v_at, p_uidnext);
            END IF;
        END IF;
    END IF;

    UPDATE pop3.maildrop d
       SET uidnext = greatest(d.uidnext, p_uidnext, p_uidnext_end),
           -- of overlapping sessions the one that saw more knows
           -- (too many only lets the next login look what is missing)
           messages = CASE WHEN p_messages IS NULL OR
                                p_uidnext_end < d.uidnext
                           THEN d.messages
                           WHEN d.last_quit_at > v_started
                           THEN greatest(d.messages, p_messages)
                           ELSE p_messages END,
           tracked = d.tracked + v_new - v_gone,
           anchor_uid = CASE WHEN p_anchor_guid IS NULL THEN d.anchor_uid
                             ELSE p_anchor_uid END,
           anchor_guid = coalesce(p_anchor_guid, d.anchor_guid),
           last_login_at = CASE WHEN p_ended_by = 'sweep'
                                THEN d.last_login_at
                                ELSE greatest(d.last_login_at,
                                              least(v_started, now())) END,
           last_quit_at = CASE WHEN v_quit
                               THEN greatest(d.last_quit_at,
                                             least(v_ended, now()))
                               ELSE d.last_quit_at END,
           view_since = coalesce(v_since, d.view_since),
           view_since_uid = CASE WHEN v_since IS NULL THEN d.view_since_uid
                                 ELSE v_since_uid END,
           view_window = nullif(v_window, -1),
           view_window_uid = v_window_uid,
           sessions = d.sessions +
               CASE WHEN p_ended_by = 'sweep' THEN 0 ELSE 1 END,
           retrievals = d.retrievals + v_retrievals,
           retrieved = d.retrieved + coalesce(v_retrieved, '{}'),
           bytes = d.bytes + coalesce(p_bytes, 0)
     WHERE d.maildrop_id = m.maildrop_id;
END
$$;

COMMENT ON FUNCTION pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean, text, float8, float8, text, uuid, bigint, bigint, bigint, bigint, bigint, uuid, int, int, int, bigint, int8multirange, int8multirange, bigint[], uuid[], bigint[], text[], bigint[], uuid[], bigint[], text[], float8, bigint, boolean) IS
    'Record a session at its end, with retrievals, watermark and maildrop. One sequence number';
