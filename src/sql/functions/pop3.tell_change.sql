-- Trigger, once a statement: names the users for whom a statement changes what
-- pop3.maildrop_state() says in pop3.maildrop_change, and tells services to
-- look. Not where pop3.batch_begin() has named the users of the transaction. What
-- it does not say, such as the times of logins, is nobody's concern.
-- Calls: nothing. Tables: writes maildrop_change; reads maildrop.

CREATE FUNCTION pop3.tell_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_users text[];
    v_maildrops bigint[];
BEGIN
    IF current_setting('pop3.users_named', true) = 'yes' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'TRUNCATE' THEN
        v_users := ARRAY[NULL];
    ELSIF TG_TABLE_NAME = 'maildrop' THEN
        IF TG_OP = 'INSERT' THEN
            v_users := ARRAY(SELECT DISTINCT a.username FROM after_it a);
        ELSIF TG_OP = 'DELETE' THEN
            v_users := ARRAY(SELECT DISTINCT b.username FROM before_it b);
        ELSE
            v_users := ARRAY(
                SELECT DISTINCT u.username
                  FROM before_it b FULL JOIN after_it a USING (maildrop_id),
                       LATERAL (VALUES (a.username), (b.username)) u (username)
                 WHERE u.username IS NOT NULL
                   AND (a.username, a.mailbox_guid, a.uidvalidity, a.uidnext,
                        a.messages, a.tracked, a.anchor_uid, a.anchor_guid,
                        a.imap_used_at, a.view_since, a.view_since_uid,
                        a.view_window, a.view_window_uid, a.retrieved)
                       IS DISTINCT FROM
                       (b.username, b.mailbox_guid, b.uidvalidity, b.uidnext,
                        b.messages, b.tracked, b.anchor_uid, b.anchor_guid,
                        b.imap_used_at, b.view_since, b.view_since_uid,
                        b.view_window, b.view_window_uid, b.retrieved));
        END IF;
    ELSIF TG_TABLE_NAME = 'intent' THEN
        IF TG_OP = 'INSERT' THEN
            v_users := ARRAY(SELECT DISTINCT a.username FROM after_it a
                              WHERE a.state <> 'closed');
        ELSIF TG_OP = 'DELETE' THEN
            v_users := ARRAY(SELECT DISTINCT b.username FROM before_it b
                              WHERE b.state <> 'closed');
        ELSE
            v_users := ARRAY(
                SELECT a.username FROM after_it a WHERE a.state <> 'closed'
                UNION
                SELECT b.username FROM before_it b WHERE b.state <> 'closed');
        END IF;
    ELSE
        IF TG_OP = 'INSERT' THEN
            v_maildrops := ARRAY(SELECT DISTINCT a.maildrop_id
                                   FROM after_it a);
        ELSIF TG_OP = 'DELETE' THEN
            v_maildrops := ARRAY(SELECT DISTINCT b.maildrop_id
                                   FROM before_it b);
        ELSE
            v_maildrops := ARRAY(SELECT a.maildrop_id FROM after_it a
                                 UNION
                                 SELECT b.maildrop_id FROM before_it b);
        END IF;
        v_users := ARRAY(SELECT DISTINCT d.username FROM pop3.maildrop d
                          WHERE d.maildrop_id = ANY (v_maildrops));
    END IF;
    IF v_users = '{}' THEN
        RETURN NULL;
    ELSIF cardinality(v_users) > 10000 THEN
        v_users := ARRAY[NULL];
    END IF;
    INSERT INTO pop3.maildrop_change (username)
    SELECT u.username FROM unnest(v_users) u (username);
    PERFORM pg_notify('pop3_policy', '');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pop3.tell_change() IS
    'Trigger: names users whose maildrops'' state changes in pop3.maildrop_change';
