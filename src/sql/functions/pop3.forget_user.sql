-- Erase a user's personal data: state, own policy, and in pop3.audit,
-- pop3.session and pop3.policy_history all that tells who it was. The rows
-- stay, under a random name that is the same in all of them, so that counts
-- and what happened to messages remain. Their salts go, so that their seals, which
-- hold digests, tell nothing either; verify then finds them erased, not altered.
-- What is recorded late, of the time before, is recorded in the same way: see
-- pop3.forgotten. Refused while the user is on hold.
-- Returns the number of rows of audit and session.
--
-- Not reached: rows where the user is only the auth_user of another's session
-- (a master user), and copies outside this database.
-- Calls: effective_policy, erase_salts, parse_scope, who. Tables: writes policy,
-- maildrop, message, would_remove, intent, login, download, usage, notice, sweep,
-- audit, session, session_lost, forgotten, policy_history, quarantine.

CREATE FUNCTION pop3.forget_user(p_username text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_name text := 'forgotten-' || gen_random_uuid();
    v_audit bigint;
    v_session bigint;
    v_lost bigint;
    v_chain uuid[];
    v_seq bigint[];
    v_at timestamptz[];
    v_scope text;
BEGIN
    IF EXISTS (SELECT FROM pop3.effective_policy(p_username) e
                WHERE e.parameter = 'pop3_hold' AND e.value = 'yes') THEN
        RAISE EXCEPTION 'user "%" is on hold (pop3_hold): nothing may be erased',
            p_username USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    v_scope := pop3.parse_scope(p_username);
    IF v_scope = '*' OR v_scope LIKE '@%' THEN
        RAISE EXCEPTION '"%" is not a user', p_username
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    DELETE FROM pop3.policy o WHERE o.scope = v_scope;
    UPDATE pop3.policy_history x
       SET name = v_name,
           old = CASE WHEN x.old ? 'scope'
                      THEN jsonb_set(x.old, '{scope}', to_jsonb(v_name)) END,
           new = CASE WHEN x.new ? 'scope'
                      THEN jsonb_set(x.new, '{scope}', to_jsonb(v_name)) END
     WHERE x.kind = 'policy' AND x.name = v_scope;

    DELETE FROM pop3.message s
     USING pop3.maildrop d
     WHERE d.username = p_username AND s.maildrop_id = d.maildrop_id;
    DELETE FROM pop3.would_remove w
     USING pop3.maildrop d
     WHERE d.username = p_username AND w.maildrop_id = d.maildrop_id;
    DELETE FROM pop3.intent i WHERE i.username = p_username;
    DELETE FROM pop3.login l WHERE l.username = p_username;
    DELETE FROM pop3.download d WHERE d.username = p_username;
    DELETE FROM pop3.usage u WHERE u.username = p_username;
    DELETE FROM pop3.notice n WHERE n.username = p_username;
    DELETE FROM pop3.sweep s WHERE s.username = p_username;
    -- takes its watermarks with it
    DELETE FROM pop3.maildrop d WHERE d.username = p_username;

    PERFORM set_config('pop3.audit_change', 'forget_user', true);
    WITH erased AS (
        UPDATE pop3.audit a
           SET username = v_name, auth_user = NULL, dovecot_session = NULL,
               remote_address = NULL, device = NULL, uidl = NULL,
               message_id = NULL, moved_to = NULL, detail = NULL,
               -- a domain's or the site's names nobody
               scope = CASE WHEN a.scope = '*' OR a.scope LIKE '* %' OR
                                 a.scope LIKE '@%' OR a.scope = 'built-in'
                            THEN a.scope END
         WHERE a.username = p_username
        RETURNING a.chain_id, a.seq, a.at)
    SELECT count(*), array_agg(e.chain_id), array_agg(e.seq), array_agg(e.at)
      INTO v_audit, v_chain, v_seq, v_at
      FROM erased e;
    PERFORM pop3.erase_salts(v_chain, v_seq, v_at);
    WITH erased AS (
        UPDATE pop3.session s
           SET username = v_name, auth_user = NULL, dovecot_session = NULL,
               remote_address = NULL, device = NULL
         WHERE s.username = p_username
        RETURNING s.chain_id, s.seq, s.ended_at)
    SELECT count(*), array_agg(e.chain_id), array_agg(e.seq),
           array_agg(e.ended_at)
      INTO v_session, v_chain, v_seq, v_at
      FROM erased e;
    PERFORM pop3.erase_salts(v_chain, v_seq, v_at);
    WITH erased AS (
        UPDATE pop3.session_lost s
           SET username = v_name, auth_user = NULL, dovecot_session = NULL,
               remote_address = NULL, device = NULL
         WHERE s.username = p_username
        RETURNING s.chain_id, s.seq, s.ended_at)
    SELECT count(*), array_agg(e.chain_id), array_agg(e.seq),
           array_agg(e.ended_at)
      INTO v_lost, v_chain, v_seq, v_at
      FROM erased e;
    PERFORM pop3.erase_salts(v_chain, v_seq, v_at);
    PERFORM set_config('pop3.audit_change', '', true);

    DELETE FROM pop3.forgotten f WHERE f.at < now() - interval '30 days';
    INSERT INTO pop3.forgotten AS f (username_digest, name)
    VALUES (sha256(convert_to(p_username, 'UTF8')), v_name)
    ON CONFLICT (username_digest) DO UPDATE
       SET name = excluded.name, at = excluded.at;
    UPDATE pop3.quarantine q SET record = NULL, error = NULL
     WHERE strpos(q.record, p_username) > 0;

    INSERT INTO pop3.audit (event, reason, username, detail)
    VALUES ('forgotten', 'admin', v_name, 'by ' || pop3.who());
    RETURN v_audit + v_session;
END
$$;

COMMENT ON FUNCTION pop3.forget_user(text) IS
    'Erase a user''s personal data, unless on hold; number of rows of audit and session';
