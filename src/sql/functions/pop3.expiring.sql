-- The messages of a maildrop that expire_retrieved or expire_unretrieved will
-- have removed by p_until, and that no notice covered: at most one row, none if
-- there are none. p_policy holds the user's effective values; p_own_scope is
-- whether the user's own row sets expire_unretrieved; p_told is what the last
-- notice covered (pop3.notice.told). See pop3.notices().
-- Calls: nothing. Tables: reads maildrop, message, watermark, intent.

CREATE FUNCTION pop3.expiring(
    p_username text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_until timestamptz, p_policy jsonb, p_own_scope boolean, p_told jsonb)
    RETURNS TABLE (uids int8multirange, before_uid bigint,
                   exempt int8multirange, at timestamptz, until timestamptz)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    -- NULL where there is no such limit
    v_retrieved interval := make_interval(
        secs => nullif((p_policy ->> 'expire_retrieved')::bigint, -1));
    v_unretrieved interval := make_interval(
        secs => nullif((p_policy ->> 'expire_unretrieved')::bigint, -1));
    v_since timestamptz := to_timestamp(
        nullif((p_policy ->> 'view_since')::bigint, -1));
    v_window bigint := nullif((p_policy ->> 'view_window')::bigint, -1);
    v_told_before bigint := 1;
    v_told_restored timestamptz := '-infinity';
    v_told_retrieved timestamptz := '-infinity';
    v_view_from bigint;
    v_first timestamptz;
    v_open int8multirange;
    v_overdue bigint;
    v_not int8multirange;
    d pop3.maildrop;
BEGIN
    SELECT x.* INTO d FROM pop3.maildrop x
     WHERE x.username = p_username AND x.mailbox_guid = p_mailbox_guid
       AND x.uidvalidity = p_uidvalidity;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF (p_told ->> 'maildrop')::bigint = d.maildrop_id THEN
        v_told_before := coalesce((p_told ->> 'before')::bigint, 1);
        v_told_restored := coalesce((p_told ->> 'restored')::timestamptz,
                                    '-infinity');
        v_told_retrieved := coalesce((p_told ->> 'retrieved')::timestamptz,
                                     '-infinity');
    END IF;

    -- as in pop3.maildrop_state()
    v_view_from := coalesce(greatest(
        (SELECT k.uidnext FROM pop3.watermark k
          WHERE k.maildrop_id = d.maildrop_id
            AND k.at <= now() - make_interval(secs => v_window)
          ORDER BY k.at DESC LIMIT 1),
        CASE WHEN v_window BETWEEN 0 AND d.view_window
             THEN d.view_window_uid END,
        CASE WHEN v_since IS NULL THEN NULL
             WHEN v_since > now() THEN 4294967295
             WHEN d.view_since = v_since THEN d.view_since_uid
             ELSE (SELECT k.uidnext FROM pop3.watermark k
                    WHERE k.maildrop_id = d.maildrop_id AND k.at <= v_since
                    ORDER BY k.at DESC LIMIT 1) END), 1);
    SELECT coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}') INTO v_not
      FROM pop3.intent i, unnest(i.uid) u (uid)
     WHERE i.username = p_username AND i.state <> 'closed'
       AND i.maildrop_id = d.maildrop_id;
    v_not := v_not + int8multirange(int8range(1, v_view_from));

    SELECT range_agg(int8range(s.uid, s.uid + 1)),
           min(s.retrieved_at) + v_retrieved
      INTO uids, at
      FROM pop3.message s
     WHERE s.maildrop_id = d.maildrop_id
       AND s.retrieved_at <= p_until - v_retrieved
       AND s.retrieved_at > v_told_retrieved
       AND s.hidden_at IS NULL AND NOT v_not @> s.uid;

    IF p_own_scope OR d.imap_used_at IS NULL OR
       d.imap_used_at <= least(p_until - v_unretrieved,
                               now() - interval '24 hours') THEN
        SELECT k.uidnext INTO before_uid FROM pop3.watermark k
         WHERE k.maildrop_id = d.maildrop_id AND k.at <= p_until - v_unretrieved
         ORDER BY k.at DESC LIMIT 1;
    END IF;
    IF before_uid > 1 THEN
        SELECT (v_not + d.retrieved +
                -- the clock of what was restored since has begun anew
                (int8multirange(int8range(1, v_told_before)) -
                 coalesce(range_agg(int8range(s.uid, s.uid + 1))
                     FILTER (WHERE s.restored_at > v_told_restored), '{}')) +
                coalesce(range_agg(int8range(s.uid, s.uid + 1))
                     FILTER (WHERE s.hidden_at IS NOT NULL OR
                                   s.restored_at > p_until - v_unretrieved),
                         '{}')) *
               int8multirange(int8range(1, before_uid))
          INTO exempt
          FROM pop3.message s
         WHERE s.maildrop_id = d.maildrop_id
           AND (s.hidden_at IS NOT NULL OR s.restored_at IS NOT NULL);
        v_open := int8multirange(int8range(1, before_uid)) - exempt;
        IF isempty(v_open) THEN
            before_uid := NULL;
        END IF;
    ELSE
        before_uid := NULL;
    END IF;
    IF before_uid IS NULL THEN
        exempt := NULL;
    ELSE
        -- What is overdue was removed at the last login: whether any of it is
        -- left is not known, so the first of the others counts.
        SELECT k.uidnext INTO v_overdue FROM pop3.watermark k
         WHERE k.maildrop_id = d.maildrop_id AND k.at <= now() - v_unretrieved
         ORDER BY k.at DESC LIMIT 1;
        SELECT min(k.at) + v_unretrieved INTO v_first
          FROM pop3.watermark k
         WHERE k.maildrop_id = d.maildrop_id
           AND k.uidnext > lower(v_open * int8multirange(
                   int8range(coalesce(v_overdue, 1), NULL)));
        IF NOT p_own_scope THEN
            v_first := greatest(v_first, d.imap_used_at + v_unretrieved);
        END IF;
        at := least(at, coalesce(v_first, now()));
        exempt := nullif(exempt, '{}');
    END IF;
    IF uids IS NOT NULL OR before_uid IS NOT NULL THEN
        at := greatest(at, now());
        until := p_until;
        RETURN NEXT;
    END IF;
END
$$;

COMMENT ON FUNCTION pop3.expiring(text, uuid, bigint, timestamptz, jsonb, boolean, jsonb) IS
    'Messages that expire_retrieved or expire_unretrieved will have removed by p_until, and that no notice covered';
