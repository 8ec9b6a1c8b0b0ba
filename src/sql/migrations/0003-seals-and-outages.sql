-- Schema version 3: seals of what the chains say.

INSERT INTO pop3.schema_version (version) VALUES (3);

ALTER TABLE pop3.chain
    ADD COLUMN last_mac bytea CONSTRAINT last_mac_length
        CHECK (octet_length(last_mac) = 32);
COMMENT ON COLUMN pop3.chain.last_mac IS
    'MAC of the last row that was sealed; NULL while none is';

-- No partitions: there are few such rows.
CREATE TABLE pop3.session_lost (
    LIKE pop3.session INCLUDING DEFAULTS INCLUDING COMMENTS,
    PRIMARY KEY (session_id, started_at)
);
COMMENT ON TABLE pop3.session_lost IS
    'A row per session that was recorded as lost and found later, as it was recorded first. pop3.session has what is known since';
CREATE INDEX session_lost_username ON pop3.session_lost (username);

-- Partitioned by day (UTC), see pop3.maintain(). 80 bytes for each row that is
-- sealed, and about 150 for each batch. Random bytes are not worth compressing.
CREATE TABLE pop3.seal (
    at        timestamptz NOT NULL DEFAULT now(),
    first_seq bigint NOT NULL,
    last_seq  bigint NOT NULL
        CONSTRAINT seqs_in_order CHECK (last_seq >= first_seq),
    chain_id  uuid NOT NULL,
    key_id    text NOT NULL,
    prev_mac  bytea NOT NULL
        CONSTRAINT prev_mac_length CHECK (octet_length(prev_mac) = 32),
    salts     bytea NOT NULL,
    digests   bytea NOT NULL,
    macs      bytea NOT NULL,
    CONSTRAINT lengths CHECK (
        octet_length(salts) = 16 * (last_seq - first_seq + 1) AND
        octet_length(digests) = 32 * (last_seq - first_seq + 1) AND
        octet_length(macs) = 32 * (last_seq - first_seq + 1))
) PARTITION BY RANGE (at);
ALTER TABLE pop3.seal
    ALTER COLUMN salts SET STORAGE EXTERNAL,
    ALTER COLUMN digests SET STORAGE EXTERNAL,
    ALTER COLUMN macs SET STORAGE EXTERNAL;
COMMENT ON TABLE pop3.seal IS
    'A row per batch that wrote rows of a chain: what proves that these are as they were written. Append-only';
COMMENT ON COLUMN pop3.seal.at IS 'When the batch was written';
COMMENT ON COLUMN pop3.seal.first_seq IS 'Number of its first row in the chain';
COMMENT ON COLUMN pop3.seal.last_seq IS 'Number of its last row in the chain';
COMMENT ON COLUMN pop3.seal.chain_id IS 'The chain';
COMMENT ON COLUMN pop3.seal.key_id IS
    'Id of the key: the first 16 hexadecimal digits of a SHA-256 of it';
COMMENT ON COLUMN pop3.seal.prev_mac IS
    'MAC of the row before the first; 32 zero bytes if there is none';
COMMENT ON COLUMN pop3.seal.salts IS
    '16 random bytes per row; zeros once its personal columns were erased';
COMMENT ON COLUMN pop3.seal.digests IS
    'SHA-256 of salt and personal columns, 32 bytes per row';
COMMENT ON COLUMN pop3.seal.macs IS 'HMAC-SHA-256, 32 bytes per row';
CREATE INDEX seal_chain ON pop3.seal (chain_id, first_seq);
CREATE TABLE pop3.seal_default PARTITION OF pop3.seal DEFAULT;
COMMENT ON TABLE pop3.seal_default IS
    'Rows of pop3.seal that belong to no partition; pop3.maintain() counts them';

-- Records that a service sends again after an outage may be older than that
-- somebody was forgotten.
CREATE TABLE pop3.forgotten (
    username_digest bytea PRIMARY KEY
        CONSTRAINT digest_length CHECK (octet_length(username_digest) = 32),
    name            text NOT NULL,
    at              timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pop3.forgotten IS
    'A row per user whom pop3.forget_user() forgot within 30 days: what is recorded late, of the time before, is recorded without personal data';
COMMENT ON COLUMN pop3.forgotten.username_digest IS
    'SHA-256 of the user name in UTF-8';
COMMENT ON COLUMN pop3.forgotten.name IS
    'The name that stands for it in pop3.audit and pop3.session';
COMMENT ON COLUMN pop3.forgotten.at IS 'When';

ALTER TABLE pop3.control
    ADD COLUMN retention_days int CONSTRAINT retention_days_allowed
        CHECK (retention_days BETWEEN 7 AND 36500);
COMMENT ON COLUMN pop3.control.retention_days IS
    'Days of pop3.audit, pop3.session and pop3.seal that are kept; NULL: all';
COMMENT ON TABLE pop3.control IS
    'One row: whether removals by policy are stopped, by pop3.pause() or the breaker; how long records are kept';

-- What was recorded while the database was away keeps its own time.
ALTER TABLE pop3.audit ALTER COLUMN at SET DEFAULT CASE
        WHEN current_setting('pop3.replay_at', true) <> '' AND
             pg_has_role(session_user, 'pop3_service', 'MEMBER')
        THEN least(now(), greatest(
            now() - interval '30 days',
            to_timestamp(current_setting('pop3.replay_at')::float8)))
        ELSE now() END;
COMMENT ON COLUMN pop3.audit.at IS
    'When it was recorded; if the database was away, when it would have been';

-- It names the table now.
CREATE OR REPLACE FUNCTION pop3.audit_guard() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_user = 'pop3_owner' AND
       current_setting('pop3.audit_change', true) IN
       ('forget_user', 'maintain', 'chain_plain', 'age') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'pop3.% is append-only: % is not allowed',
          split_part(TG_TABLE_NAME, '_', 1), TG_OP
          USING ERRCODE = 'P3003',
                HINT = 'pop3.forget_user() erases personal data.';
END
$$;

COMMENT ON FUNCTION pop3.audit_guard() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of pop3.audit and pop3.seal';

CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.seal
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();
CREATE TRIGGER audit_guard
    BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.seal_default
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();

-- its first partitions
DO $$
DECLARE
    v_day date;
    v_name text;
BEGIN
    FOR v_day IN SELECT (now() AT TIME ZONE 'UTC')::date + n
                   FROM generate_series(0, 14) n
    LOOP
        v_name := to_char(v_day, '"seal_"YYYYMMDD');
        EXECUTE format('CREATE TABLE pop3.%I PARTITION OF pop3.seal '
                       'FOR VALUES FROM (%L) TO (%L)', v_name,
                       v_day::timestamp AT TIME ZONE 'UTC',
                       (v_day + 1)::timestamp AT TIME ZONE 'UTC');
        EXECUTE format('COMMENT ON TABLE pop3.%I IS %L', v_name,
                       'Partition of pop3.seal for one day (UTC)');
        EXECUTE format('CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE '
                       'OR TRUNCATE ON pop3.%I FOR EACH STATEMENT EXECUTE '
                       'FUNCTION pop3.audit_guard()', v_name);
    END LOOP;
END
$$;

-- A batch finds its rows by the first, to seal them; what was done in plain SQL
-- and is not part of a chain yet is found by the second.
CREATE INDEX audit_seq ON ONLY pop3.audit (seq);
CREATE INDEX audit_plain ON ONLY pop3.audit (at) WHERE chain_id IS NULL;
-- Building them for what is recorded would keep writers waiting: partitions
-- without rows get them now, those of days to come when they are made, the
-- others by indexes.sql.
DO $$
DECLARE
    v_partition regclass;
    v_index record;
    v_made regclass;
BEGIN
    FOR v_partition IN
        SELECT h.inhrelid FROM pg_inherits h
         WHERE h.inhparent = 'pop3.audit'::regclass
           AND pg_relation_size(h.inhrelid) = 0
    LOOP
        FOR v_index IN
            SELECT * FROM (VALUES
                ('audit_seq', '(seq)'),
                ('audit_plain', '(at) WHERE chain_id IS NULL'))
                i (parent, definition)
        LOOP
            EXECUTE format('CREATE INDEX ON %s %s', v_partition,
                           v_index.definition);
            SELECT max(x.indexrelid)::regclass INTO v_made
              FROM pg_index x WHERE x.indrelid = v_partition;
            EXECUTE format('ALTER INDEX pop3.%I ATTACH PARTITION %s',
                           v_index.parent, v_made);
        END LOOP;
    END LOOP;
END
$$;

-- What an outage postponed.
ALTER TABLE pop3.message ADD COLUMN postponed text;
COMMENT ON COLUMN pop3.message.postponed IS
    'Rule that was to remove it while the database was away, dele or retrieved; NULL once that is decided. Hidden until then';
ALTER TABLE pop3.maildrop ADD COLUMN postponed_at timestamptz;
COMMENT ON COLUMN pop3.maildrop.postponed_at IS
    'When a removal was last postponed; NULL once all of them are decided';
ALTER TABLE pop3.intent
    DROP CONSTRAINT intent_result_check,
    ADD CONSTRAINT intent_result_check
        CHECK (result IN ('committed', 'failed', 'repaired', 'undecided',
                          'postponed'));
COMMENT ON COLUMN pop3.intent.result IS
    'How it was closed: committed, failed, repaired, undecided (UIDVALIDITY changed), or postponed (the database was away)';
COMMENT ON COLUMN pop3.audit.event IS
    'intent, postponed, kept, committed, released, presumed, late, repair-late, gone, mismatch, rollback, carried, restored, refused, mass-delete, notice, repeat, quarantined, ...';

-- What sessions removed a moment ago is asked for at the end of others.
CREATE INDEX intent_closed ON pop3.intent (username, closed_at)
    WHERE state = 'closed';

-- What tells services that policies have changed.

-- Whoever changes a policy updates the row first, and holds it to the end of
-- the transaction: changes become visible in the order of their generations,
-- and what is seen with a generation has all that belongs to it.
CREATE TABLE pop3.generation (
    is_one       boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    generation   bigint NOT NULL DEFAULT 1,
    changed_at   timestamptz NOT NULL DEFAULT now(),
    changed_by   xid8 NOT NULL DEFAULT pg_current_xact_id(),
    history_from bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 20);
COMMENT ON TABLE pop3.generation IS
    'One row: counts the transactions that changed pop3.policy or pop3.preset';
COMMENT ON COLUMN pop3.generation.is_one IS 'There is no other row';
COMMENT ON COLUMN pop3.generation.generation IS
    'Number of the last change; it never goes back, unless the database does';
COMMENT ON COLUMN pop3.generation.changed_at IS 'Begin of its transaction';
COMMENT ON COLUMN pop3.generation.changed_by IS 'Number of its transaction';
COMMENT ON COLUMN pop3.generation.history_from IS
    'pop3.policy_history tells what changed since this generation, and may not tell it of earlier ones';
INSERT INTO pop3.generation DEFAULT VALUES;

-- Trigger, once a statement, before it: a change of pop3.policy or pop3.preset
-- moves pop3.generation on, by one for a transaction, and tells services to
-- look. Others that change policies wait from here on.
-- After a statement that changes or deletes rows of pop3.policy_history that
-- services may not have seen, they cannot find in it what they have to load.
-- Calls: nothing. Tables: writes generation.

CREATE FUNCTION pop3.move_generation() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF TG_TABLE_NAME = 'policy_history' THEN
        -- they look each second, or load everything
        IF TG_OP <> 'TRUNCATE' THEN
            IF NOT EXISTS (SELECT FROM before_it b
                            WHERE b.at > now() - interval '1 day') THEN
                RETURN NULL;
            END IF;
        END IF;
    END IF;
    -- many updates of one row in one transaction would be slow
    UPDATE pop3.generation g
       SET generation = g.generation + 1, changed_at = now(),
           changed_by = pg_current_xact_id()
     WHERE g.changed_at <> now() OR g.changed_by <> pg_current_xact_id();
    IF FOUND THEN
        PERFORM pg_notify('pop3_policy', '');
    END IF;
    IF TG_TABLE_NAME = 'policy_history' THEN
        UPDATE pop3.generation g SET history_from = g.generation
         WHERE g.history_from <> g.generation;
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pop3.move_generation() IS
    'Trigger: moves pop3.generation on';

-- Trigger, once a statement: tells services to look whether removals by policy
-- are stopped.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.tell_control() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM pg_notify('pop3_policy', '');
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pop3.tell_control() IS
    'Trigger: tells services that removals by policy may have been stopped, or go on';

-- The row of pop3.generation is locked before any row of these, so that those
-- who change policies wait for each other in one order only.
CREATE TRIGGER policy_generation
    BEFORE INSERT OR UPDATE OR DELETE ON pop3.policy
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER policy_generation
    BEFORE INSERT OR UPDATE OR DELETE ON pop3.preset
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER history_updated AFTER UPDATE ON pop3.policy_history
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER history_deleted AFTER DELETE ON pop3.policy_history
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER history_truncated AFTER TRUNCATE ON pop3.policy_history
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER control_told AFTER UPDATE OF paused_at, tripped_at ON pop3.control
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_control();

-- What tells services that the state of maildrops has changed.

-- Nobody needs it after a crash: services that lost their connection ask anew
-- for whatever they knew. Rows are deleted by services, some minutes later.
CREATE UNLOGGED TABLE pop3.maildrop_change (
    xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    username text
);
COMMENT ON TABLE pop3.maildrop_change IS
    'A row per transaction that changed what a login is told of a user''s maildrops, and user, of the last minutes';
COMMENT ON COLUMN pop3.maildrop_change.xid IS 'Number of the transaction';
COMMENT ON COLUMN pop3.maildrop_change.username IS
    'Whose maildrops; NULL: anybody''s';
CREATE INDEX maildrop_change_xid ON pop3.maildrop_change (xid);

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

-- What pop3.maildrop_state() reads. Watermarks are deleted with their maildrop, or
-- when they are too old to matter.
CREATE TRIGGER inserted AFTER INSERT ON pop3.maildrop
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.maildrop
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.maildrop
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.maildrop
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.message
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.message
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.message
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.message
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.intent
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.intent
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.intent
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.intent
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.would_remove
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.would_remove
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.would_remove
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.would_remove
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.watermark
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.watermark
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.watermark
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
