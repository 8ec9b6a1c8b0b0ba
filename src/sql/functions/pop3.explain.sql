-- A user's policy and maildrops in sentences, a row each.
-- Calls: effective_policy. Tables: reads maildrop, message, watermark, intent.

CREATE FUNCTION pop3.explain(p_username text) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- of each parameter: what it is, and where it comes from
    v jsonb;
    h jsonb;
    o jsonb;
    r record;
    v_enforcement text;
BEGIN
    SELECT jsonb_object_agg(e.parameter, e.value),
           jsonb_object_agg(e.parameter, e.human),
           jsonb_object_agg(e.parameter, format(' (%s%s%s)', e.level,
               ' ' || e.scope, ', preset ' || e.preset))
      INTO v, h, o
      FROM pop3.effective_policy(p_username) e;
    v_enforcement := v ->> 'enforcement';

    RETURN NEXT format('%s: enforcement is %s%s: %s', p_username,
        v_enforcement, o ->> 'enforcement', CASE v_enforcement
            WHEN 'off' THEN 'the policy does nothing.'
            WHEN 'observe' THEN 'nothing is hidden or removed; what would be '
                                'is in pop3.report_would_remove.'
            ELSE 'the policy acts.' END);
    IF v ->> 'pop3_hold' = 'yes' THEN
        RETURN NEXT format('Hold%s: nothing leaves the mailbox through POP3 or '
            'expiry; what a client deletes is hidden. IMAP is not stopped.',
            o ->> 'pop3_hold');
    END IF;
    IF v ->> 'pop3_access' = 'off' THEN
        RETURN NEXT format('POP3 logins are refused%s.', o ->> 'pop3_access');
    END IF;
    IF v ->> 'view_since' <> '-1' THEN
        RETURN NEXT format('Only mail that arrived since %s is in the view%s.',
            h ->> 'view_since', o ->> 'view_since');
    END IF;
    IF v ->> 'view_window' <> '-1' THEN
        RETURN NEXT format('Only mail that arrived within %s is in the view%s.',
            h ->> 'view_window', o ->> 'view_window');
    END IF;
    RETURN NEXT CASE v ->> 'on_retrieve'
        WHEN 'keep' THEN 'Retrieved mail stays'
        WHEN 'hide' THEN 'Retrieved mail is hidden at QUIT'
        WHEN 'move' THEN format('Retrieved mail is moved to %s at QUIT',
                                h ->> 'move_mailbox')
        ELSE 'Retrieved mail is deleted at QUIT' END ||
        (o ->> 'on_retrieve') || '.';
    RETURN NEXT CASE v ->> 'on_dele'
        WHEN 'delete' THEN 'What a client deletes is deleted at QUIT'
        WHEN 'hide' THEN 'What a client deletes is hidden at QUIT'
        WHEN 'move' THEN format('What a client deletes is moved to %s at QUIT',
                                h ->> 'move_mailbox')
        ELSE 'Clients may not delete' END || (o ->> 'on_dele') || '.';
    RETURN NEXT CASE v ->> 'expire_retrieved'
        WHEN '-1' THEN 'Retrieved mail does not expire'
        ELSE format('Retrieved mail is removed after %s',
                    h ->> 'expire_retrieved') END ||
        (o ->> 'expire_retrieved') || '.';
    RETURN NEXT CASE v ->> 'expire_unretrieved'
        WHEN '-1' THEN 'Mail that was never retrieved does not expire'
        ELSE format('Mail that was never retrieved is removed %s after it '
                    'arrived', h ->> 'expire_unretrieved') END ||
        (o ->> 'expire_unretrieved') || '.';
    RETURN NEXT CASE v ->> 'expire_hidden'
        WHEN '-1' THEN 'Hidden mail does not expire'
        ELSE format('Hidden mail is removed after %s', h ->> 'expire_hidden')
        END || (o ->> 'expire_hidden') || '.';
    FOR r IN
        SELECT e.parameter, e.human FROM pop3.effective_policy(p_username) e
         WHERE e.level <> 'built-in'
           AND e.parameter NOT IN (
               'enforcement', 'pop3_hold', 'pop3_access', 'view_since',
               'view_window', 'on_retrieve', 'on_dele', 'expire_retrieved',
               'expire_unretrieved', 'expire_hidden')
    LOOP
        RETURN NEXT format('%s = %s%s', r.parameter, r.human,
                           o ->> r.parameter);
    END LOOP;

    FOR r IN
        SELECT d.maildrop_id, d.messages, d.last_login_at, d.last_quit_at,
               d.imap_used_at, s.retrieved, s.hidden, s.restored, w.known,
               (SELECT count(*) FROM pop3.intent i
                 WHERE i.username = d.username AND i.state <> 'closed'
                   AND i.maildrop_id = d.maildrop_id) AS intents
          FROM pop3.maildrop d,
               LATERAL (SELECT count(x.retrieved_at) AS retrieved,
                               count(x.hidden_at) AS hidden,
                               count(x.restored_at) AS restored
                          FROM pop3.message x
                         WHERE x.maildrop_id = d.maildrop_id) s,
               LATERAL (SELECT min(x.at) AS known FROM pop3.watermark x
                         WHERE x.maildrop_id = d.maildrop_id) w
         WHERE d.username = p_username
         ORDER BY greatest(d.last_login_at, d.created_at) DESC,
                  d.maildrop_id DESC
    LOOP
        RETURN NEXT format('Maildrop %s: %s messages; %s retrieved, %s hidden, '
            '%s restored. Arrival is known since %s; last login %s, last QUIT '
            '%s, last use by IMAP %s.%s', r.maildrop_id,
            coalesce(r.messages::text, 'unknown'), r.retrieved, r.hidden,
            r.restored, coalesce(r.known::timestamptz(0)::text, 'now'),
            coalesce(r.last_login_at::timestamptz(0)::text, 'never'),
            coalesce(r.last_quit_at::timestamptz(0)::text, 'never'),
            coalesce(r.imap_used_at::timestamptz(0)::text, 'never'),
            CASE WHEN r.intents > 0
                 THEN format(' %s intents are open.', r.intents) END);
    END LOOP;
    IF NOT FOUND THEN
        RETURN NEXT 'No maildrop of this user was ever opened.';
    END IF;
END
$$;

COMMENT ON FUNCTION pop3.explain(text) IS
    'A user''s policy and maildrops in sentences';
