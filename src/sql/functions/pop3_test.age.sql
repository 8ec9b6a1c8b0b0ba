-- Move all that is recorded of a user into the past, as if that much time had
-- gone by since. Rows of audit and session that leave their partition's day
-- go where they belong, else to the default partition.
-- Calls: nothing. Tables: writes maildrop, message, watermark, would_remove,
-- intent, login, download, usage, notice, session, session_lost,
-- audit, kept, rolled_up, daily, daily_event, maildrop_change.

CREATE FUNCTION pop3_test.age(p_username text, p_by interval) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_marks pop3.watermark[];
BEGIN
    -- view_since is a date of the policy's, so it is resolved anew
    UPDATE pop3.maildrop d
       SET created_at = d.created_at - p_by,
           last_login_at = d.last_login_at - p_by,
           last_quit_at = d.last_quit_at - p_by,
           imap_used_at = d.imap_used_at - p_by,
           postponed_at = d.postponed_at - p_by,
           view_since = NULL, view_since_uid = NULL
     WHERE d.username = p_username;
    UPDATE pop3.message s
       SET retrieved_at = s.retrieved_at - p_by,
           hidden_at = s.hidden_at - p_by,
           restored_at = s.restored_at - p_by
      FROM pop3.maildrop d
     WHERE d.username = p_username AND s.maildrop_id = d.maildrop_id;
    -- deleted first: one mark may move to where the next one is
    WITH gone AS (
        DELETE FROM pop3.watermark w
         USING pop3.maildrop d
         WHERE d.username = p_username AND w.maildrop_id = d.maildrop_id
        RETURNING w
    )
    SELECT array_agg(g.w) INTO v_marks FROM gone g;
    INSERT INTO pop3.watermark (maildrop_id, at, uidnext)
    SELECT w.maildrop_id, w.at - p_by, w.uidnext FROM unnest(v_marks) w;
    UPDATE pop3.would_remove w
       SET since = w.since - p_by
      FROM pop3.maildrop d
     WHERE d.username = p_username AND w.maildrop_id = d.maildrop_id;
    UPDATE pop3.intent i
       SET lease_until = i.lease_until - p_by,
           created_at = i.created_at - p_by,
           closed_at = i.closed_at - p_by
     WHERE i.username = p_username;
    UPDATE pop3.login l SET accepted_at = l.accepted_at - p_by
     WHERE l.username = p_username;
    -- a key that is checked row by row: out of the way of the others first
    UPDATE pop3.download d SET at = d.at - p_by - interval '1000000 days'
     WHERE d.username = p_username;
    UPDATE pop3.download d SET at = d.at + interval '1000000 days'
     WHERE d.username = p_username;
    UPDATE pop3.usage u SET at = u.at - p_by WHERE u.username = p_username;
    UPDATE pop3.notice n
       SET at = n.at - p_by, until = n.until - p_by,
           told = CASE WHEN n.kind = 'expiry' THEN n.told ||
                      jsonb_build_object(
                          'restored',
                          (n.told ->> 'restored')::timestamptz - p_by,
                          'retrieved',
                          (n.told ->> 'retrieved')::timestamptz - p_by)
                      ELSE n.told END
     WHERE n.username = p_username;
    UPDATE pop3.session s
       SET started_at = s.started_at - p_by, ended_at = s.ended_at - p_by
     WHERE s.username = p_username;
    UPDATE pop3.session_lost s
       SET started_at = s.started_at - p_by, ended_at = s.ended_at - p_by
     WHERE s.username = p_username;
    -- they are on other days now
    DELETE FROM pop3.rolled_up;
    DELETE FROM pop3.daily;
    DELETE FROM pop3.daily_event;
    UPDATE pop3.kept k
       SET at = k.at - p_by,
           oldest_retrieved_at = k.oldest_retrieved_at - p_by,
           oldest_hidden_at = k.oldest_hidden_at - p_by
      FROM pop3.maildrop d
     WHERE d.username = p_username AND k.maildrop_id = d.maildrop_id;
    PERFORM set_config('pop3.audit_change', 'age', true);
    UPDATE pop3.audit a SET at = a.at - p_by WHERE a.username = p_username;
    PERFORM set_config('pop3.audit_change', '', true);
    -- times alone are no change that the triggers would tell
    INSERT INTO pop3.maildrop_change (username) VALUES (p_username);
    PERFORM pg_notify('pop3_policy', '');
END
$$;

COMMENT ON FUNCTION pop3_test.age(text, interval) IS
    'Move all recorded times of a user into the past';
