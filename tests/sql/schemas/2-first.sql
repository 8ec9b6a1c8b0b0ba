-- src/sql/install.sql of commit b1f4443 with the files that it includes, without
-- what is said outside of functions: what test_migrations.py upgrades. Never edited.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL client_min_messages = warning;
SET LOCAL check_function_bodies = on;
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['pop3_owner', 'pop3_service', 'pop3_admin',
                                  'pop3_report']
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles
                        WHERE rolname = v_role) THEN
            EXECUTE format('CREATE ROLE %I NOSUPERUSER NOCREATEDB '
                           'NOCREATEROLE %s', v_role,
                           CASE v_role WHEN 'pop3_owner' THEN 'NOLOGIN'
                                       ELSE 'LOGIN' END);
        END IF;
    END LOOP;

    -- This needs the right to alter the roles, which a second installation, or
    -- an upgrade, by another administrator may lack.
    BEGIN
        -- Reports go over many partitions: compiling the plans takes seconds,
        -- running them milliseconds.
        FOREACH v_role IN ARRAY ARRAY['pop3_admin', 'pop3_report'] LOOP
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles r,
                                       unnest(r.rolconfig) c
                            WHERE r.rolname = v_role AND c LIKE 'jit=%') THEN
                EXECUTE format('ALTER ROLE %I SET jit = off', v_role);
            END IF;
        END LOOP;
        COMMENT ON ROLE pop3_owner IS
            'Owns schema pop3 and all in it; nobody logs in as it';
        COMMENT ON ROLE pop3_service IS
            'The pop3-policy service: executes its functions, nothing else';
        COMMENT ON ROLE pop3_admin IS
            'Administrators: policies, presets, restore, reports';
        COMMENT ON ROLE pop3_report IS
            'Reporting: reads the views pop3.report_*, nothing else';
    EXCEPTION WHEN insufficient_privilege THEN
        NULL;
    END;

    -- An installer who is no superuser has to be able to act as the owner.
    IF NOT pg_has_role(current_user, 'pop3_owner', 'MEMBER') THEN
        EXECUTE format('GRANT pop3_owner TO %I', current_user);
    ELSIF current_setting('server_version_num')::int >= 160000 THEN
        -- since 16 a role's creator is a member that may not SET ROLE
        IF NOT pg_has_role(current_user, 'pop3_owner', 'SET') THEN
            EXECUTE format('GRANT pop3_owner TO %I WITH SET TRUE',
                           current_user);
        END IF;
    END IF;
END
$$;
CREATE SCHEMA pop3 AUTHORIZATION pop3_owner;
SET LOCAL ROLE pop3_owner;
ALTER DEFAULT PRIVILEGES FOR ROLE pop3_owner
    REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
COMMENT ON SCHEMA pop3 IS
    'POP3 site policies: policies, state of maildrops, audit, reports';
CREATE TABLE pop3.schema_version (
    version     int PRIMARY KEY,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pop3.schema_version IS
    'A row per migration that was applied; the highest is the version';
COMMENT ON COLUMN pop3.schema_version.version IS 'Number of the migration';
COMMENT ON COLUMN pop3.schema_version.applied_at IS 'When it was applied';
CREATE TABLE pop3.parameter (
    "position"    int PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    type          text NOT NULL
        CHECK (type IN ('enum', 'time', 'timestamp', 'size', 'number',
                        'percents', 'mailbox', 'percent')),
    words         text[],
    min_value     bigint,
    max_value     bigint,
    none_word     text,
    as_configured boolean NOT NULL DEFAULT false,
    builtin       text NOT NULL,
    concerns_owner boolean NOT NULL DEFAULT false,
    description   text NOT NULL
);
COMMENT ON TABLE pop3.parameter IS
    'The parameters of a policy: types, bounds, built-in values. Read only';
COMMENT ON COLUMN pop3.parameter."position" IS
    'Place in the arrays of pop3.policy_rows(), from 1';
COMMENT ON COLUMN pop3.parameter.name IS
    'Name, that of its column in pop3.policy and pop3.preset';
COMMENT ON COLUMN pop3.parameter.type IS
    'enum (a word), time (seconds), timestamp (seconds since 1970), size (bytes), number, percent, percents, mailbox';
COMMENT ON COLUMN pop3.parameter.words IS 'The words that an enum allows';
COMMENT ON COLUMN pop3.parameter.min_value IS
    'Lowest value: seconds, bytes or number';
COMMENT ON COLUMN pop3.parameter.max_value IS
    'Highest value: seconds, bytes or number';
COMMENT ON COLUMN pop3.parameter.none_word IS
    'What -1 is called (never, unlimited); NULL where there is no such value';
COMMENT ON COLUMN pop3.parameter.as_configured IS
    'Whether "as-configured" (-2, or the word) is allowed: what Dovecot''s own configuration says';
COMMENT ON COLUMN pop3.parameter.builtin IS
    'Value where no scope sets one, in canonical form';
COMMENT ON COLUMN pop3.parameter.concerns_owner IS
    'Whether the owner is told when its effective value changes, under notify=yes';
COMMENT ON COLUMN pop3.parameter.description IS 'What it does';
CREATE TABLE pop3.policy_columns (
    version bigint NOT NULL,
    enforcement text CONSTRAINT enforcement_allowed
        CHECK (enforcement IN ('off', 'observe', 'enforce')),
    pop3_access text CONSTRAINT pop3_access_allowed
        CHECK (pop3_access IN ('off', 'on')),
    view_since timestamptz CONSTRAINT view_since_allowed
        CHECK (view_since = '-infinity' OR
               view_since >= '1970-01-01 00:00:00+00' AND
               view_since < '10000-01-01 00:00:00+00'),
    view_window bigint CONSTRAINT view_window_allowed
        CHECK (view_window = -1 OR view_window BETWEEN 1 AND 3155760000),
    view_limit bigint CONSTRAINT view_limit_allowed
        CHECK (view_limit = -1 OR view_limit BETWEEN 1 AND 2147483647),
    on_retrieve text CONSTRAINT on_retrieve_allowed
        CHECK (on_retrieve IN ('keep', 'hide', 'move', 'delete')),
    on_dele text CONSTRAINT on_dele_allowed
        CHECK (on_dele IN ('delete', 'hide', 'move', 'refuse')),
    move_mailbox text CONSTRAINT move_mailbox_allowed
        CHECK (move_mailbox <> '' AND upper(move_mailbox) <> 'INBOX' AND
               octet_length(move_mailbox) <= 255 AND
               move_mailbox !~ '[\u0001-\u001f\u007f-\u009f]'),
    mark_seen text CONSTRAINT mark_seen_allowed
        CHECK (mark_seen IN ('no', 'yes', 'as-configured')),
    expire_retrieved bigint CONSTRAINT expire_retrieved_allowed
        CHECK (expire_retrieved = -1 OR
               expire_retrieved BETWEEN 0 AND 3155760000),
    expire_unretrieved bigint CONSTRAINT expire_unretrieved_allowed
        CHECK (expire_unretrieved = -1 OR
               expire_unretrieved BETWEEN 1 AND 3155760000),
    expire_hidden bigint CONSTRAINT expire_hidden_allowed
        CHECK (expire_hidden = -1 OR expire_hidden BETWEEN 0 AND 3155760000),
    leave_max_messages bigint CONSTRAINT leave_max_messages_allowed
        CHECK (leave_max_messages = -1 OR
               leave_max_messages BETWEEN 0 AND 2147483647),
    leave_max_bytes bigint CONSTRAINT leave_max_bytes_allowed
        CHECK (leave_max_bytes BETWEEN -1 AND 4611686018427387904),
    quota_storage bigint CONSTRAINT quota_storage_allowed
        CHECK (quota_storage IN (-2, -1) OR
               quota_storage BETWEEN 1 AND 4611686018427387904),
    quota_messages bigint CONSTRAINT quota_messages_allowed
        CHECK (quota_messages IN (-2, -1) OR
               quota_messages BETWEEN 1 AND 2147483647),
    quota_action text CONSTRAINT quota_action_allowed
        CHECK (quota_action IN ('reject', 'defer', 'evict')),
    quota_warn smallint[] CONSTRAINT quota_warn_allowed
        CHECK (coalesce(array_ndims(quota_warn), 1) = 1 AND
               array_position(quota_warn, NULL) IS NULL AND
               1 <= ALL (quota_warn) AND 100 >= ALL (quota_warn)),
    login_delay bigint CONSTRAINT login_delay_allowed
        CHECK (login_delay BETWEEN 0 AND 3155760000),
    download_daily bigint CONSTRAINT download_daily_allowed
        CHECK (download_daily = -1 OR
               download_daily BETWEEN 1 AND 4611686018427387904),
    top_lines bigint CONSTRAINT top_lines_allowed
        CHECK (top_lines BETWEEN -1 AND 2147483647),
    mass_delete_percent bigint CONSTRAINT mass_delete_percent_allowed
        CHECK (mass_delete_percent = -1 OR
               mass_delete_percent BETWEEN 1 AND 100),
    mass_delete_hold bigint CONSTRAINT mass_delete_hold_allowed
        CHECK (mass_delete_hold BETWEEN -1 AND 3155760000),
    pop3_hold text CONSTRAINT pop3_hold_allowed
        CHECK (pop3_hold IN ('no', 'yes')),
    notify text CONSTRAINT notify_allowed
        CHECK (notify IN ('no', 'yes'))
);
COMMENT ON COLUMN pop3.policy_columns.version IS
    'Number of the change that made this row, from one sequence; set by trigger';
COMMENT ON COLUMN pop3.policy_columns.enforcement IS
    'off, observe (record what would be removed) or enforce';
COMMENT ON COLUMN pop3.policy_columns.pop3_access IS 'off: login refused. on';
COMMENT ON COLUMN pop3.policy_columns.view_since IS
    'Only mail that arrived at or after it is in the view; -infinity: all';
COMMENT ON COLUMN pop3.policy_columns.view_window IS
    'Only mail that arrived within so many seconds is in the view; -1: all';
COMMENT ON COLUMN pop3.policy_columns.view_limit IS
    'At most so many messages that are not retrieved are in the view; -1: all';
COMMENT ON COLUMN pop3.policy_columns.on_retrieve IS
    'What becomes of a retrieved message at QUIT: keep, hide, move, delete';
COMMENT ON COLUMN pop3.policy_columns.on_dele IS
    'What becomes of a message marked by DELE at QUIT: delete, hide, move; refuse: DELE fails';
COMMENT ON COLUMN pop3.policy_columns.move_mailbox IS
    'Name of the mailbox where move puts mail; not INBOX';
COMMENT ON COLUMN pop3.policy_columns.mark_seen IS
    'Whether retrieved mail gets \Seen: no, yes, as-configured';
COMMENT ON COLUMN pop3.policy_columns.expire_retrieved IS
    'Seconds from retrieval to removal; -1: never';
COMMENT ON COLUMN pop3.policy_columns.expire_unretrieved IS
    'Seconds from arrival to removal of what was never retrieved; -1: never';
COMMENT ON COLUMN pop3.policy_columns.expire_hidden IS
    'Seconds from hiding to removal; -1: never';
COMMENT ON COLUMN pop3.policy_columns.leave_max_messages IS
    'How many retrieved messages may stay; -1: unlimited';
COMMENT ON COLUMN pop3.policy_columns.leave_max_bytes IS
    'How many bytes of retrieved mail may stay; -1: unlimited';
COMMENT ON COLUMN pop3.policy_columns.quota_storage IS
    'Quota in bytes; -1: unlimited; -2: as configured';
COMMENT ON COLUMN pop3.policy_columns.quota_messages IS
    'Quota in messages; -1: unlimited; -2: as configured';
COMMENT ON COLUMN pop3.policy_columns.quota_action IS
    'Delivery over quota: reject, defer, or evict retrieved mail to make room';
COMMENT ON COLUMN pop3.policy_columns.quota_warn IS
    'Percents of the quota at which the owner is told, ascending; {}: none';
COMMENT ON COLUMN pop3.policy_columns.login_delay IS
    'Least seconds between two logins; 0: none';
COMMENT ON COLUMN pop3.policy_columns.download_daily IS
    'Bytes that may be sent in 24 hours; -1: unlimited';
COMMENT ON COLUMN pop3.policy_columns.top_lines IS
    'Most body lines that TOP sends; -1: unlimited; 0: headers only';
COMMENT ON COLUMN pop3.policy_columns.mass_delete_percent IS
    'A session deleting more than this percentage unread is hidden instead; -1: never';
COMMENT ON COLUMN pop3.policy_columns.mass_delete_hold IS
    'Seconds that such messages stay hidden; -1: unlimited';
COMMENT ON COLUMN pop3.policy_columns.pop3_hold IS
    'yes: nothing leaves the mailbox through POP3, expiry or eviction. On when any scope says yes';
COMMENT ON COLUMN pop3.policy_columns.notify IS
    'yes: the owner is told by a message in the maildrop';
CREATE SEQUENCE pop3.policy_version_seq;
COMMENT ON SEQUENCE pop3.policy_version_seq IS
    'Versions of the rows of pop3.policy and pop3.preset';
CREATE TABLE pop3.preset (
    name        text PRIMARY KEY
        CONSTRAINT name_allowed CHECK (name ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    description text NOT NULL,
    source      text,
    LIKE pop3.policy_columns INCLUDING CONSTRAINTS INCLUDING COMMENTS
);
COMMENT ON TABLE pop3.preset IS
    'Named sets of parameters that a scope can build on';
COMMENT ON COLUMN pop3.preset.name IS
    'Name: lower-case letters, digits, ".", "_", "-"';
COMMENT ON COLUMN pop3.preset.description IS 'What it is for';
COMMENT ON COLUMN pop3.preset.source IS
    'Where the values come from, and how sure that is';
CREATE TABLE pop3.policy (
    scope  text PRIMARY KEY
        CONSTRAINT scope_allowed
        CHECK (scope = '*' OR scope ~ '^[^*[:cntrl:][:space:]]+$' AND
               scope !~ '@$' AND
               (scope !~ '^@' OR scope = lower(scope))),
    preset text CONSTRAINT preset_exists
        REFERENCES pop3.preset (name) ON UPDATE CASCADE,
    LIKE pop3.policy_columns INCLUDING CONSTRAINTS INCLUDING COMMENTS
);
COMMENT ON TABLE pop3.policy IS
    'Policies: a row per scope, a column per parameter; NULL means inherit';
COMMENT ON COLUMN pop3.policy.scope IS
    '* (site), @domain, or a user name (with or without domain)';
COMMENT ON COLUMN pop3.policy.preset IS
    'Preset that gives the values which this scope does not set itself';
CREATE INDEX policy_preset ON pop3.policy (preset) WHERE preset IS NOT NULL;
ALTER SEQUENCE pop3.policy_version_seq OWNED BY pop3.policy.version;
DROP TABLE pop3.policy_columns;
CREATE TABLE pop3.policy_history (
    history_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    who        text NOT NULL,
    caller     text,
    kind       text NOT NULL CHECK (kind IN ('policy', 'preset')),
    name       text NOT NULL,
    old        jsonb,
    new        jsonb
);
COMMENT ON TABLE pop3.policy_history IS
    'A row per change of pop3.policy or pop3.preset, written by trigger';
COMMENT ON COLUMN pop3.policy_history.history_id IS 'Number of the change';
COMMENT ON COLUMN pop3.policy_history.at IS 'When';
COMMENT ON COLUMN pop3.policy_history.who IS 'Database role that logged in';
COMMENT ON COLUMN pop3.policy_history.caller IS
    'On whose behalf, as the setting pop3.caller said; NULL if it did not';
COMMENT ON COLUMN pop3.policy_history.kind IS 'policy or preset';
COMMENT ON COLUMN pop3.policy_history.name IS 'The scope, or the preset''s name';
COMMENT ON COLUMN pop3.policy_history.old IS
    'What was set before; NULL if there was no row';
COMMENT ON COLUMN pop3.policy_history.new IS
    'What is set now; NULL if the row was deleted';
CREATE INDEX policy_history_name ON pop3.policy_history (kind, name);
CREATE TABLE pop3.maildrop (
    maildrop_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username       text NOT NULL,
    mailbox_guid   uuid NOT NULL,
    uidvalidity    bigint NOT NULL,
    uidnext        bigint NOT NULL DEFAULT 1,
    messages       bigint,
    tracked        bigint NOT NULL DEFAULT 0,
    anchor_uid     bigint,
    anchor_guid    uuid,
    created_at     timestamptz NOT NULL DEFAULT now(),
    last_login_at  timestamptz,
    last_quit_at   timestamptz,
    imap_used_at   timestamptz,
    view_since     timestamptz,
    view_since_uid bigint,
    view_window    bigint,
    view_window_uid bigint,
    sessions       bigint NOT NULL DEFAULT 0,
    retrievals     bigint NOT NULL DEFAULT 0,
    removals       bigint NOT NULL DEFAULT 0,
    bytes          bigint NOT NULL DEFAULT 0,
    retrieved      int8multirange NOT NULL DEFAULT '{}',
    UNIQUE (username, mailbox_guid, uidvalidity)
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.maildrop IS
    'A row per maildrop: a mailbox of a user that POP3 has opened';
COMMENT ON COLUMN pop3.maildrop.maildrop_id IS 'Its number';
COMMENT ON COLUMN pop3.maildrop.username IS 'Whose it is, as Dovecot says';
COMMENT ON COLUMN pop3.maildrop.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.maildrop.uidvalidity IS 'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.maildrop.uidnext IS 'Highest known UIDNEXT';
COMMENT ON COLUMN pop3.maildrop.messages IS
    'Messages in the mailbox at the end of the last session';
COMMENT ON COLUMN pop3.maildrop.tracked IS
    'Rows in pop3.message; counting them would cost more than the rest of a login';
COMMENT ON COLUMN pop3.maildrop.anchor_uid IS
    'UID of a message known to have existed; its GUID tells a rolled back mailbox';
COMMENT ON COLUMN pop3.maildrop.anchor_guid IS 'GUID of that message';
COMMENT ON COLUMN pop3.maildrop.created_at IS
    'First seen; mail that was there then counts as arrived then';
COMMENT ON COLUMN pop3.maildrop.last_login_at IS 'Start of the last session';
COMMENT ON COLUMN pop3.maildrop.last_quit_at IS
    'End of the last session that ended by QUIT';
COMMENT ON COLUMN pop3.maildrop.imap_used_at IS
    'Last use by IMAP, to the hour';
COMMENT ON COLUMN pop3.maildrop.view_since IS
    'Value of the parameter view_since that view_since_uid was found for';
COMMENT ON COLUMN pop3.maildrop.view_since_uid IS
    'UIDs below it arrived before view_since; found once, so that the view is stable';
COMMENT ON COLUMN pop3.maildrop.view_window IS
    'Value of the parameter view_window, in seconds, that view_window_uid was found for';
COMMENT ON COLUMN pop3.maildrop.view_window_uid IS
    'UIDs below it have been in the mailbox for longer than view_window seconds; kept, so that they stay out of the view';
COMMENT ON COLUMN pop3.maildrop.sessions IS 'Sessions recorded, polls excluded';
COMMENT ON COLUMN pop3.maildrop.retrievals IS 'Messages retrieved, in total';
COMMENT ON COLUMN pop3.maildrop.removals IS
    'Messages removed by POP3 sessions, in total';
COMMENT ON COLUMN pop3.maildrop.bytes IS 'Bytes sent by RETR and TOP, in total';
COMMENT ON COLUMN pop3.maildrop.retrieved IS
    'UIDs that were ever retrieved, and not restored since; removed ones stay in it, which keeps it short';
CREATE TABLE pop3.message (
    maildrop_id     bigint NOT NULL,
    uid             bigint NOT NULL,
    message_guid    uuid,
    size            bigint,
    retrieved_at    timestamptz,
    hidden_at       timestamptz,
    restored_at     timestamptz,
    retrieved_count int NOT NULL DEFAULT 0,
    reason          text,
    PRIMARY KEY (maildrop_id, uid)
);
COMMENT ON TABLE pop3.message IS
    'A row per message that has state: retrieved, hidden or restored';
COMMENT ON COLUMN pop3.message.maildrop_id IS 'Its maildrop';
COMMENT ON COLUMN pop3.message.uid IS 'Its UID';
COMMENT ON COLUMN pop3.message.message_guid IS
    'Its GUID; state is void for a message that has another';
COMMENT ON COLUMN pop3.message.size IS 'Bytes';
COMMENT ON COLUMN pop3.message.retrieved_at IS
    'First retrieval (since it was restored, if it was)';
COMMENT ON COLUMN pop3.message.hidden_at IS
    'When it was hidden; NULL if it is in the view';
COMMENT ON COLUMN pop3.message.restored_at IS
    'When an administrator restored it; NULL again after the next retrieval';
COMMENT ON COLUMN pop3.message.retrieved_count IS 'Number of retrievals';
COMMENT ON COLUMN pop3.message.reason IS 'Rule that hid it';
CREATE INDEX message_retrieved ON pop3.message (maildrop_id, retrieved_at)
    WHERE retrieved_at IS NOT NULL;
CREATE INDEX message_hidden ON pop3.message (maildrop_id, hidden_at)
    WHERE hidden_at IS NOT NULL;
CREATE INDEX message_restored ON pop3.message (maildrop_id, restored_at)
    WHERE restored_at IS NOT NULL;
CREATE TABLE pop3.watermark (
    maildrop_id bigint NOT NULL
        REFERENCES pop3.maildrop ON DELETE CASCADE,
    at          timestamptz NOT NULL,
    uidnext     bigint NOT NULL,
    PRIMARY KEY (maildrop_id, at)
);
COMMENT ON TABLE pop3.watermark IS
    'Dated UIDNEXTs, at most one a day (UTC) and maildrop: a UID below one arrived before it';
COMMENT ON COLUMN pop3.watermark.maildrop_id IS 'Its maildrop';
COMMENT ON COLUMN pop3.watermark.at IS
    'Start of the day''s last session that saw a higher UIDNEXT';
COMMENT ON COLUMN pop3.watermark.uidnext IS 'UIDNEXT at that time';
CREATE INDEX watermark_at ON pop3.watermark USING brin (at)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE TABLE pop3.would_remove (
    maildrop_id  bigint NOT NULL,
    uid          bigint NOT NULL,
    message_guid uuid,
    size         bigint,
    reason       text NOT NULL,
    since        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (maildrop_id, uid)
);
COMMENT ON TABLE pop3.would_remove IS
    'A row per message that enforcement=observe left, and enforce would have removed';
COMMENT ON COLUMN pop3.would_remove.maildrop_id IS 'Its maildrop';
COMMENT ON COLUMN pop3.would_remove.uid IS 'Its UID';
COMMENT ON COLUMN pop3.would_remove.message_guid IS 'Its GUID';
COMMENT ON COLUMN pop3.would_remove.size IS 'Bytes';
COMMENT ON COLUMN pop3.would_remove.reason IS 'By which rule';
COMMENT ON COLUMN pop3.would_remove.since IS 'When a session first said so';
CREATE TABLE pop3.login (
    username    text PRIMARY KEY,
    accepted_at timestamptz NOT NULL,
    session_id  uuid NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.login IS
    'A row per user with a login_delay: the last login that was accepted';
COMMENT ON COLUMN pop3.login.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.login.accepted_at IS
    'When it was accepted; login_delay counts from then';
COMMENT ON COLUMN pop3.login.session_id IS
    'The session, which may ask again';
CREATE TABLE pop3.download (
    username   text NOT NULL,
    session_id uuid NOT NULL,
    at         timestamptz NOT NULL,
    bytes      bigint NOT NULL CHECK (bytes >= 0),
    total      bigint NOT NULL CHECK (total >= 0),
    PRIMARY KEY (username, session_id, at)
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.download IS
    'What RETR and TOP sent in the last 24 hours, of users with a download_daily: a row per session and five minutes';
COMMENT ON COLUMN pop3.download.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.download.session_id IS 'The session';
COMMENT ON COLUMN pop3.download.at IS
    'Beginning of the five minutes; the bytes count until 24 hours after their end';
COMMENT ON COLUMN pop3.download.bytes IS
    'Bytes sent then, or reserved for what is being sent';
COMMENT ON COLUMN pop3.download.total IS
    'Bytes counted of the session until then, what is reserved included';
CREATE TABLE pop3.usage (
    username      text PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT now(),
    bytes         bigint NOT NULL CHECK (bytes >= 0),
    messages      bigint NOT NULL CHECK (messages >= 0),
    storage_limit bigint,
    message_limit bigint,
    level         int NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.usage IS
    'A row per user: what is on the server, as Dovecot''s quota counted it after the last delivery or session';
COMMENT ON COLUMN pop3.usage.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.usage.at IS 'When it was recorded';
COMMENT ON COLUMN pop3.usage.bytes IS
    'Bytes, in all mailboxes that the quota counts';
COMMENT ON COLUMN pop3.usage.messages IS
    'Messages, in all mailboxes that the quota counts';
COMMENT ON COLUMN pop3.usage.storage_limit IS
    'Limit in force, bytes; NULL if there was none';
COMMENT ON COLUMN pop3.usage.message_limit IS
    'Limit in force, messages; NULL if there was none';
COMMENT ON COLUMN pop3.usage.level IS
    'Highest threshold of quota_warn that was reached, percent; 0: none';
CREATE TABLE pop3.notice (
    username   text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('quota', 'expiry', 'policy')),
    at         timestamptz NOT NULL,
    until      timestamptz,
    level      int NOT NULL DEFAULT 0,
    message_id text,
    told       jsonb,
    PRIMARY KEY (username, kind)
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.notice IS
    'A row per user and kind of notice: the last one that the owner got, and what it told';
COMMENT ON COLUMN pop3.notice.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.notice.kind IS 'quota, expiry or policy';
COMMENT ON COLUMN pop3.notice.at IS
    'When it was about to be written; the next may be 24 hours later';
COMMENT ON COLUMN pop3.notice.until IS
    'expiry: end of the time that it looked at';
COMMENT ON COLUMN pop3.notice.level IS
    'quota: threshold that it told of, percent; lower since usage fell below it';
COMMENT ON COLUMN pop3.notice.message_id IS 'Its Message-ID';
COMMENT ON COLUMN pop3.notice.told IS
    'policy: values of the parameters that concern the owner. expiry: the messages that it covered: of a maildrop (its id), UIDs below before, unless they were restored after restored, and what was retrieved at or before retrieved';
CREATE TABLE pop3.intent (
    session_id      uuid NOT NULL,
    intent_no       int NOT NULL,
    maildrop_id     bigint,
    username        text NOT NULL,
    chain_id        uuid NOT NULL,
    first_seq       bigint NOT NULL,
    state           text NOT NULL
        CHECK (state IN ('open', 'stale', 'abandoned', 'claimed', 'closed')),
    result          text
        CHECK (result IN ('committed', 'failed', 'repaired', 'undecided')),
    lease_until     timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    closed_at       timestamptz,
    claimed_by      uuid,
    dovecot_session text,
    auth_user       text,
    remote_address  text,
    device          text,
    mailbox_guid    uuid,
    uidvalidity     bigint,
    uid             bigint[] NOT NULL,
    guid            uuid[] NOT NULL,
    size            bigint[] NOT NULL,
    action          text[] NOT NULL,
    reason          text[] NOT NULL,
    PRIMARY KEY (session_id, intent_no)
) WITH (fillfactor = 80);
COMMENT ON TABLE pop3.intent IS
    'A row per intent to remove or hide messages; closed ones stay for a day';
COMMENT ON COLUMN pop3.intent.session_id IS 'The session that took it';
COMMENT ON COLUMN pop3.intent.intent_no IS 'Its number within the session';
COMMENT ON COLUMN pop3.intent.maildrop_id IS
    'Its maildrop; NULL after that was carried over';
COMMENT ON COLUMN pop3.intent.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.intent.chain_id IS 'Chain of its audit rows';
COMMENT ON COLUMN pop3.intent.first_seq IS
    'Number of its first audit row in the chain';
COMMENT ON COLUMN pop3.intent.state IS
    'open, stale (the policy had changed), abandoned (its session is over), claimed (for repair), closed';
COMMENT ON COLUMN pop3.intent.result IS
    'How it was closed: committed, failed, repaired, or undecided (UIDVALIDITY changed)';
COMMENT ON COLUMN pop3.intent.lease_until IS
    'Until when its session (or who claimed it) may act on it';
COMMENT ON COLUMN pop3.intent.created_at IS 'When it was taken';
COMMENT ON COLUMN pop3.intent.closed_at IS 'When it was closed';
COMMENT ON COLUMN pop3.intent.claimed_by IS 'The session that repairs it';
COMMENT ON COLUMN pop3.intent.dovecot_session IS 'Dovecot''s session id';
COMMENT ON COLUMN pop3.intent.auth_user IS
    'Authenticated login, where it differs';
COMMENT ON COLUMN pop3.intent.remote_address IS 'The client''s address';
COMMENT ON COLUMN pop3.intent.device IS 'The client''s device';
COMMENT ON COLUMN pop3.intent.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.intent.uidvalidity IS 'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.intent.uid IS 'UIDs of the messages';
COMMENT ON COLUMN pop3.intent.guid IS 'GUIDs of the messages';
COMMENT ON COLUMN pop3.intent.size IS 'Sizes of the messages, bytes';
COMMENT ON COLUMN pop3.intent.action IS
    'expunge, move, hide or flag, per message';
COMMENT ON COLUMN pop3.intent.reason IS 'By which rule, per message';
CREATE INDEX intent_open ON pop3.intent (username) WHERE state <> 'closed';
CREATE TABLE pop3.chain (
    chain_id       uuid PRIMARY KEY,
    service_schema int NOT NULL,
    last_batch     bigint NOT NULL DEFAULT 0,
    last_seq       bigint NOT NULL DEFAULT 0,
    epoch          bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    opened_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 20);
COMMENT ON TABLE pop3.chain IS
    'A row per writer. Its head moves with the rows it counts, which makes a resend exactly-once';
COMMENT ON COLUMN pop3.chain.chain_id IS
    'Id of the writer, kept beside the service';
COMMENT ON COLUMN pop3.chain.service_schema IS
    'Schema version that the service was made for';
COMMENT ON COLUMN pop3.chain.last_batch IS 'Number of the last batch';
COMMENT ON COLUMN pop3.chain.last_seq IS
    'Number of the last row in pop3.audit or pop3.session';
COMMENT ON COLUMN pop3.chain.epoch IS
    'How often it was opened; what was sent before the last time is refused';
COMMENT ON COLUMN pop3.chain.created_at IS 'First opened';
COMMENT ON COLUMN pop3.chain.opened_at IS 'Last opened';
CREATE TABLE pop3.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at            timestamptz NOT NULL DEFAULT now(),
    chain_id      uuid,
    seq           bigint,
    record        text,
    error         text
);
COMMENT ON TABLE pop3.quarantine IS
    'Records that no function accepted, kept for a person to look at';
COMMENT ON COLUMN pop3.quarantine.quarantine_id IS 'Its number';
COMMENT ON COLUMN pop3.quarantine.at IS 'When';
COMMENT ON COLUMN pop3.quarantine.chain_id IS 'Chain of its audit row';
COMMENT ON COLUMN pop3.quarantine.seq IS 'Number of its audit row';
COMMENT ON COLUMN pop3.quarantine.record IS
    'The record as the service had it; NULL after pop3.forget_user()';
COMMENT ON COLUMN pop3.quarantine.error IS 'Why it was not accepted';
CREATE TABLE pop3.session (
    session_id      uuid NOT NULL,
    started_at      timestamptz NOT NULL,
    ended_at        timestamptz NOT NULL,
    chain_id        uuid,
    seq             bigint,
    bytes           bigint NOT NULL DEFAULT 0,
    uidvalidity     bigint,
    uidnext         bigint,
    uidnext_end     bigint,
    messages        bigint,
    mailbox_guid    uuid,
    polls           int NOT NULL DEFAULT 1,
    retr            int NOT NULL DEFAULT 0,
    top             int NOT NULL DEFAULT 0,
    dele            int NOT NULL DEFAULT 0,
    tls             boolean,
    username        text NOT NULL,
    auth_user       text,
    dovecot_session text,
    device          text,
    remote_address  text,
    ended_by        text NOT NULL,
    fetched         int8multirange,
    retrieved       int8multirange,
    removed         int8multirange,
    UNIQUE (session_id, started_at)
) PARTITION BY RANGE (started_at);
COMMENT ON TABLE pop3.session IS
    'A row per session that did something, and one per hour, user, device and address for the others';
COMMENT ON COLUMN pop3.session.session_id IS
    'Its id; for polls made from hour, user, device and address';
COMMENT ON COLUMN pop3.session.started_at IS 'Login; for polls the hour';
COMMENT ON COLUMN pop3.session.ended_at IS 'End; for polls the last one''s';
COMMENT ON COLUMN pop3.session.chain_id IS 'Chain it was written by';
COMMENT ON COLUMN pop3.session.seq IS 'Its number in the chain';
COMMENT ON COLUMN pop3.session.bytes IS 'Bytes sent by RETR and TOP';
COMMENT ON COLUMN pop3.session.uidvalidity IS 'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.session.uidnext IS 'UIDNEXT at login';
COMMENT ON COLUMN pop3.session.uidnext_end IS 'UIDNEXT at the end';
COMMENT ON COLUMN pop3.session.messages IS 'Messages in the mailbox at the end';
COMMENT ON COLUMN pop3.session.mailbox_guid IS
    'GUID of the mailbox; NULL if it was not opened';
COMMENT ON COLUMN pop3.session.polls IS 'Number of sessions that this row is';
COMMENT ON COLUMN pop3.session.retr IS 'RETR commands that succeeded';
COMMENT ON COLUMN pop3.session.top IS 'TOP commands that succeeded';
COMMENT ON COLUMN pop3.session.dele IS 'DELE commands that succeeded';
COMMENT ON COLUMN pop3.session.tls IS
    'Whether the connection was encrypted; for polls, all of them';
COMMENT ON COLUMN pop3.session.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.session.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.session.dovecot_session IS 'Dovecot''s session id';
COMMENT ON COLUMN pop3.session.device IS 'The client''s device';
COMMENT ON COLUMN pop3.session.remote_address IS 'The client''s address';
COMMENT ON COLUMN pop3.session.ended_by IS
    'quit, drop, timeout, kick, update-failed, refused, error, lost, poll, or sweep';
COMMENT ON COLUMN pop3.session.fetched IS 'UIDs that were sent whole';
COMMENT ON COLUMN pop3.session.retrieved IS
    'UIDs of those that count as retrieved, since a QUIT confirmed them';
COMMENT ON COLUMN pop3.session.removed IS 'UIDs that the session expunged';
CREATE INDEX session_username ON pop3.session (username);
CREATE TABLE pop3.session_default PARTITION OF pop3.session DEFAULT;
COMMENT ON TABLE pop3.session_default IS
    'Rows of pop3.session that belong to no partition; pop3.maintain() counts them';
CREATE TABLE pop3.audit (
    at              timestamptz NOT NULL DEFAULT now(),
    chain_id        uuid,
    seq             bigint,
    session_id      uuid,
    mailbox_guid    uuid,
    message_guid    uuid,
    uidvalidity     bigint,
    uid             bigint,
    size            bigint,
    intent_no       int,
    event           text NOT NULL,
    action          text,
    reason          text,
    username        text,
    auth_user       text,
    dovecot_session text,
    remote_address  text,
    device          text,
    uidl            text,
    message_id      text,
    moved_to        text,
    detail          text,
    scope           text
) PARTITION BY RANGE (at);
COMMENT ON TABLE pop3.audit IS
    'What happened to messages, by whom and by which rule. Append-only';
COMMENT ON COLUMN pop3.audit.at IS 'When it was recorded';
COMMENT ON COLUMN pop3.audit.chain_id IS
    'Chain it was written by; NULL for what was done in plain SQL';
COMMENT ON COLUMN pop3.audit.seq IS 'Its number in the chain';
COMMENT ON COLUMN pop3.audit.session_id IS
    'The session; of a repair, the one that took the intent';
COMMENT ON COLUMN pop3.audit.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.audit.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.audit.uidvalidity IS 'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.audit.uid IS
    'UID of the message; NULL if the row is about more or less than a message';
COMMENT ON COLUMN pop3.audit.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.audit.intent_no IS 'Number of the intent in its session';
COMMENT ON COLUMN pop3.audit.event IS
    'intent, committed, released, presumed, late, repair-late, gone, mismatch, rollback, carried, restored, refused, mass-delete, notice, repeat, quarantined, ...';
COMMENT ON COLUMN pop3.audit.action IS
    'expunge, move, hide, or flag (marked as deleted by Dovecot''s pop3_delete_type=flag)';
COMMENT ON COLUMN pop3.audit.reason IS
    'Rule: dele, retrieved, expired-retrieved, expired-unretrieved, expired-hidden, leave-limit, quota, mass-delete; of a refusal: pop3-access, login-delay, download-daily, dele; of a notice: quota, expiry, policy';
COMMENT ON COLUMN pop3.audit.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.audit.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.audit.dovecot_session IS 'Dovecot''s session id';
COMMENT ON COLUMN pop3.audit.remote_address IS 'The client''s address';
COMMENT ON COLUMN pop3.audit.device IS 'The client''s device';
COMMENT ON COLUMN pop3.audit.uidl IS 'The message''s UIDL';
COMMENT ON COLUMN pop3.audit.message_id IS 'The message''s Message-ID';
COMMENT ON COLUMN pop3.audit.moved_to IS
    'Mailbox that a message is moved to; NULL where the action is another';
COMMENT ON COLUMN pop3.audit.detail IS 'Free text';
COMMENT ON COLUMN pop3.audit.scope IS
    'Scope of the policy that decided, with "preset" and its name if the value is that''s; built-in if no scope sets it; NULL where no policy decides';
CREATE INDEX audit_username ON pop3.audit (username);
CREATE INDEX audit_message_id ON pop3.audit USING hash (message_id)
    WHERE message_id IS NOT NULL;
CREATE INDEX audit_message_guid ON pop3.audit (message_guid)
    WHERE message_guid IS NOT NULL;
CREATE INDEX audit_decision ON pop3.audit (session_id, intent_no, uid)
    WHERE event IN ('committed', 'committed-late', 'released', 'presumed');
CREATE TABLE pop3.audit_default PARTITION OF pop3.audit DEFAULT;
COMMENT ON TABLE pop3.audit_default IS
    'Rows of pop3.audit that belong to no partition; pop3.maintain() counts them';
CREATE TABLE pop3.control (
    is_one          boolean PRIMARY KEY DEFAULT true CHECK (is_one),
    paused_at       timestamptz,
    paused_by       text,
    reason          text,
    tripped_at      timestamptz,
    tripped_by      text,
    confirmed_until timestamptz,
    confirmed_by    text,
    breaker_percent int NOT NULL DEFAULT 1
        CHECK (breaker_percent BETWEEN 0 AND 100),
    breaker_min     bigint NOT NULL DEFAULT 1000 CHECK (breaker_min >= 0),
    messages        bigint,
    counted_at      timestamptz,
    stopped         text GENERATED ALWAYS AS (
        CASE WHEN paused_at IS NOT NULL THEN 'paused'
             WHEN tripped_at IS NOT NULL THEN 'breaker' END) STORED
);
COMMENT ON TABLE pop3.control IS
    'One row: whether removals by policy are stopped, by pop3.pause() or the breaker';
COMMENT ON COLUMN pop3.control.is_one IS 'There is no other row';
COMMENT ON COLUMN pop3.control.paused_at IS
    'When pop3.pause() was called; NULL if it is not paused';
COMMENT ON COLUMN pop3.control.paused_by IS 'Who did';
COMMENT ON COLUMN pop3.control.reason IS 'Why, as was said';
COMMENT ON COLUMN pop3.control.tripped_at IS
    'When the breaker tripped; NULL if it did not, or was confirmed';
COMMENT ON COLUMN pop3.control.tripped_by IS
    'What it tripped at: how many removals, of how many messages';
COMMENT ON COLUMN pop3.control.confirmed_until IS
    'Until when removals are not counted, since an administrator wants them';
COMMENT ON COLUMN pop3.control.confirmed_by IS 'Who said so';
COMMENT ON COLUMN pop3.control.breaker_percent IS
    'It trips at removals by policy, within 24 hours, of more than this percentage of the messages';
COMMENT ON COLUMN pop3.control.breaker_min IS
    'and of more than so many messages';
COMMENT ON COLUMN pop3.control.messages IS
    'Messages in all maildrops, as last counted';
COMMENT ON COLUMN pop3.control.counted_at IS 'When that was';
COMMENT ON COLUMN pop3.control.stopped IS
    'paused or breaker, while nothing is removed by policy; else NULL';
INSERT INTO pop3.control DEFAULT VALUES;
ALTER TABLE pop3.maildrop ADD COLUMN swept_before bigint;
COMMENT ON COLUMN pop3.maildrop.swept_before IS
    'UIDs below it that were never retrieved and had expired were removed by a sweep';
CREATE TABLE pop3.removal_count (
    chain_id uuid NOT NULL,
    hour     timestamptz NOT NULL,
    removals bigint NOT NULL,
    PRIMARY KEY (chain_id, hour)
) WITH (fillfactor = 20);
COMMENT ON TABLE pop3.removal_count IS
    'A row per chain and hour: messages that policies removed by time, limit or quota, for the breaker';
COMMENT ON COLUMN pop3.removal_count.chain_id IS 'The writer';
COMMENT ON COLUMN pop3.removal_count.hour IS 'Beginning of the hour';
COMMENT ON COLUMN pop3.removal_count.removals IS 'How many were intended';
CREATE TABLE pop3.sweep (
    username    text PRIMARY KEY,
    sweeper     uuid NOT NULL,
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.sweep IS
    'A row per user that a sweep is at work on, so that no other is';
COMMENT ON COLUMN pop3.sweep.username IS 'Whose maildrops';
COMMENT ON COLUMN pop3.sweep.sweeper IS 'Random id of the sweep';
COMMENT ON COLUMN pop3.sweep.claimed_at IS 'Since when';
COMMENT ON COLUMN pop3.sweep.lease_until IS
    'When others may take it over';
CREATE TABLE pop3.daily (
    day       date NOT NULL,
    domain    text NOT NULL,
    users     bigint NOT NULL,
    sessions  bigint NOT NULL,
    polls     bigint NOT NULL,
    quits     bigint NOT NULL,
    refused   bigint NOT NULL,
    broken    bigint NOT NULL,
    retr      bigint NOT NULL,
    top       bigint NOT NULL,
    dele      bigint NOT NULL,
    fetched   bigint NOT NULL,
    retrieved bigint NOT NULL,
    removed   bigint NOT NULL,
    bytes     bigint NOT NULL,
    PRIMARY KEY (day, domain)
);
COMMENT ON TABLE pop3.daily IS
    'A row per day (UTC) and domain: the sessions that began then. See pop3.roll_up()';
COMMENT ON COLUMN pop3.daily.day IS 'Day (UTC) of the login';
COMMENT ON COLUMN pop3.daily.domain IS
    'Domain; empty for users without one';
COMMENT ON COLUMN pop3.daily.users IS 'Users with a session';
COMMENT ON COLUMN pop3.daily.sessions IS
    'Sessions, polls and refused logins included';
COMMENT ON COLUMN pop3.daily.polls IS 'Sessions without effect';
COMMENT ON COLUMN pop3.daily.quits IS
    'Sessions that ended by QUIT, polls excluded';
COMMENT ON COLUMN pop3.daily.refused IS 'Logins refused';
COMMENT ON COLUMN pop3.daily.broken IS 'Sessions that ended otherwise';
COMMENT ON COLUMN pop3.daily.retr IS 'RETR commands that succeeded';
COMMENT ON COLUMN pop3.daily.top IS 'TOP commands that succeeded';
COMMENT ON COLUMN pop3.daily.dele IS 'DELE commands that succeeded';
COMMENT ON COLUMN pop3.daily.fetched IS 'Messages that were sent whole';
COMMENT ON COLUMN pop3.daily.retrieved IS
    'Messages whose retrieval a QUIT confirmed';
COMMENT ON COLUMN pop3.daily.removed IS 'Messages that sessions expunged';
COMMENT ON COLUMN pop3.daily.bytes IS 'Bytes sent by RETR and TOP';
CREATE TABLE pop3.daily_event (
    day      date NOT NULL,
    domain   text NOT NULL,
    event    text NOT NULL,
    rule     text NOT NULL,
    events   bigint NOT NULL,
    users    bigint NOT NULL,
    bytes    bigint NOT NULL,
    PRIMARY KEY (day, domain, event, rule)
);
COMMENT ON TABLE pop3.daily_event IS
    'A row per day (UTC), domain, event and rule: what was audited then. See pop3.roll_up()';
COMMENT ON COLUMN pop3.daily_event.day IS
    'Day (UTC) of the event; of a removal, when it was begun';
COMMENT ON COLUMN pop3.daily_event.domain IS
    'Domain; empty for users without one';
COMMENT ON COLUMN pop3.daily_event.event IS
    'removed, hidden, flagged, or an event of pop3.audit that is no part of a removal';
COMMENT ON COLUMN pop3.daily_event.rule IS
    'Rule of a removal; reason of another event; empty if there is none';
COMMENT ON COLUMN pop3.daily_event.events IS
    'How many: messages, or events that are about none';
COMMENT ON COLUMN pop3.daily_event.users IS 'Users whom they concern';
COMMENT ON COLUMN pop3.daily_event.bytes IS
    'Bytes of these messages, as far as they are known';
CREATE TABLE pop3.rolled_up (
    day date PRIMARY KEY,
    at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pop3.rolled_up IS
    'A row per day that pop3.daily and pop3.daily_event have';
COMMENT ON COLUMN pop3.rolled_up.day IS 'The day (UTC)';
COMMENT ON COLUMN pop3.rolled_up.at IS 'When it was counted last';
CREATE TABLE pop3.kept (
    maildrop_id         bigint PRIMARY KEY,
    at                  timestamptz NOT NULL DEFAULT now(),
    retrieved           bigint NOT NULL,
    retrieved_bytes     bigint NOT NULL,
    oldest_retrieved_at timestamptz,
    hidden              bigint NOT NULL,
    hidden_bytes        bigint NOT NULL,
    oldest_hidden_at    timestamptz
) WITH (fillfactor = 70);
COMMENT ON TABLE pop3.kept IS
    'A row per maildrop: mail that has been retrieved or hidden, and is on the server, as last counted. See pop3.count_kept()';
COMMENT ON COLUMN pop3.kept.maildrop_id IS 'The maildrop';
COMMENT ON COLUMN pop3.kept.at IS 'When it was counted';
COMMENT ON COLUMN pop3.kept.retrieved IS
    'Retrieved messages in the view';
COMMENT ON COLUMN pop3.kept.retrieved_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.kept.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.kept.hidden IS 'Hidden messages';
COMMENT ON COLUMN pop3.kept.hidden_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.kept.oldest_hidden_at IS
    'When the first of them was hidden';
INSERT INTO pop3.schema_version (version) VALUES (1);
INSERT INTO pop3.schema_version (version) VALUES (2);
INSERT INTO pop3.parameter ("position", name, type, words, min_value,
                            max_value, none_word, as_configured, builtin,
                            description)
VALUES
(1, 'enforcement', 'enum', '{off,observe,enforce}', NULL, NULL, NULL, false,
 'observe', 'Whether the policy acts (enforce), only records what it would have done (observe), or is as if it were not there (off).'),
(2, 'pop3_access', 'enum', '{off,on}', NULL, NULL, NULL, false,
 'on', 'Whether the user may log in by POP3.'),
(3, 'view_since', 'timestamp', NULL, 0, 253402300799, 'never', false,
 '-1', 'Only mail that arrived at or after this time is in the view.'),
(4, 'view_window', 'time', NULL, 1, 3155760000, 'unlimited', false,
 '-1', 'Only mail that arrived within this time before the login is in the view.'),
(5, 'view_limit', 'number', NULL, 1, 2147483647, 'unlimited', false,
 '-1', 'At most so many messages that are not retrieved are in the view, oldest first; retrieved ones are listed besides.'),
(6, 'on_retrieve', 'enum', '{keep,hide,move,delete}', NULL, NULL, NULL, false,
 'keep', 'What becomes of a retrieved message at the end of the session.'),
(7, 'on_dele', 'enum', '{delete,hide,move,refuse}', NULL, NULL, NULL, false,
 'delete', 'What becomes of a message that the client deleted, at the end of the session; refuse answers the DELE itself with an error.'),
(8, 'move_mailbox', 'mailbox', NULL, NULL, NULL, NULL, false,
 'Trash', 'The mailbox that move puts mail into; not INBOX.'),
(9, 'mark_seen', 'enum', '{no,yes,as-configured}', NULL, NULL, NULL, false,
 'as-configured', 'Whether retrieved mail gets the \Seen flag; as-configured leaves it to Dovecot''s settings.'),
(10, 'expire_retrieved', 'time', NULL, 0, 3155760000, 'never', false,
 '-1', 'A message is removed so long after it was retrieved; 0 means at the next login.'),
(11, 'expire_unretrieved', 'time', NULL, 1, 3155760000, 'never', false,
 '-1', 'A message is removed so long after it arrived, if it was never retrieved.'),
(12, 'expire_hidden', 'time', NULL, 0, 3155760000, 'never', false,
 '-1', 'A message is removed so long after it was hidden; 0 means at the next login.'),
(13, 'leave_max_messages', 'number', NULL, 0, 2147483647, 'unlimited', false,
 '-1', 'How many retrieved messages may stay; what exceeds it is removed, oldest retrieval first.'),
(14, 'leave_max_bytes', 'size', NULL, 0, 4611686018427387904, 'unlimited', false,
 '-1', 'How many bytes of retrieved mail may stay; what exceeds it is removed, oldest retrieval first.'),
(15, 'quota_storage', 'size', NULL, 1, 4611686018427387904, 'unlimited', true,
 '-2', 'The user''s storage quota; as-configured leaves it to Dovecot''s settings.'),
(16, 'quota_messages', 'number', NULL, 1, 2147483647, 'unlimited', true,
 '-2', 'The user''s quota in messages; as-configured leaves it to Dovecot''s settings.'),
(17, 'quota_action', 'enum', '{reject,defer,evict}', NULL, NULL, NULL, false,
 'reject', 'What happens to a delivery over quota: it is rejected, deferred, or room is made by removing hidden, then retrieved mail (evict).'),
(18, 'quota_warn', 'percents', NULL, 1, 100, 'none', false,
 '80,95', 'The percents of the quota at which the owner gets a notice when usage crosses one upwards.'),
(19, 'login_delay', 'time', NULL, 0, 3155760000, NULL, false,
 '0', 'The least time between two accepted logins; 0 means none.'),
(20, 'download_daily', 'size', NULL, 1, 4611686018427387904, 'unlimited', false,
 '-1', 'How much RETR and TOP may send in a rolling 24 hours.'),
(21, 'top_lines', 'number', NULL, 0, 2147483647, 'unlimited', false,
 '-1', 'TOP is cut to so many lines of the body; 0 means headers only.'),
(22, 'mass_delete_percent', 'percent', NULL, 1, 100, 'never', false,
 '-1', 'A session that asks to delete more than this share of the messages that nobody retrieved has them hidden instead.'),
(23, 'mass_delete_hold', 'time', NULL, 0, 3155760000, 'unlimited', false,
 '604800', 'How long mail hidden by mass_delete_percent stays before it is removed.'),
(24, 'pop3_hold', 'enum', '{no,yes}', NULL, NULL, NULL, false,
 'no', 'Nothing leaves the mailbox through POP3, expiry or eviction; yes in any scope wins.'),
(25, 'notify', 'enum', '{no,yes}', NULL, NULL, NULL, false,
 'no', 'Whether the owner is told by a message in the maildrop.');
UPDATE pop3.parameter SET concerns_owner = true
 WHERE name IN ('on_retrieve', 'on_dele', 'view_since', 'view_window',
                'view_limit', 'expire_retrieved', 'expire_unretrieved',
                'leave_max_messages', 'leave_max_bytes', 'quota_storage',
                'quota_messages', 'login_delay', 'download_daily',
                'top_lines');
CREATE FUNCTION pop3.audit_guard() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_user = 'pop3_owner' AND
       current_setting('pop3.audit_change', true) IN
       ('forget_user', 'maintain', 'age') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'pop3.audit is append-only: % is not allowed', TG_OP
        USING ERRCODE = 'P3003',
              HINT = 'pop3.forget_user() erases personal data.';
END
$$;
COMMENT ON FUNCTION pop3.audit_guard() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of pop3.audit';
CREATE FUNCTION pop3.policy_check() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_row jsonb;
    v_value text;
    v_problem text;
    p pop3.parameter;
BEGIN
    IF TG_OP = 'DELETE' THEN
        v_value := (SELECT string_agg(o.scope, ', ' ORDER BY o.scope)
                      FROM (SELECT x.scope FROM pop3.policy x
                             WHERE x.preset = OLD.name
                             ORDER BY x.scope LIMIT 10) o);
        IF v_value IS NOT NULL THEN
            RAISE EXCEPTION 'preset "%" is in use by %', OLD.name, v_value
                USING ERRCODE = 'foreign_key_violation',
                      CONSTRAINT = 'preset_exists',
                      HINT = 'Give these scopes another preset first.';
        END IF;
        RETURN OLD;
    END IF;

    IF TG_TABLE_NAME = 'policy' THEN
        NEW.scope := pop3.parse_scope(NEW.scope);
        IF NEW.preset IS NOT NULL AND
           NOT EXISTS (SELECT FROM pop3.preset x WHERE x.name = NEW.preset)
        THEN
            RAISE EXCEPTION 'preset: "%" does not exist: use one of %',
                NEW.preset, (SELECT string_agg(x.name, ', ' ORDER BY x.name)
                               FROM pop3.preset x)
                USING ERRCODE = 'foreign_key_violation',
                      CONSTRAINT = 'preset_exists', COLUMN = 'preset',
                      TABLE = 'policy', SCHEMA = 'pop3';
        END IF;
    ELSIF NEW.name IS NULL OR NEW.name !~ '^[a-z0-9][a-z0-9._-]{0,63}$' THEN
        RAISE EXCEPTION 'name: "%" is not allowed: use lower-case letters, digits, ".", "_" and "-", at most 64',
            coalesce(NEW.name, '')
            USING ERRCODE = 'check_violation', CONSTRAINT = 'name_allowed',
                  COLUMN = 'name', TABLE = 'preset', SCHEMA = 'pop3';
    END IF;

    v_row := jsonb_strip_nulls(to_jsonb(NEW));
    FOR p IN SELECT x.* FROM pop3.parameter x
              WHERE v_row ? x.name ORDER BY x."position"
    LOOP
        v_value := v_row ->> p.name;
        IF p.type = 'percents' THEN
            v_problem := pop3.value_problem(p.name,
                CASE WHEN coalesce(array_ndims(NEW.quota_warn), 1) = 1
                     THEN array_to_string(NEW.quota_warn, ',', 'NULL')
                     ELSE '?' END);
        ELSIF p.type = 'timestamp' THEN
            v_problem := CASE
                WHEN NEW.view_since = '-infinity' THEN NULL
                WHEN NOT isfinite(NEW.view_since) THEN 'is out of range'
                ELSE pop3.value_problem(p.name,
                         greatest(floor(extract(epoch FROM NEW.view_since)),
                                  -2)::text) END;
        ELSE
            v_problem := pop3.value_problem(p.name, v_value);
        END IF;
        IF v_problem IS NOT NULL THEN
            RAISE EXCEPTION '%: "%" %: use %', p.name, v_value, v_problem,
                pop3.value_allowed(p.name, true)
                USING ERRCODE = 'check_violation',
                      CONSTRAINT = p.name || '_allowed', COLUMN = p.name,
                      TABLE = TG_TABLE_NAME, SCHEMA = 'pop3';
        END IF;
    END LOOP;

    IF TG_OP = 'UPDATE' AND
       to_jsonb(NEW) - 'version' = to_jsonb(OLD) - 'version' THEN
        NEW.version := OLD.version;
    ELSE
        NEW.version := nextval('pop3.policy_version_seq');
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION pop3.policy_check() IS
    'Trigger: versions of pop3.policy and pop3.preset, readable errors';
CREATE FUNCTION pop3.policy_keep_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_old jsonb;
    v_new jsonb;
    v_name text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'pop3.% cannot be truncated, since its history is kept',
            TG_TABLE_NAME
            USING ERRCODE = 'P3003', HINT = 'Use DELETE.';
    END IF;
    v_name := CASE TG_TABLE_NAME WHEN 'policy' THEN 'scope' ELSE 'name' END;
    IF TG_OP <> 'INSERT' THEN
        v_old := jsonb_strip_nulls(to_jsonb(OLD)) - 'version';
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_new := jsonb_strip_nulls(to_jsonb(NEW)) - 'version';
    END IF;
    IF v_old IS DISTINCT FROM v_new THEN
        INSERT INTO pop3.policy_history (who, caller, kind, name, old, new)
        VALUES (session_user,
                nullif(current_setting('pop3.caller', true), ''),
                TG_TABLE_NAME,
                coalesce(v_new ->> v_name, v_old ->> v_name), v_old, v_new);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION pop3.policy_keep_history() IS
    'Trigger: writes pop3.policy_history; refuses TRUNCATE';
CREATE TRIGGER policy_check BEFORE INSERT OR UPDATE ON pop3.policy
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_check();
CREATE TRIGGER policy_check BEFORE INSERT OR UPDATE OR DELETE ON pop3.preset
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_check();
CREATE TRIGGER policy_history AFTER INSERT OR UPDATE OR DELETE ON pop3.policy
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER policy_history AFTER INSERT OR UPDATE OR DELETE ON pop3.preset
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER policy_truncate BEFORE TRUNCATE ON pop3.policy
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER policy_truncate BEFORE TRUNCATE ON pop3.preset
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.audit
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();
CREATE TRIGGER audit_guard
    BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.audit_default
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();
CREATE FUNCTION pop3.maildrop_find(p_username text, p_mailbox_guid uuid,
                                   p_uidvalidity bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_id bigint;
BEGIN
    LOOP
        SELECT m.maildrop_id INTO v_id
          FROM pop3.maildrop m
         WHERE m.username = p_username AND m.mailbox_guid = p_mailbox_guid
           AND m.uidvalidity = p_uidvalidity;
        IF FOUND THEN
            RETURN v_id;
        END IF;
        -- Somebody else may make it at the same time: look again then.
        INSERT INTO pop3.maildrop AS m (username, mailbox_guid, uidvalidity)
        VALUES (p_username, p_mailbox_guid, p_uidvalidity)
        ON CONFLICT (username, mailbox_guid, uidvalidity) DO NOTHING
        RETURNING m.maildrop_id INTO v_id;
        IF FOUND THEN
            RETURN v_id;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION pop3.maildrop_find(text, uuid, bigint) IS
    'Id of a maildrop, which is made if it is not there yet (internal)';
CREATE FUNCTION pop3.nearest_parameter(p_name text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- "On-Dele" lacks nothing but the right spelling
    v_wanted text := 
        left(translate(lower(coalesce(p_name, '')), '- ', '__'), 40);
    v_name text;
    v_row int[];
    v_diagonal int;
    v_above int;
    v_best int;
    v_nearest text;
BEGIN
    FOR v_name IN SELECT p.name FROM pop3.parameter p ORDER BY p."position"
    LOOP
        v_row := ARRAY(SELECT generate_series(0, length(v_name)));
        FOR i IN 1 .. length(v_wanted) LOOP
            v_diagonal := v_row[1];
            v_row[1] := i;
            FOR j IN 1 .. length(v_name) LOOP
                v_above := v_row[j + 1];
                v_row[j + 1] := least(
                    least(v_row[j], v_above) + 1,
                    v_diagonal + CASE WHEN substr(v_wanted, i, 1) =
                                           substr(v_name, j, 1)
                                      THEN 0 ELSE 1 END);
                v_diagonal := v_above;
            END LOOP;
        END LOOP;
        IF v_best IS NULL OR v_row[length(v_name) + 1] < v_best THEN
            v_best := v_row[length(v_name) + 1];
            v_nearest := v_name;
        END IF;
    END LOOP;
    RETURN v_nearest;
END
$$;
COMMENT ON FUNCTION pop3.nearest_parameter(text) IS
    'Name of the parameter that is most like this one, for error messages (internal)';
CREATE FUNCTION pop3.parameter_names() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT array_agg(name ORDER BY "position") FROM pop3.parameter $$;
COMMENT ON FUNCTION pop3.parameter_names() IS
    'Names of the policy parameters, in the order of the values of pop3.policy_rows()';
CREATE FUNCTION pop3.parse_scope(p_scope text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_at int := strpos(p_scope, '@');
    v_scope text := p_scope;
BEGIN
    IF v_at > 0 THEN
        v_scope := left(p_scope, v_at - 1) || lower(substr(p_scope, v_at));
    END IF;
    IF v_scope = '*' OR
       v_scope ~ '^[^*[:cntrl:][:space:]]+$' AND v_scope !~ '@$' THEN
        RETURN v_scope;
    END IF;
    RAISE EXCEPTION 'scope: "%" is not allowed: use * (site), @domain, user@domain or a user name',
        coalesce(p_scope, '')
        USING ERRCODE = 'check_violation', CONSTRAINT = 'scope_allowed',
              COLUMN = 'scope', TABLE = 'policy', SCHEMA = 'pop3';
END
$$;
COMMENT ON FUNCTION pop3.parse_scope(text) IS
    'A scope in the form that pop3.policy has, or an error (internal)';
CREATE FUNCTION pop3.parse_value(p_parameter text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
    v_text text := btrim(p_value, E' \t\r\n');
    v_word text := lower(btrim(p_value, E' \t\r\n'));
    v_match text[];
    v_factor bigint;
    v_num numeric;
    v_canonical text;
    v_problem text;
    v_use text;
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no parameter "%": did you mean "%"?',
            p_parameter, pop3.nearest_parameter(p_parameter)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Parameters are: ' ||
                      (SELECT string_agg(x.name, ', ' ORDER BY x."position")
                         FROM pop3.parameter x) || '; and preset.';
    END IF;
    IF p_value IS NULL THEN
        RAISE EXCEPTION '%: no value is given', p_parameter
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'pop3.unset_policy() makes it inherit.';
    END IF;

    IF p.type = 'mailbox' THEN
        v_canonical := v_text;
    ELSIF p.type = 'enum' THEN
        v_canonical := v_word;
    ELSIF p.type = 'percents' THEN
        v_canonical := CASE
            WHEN v_word IN ('', 'none', 'never', 'unlimited') THEN ''
            ELSE regexp_replace(
                     regexp_replace(v_text, '\s*%?\s*(,|$)', '\1', 'g'),
                     '(^|,)\s*0*(?=[0-9])', '\1', 'g') END;
    ELSIF p.none_word IS NOT NULL AND
          v_word IN ('never', 'unlimited', p.none_word) THEN
        RETURN '-1';
    ELSIF p.as_configured AND v_word = 'as-configured' THEN
        RETURN '-2';
    ELSIF p.type = 'timestamp' THEN
        v_match := regexp_match(v_text,
            '^(\d{4}-\d{2}-\d{2})(?:[Tt ]'
            '((?:[01]\d|2[0-3]):[0-5]\d)(?::(\d{2})(?:\.\d+)?)?'
            '\s?(?:[Zz]|[Uu][Tt][Cc]|([+-]\d{2}):?(\d{2})?)?)?$');
        IF v_match IS NOT NULL THEN
            BEGIN
                v_num := floor(extract(epoch FROM (
                    v_match[1] || ' ' || coalesce(v_match[2], '00:00') ||
                    ':' || coalesce(v_match[3], '00') ||
                    coalesce(v_match[4] || ':' || coalesce(v_match[5], '00'),
                             '+00'))::timestamptz));
            EXCEPTION WHEN datetime_field_overflow OR
                           invalid_datetime_format OR
                           invalid_time_zone_displacement_value THEN
                NULL;
            END;
        END IF;
        IF v_num IS NULL THEN
            v_problem := 'is not a date or time';
            v_use := '2026-01-31, 2026-01-31 12:00 (UTC) or '
                     '2026-01-31T12:00:00+01:00, or ' || p.none_word;
        END IF;
        v_canonical := v_num;
    ELSE
        v_match := regexp_match(v_text, '^(\d+)\s*(\S*)$');
        v_factor := CASE
            WHEN p.type = 'time' THEN CASE
                WHEN v_match[2] = '' AND v_match[1] ~ '^0+$' THEN 1
                -- "3M" more likely means months
                WHEN v_match[2] = 'M' THEN NULL
                WHEN lower(v_match[2]) IN ('s', 'sec', 'secs', 'second',
                                           'seconds') THEN 1
                WHEN lower(v_match[2]) IN ('m', 'min', 'mins', 'minute',
                                           'minutes') THEN 60
                WHEN lower(v_match[2]) IN ('h', 'hr', 'hrs', 'hour', 'hours')
                THEN 3600
                WHEN lower(v_match[2]) IN ('d', 'day', 'days') THEN 86400
                WHEN lower(v_match[2]) IN ('w', 'week', 'weeks') THEN 604800
                END
            WHEN p.type = 'size' THEN CASE
                WHEN lower(v_match[2]) IN ('', 'b', 'byte', 'bytes') THEN 1
                WHEN lower(v_match[2]) IN ('k', 'kb', 'kib') THEN 1024
                WHEN lower(v_match[2]) IN ('m', 'mb', 'mib') THEN 1048576
                WHEN lower(v_match[2]) IN ('g', 'gb', 'gib') THEN 1073741824
                WHEN lower(v_match[2]) IN ('t', 'tb', 'tib')
                THEN 1099511627776
                END
            WHEN v_match[2] = '' THEN 1
            WHEN p.type = 'percent' AND v_match[2] = '%' THEN 1
            END;
        IF v_factor IS NULL THEN
            v_problem := CASE
                WHEN p.type = 'time' AND v_match[2] = '' THEN 'has no unit'
                ELSE 'is not a ' || CASE p.type
                    WHEN 'percent' THEN 'percentage'
                    WHEN 'number' THEN 'whole number' ELSE p.type END END;
            v_use := CASE p.type
                WHEN 'time' THEN 'seconds, minutes, hours, days or weeks, '
                                 'such as 14d, 36h'
                WHEN 'size' THEN 'bytes, kB, MB, GB or TB, such as 500M, 1G'
                WHEN 'percent' THEN 'a whole number, such as 50%'
                ELSE 'a whole number' END ||
                CASE WHEN p.as_configured
                     THEN ', ' || p.none_word || ' or as-configured'
                     WHEN p.none_word IS NOT NULL
                     THEN ', or ' || p.none_word ELSE '' END;
        ELSE
            v_num := v_match[1]::numeric * v_factor;
            v_canonical := least(v_num, 9223372036854775807);
        END IF;
    END IF;

    -- a number may look like one of the special values only by accident
    IF v_problem IS NULL AND v_num IS NOT NULL AND v_num < 0 THEN
        v_problem := 'is out of range';
    END IF;
    v_problem := coalesce(v_problem,
                          pop3.value_problem(p_parameter, v_canonical));
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION '%: "%" %: use %', p_parameter, left(v_text, 80),
            v_problem, coalesce(v_use, pop3.value_allowed(p_parameter, false))
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN v_canonical;
END
$$;
COMMENT ON FUNCTION pop3.parse_value(text, text) IS
    'Canonical form of a parameter''s value as people write it (internal)';
CREATE FUNCTION pop3.value_allowed(p_parameter text, p_canonical boolean)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.type = 'enum' THEN
        RETURN regexp_replace(array_to_string(p.words, ', '), ', ([^,]*)$',
                              ' or \1');
    ELSIF p.type = 'mailbox' THEN
        RETURN 'the name of a mailbox other than INBOX, at most 255 bytes '
               'without control characters';
    ELSIF p.type = 'percents' THEN
        RETURN format('ascending whole percents from %s to %s, such as %s',
                      p.min_value, p.max_value,
                      CASE WHEN p_canonical THEN '{80,95}, or {} for none'
                           ELSE '80,95, or none' END);
    ELSIF p_canonical AND p.type = 'timestamp' THEN
        RETURN 'a time from 1970 to 9999, or -infinity for never';
    ELSIF p_canonical THEN
        RETURN concat(p.min_value, ' to ', p.max_value,
                      CASE p.type WHEN 'time' THEN ' seconds'
                                  WHEN 'size' THEN ' bytes'
                                  WHEN 'percent' THEN ' percent' END,
                      ', -1 for ' || p.none_word,
                      CASE WHEN p.as_configured
                           THEN ', -2 for as-configured' END);
    END IF;
    RETURN concat(pop3.value_human(p.name, p.min_value::text), ' to ',
                  pop3.value_human(p.name, p.max_value::text),
                  CASE WHEN p.as_configured
                       THEN ', ' || p.none_word || ' or as-configured'
                       ELSE ', or ' || p.none_word END);
END
$$;
COMMENT ON FUNCTION pop3.value_allowed(text, boolean) IS
    'What values a parameter allows, for error messages (internal)';
CREATE FUNCTION pop3.value_human(p_parameter text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
    v_num bigint;
    v_unit record;
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.type IN ('enum', 'mailbox') THEN
        RETURN p_value;
    ELSIF p.type = 'percents' THEN
        RETURN CASE p_value WHEN '' THEN p.none_word
                            ELSE replace(p_value, ',', '%, ') || '%' END;
    END IF;
    v_num := p_value::bigint;
    IF v_num = -1 AND p.none_word IS NOT NULL THEN
        RETURN p.none_word;
    ELSIF v_num = -2 AND p.as_configured THEN
        RETURN 'as-configured';
    ELSIF p.type = 'percent' THEN
        RETURN v_num || '%';
    ELSIF p.type = 'timestamp' THEN
        RETURN to_char(to_timestamp(v_num) AT TIME ZONE 'UTC',
                       CASE WHEN v_num % 86400 = 0 THEN 'YYYY-MM-DD'
                            WHEN v_num % 60 = 0
                            THEN 'YYYY-MM-DD HH24:MI "UTC"'
                            ELSE 'YYYY-MM-DD HH24:MI:SS "UTC"' END);
    END IF;
    FOR v_unit IN
        SELECT u.factor, u.name
          FROM (VALUES ('time', 86400, 'day'), ('time', 3600, 'hour'),
                       ('time', 60, 'minute'), ('time', 1, 'second'),
                       ('size', 1099511627776, 'TB'),
                       ('size', 1073741824, 'GB'), ('size', 1048576, 'MB'),
                       ('size', 1024, 'kB'), ('size', 1, 'byte'))
               u (type, factor, name)
         WHERE u.type = p.type ORDER BY u.factor DESC
    LOOP
        IF v_unit.factor = 1 OR v_num <> 0 AND v_num % v_unit.factor = 0 THEN
            v_num := v_num / v_unit.factor;
            RETURN v_num || ' ' || v_unit.name ||
                   CASE WHEN v_num = 1 OR right(v_unit.name, 1) = 'B'
                        THEN '' ELSE 's' END;
        END IF;
    END LOOP;
    RETURN v_num;
END
$$;
COMMENT ON FUNCTION pop3.value_human(text, text) IS
    'A parameter''s canonical value as a person reads it: 14 days, 500 MB, never';
CREATE FUNCTION pop3.value_problem(p_parameter text, p_value text)
    RETURNS text
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
    v_num bigint;
    v_percents int[];
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.type = 'enum' THEN
        RETURN CASE WHEN p_value <> ALL (p.words) THEN 'is not allowed' END;
    ELSIF p.type = 'mailbox' THEN
        RETURN CASE WHEN p_value = '' THEN 'is empty'
                    WHEN octet_length(p_value) > 255 THEN 'is too long'
                    WHEN upper(p_value) = 'INBOX'
                    THEN 'is where POP3 mail comes from'
                    WHEN p_value ~ '[\u0001-\u001f\u007f-\u009f]'
                    THEN 'has control characters' END;
    ELSIF p.type = 'percents' THEN
        IF p_value !~ '^([0-9]{1,3}(,[0-9]{1,3})*)?$' THEN
            RETURN 'is not a list of percents';
        END IF;
        v_percents := string_to_array(p_value, ',')::int[];
        RETURN CASE WHEN v_percents IS DISTINCT FROM
                         ARRAY(SELECT DISTINCT n FROM unnest(v_percents) n
                                WHERE n BETWEEN p.min_value AND p.max_value
                                ORDER BY n)
                    THEN 'is not a list of percents' END;
    END IF;
    v_num := p_value::bigint;
    RETURN CASE WHEN v_num = -1 AND p.none_word IS NOT NULL THEN NULL
                WHEN v_num = -2 AND p.as_configured THEN NULL
                WHEN v_num BETWEEN p.min_value AND p.max_value THEN NULL
                ELSE 'is out of range' END;
END
$$;
COMMENT ON FUNCTION pop3.value_problem(text, text) IS
    'What is wrong with a parameter''s canonical value; NULL if nothing (internal)';
CREATE FUNCTION pop3.mask_like(p_mask text) RETURNS text
    LANGUAGE sql IMMUTABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT translate(regexp_replace(coalesce(p_mask, '*'), '([\\%_])',
                                    '\\\1', 'g'), '*?', '%_')
$$;
COMMENT ON FUNCTION pop3.mask_like(text) IS
    'A mask with * and ? as a pattern of LIKE (internal)';
CREATE FUNCTION pop3.row_value(p_row jsonb, p_parameter text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_type text := (SELECT p.type FROM pop3.parameter p
                     WHERE p.name = p_parameter);
    v_value text := p_row ->> p_parameter;
BEGIN
    RETURN CASE
        WHEN v_type = 'percents' THEN translate(v_value, '[] ', '')
        WHEN v_type = 'timestamp' AND v_value = '-infinity' THEN '-1'
        WHEN v_type = 'timestamp'
        THEN floor(extract(epoch FROM v_value::timestamptz))::bigint::text
        ELSE v_value END;
END
$$;
COMMENT ON FUNCTION pop3.row_value(jsonb, text) IS
    'What a row of pop3.policy or pop3.preset says of a parameter, in canonical form (internal)';
CREATE FUNCTION pop3.row_with(p_row jsonb, p_names text[], p_values text[])
    RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_row jsonb := p_row;
    v_value text;
    v_json jsonb;
    a record;
BEGIN
    IF coalesce(cardinality(p_names), 0) = 0 THEN
        RAISE EXCEPTION 'no parameter is given'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF cardinality(p_values) <> cardinality(p_names) THEN
        RAISE EXCEPTION 'there are % parameters, but % values',
            cardinality(p_names), cardinality(p_values)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR a IN SELECT x.name, p_values[x.nr] AS value, p.type,
                    count(*) OVER (PARTITION BY x.name) AS times
               FROM unnest(p_names) WITH ORDINALITY x (name, nr)
                    LEFT JOIN pop3.parameter p ON p.name = x.name
              ORDER BY x.nr
    LOOP
        IF a.times > 1 THEN
            RAISE EXCEPTION '% is given more than once', a.name
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_value := btrim(a.value, E' \t\r\n');
        IF a.name = 'preset' AND v_value IS NOT NULL AND
           NOT EXISTS (SELECT FROM pop3.preset x WHERE x.name = v_value) THEN
            RAISE EXCEPTION 'preset: "%" does not exist: use one of %',
                v_value, (SELECT string_agg(x.name, ', ' ORDER BY x.name)
                            FROM pop3.preset x)
                USING ERRCODE = 'foreign_key_violation';
        ELSIF a.name IS DISTINCT FROM 'preset' AND
              (v_value IS NOT NULL OR a.type IS NULL) THEN
            -- of an unknown parameter it says so first
            v_value := pop3.parse_value(a.name, a.value);
        END IF;
        v_json := CASE
            WHEN a.name = 'preset' OR a.type IN ('enum', 'mailbox')
            THEN to_jsonb(v_value)
            WHEN a.type = 'percents'
            THEN to_jsonb(string_to_array(v_value, ',')::smallint[])
            WHEN a.type = 'timestamp' AND v_value = '-1'
            THEN to_jsonb('-infinity'::timestamptz)
            WHEN a.type = 'timestamp'
            THEN to_jsonb(to_timestamp(v_value::float8))
            ELSE to_jsonb(v_value::bigint) END;
        v_row := jsonb_set(v_row, ARRAY[a.name],
                           coalesce(v_json, 'null'));
    END LOOP;
    RETURN v_row;
END
$$;
COMMENT ON FUNCTION pop3.row_with(jsonb, text[], text[]) IS
    'A row of pop3.policy with parameters set as pop3.set_policies() would (internal)';
CREATE FUNCTION pop3.time_human(p_at timestamptz) RETURNS text
    LANGUAGE sql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE WHEN isfinite(p_at)
                THEN to_char(p_at AT TIME ZONE 'UTC',
                             'YYYY-MM-DD"T"HH24:MI:SS"Z"') END
$$;
COMMENT ON FUNCTION pop3.time_human(timestamptz) IS
    'A time as administrators'' commands print it: UTC, to the second (internal)';
CREATE FUNCTION pop3.event_text(p_event text, p_action text, p_reason text,
                                p_moved_to text, p_outcome text)
    RETURNS text
    LANGUAGE sql IMMUTABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE
        WHEN p_event = 'intent' THEN
            CASE p_action WHEN 'expunge' THEN 'removed'
                          WHEN 'move' THEN 'moved to ' || p_moved_to
                          WHEN 'hide' THEN 'hidden'
                          WHEN 'flag' THEN 'marked as deleted'
                          ELSE p_action END ||
            CASE WHEN p_outcome IS NULL THEN ' (outcome not known yet)'
                 WHEN p_outcome = 'released' THEN ' (not done: it stayed)'
                 WHEN p_outcome = 'presumed'
                 THEN ' (presumably: the session broke off, it is gone)'
                 ELSE '' END
        WHEN p_event IN ('refused', 'would-refuse') THEN
            CASE p_reason WHEN 'dele' THEN 'DELE'
                          WHEN 'download-daily' THEN 'download'
                          ELSE 'login' END ||
            CASE p_event WHEN 'refused' THEN ' refused'
                         ELSE ' would have been refused' END
        WHEN p_event = 'notice' THEN 'owner was sent a notice'
        ELSE coalesce((SELECT x.words FROM (VALUES
            ('gone', 'removed by IMAP or others'),
            ('mismatch', 'state dropped: its UID is another message''s'),
            ('rollback', 'mailbox was put back from an older copy'),
            ('carried', 'state carried over to a new UIDVALIDITY'),
            ('restored', 'restored to the view'),
            ('unconfirmed', 'not retrieved: QUIT came before it was out'),
            ('mass-delete', 'mass deletion: hidden instead of removed'),
            ('would-mass-delete', 'mass deletion: would have been hidden'),
            ('quarantined', 'a record could not be written'),
            ('forgotten', 'personal data was erased'))
            x (event, words) WHERE x.event = p_event), p_event) END
$$;
COMMENT ON FUNCTION pop3.event_text(text, text, text, text, text) IS
    'What happened, in words (internal)';
CREATE FUNCTION pop3.maildrop_due(
    p_maildrop_id bigint, p_retrieved bigint, p_hidden bigint,
    p_mass bigint, p_unretrieved bigint, p_own_scope boolean)
    RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    AS $$
DECLARE
    v_retrieved timestamptz := now() -
        make_interval(secs => nullif(p_retrieved, -1));
    v_hidden timestamptz := now() - make_interval(secs => nullif(p_hidden, -1));
    v_mass timestamptz := now() - make_interval(secs => nullif(p_mass, -1));
    v_unretrieved timestamptz := now() -
        make_interval(secs => nullif(p_unretrieved, -1));
    v_due bigint;
    v_before bigint;
    d pop3.maildrop;
BEGIN
    SELECT count(*) INTO v_due FROM pop3.message s
     WHERE s.maildrop_id = p_maildrop_id
       AND (s.retrieved_at <= v_retrieved AND
            s.reason IS DISTINCT FROM 'mass-delete' OR
            s.hidden_at <= v_hidden AND
            s.reason IS DISTINCT FROM 'mass-delete' OR
            s.hidden_at <= v_mass AND s.reason = 'mass-delete');
    IF v_unretrieved IS NULL THEN
        RETURN v_due;
    END IF;

    SELECT k.uidnext INTO v_before FROM pop3.watermark k
     WHERE k.maildrop_id = p_maildrop_id AND k.at <= v_unretrieved
     ORDER BY k.at DESC LIMIT 1;
    IF v_before > 1 THEN
        SELECT x.* INTO d FROM pop3.maildrop x
         WHERE x.maildrop_id = p_maildrop_id;
        IF p_own_scope OR d.imap_used_at IS NULL OR
           d.imap_used_at <= v_unretrieved THEN
            v_due := v_due + greatest(0, least(
                v_before - 1 - coalesce(
                    (SELECT sum(upper(r) - lower(r))
                       FROM unnest(d.retrieved *
                                   int8multirange(int8range(1, v_before))) r),
                    0),
                d.messages - d.tracked));
        END IF;
    END IF;
    RETURN v_due;
END
$$;
COMMENT ON FUNCTION pop3.maildrop_due(bigint, bigint, bigint, bigint, bigint, boolean) IS
    'How many messages of a maildrop are due; limits in seconds (internal)';
CREATE FUNCTION pop3.who() RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT session_user ||
           coalesce(' for ' || nullif(current_setting('pop3.caller', true),
                                      ''), '')
$$;
COMMENT ON FUNCTION pop3.who() IS
    'Role that logged in, and on whose behalf if the setting pop3.caller says so (internal)';
CREATE FUNCTION pop3.now() RETURNS float8
    LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT extract(epoch FROM clock_timestamp())::float8 $$;
COMMENT ON FUNCTION pop3.now() IS
    'The database''s time, in seconds since 1970-01-01 UTC';
CREATE FUNCTION pop3.policy_rows(p_username text)
    RETURNS TABLE (level smallint, scope text, version bigint,
                   "values" text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 3
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_at int := strpos(p_username, '@');
    v_domain text;
    v_user text := p_username;
BEGIN
    IF v_at > 0 THEN
        v_domain := lower(substr(p_username, v_at));
        v_user := left(p_username, v_at - 1) || v_domain;
    END IF;
    RETURN QUERY
    WITH own AS (
        SELECT CASE p.scope WHEN '*' THEN 4 WHEN v_domain THEN 2 ELSE 0 END
                   AS level, p.*
          FROM pop3.policy p
         WHERE p.scope IN (v_user, v_domain, '*')
    ), rows AS (
        SELECT o.level, o.scope, o.version,
               o.enforcement, o.pop3_access, o.view_since, o.view_window,
               o.view_limit, o.on_retrieve, o.on_dele, o.move_mailbox,
               o.mark_seen, o.expire_retrieved, o.expire_unretrieved,
               o.expire_hidden, o.leave_max_messages, o.leave_max_bytes,
               o.quota_storage, o.quota_messages, o.quota_action,
               o.quota_warn, o.login_delay, o.download_daily, o.top_lines,
               o.mass_delete_percent, o.mass_delete_hold, o.pop3_hold,
               o.notify
          FROM own o
        UNION ALL
        SELECT o.level + 1, p.name, p.version,
               p.enforcement, p.pop3_access, p.view_since, p.view_window,
               p.view_limit, p.on_retrieve, p.on_dele, p.move_mailbox,
               p.mark_seen, p.expire_retrieved, p.expire_unretrieved,
               p.expire_hidden, p.leave_max_messages, p.leave_max_bytes,
               p.quota_storage, p.quota_messages, p.quota_action,
               p.quota_warn, p.login_delay, p.download_daily, p.top_lines,
               p.mass_delete_percent, p.mass_delete_hold, p.pop3_hold,
               p.notify
          FROM own o JOIN pop3.preset p ON p.name = o.preset
    )
    SELECT r.level::smallint, r.scope, r.version, ARRAY[
               r.enforcement, r.pop3_access,
               CASE WHEN r.view_since = '-infinity' THEN '-1'
                    ELSE floor(extract(epoch FROM r.view_since))::bigint::text
               END,
               r.view_window::text, r.view_limit::text, r.on_retrieve,
               r.on_dele, r.move_mailbox, r.mark_seen,
               r.expire_retrieved::text, r.expire_unretrieved::text,
               r.expire_hidden::text, r.leave_max_messages::text,
               r.leave_max_bytes::text, r.quota_storage::text,
               r.quota_messages::text, r.quota_action,
               array_to_string(r.quota_warn, ','), r.login_delay::text,
               r.download_daily::text, r.top_lines::text,
               r.mass_delete_percent::text, r.mass_delete_hold::text,
               r.pop3_hold, r.notify]
      FROM rows r
     ORDER BY r.level;
END
$$;
COMMENT ON FUNCTION pop3.policy_rows(text) IS
    'Rows of pop3.policy and pop3.preset that make up a user''s policy; level 0 to 5: user, its preset, domain, its preset, site, its preset';
CREATE FUNCTION pop3.policy_levels(p_username text)
    RETURNS TABLE (level smallint, scope text, version bigint,
                   "values" text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 3
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT r.level, r.scope, r.version, r."values"
      FROM pop3.policy_rows(p_username) r;
    RETURN QUERY
    SELECT 6::smallint, c.stopped, 0::bigint, '{}'::text[]
      FROM pop3.control c WHERE c.stopped IS NOT NULL;
END
$$;
COMMENT ON FUNCTION pop3.policy_levels(text) IS
    'Rows of pop3.policy_rows(), and one of level 6 while removals by policy are stopped';
CREATE FUNCTION pop3.policy_version(p_username text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_at int := strpos(p_username, '@');
    v_domain text;
    v_user text := p_username;
    v_versions bigint[] := ARRAY[0, 0, 0, 0, 0, 0];
    v_level int;
    r record;
BEGIN
    IF v_at > 0 THEN
        v_domain := lower(substr(p_username, v_at));
        v_user := left(p_username, v_at - 1) || v_domain;
    END IF;
    FOR r IN
        SELECT o.scope, o.version, p.version AS preset_version
          FROM pop3.policy o LEFT JOIN pop3.preset p ON p.name = o.preset
         WHERE o.scope IN (v_user, v_domain, '*')
    LOOP
        v_level := CASE r.scope WHEN '*' THEN 5 WHEN v_domain THEN 3
                                ELSE 1 END;
        v_versions[v_level] := r.version;
        v_versions[v_level + 1] := coalesce(r.preset_version, 0);
    END LOOP;
    RETURN array_to_string(v_versions, '.') ||
           CASE WHEN EXISTS (SELECT FROM pop3.control c
                              WHERE c.stopped IS NOT NULL)
                THEN '.stopped' ELSE '' END;
END
$$;
COMMENT ON FUNCTION pop3.policy_version(text) IS
    'Version of a user''s policy: those of the six rows of pop3.policy_rows(), joined by dots, 0 where there is none; .stopped behind them while removals are';
CREATE FUNCTION pop3.policy_values(p_username text)
    RETURNS TABLE (parameter text, value text, level smallint, scope text,
                   preset text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 25
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH levels AS MATERIALIZED (
        SELECT r.level, r."values", r.scope FROM pop3.policy_rows(p_username) r
    )
    SELECT p.name, e.value, e.level,
           -- the preset's own row has its name, the one above the scope
           CASE WHEN e.level < 6 AND e.level % 2 = 1
                THEN (SELECT l.scope FROM levels l WHERE l.level = e.level - 1)
                ELSE e.scope END,
           CASE WHEN e.level < 6 AND e.level % 2 = 1 THEN e.scope END
      FROM pop3.parameter p,
           LATERAL (SELECT c.level, c.scope, c.value
                      FROM (SELECT l.level, l.scope,
                                   l."values"[p."position"] AS value
                              FROM levels l
                            UNION ALL
                            SELECT 6::smallint, NULL, p.builtin) c
                     WHERE c.value IS NOT NULL
                     -- a hold on any level wins
                     ORDER BY (p.name = 'pop3_hold' AND c.value = 'yes') DESC,
                              c.level
                     LIMIT 1) e
     ORDER BY p."position";
END
$$;
COMMENT ON FUNCTION pop3.policy_values(text) IS
    'A user''s effective policy: every parameter with its canonical value, level (0 to 6), scope and preset';
CREATE FUNCTION pop3.deciding_scopes(p_username text, p_reasons text[])
    RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN (
        WITH levels AS MATERIALIZED (
            SELECT r.level, r.scope, r."values",
                   -- a preset's row has its name, the one above it the scope
                   CASE WHEN r.level % 2 = 1
                        THEN lag(r.scope) OVER (ORDER BY r.level) ||
                             ' preset ' || r.scope
                        ELSE r.scope END AS label
              FROM pop3.policy_rows(p_username) r
             WHERE r.level < 6
        ), rule AS (
            SELECT x.reason, p."position"
              FROM (VALUES ('dele', 'on_dele'), ('retrieved', 'on_retrieve'),
                           ('expired-retrieved', 'expire_retrieved'),
                           ('expired-unretrieved', 'expire_unretrieved'),
                           ('expired-hidden', 'expire_hidden'),
                           ('leave-limit', 'leave_max_messages'),
                           ('leave-limit', 'leave_max_bytes'),
                           ('quota', 'quota_action'),
                           ('mass-delete', 'mass_delete_percent'),
                           ('pop3-access', 'pop3_access'),
                           ('login-delay', 'login_delay'),
                           ('download-daily', 'download_daily'))
                   x (reason, parameter)
                   JOIN pop3.parameter p ON p.name = x.parameter
             WHERE x.reason = ANY (p_reasons)
               AND (x.reason <> 'dele' OR
                    (SELECT l."values"[1] FROM levels l
                      WHERE l."values"[1] IS NOT NULL
                      ORDER BY l.level LIMIT 1) = 'enforce')
        ), decided AS (
            SELECT DISTINCT ON (r.reason) r.reason,
                   coalesce(l.label, 'built-in') AS label
              FROM rule r
                   LEFT JOIN levels l
                   ON l."values"[r."position"] IS NOT NULL
             ORDER BY r.reason, l.level
        )
        SELECT jsonb_object_agg(d.reason, d.label) FROM decided d);
END
$$;
COMMENT ON FUNCTION pop3.deciding_scopes(text, text[]) IS
    'Which scopes of a user''s policy are behind these rules (internal)';
CREATE FUNCTION pop3.maildrop_state(
    p_username text, p_expire_retrieved bigint, p_expire_hidden bigint,
    p_expire_unretrieved bigint, p_unretrieved_own_scope boolean,
    p_view_since float8, p_view_window bigint, p_mass_delete_hold bigint,
    p_with_retrieved boolean, p_due_limit int)
    RETURNS TABLE (
        maildrop_id bigint, mailbox_guid uuid, uidvalidity bigint,
        uidnext bigint, messages bigint, anchor_uid bigint, anchor_guid uuid,
        hidden int8multirange, hidden_uid bigint, hidden_guid uuid,
        view_from bigint, before_uid bigint, exempt int8multirange,
        spared int8multirange, would int8multirange,
        retrieved int8multirange, tracked bigint,
        due_uid bigint[], due_guid uuid[], due_reason text[],
        intent_session uuid[], intent_no int[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
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
    m record;
BEGIN
    IF EXISTS (SELECT FROM pop3.control c WHERE c.stopped IS NOT NULL) THEN
        v_retrieved_limit := NULL; v_hidden_limit := NULL;
        v_mass_limit := NULL; v_unretrieved_limit := NULL;
    END IF;
    FOR m IN
        SELECT d.*, h.hidden, h.hidden_uid, h.held, r.spared, r.fresh,
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
                                   AS oldest_held
                          FROM pop3.message s
                         WHERE s.maildrop_id = d.maildrop_id
                           AND s.hidden_at IS NOT NULL) h,
               LATERAL (SELECT range_agg(int8range(s.uid, s.uid + 1))
                                   AS spared,
                               range_agg(int8range(s.uid, s.uid + 1))
                                   FILTER (WHERE s.restored_at >
                                                 v_unretrieved_limit) AS fresh
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
                                AND NOT v_busy @> s.uid
                              ORDER BY s.retrieved_at LIMIT p_due_limit)
                            UNION ALL
                            (SELECT s.uid, s.message_guid, 'expired-hidden',
                                    s.hidden_at
                               FROM pop3.message s
                              WHERE s.maildrop_id = m.maildrop_id
                                AND s.hidden_at <= v_hidden_limit
                                AND s.reason IS DISTINCT FROM 'mass-delete'
                                AND NOT v_busy @> s.uid
                              ORDER BY s.hidden_at LIMIT p_due_limit)
                            UNION ALL
                            (SELECT s.uid, s.message_guid, 'mass-delete',
                                    s.hidden_at
                               FROM pop3.message s
                              WHERE s.maildrop_id = m.maildrop_id
                                AND s.hidden_at <= v_mass_limit
                                AND s.reason = 'mass-delete'
                                AND NOT v_busy @> s.uid
                              ORDER BY s.hidden_at LIMIT p_due_limit)) c
                     ORDER BY c.due_since, c.uid LIMIT p_due_limit) d;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, bigint, boolean, int) IS
    'State of a user''s maildrops, for a login; limits in seconds, -1 for none; most recently used first';
CREATE FUNCTION pop3.tracked(p_maildrop_id bigint)
    RETURNS TABLE (uid bigint, message_guid uuid, hidden boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_busy int8multirange;
BEGIN
    SELECT coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}') INTO v_busy
      FROM pop3.maildrop d
           JOIN pop3.intent i ON i.username = d.username
            AND i.maildrop_id = d.maildrop_id
            AND i.state IN ('open', 'abandoned', 'claimed'),
           unnest(i.uid) u (uid)
     WHERE d.maildrop_id = p_maildrop_id;
    RETURN QUERY
    SELECT s.uid, s.message_guid, s.hidden_at IS NOT NULL
      FROM pop3.message s
     WHERE s.maildrop_id = p_maildrop_id AND NOT v_busy @> s.uid
    UNION ALL
    SELECT w.uid, w.message_guid, false
      FROM pop3.would_remove w
     WHERE w.maildrop_id = p_maildrop_id AND NOT v_busy @> w.uid
       AND NOT EXISTS (SELECT FROM pop3.message s
                        WHERE s.maildrop_id = p_maildrop_id
                          AND s.uid = w.uid)
     ORDER BY 1;
END
$$;
COMMENT ON FUNCTION pop3.tracked(bigint) IS
    'Messages of a maildrop that have state or are in pop3.would_remove, in UID order';
CREATE FUNCTION pop3.intent_state(p_session_id uuid, p_intent_no int)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN (SELECT i.state FROM pop3.intent i
             WHERE i.session_id = p_session_id
               AND i.intent_no = p_intent_no);
END
$$;
COMMENT ON FUNCTION pop3.intent_state(uuid, int) IS
    'State of an intent; NULL if it was never seen';
CREATE FUNCTION pop3.leave_excess(
    p_username text, p_maildrop_id bigint, p_max_messages bigint,
    p_max_bytes bigint, p_except int8multirange, p_uid bigint[],
    p_size bigint[], p_limit int)
    RETURNS TABLE (uid bigint, message_guid uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_not int8multirange := coalesce(p_except, '{}');
    v_maildrop_id bigint;
BEGIN
    IF cardinality(p_uid) <> cardinality(p_size) THEN
        RAISE EXCEPTION 'leave_excess: the arrays differ in length'
            USING ERRCODE = 'P3002';
    END IF;
    SELECT d.maildrop_id INTO v_maildrop_id FROM pop3.maildrop d
     WHERE d.maildrop_id = p_maildrop_id AND d.username = p_username;
    SELECT v_not + coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}')
      INTO v_not
      FROM pop3.intent i, unnest(i.uid) u (uid)
     WHERE i.username = p_username AND i.state <> 'closed'
       AND i.maildrop_id = v_maildrop_id;
    RETURN QUERY
    -- what was restored is not retrieved, until it is again
    WITH item AS (
        SELECT a.uid, a.size, a.nr
          FROM unnest(p_uid, p_size) WITH ORDINALITY a (uid, size, nr)
         WHERE NOT v_not @> a.uid
    ), left_there AS (
        SELECT s.uid, s.message_guid, s.size, s.retrieved_at, 0::bigint AS nr
          FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id AND s.retrieved_at IS NOT NULL
           AND s.hidden_at IS NULL AND NOT v_not @> s.uid
        UNION ALL
        SELECT i.uid, s.message_guid, i.size, 'infinity', i.nr
          FROM item i
               LEFT JOIN pop3.message s
               ON s.maildrop_id = v_maildrop_id AND s.uid = i.uid
         WHERE s.uid IS NULL OR
               s.retrieved_at IS NULL AND s.hidden_at IS NULL AND
               s.restored_at IS NULL
    ), ranked AS (
        -- with all that were retrieved after it
        SELECT l.*, row_number() OVER newest AS count,
               sum(l.size) OVER newest AS bytes
          FROM left_there l
        WINDOW newest AS (ORDER BY l.retrieved_at DESC, l.nr DESC, l.uid DESC
                          ROWS UNBOUNDED PRECEDING)
    )
    SELECT r.uid, r.message_guid
      FROM ranked r
     WHERE p_max_messages >= 0 AND r.count > p_max_messages OR
           p_max_bytes >= 0 AND r.bytes > p_max_bytes
     ORDER BY r.retrieved_at, r.nr, r.uid
     LIMIT p_limit;
END
$$;
COMMENT ON FUNCTION pop3.leave_excess(text, bigint, bigint, bigint, int8multirange, bigint[], bigint[], int) IS
    'Retrieved messages beyond leave_max_messages or leave_max_bytes (bytes), the oldest retrieval first';
CREATE FUNCTION pop3.told_level(p_username text) RETURNS int
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN coalesce((SELECT n.level FROM pop3.notice n
                      WHERE n.username = p_username AND n.kind = 'quota'), 0);
END
$$;
COMMENT ON FUNCTION pop3.told_level(text) IS
    'Threshold of quota_warn (percent) that a user was told of last, 0 if none';
CREATE FUNCTION pop3.evictable(
    p_username text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_bytes bigint, p_messages bigint, p_limit int)
    RETURNS TABLE (uid bigint, message_guid uuid, size bigint, more boolean)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_maildrop_id bigint;
    v_busy int8multirange;
    v_uid bigint[] := '{}';
    v_guid uuid[] := '{}';
    v_size bigint[] := '{}';
    v_count int := 0;
    v_bytes bigint := 0;
    v_more boolean := false;
    v_hidden refcursor;
    v_retrieved refcursor;
    r record;
BEGIN
    SELECT d.maildrop_id INTO v_maildrop_id FROM pop3.maildrop d
     WHERE d.username = p_username AND d.mailbox_guid = p_mailbox_guid
       AND d.uidvalidity = p_uidvalidity;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT coalesce(range_agg(int8range(u.uid, u.uid + 1)), '{}')
      INTO v_busy
      FROM pop3.intent i, unnest(i.uid) u (uid)
     WHERE i.username = p_username AND i.state <> 'closed'
       AND i.maildrop_id = v_maildrop_id;
    -- by their indexes, no further than needed
    OPEN v_hidden FOR
        SELECT s.uid, s.message_guid, s.size FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id AND s.hidden_at IS NOT NULL
           AND s.restored_at IS NULL
           AND s.reason IS DISTINCT FROM 'mass-delete'
           AND NOT v_busy @> s.uid
         ORDER BY s.hidden_at, s.uid;
    OPEN v_retrieved FOR
        SELECT s.uid, s.message_guid, s.size FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop_id AND s.retrieved_at IS NOT NULL
           AND s.hidden_at IS NULL AND s.restored_at IS NULL
           AND NOT v_busy @> s.uid
         ORDER BY s.retrieved_at, s.uid;
    LOOP
        FETCH v_hidden INTO r;
        IF NOT FOUND THEN
            FETCH v_retrieved INTO r;
        END IF;
        EXIT WHEN NOT FOUND;
        v_more := v_count >= p_limit OR
                  v_bytes >= p_bytes AND v_count >= p_messages;
        EXIT WHEN v_more;
        v_uid := v_uid || r.uid;
        v_guid := v_guid || r.message_guid;
        v_size := v_size || r.size;
        v_count := v_count + 1;
        v_bytes := v_bytes + coalesce(r.size, 0);
    END LOOP;
    CLOSE v_hidden;
    CLOSE v_retrieved;
    RETURN QUERY
    SELECT u.uid, u.message_guid, u.size, v_more
      FROM unnest(v_uid, v_guid, v_size) WITH ORDINALITY
           u (uid, message_guid, size, nr)
     ORDER BY u.nr;
END
$$;
COMMENT ON FUNCTION pop3.evictable(text, uuid, bigint, bigint, bigint, int) IS
    'Hidden, then retrieved messages that give so many bytes and messages, the oldest first; more: there are others';
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
CREATE FUNCTION pop3.notices(
    p_username text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_expiry_time bigint)
    RETURNS TABLE (kind text, name text, old text, new text,
                   uids int8multirange, before_uid bigint,
                   exempt int8multirange, at bigint, until bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 5
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_policy jsonb;
    v_own_scope boolean;
    n pop3.notice;
BEGIN
    SELECT jsonb_object_agg(v.parameter, v.value),
           bool_or(v.parameter = 'expire_unretrieved' AND v.level = 0)
      INTO v_policy, v_own_scope
      FROM pop3.policy_values(p_username) v;
    IF v_policy ->> 'enforcement' <> 'enforce' OR
       v_policy ->> 'notify' <> 'yes' THEN
        RETURN;
    END IF;

    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = 'policy';
    IF NOT FOUND OR n.at <= now() - interval '24 hours' THEN
        RETURN QUERY
        SELECT 'rule', p.name, o.old, v_policy ->> p.name,
               NULL::int8multirange, NULL::bigint, NULL::int8multirange,
               NULL::bigint, NULL::bigint
          FROM pop3.parameter p,
               LATERAL (SELECT coalesce(n.told ->> p.name, p.builtin) AS old) o
         WHERE p.concerns_owner AND o.old <> v_policy ->> p.name
         ORDER BY p."position";
    END IF;

    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = 'expiry';
    IF FOUND AND n.at > now() - interval '24 hours' OR
       v_policy ->> 'pop3_hold' = 'yes' OR
       EXISTS (SELECT FROM pop3.control c WHERE c.stopped IS NOT NULL) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'expiry', NULL, NULL, NULL, e.uids, e.before_uid, e.exempt,
           floor(extract(epoch FROM e.at))::bigint,
           floor(extract(epoch FROM e.until))::bigint
      FROM pop3.expiring(p_username, p_mailbox_guid, p_uidvalidity,
                         -- whole seconds, as the client tells it back
                         to_timestamp(ceil(extract(epoch FROM now())) +
                                      p_expiry_time),
                         v_policy, v_own_scope, n.told) e;
END
$$;
COMMENT ON FUNCTION pop3.notices(text, uuid, bigint, bigint) IS
    'What a notice should tell the owner: changed rules, and mail that goes within p_expiry_time (seconds)';
CREATE FUNCTION pop3.notice_due(
    p_username text, p_kind text, p_level int, p_version text,
    p_message_id text)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    n pop3.notice;
BEGIN
    IF p_message_id IS NULL OR p_kind IS NULL OR
       p_kind NOT IN ('quota', 'expiry', 'policy') OR
       p_kind = 'quota' AND p_level IS NULL THEN
        RAISE EXCEPTION 'a notice needs a kind, a Message-ID and, of kind quota, a level'
            USING ERRCODE = 'P3002';
    END IF;
    IF (SELECT count(*) FROM pop3.policy_values(p_username) v
         WHERE v.parameter = 'enforcement' AND v.value = 'enforce'
            OR v.parameter = 'notify' AND v.value = 'yes') < 2 OR
       p_version <> pop3.policy_version(p_username) THEN
        RETURN false;
    END IF;
    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = p_kind;
    RETURN coalesce(n.message_id = p_message_id, false) OR
           coalesce(n.at <= now() - interval '24 hours', true) AND
           (p_kind <> 'quota' OR p_level > coalesce(n.level, 0));
END
$$;
COMMENT ON FUNCTION pop3.notice_due(text, text, int, text, text) IS
    'May a notice be written to the owner now?';
CREATE FUNCTION pop3.accept_login(p_username text, p_session_id uuid,
                                  p_delay bigint, p_enforce boolean)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    l pop3.login;
    v_locked boolean := false;
    v_now timestamptz;
    v_wait bigint;
BEGIN
    IF p_username IS NULL OR p_session_id IS NULL OR p_delay IS NULL OR
       p_delay < 0 OR p_enforce IS NULL THEN
        RAISE EXCEPTION 'a login needs a user, a session and a delay'
            USING ERRCODE = 'P3002';
    END IF;
    LOOP
        IF v_locked THEN
            SELECT x.* INTO l FROM pop3.login x
             WHERE x.username = p_username FOR UPDATE;
        ELSE
            SELECT x.* INTO l FROM pop3.login x
             WHERE x.username = p_username;
        END IF;
        IF NOT FOUND THEN
            PERFORM set_config('synchronous_commit', 'off', true);
            INSERT INTO pop3.login (username, accepted_at, session_id)
            VALUES (p_username, clock_timestamp(), p_session_id)
            ON CONFLICT (username) DO NOTHING;
            IF FOUND THEN
                RETURN 0;
            END IF;
            -- somebody else came first: look at that
            v_locked := true;
            CONTINUE;
        END IF;
        IF l.session_id = p_session_id THEN
            RETURN 0;
        END IF;
        -- after a lock was waited for, now() is too early
        v_now := clock_timestamp();
        v_wait := CASE WHEN l.accepted_at > v_now THEN 0
                       ELSE greatest(0, ceil(extract(epoch FROM
                           l.accepted_at + make_interval(secs => p_delay) -
                           v_now)))::bigint END;
        IF v_wait > 0 AND p_enforce THEN
            RETURN v_wait;
        END IF;
        -- refused logins need no lock; it is looked at again under one
        EXIT WHEN v_locked;
        v_locked := true;
    END LOOP;
    PERFORM set_config('synchronous_commit', 'off', true);
    UPDATE pop3.login x
       SET accepted_at = v_now, session_id = p_session_id
     WHERE x.username = p_username;
    RETURN v_wait;
END
$$;
COMMENT ON FUNCTION pop3.accept_login(text, uuid, bigint, boolean) IS
    'Accept a login, unless login_delay (p_delay, seconds) is against it; seconds to wait, 0 if accepted. No sequence number';
CREATE FUNCTION pop3.download_settle(p_username text, p_session_id uuid,
                                     p_bytes bigint)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    r pop3.download;
    v_more bigint;
BEGIN
    SELECT d.* INTO r FROM pop3.download d
     WHERE d.username = p_username AND d.session_id = p_session_id
     ORDER BY d.at DESC LIMIT 1;
    v_more := p_bytes - coalesce(r.total, 0);
    IF v_more < 0 THEN
        UPDATE pop3.download d
           SET bytes = greatest(0, d.bytes + v_more), total = p_bytes
         WHERE d.username = p_username AND d.session_id = p_session_id
           AND d.at = r.at;
    ELSIF v_more > 0 THEN
        INSERT INTO pop3.download AS d
               (username, session_id, at, bytes, total)
        VALUES (p_username, p_session_id,
                date_bin('5 minutes', clock_timestamp(),
                         '2000-01-01 00:00:00+00'), v_more, p_bytes)
        ON CONFLICT (username, session_id, at) DO UPDATE
           SET bytes = d.bytes + v_more, total = excluded.total;
    END IF;
END
$$;
COMMENT ON FUNCTION pop3.download_settle(text, uuid, bigint) IS
    'Correct what was counted of a session to the bytes that it has sent (internal)';
CREATE FUNCTION pop3.download_reserve(p_username text, p_session_id uuid,
                                      p_limit bigint, p_bytes bigint,
                                      p_reserve bigint)
    RETURNS TABLE (used bigint, wait bigint)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_window CONSTANT interval := '24:05:00';
    v_now timestamptz;
    v_at timestamptz;
    v_is_old boolean;
    v_until timestamptz;
BEGIN
    IF p_username IS NULL OR p_session_id IS NULL OR
       (p_limit > 0 AND p_bytes >= 0 AND p_reserve >= 0) IS NOT TRUE THEN
        RAISE EXCEPTION 'a download needs a user, a session, a limit and bytes'
            USING ERRCODE = 'P3002';
    END IF;
    PERFORM set_config('synchronous_commit', 'off', true);
    PERFORM pg_advisory_xact_lock(hashtext('pop3.download_reserve'),
                                  hashtext(p_username));
    PERFORM pop3.download_settle(p_username, p_session_id, p_bytes);

    -- after waiting for the others, now() is too early
    v_now := clock_timestamp();
    SELECT coalesce(sum(d.bytes) FILTER (WHERE d.at > v_now - v_window), 0),
           coalesce(bool_or(d.at <= v_now - v_window AND
                            d.session_id <> p_session_id), false)
      INTO used, v_is_old
      FROM pop3.download d WHERE d.username = p_username;
    IF v_is_old THEN
        -- pop3.maintain() may be at them
        WITH old AS (
            SELECT d.session_id, d.at FROM pop3.download d
             WHERE d.username = p_username AND d.at <= v_now - v_window
               AND d.session_id <> p_session_id
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.download d USING old o
         WHERE d.username = p_username AND d.session_id = o.session_id
           AND d.at = o.at;
    END IF;

    IF used >= p_limit THEN
        SELECT min(x.at) + v_window INTO v_until
          FROM (SELECT d.at,
                       sum(d.bytes) OVER (ORDER BY d.at, d.session_id) AS past
                  FROM pop3.download d
                 WHERE d.username = p_username
                   AND d.at > v_now - v_window) x
         WHERE used - x.past < p_limit;
        wait := greatest(1, ceil(extract(epoch FROM v_until - v_now)));
    ELSE
        v_at := date_bin('5 minutes', v_now, '2000-01-01 00:00:00+00');
        INSERT INTO pop3.download AS d
               (username, session_id, at, bytes, total)
        VALUES (p_username, p_session_id, v_at, p_reserve,
                p_bytes + p_reserve)
        ON CONFLICT (username, session_id, at) DO UPDATE
           SET bytes = d.bytes + p_reserve, total = excluded.total;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION pop3.download_reserve(text, uuid, bigint, bigint, bigint) IS
    'May a session send more bytes under download_daily? Bytes used in 24 hours, and seconds to wait if that is the limit. No sequence number';
CREATE FUNCTION pop3.chain_open(p_chain_id uuid, p_schema int)
    RETURNS TABLE (last_batch bigint, last_seq bigint, schema int,
                   parameters text[], db_now float8, epoch bigint)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO pop3.chain AS c (chain_id, service_schema, epoch)
    VALUES (p_chain_id, p_schema, 1)
    ON CONFLICT (chain_id) DO UPDATE
       SET service_schema = excluded.service_schema, opened_at = now(),
           epoch = c.epoch + 1
    RETURNING c.last_batch, c.last_seq, c.epoch
         INTO last_batch, last_seq, epoch;
    schema := (SELECT max(v.version) FROM pop3.schema_version v);
    parameters := pop3.parameter_names();
    db_now := pop3.now();
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION pop3.chain_open(uuid, int) IS
    'Open a writer''s chain: its head, the schema''s version, names of the parameters, time, epoch';
CREATE FUNCTION pop3.batch_begin(p_chain_id uuid, p_epoch bigint,
                                 p_batch bigint, p_first_seq bigint,
                                 p_last_seq bigint)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_batch bigint;
    v_seq bigint;
    v_epoch bigint;
BEGIN
    IF p_last_seq < p_first_seq - 1 THEN
        RAISE EXCEPTION 'batch % of chain %: rows % to % are out of order',
            p_batch, p_chain_id, p_first_seq, p_last_seq
            USING ERRCODE = 'P3001';
    END IF;
    UPDATE pop3.chain c
       SET last_batch = p_batch, last_seq = p_last_seq
     WHERE c.chain_id = p_chain_id AND c.last_batch = p_batch - 1
       AND c.last_seq = p_first_seq - 1 AND c.epoch = p_epoch;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT c.last_batch, c.last_seq, c.epoch INTO v_batch, v_seq, v_epoch
      FROM pop3.chain c WHERE c.chain_id = p_chain_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'chain % is not open', p_chain_id
            USING ERRCODE = 'P3001';
    END IF;
    IF v_epoch <> p_epoch THEN
        RAISE EXCEPTION 'chain % was opened again: batch % comes too late',
            p_chain_id, p_batch
            USING ERRCODE = 'P3001';
    END IF;
    RAISE EXCEPTION 'chain % stands at batch %, row %: batch % from row % does not follow',
        p_chain_id, v_batch, v_seq, p_batch, p_first_seq
        USING ERRCODE = 'P3001';
END
$$;
COMMENT ON FUNCTION pop3.batch_begin(uuid, bigint, bigint, bigint, bigint) IS
    'Move a chain''s head over the rows that this transaction writes; P3001 unless they follow it';
CREATE FUNCTION pop3.breaker_count() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT coalesce(sum(r.removals), 0)::bigint
      FROM pop3.removal_count r
     WHERE r.hour > now() - interval '24 hours'
       -- what was before an administrator said that it is wanted is over
       AND r.hour >= coalesce((SELECT date_bin('1 hour', c.confirmed_until,
                                               '2000-01-01 00:00:00+00')
                                 FROM pop3.control c), '-infinity')
    $$;
COMMENT ON FUNCTION pop3.breaker_count() IS
    'Messages that policies removed in 24 hours, as the breaker counts (internal)';
CREATE FUNCTION pop3.breaker_limit() RETURNS bigint
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT greatest(c.breaker_min,
                    coalesce(c.messages, 0) * c.breaker_percent / 100)
      FROM pop3.control c
     WHERE c.breaker_percent < 100
    $$;
COMMENT ON FUNCTION pop3.breaker_limit() IS
    'Messages that policies may remove in 24 hours before the breaker trips; NULL: any number (internal)';
CREATE FUNCTION pop3.count_messages() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.control c
       SET counted_at = now(),
           messages = (SELECT coalesce(sum(d.messages), 0)
                         FROM pop3.maildrop d);
END
$$;
COMMENT ON FUNCTION pop3.count_messages() IS
    'Count the messages of all maildrops, for the breaker (internal)';
CREATE FUNCTION pop3.breaker_allows(p_chain_id uuid, p_username text,
                                    p_count bigint)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    c pop3.control;
    v_hour timestamptz := date_bin('1 hour', now(), '2000-01-01 00:00:00+00');
    v_count bigint;
BEGIN
    SELECT x.* INTO c FROM pop3.control x;
    IF c.confirmed_until > now() OR c.breaker_percent >= 100 THEN
        RETURN true;
    END IF;
    v_count := pop3.breaker_count() + p_count;
    IF v_count > pop3.breaker_limit() AND
       coalesce(c.counted_at < now() - interval '5 minutes', true) THEN
        -- the site may have grown since it was counted
        PERFORM pop3.count_messages();
    END IF;
    IF v_count <= pop3.breaker_limit() THEN
        INSERT INTO pop3.removal_count AS r (chain_id, hour, removals)
        VALUES (p_chain_id, v_hour, p_count)
        ON CONFLICT (chain_id, hour) DO UPDATE
           SET removals = r.removals + excluded.removals;
        RETURN true;
    END IF;

    UPDATE pop3.control x
       SET tripped_at = now(),
           tripped_by = format('removals by policy would have come to %s of '
                               '%s messages within 24 hours; %s are allowed',
                               v_count, x.messages, pop3.breaker_limit())
     WHERE x.tripped_at IS NULL
    RETURNING x.* INTO c;
    IF FOUND THEN
        INSERT INTO pop3.audit (event, username, detail)
        VALUES ('breaker', p_username, c.tripped_by);
    END IF;
    RETURN false;
END
$$;
COMMENT ON FUNCTION pop3.breaker_allows(uuid, text, bigint) IS
    'Count removals by policy, or trip the breaker; whether they may be done (internal)';
CREATE FUNCTION pop3.record_intent(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_policy_version text, p_lease int,
    p_uid bigint[], p_guid uuid[], p_size bigint[], p_action text[],
    p_reason text[], p_uidl text[], p_message_id text[], p_mailbox text[],
    p_for text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_result text := 'ok';
    v_event text := 'intent';
    v_maildrop bigint;
    v_scopes jsonb;
    v_removals bigint;
BEGIN
    IF (cardinality(p_uid) = ALL (ARRAY[
            cardinality(p_guid), cardinality(p_size), cardinality(p_action),
            cardinality(p_reason), cardinality(p_uidl),
            cardinality(p_message_id), cardinality(p_mailbox)])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'intent % of session %: the arrays differ in length',
            p_intent_no, p_session_id USING ERRCODE = 'P3002';
    END IF;
    v_maildrop := pop3.maildrop_find(p_username, p_mailbox_guid,
                                     p_uidvalidity);
    IF p_policy_version IS DISTINCT FROM pop3.policy_version(p_username) THEN
        v_result := 'stale';
    ELSE
        -- clients delete what they like
        SELECT count(*) INTO v_removals
          FROM unnest(p_action, p_reason) a (action, reason)
         WHERE a.action IN ('expunge', 'move') AND a.reason <> 'dele';
        IF v_removals > 0 AND EXISTS (SELECT FROM pop3.control c
                                       WHERE c.stopped IS NOT NULL) THEN
            v_result := 'stale';
        ELSIF v_removals > 0 THEN
            -- what sessions come to by time, limit and quota
            SELECT count(*) INTO v_removals
              FROM unnest(p_action, p_reason) a (action, reason)
             WHERE a.action IN ('expunge', 'move')
               AND (a.reason LIKE 'expired-%' OR
                    a.reason IN ('leave-limit', 'quota'));
            IF v_removals > 0 AND
               NOT EXISTS (SELECT FROM pop3.intent i
                            WHERE i.session_id = p_session_id
                              AND i.intent_no = p_intent_no) AND
               NOT pop3.breaker_allows(p_chain_id, p_username, v_removals)
            THEN
                v_result := 'stale';
            END IF;
        END IF;
    END IF;

    INSERT INTO pop3.intent
           (session_id, intent_no, maildrop_id, username, chain_id, first_seq,
            state, lease_until, dovecot_session, auth_user, remote_address,
            device, mailbox_guid, uidvalidity, uid, guid, size, action, reason)
    VALUES (p_session_id, p_intent_no, v_maildrop, p_username, p_chain_id,
            p_first_seq, CASE v_result WHEN 'ok' THEN 'open' ELSE v_result END,
            now() + make_interval(secs => p_lease), p_dovecot_session,
            p_auth_user, p_remote_address, p_device, p_mailbox_guid,
            p_uidvalidity, p_uid, p_guid, p_size, p_action, p_reason)
    ON CONFLICT (session_id, intent_no) DO NOTHING;
    IF NOT FOUND THEN
        v_event := 'repeat';
        SELECT CASE i.state WHEN 'open' THEN 'ok' WHEN 'stale' THEN 'stale'
                            ELSE 'fenced' END INTO v_result
          FROM pop3.intent i
         WHERE i.session_id = p_session_id AND i.intent_no = p_intent_no;
    END IF;

    v_scopes := pop3.deciding_scopes(p_username, p_reason);
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, uid, message_guid, size, action, reason, uidl,
            message_id, moved_to, detail, scope)
    SELECT p_chain_id, p_first_seq + a.nr - 1, v_event, p_session_id,
           p_intent_no, p_dovecot_session, p_username, p_auth_user,
           p_remote_address, p_device, p_mailbox_guid, p_uidvalidity, a.uid,
           a.guid, a.size, a.action, a.reason, a.uidl, a.message_id,
           CASE a.action WHEN 'move' THEN a.mailbox END, 'room for ' || p_for,
           v_scopes ->> a.reason
      FROM unnest(p_uid, p_guid, p_size, p_action, p_reason, p_uidl,
                  p_message_id, p_mailbox)
           WITH ORDINALITY a (uid, guid, size, action, reason, uidl,
                              message_id, mailbox, nr);
    RETURN v_result;
END
$$;
COMMENT ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[], text) IS
    'Record an intent to remove or hide messages; ok, stale or fenced. A sequence number per message';
CREATE FUNCTION pop3.record_outcome(
    p_chain_id uuid, p_seq bigint, p_session_id uuid, p_intent_no int,
    p_result text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    i pop3.intent;
    v_return text := 'ok';
    v_event text;
    v_gone bigint := 0;
    v_new bigint := 0;
    v_other int8multirange;
BEGIN
    IF p_result IS NULL OR p_result NOT IN ('committed', 'failed') THEN
        RAISE EXCEPTION 'outcome "%" is neither committed nor failed',
            p_result USING ERRCODE = 'P3002';
    END IF;
    UPDATE pop3.intent x
       SET state = 'closed', result = p_result, closed_at = now()
     WHERE x.session_id = p_session_id AND x.intent_no = p_intent_no
       AND (x.state IN ('open', 'abandoned') OR
            x.state = 'stale' AND p_result = 'failed')
    RETURNING x.* INTO i;
    IF FOUND THEN
        v_event := CASE p_result WHEN 'failed' THEN 'released'
                                 ELSE p_result END;
    ELSE
        SELECT x.* INTO i FROM pop3.intent x
         WHERE x.session_id = p_session_id AND x.intent_no = p_intent_no
           FOR UPDATE;
        v_event := 'late';
        IF NOT FOUND THEN
            v_return := 'unknown';
        ELSIF i.result = 'repaired' AND p_result = 'committed' AND
              i.action && ARRAY['expunge', 'move'] THEN
            v_event := 'committed-late';
            v_return := 'fenced';
            UPDATE pop3.intent x SET result = p_result
             WHERE x.session_id = p_session_id
               AND x.intent_no = p_intent_no;
        ELSIF i.state = 'closed' AND i.result = p_result THEN
            v_event := 'repeat';
        ELSE
            v_return := 'fenced';
        END IF;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, detail)
    VALUES (p_chain_id, p_seq, v_event, p_session_id, p_intent_no,
            i.dovecot_session, i.username, i.auth_user, i.remote_address,
            i.device, i.mailbox_guid, i.uidvalidity,
            CASE v_event WHEN 'late' THEN p_result || ', but the intent is ' ||
                                          coalesce(i.state, 'unknown')
                         WHEN 'committed-late' THEN 'after a repair'
                         WHEN 'repeat' THEN p_result END);

    IF v_event IN ('committed', 'committed-late') AND
       i.maildrop_id IS NOT NULL THEN
        IF v_event = 'committed' AND 'hide' = ANY (i.action) THEN
            -- what another message with this UID was
            SELECT range_agg(int8range(s.uid, s.uid + 1)) INTO v_other
              FROM unnest(i.uid, i.guid, i.action) a (uid, guid, action)
                   JOIN pop3.message s
                   ON s.maildrop_id = i.maildrop_id AND s.uid = a.uid
             WHERE a.action = 'hide' AND s.message_guid <> a.guid;
            WITH hide AS (
                INSERT INTO pop3.message AS s
                       (maildrop_id, uid, message_guid, size, hidden_at,
                        reason)
                SELECT i.maildrop_id, a.uid, a.guid, a.size, now(), a.reason
                  FROM unnest(i.uid, i.guid, i.size, i.action, i.reason)
                       a (uid, guid, size, action, reason)
                 WHERE a.action = 'hide'
                 ORDER BY a.uid
                ON CONFLICT (maildrop_id, uid) DO UPDATE
                   SET message_guid = excluded.message_guid,
                       size = excluded.size,
                       hidden_at =
                           CASE WHEN s.message_guid <> excluded.message_guid
                                     OR excluded.reason = 'mass-delete'
                                        AND s.reason IS DISTINCT FROM
                                            'mass-delete'
                                THEN excluded.hidden_at
                                ELSE coalesce(s.hidden_at,
                                              excluded.hidden_at) END,
                       retrieved_at =
                           CASE WHEN s.message_guid <> excluded.message_guid
                                THEN NULL ELSE s.retrieved_at END,
                       retrieved_count =
                           CASE WHEN s.message_guid <> excluded.message_guid
                                THEN 0 ELSE s.retrieved_count END,
                       restored_at = NULL,
                       reason =
                           CASE WHEN s.message_guid = excluded.message_guid
                                     AND s.reason = 'mass-delete'
                                THEN s.reason ELSE excluded.reason END
                RETURNING s.xmax = 0 AS is_new
            )
            SELECT count(*) FILTER (WHERE is_new) INTO v_new FROM hide;
        END IF;
        DELETE FROM pop3.message s
         USING unnest(i.uid, i.guid, i.action) a (uid, guid, action)
         WHERE s.maildrop_id = i.maildrop_id AND s.uid = a.uid
           AND a.action IN ('expunge', 'move')
           AND (v_event = 'committed' OR s.message_guid = a.guid);
        GET DIAGNOSTICS v_gone = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         USING unnest(i.uid, i.guid, i.action) a (uid, guid, action)
         WHERE w.maildrop_id = i.maildrop_id AND w.uid = a.uid
           AND a.action IN ('expunge', 'move')
           AND (v_event = 'committed' OR w.message_guid = a.guid);
        UPDATE pop3.maildrop d
           SET tracked = d.tracked + v_new - v_gone,
               retrieved = d.retrieved - coalesce(v_other, '{}'),
               removals = d.removals +
                   (SELECT count(*) FROM unnest(i.action) a (action)
                     WHERE a.action IN ('expunge', 'move'))
         WHERE d.maildrop_id = i.maildrop_id;
    END IF;
    RETURN v_return;
END
$$;
COMMENT ON FUNCTION pop3.record_outcome(uuid, bigint, uuid, int, text) IS
    'Record what became of an intent (committed, failed): ok, fenced or unknown. One sequence number';
CREATE FUNCTION pop3.record_abandon(p_session_id uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.intent i SET state = 'abandoned'
     WHERE i.session_id = p_session_id AND i.state = 'open';
END
$$;
COMMENT ON FUNCTION pop3.record_abandon(uuid) IS
    'The session is over: its open intents may be repaired. No sequence number';
CREATE FUNCTION pop3.claim_intent(
    p_session_id uuid, p_username text, p_intent_session uuid,
    p_intent_no int, p_lease int)
    RETURNS TABLE (uid bigint, guid uuid, action text, reason text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    i pop3.intent;
BEGIN
    UPDATE pop3.intent x
       SET state = 'claimed', claimed_by = p_session_id,
           lease_until = now() + make_interval(secs => p_lease)
     WHERE x.session_id = p_intent_session AND x.intent_no = p_intent_no
       AND x.username = p_username AND x.maildrop_id IS NOT NULL
       AND (x.state IN ('abandoned', 'stale') OR
            x.state IN ('open', 'claimed') AND x.lease_until < now() OR
            x.state = 'claimed' AND x.claimed_by = p_session_id)
    RETURNING x.* INTO i;
    IF FOUND THEN
        RETURN QUERY
        SELECT a.uid, a.guid, a.action, a.reason
          FROM unnest(i.uid, i.guid, i.action, i.reason)
               a (uid, guid, action, reason);
    END IF;
END
$$;
COMMENT ON FUNCTION pop3.claim_intent(uuid, text, uuid, int, int) IS
    'Take an intent over for repair; its messages, no rows if that is not possible. No sequence number';
CREATE FUNCTION pop3.record_repair(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_username text,
    p_intent_session uuid, p_intent_no int, p_uid bigint[],
    p_present boolean[])
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    i pop3.intent;
    v_fenced boolean;
    v_gone bigint[];
    v_count bigint;
BEGIN
    IF cardinality(p_uid) <> cardinality(p_present) THEN
        RAISE EXCEPTION 'repair of intent % of session %: the arrays differ in length',
            p_intent_no, p_intent_session USING ERRCODE = 'P3002';
    END IF;
    UPDATE pop3.intent x
       SET state = 'closed', result = 'repaired', closed_at = now()
     WHERE x.session_id = p_intent_session AND x.intent_no = p_intent_no
       AND x.username = p_username AND x.state = 'claimed'
       AND x.claimed_by = p_session_id
    RETURNING x.* INTO i;
    v_fenced := NOT FOUND;
    IF v_fenced THEN
        SELECT x.* INTO i FROM pop3.intent x
         WHERE x.session_id = p_intent_session
           AND x.intent_no = p_intent_no AND x.username = p_username;
    END IF;

    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, intent_no, username,
            mailbox_guid, uidvalidity, uid, message_guid, size, action,
            reason, detail)
    SELECT p_chain_id, p_first_seq + a.nr - 1,
           CASE WHEN v_fenced THEN 'repair-late'
                WHEN a.present THEN 'released' ELSE 'presumed' END,
           p_intent_session, p_intent_no, p_username, i.mailbox_guid,
           i.uidvalidity, a.uid, x.guid, x.size, x.action, x.reason,
           'repaired by session ' || p_session_id ||
           CASE WHEN NOT v_fenced THEN ''
                WHEN a.present THEN ' too late: present'
                ELSE ' too late: gone' END
      FROM unnest(p_uid, p_present) WITH ORDINALITY a (uid, present, nr)
           LEFT JOIN unnest(i.uid, i.guid, i.size, i.action, i.reason)
                     x (uid, guid, size, action, reason) ON x.uid = a.uid;
    IF v_fenced THEN
        RETURN 'fenced';
    END IF;

    SELECT array_agg(a.uid) INTO v_gone
      FROM unnest(p_uid, p_present) a (uid, present)
     WHERE NOT a.present AND a.uid = ANY (i.uid);
    IF v_gone IS NOT NULL THEN
        DELETE FROM pop3.message s
         WHERE s.maildrop_id = i.maildrop_id AND s.uid = ANY (v_gone);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = i.maildrop_id AND w.uid = ANY (v_gone);
        IF v_count > 0 THEN
            UPDATE pop3.maildrop d SET tracked = d.tracked - v_count
             WHERE d.maildrop_id = i.maildrop_id;
        END IF;
    END IF;
    RETURN 'ok';
END
$$;
COMMENT ON FUNCTION pop3.record_repair(uuid, bigint, uuid, text, uuid, int, bigint[], boolean[]) IS
    'Record what became of a claimed intent: ok or fenced. A sequence number per message';
CREATE FUNCTION pop3.record_event(
    p_chain_id uuid, p_first_seq bigint, p_event text, p_reason text,
    p_session_id uuid, p_dovecot_session text, p_username text,
    p_auth_user text, p_remote_address text, p_device text,
    p_mailbox_guid uuid, p_uidvalidity bigint, p_uidnext bigint,
    p_uid bigint[], p_detail text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_uid bigint[] := p_uid;
    v_detail text := p_detail;
    v_maildrop bigint;
    v_count bigint := 0;
    v_marks bigint;
    v_scope text;
BEGIN
    IF p_event IS NULL THEN
        RAISE EXCEPTION 'an event needs a name' USING ERRCODE = 'P3002';
    END IF;
    IF coalesce(cardinality(p_uid), 0) = 0 THEN
        v_uid := ARRAY[NULL::bigint];
    END IF;
    SELECT d.maildrop_id INTO v_maildrop
      FROM pop3.maildrop d
     WHERE d.username = p_username AND d.mailbox_guid = p_mailbox_guid
       AND d.uidvalidity = p_uidvalidity;

    IF p_event = 'rollback' AND v_maildrop IS NOT NULL THEN
        IF p_uidnext IS NULL THEN
            RAISE EXCEPTION 'a rollback needs the mailbox''s UIDNEXT'
                USING ERRCODE = 'P3002';
        END IF;
        DELETE FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop AND s.uid >= p_uidnext;
        GET DIAGNOSTICS v_count = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = v_maildrop;
        DELETE FROM pop3.watermark w
         WHERE w.maildrop_id = v_maildrop;
        GET DIAGNOSTICS v_marks = ROW_COUNT;
        -- UIDs from p_uidnext on will be those of new mail
        UPDATE pop3.maildrop d
           SET uidnext = p_uidnext, anchor_uid = NULL, anchor_guid = NULL,
               messages = NULL, view_since = NULL, view_since_uid = NULL,
               view_window = NULL, view_window_uid = NULL,
               swept_before = NULL,
               retrieved = coalesce(
                   (SELECT range_agg(int8range(s.uid, s.uid + 1))
                      FROM pop3.message s
                     WHERE s.maildrop_id = v_maildrop
                       AND s.retrieved_at IS NOT NULL), '{}'),
               tracked = d.tracked - v_count
         WHERE d.maildrop_id = v_maildrop;
        -- what it covered may be other messages now
        UPDATE pop3.notice n SET told = NULL
         WHERE n.username = p_username AND n.kind = 'expiry';
        v_detail := concat_ws('; ', p_detail,
            format('UIDNEXT %s: state of %s messages and %s watermarks dropped',
                   p_uidnext, v_count, v_marks));
    END IF;

    -- refusals have a rule, mass deletion is one
    IF p_event IN ('refused', 'would-refuse', 'mass-delete',
                   'would-mass-delete') THEN
        SELECT x.value INTO v_scope
          FROM jsonb_each_text(pop3.deciding_scopes(p_username,
                   ARRAY[CASE WHEN p_event LIKE '%mass-delete'
                              THEN 'mass-delete' ELSE p_reason END])) x;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, reason, session_id, dovecot_session,
            username, auth_user, remote_address, device, mailbox_guid,
            uidvalidity, uid, message_guid, size, detail, scope)
    SELECT p_chain_id, p_first_seq + a.nr - 1, p_event, p_reason,
           p_session_id, p_dovecot_session, p_username, p_auth_user,
           p_remote_address, p_device, p_mailbox_guid, p_uidvalidity, a.uid,
           coalesce(s.message_guid, w.message_guid),
           coalesce(s.size, w.size), v_detail, v_scope
      FROM unnest(v_uid) WITH ORDINALITY a (uid, nr)
           LEFT JOIN pop3.message s
           ON s.maildrop_id = v_maildrop AND s.uid = a.uid
           LEFT JOIN pop3.would_remove w
           ON w.maildrop_id = v_maildrop AND w.uid = a.uid;

    IF p_event IN ('gone', 'mismatch') AND v_maildrop IS NOT NULL THEN
        DELETE FROM pop3.message s
         WHERE s.maildrop_id = v_maildrop AND s.uid = ANY (v_uid);
        GET DIAGNOSTICS v_count = ROW_COUNT;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = v_maildrop AND w.uid = ANY (v_uid);
        -- also where there was no row: a retrieved one may have been removed
        UPDATE pop3.maildrop d
           SET tracked = d.tracked - v_count,
               retrieved = d.retrieved - x.uids
          FROM (SELECT range_agg(int8range(u.uid, u.uid + 1)) AS uids
                  FROM unnest(v_uid) u (uid)
                 WHERE u.uid IS NOT NULL) x
         WHERE d.maildrop_id = v_maildrop
           AND (v_count > 0 OR d.retrieved && x.uids);
    END IF;
END
$$;
COMMENT ON FUNCTION pop3.record_event(uuid, bigint, text, text, uuid, text, text, text, text, text, uuid, bigint, bigint, bigint[], text) IS
    'Record an event, with the change of state it means. A sequence number per message, at least one';
CREATE FUNCTION pop3.carry_over(
    p_chain_id uuid, p_seq bigint, p_session_id uuid, p_username text,
    p_maildrop_id bigint, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_uidnext bigint, p_messages bigint, p_old_uid bigint[],
    p_new_uid bigint[])
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    old pop3.maildrop;
    v_new bigint;
    v_carried bigint := 0;
    v_dropped bigint := 0;
    v_intents bigint := 0;
BEGIN
    IF cardinality(p_old_uid) <> cardinality(p_new_uid) THEN
        RAISE EXCEPTION 'carry-over of maildrop %: the arrays differ in length',
            p_maildrop_id USING ERRCODE = 'P3002';
    END IF;
    v_new := pop3.maildrop_find(p_username, p_mailbox_guid, p_uidvalidity);
    SELECT d.* INTO old FROM pop3.maildrop d
     WHERE d.maildrop_id = p_maildrop_id AND d.username = p_username
       AND d.maildrop_id <> v_new
       FOR UPDATE;
    IF FOUND THEN
        INSERT INTO pop3.message
               (maildrop_id, uid, message_guid, size, retrieved_at, hidden_at,
                restored_at, retrieved_count, reason)
        SELECT v_new, a.new_uid, s.message_guid, s.size, s.retrieved_at,
               s.hidden_at, s.restored_at, s.retrieved_count, s.reason
          FROM unnest(p_old_uid, p_new_uid) a (old_uid, new_uid)
               JOIN pop3.message s
               ON s.maildrop_id = p_maildrop_id AND s.uid = a.old_uid
         ORDER BY a.new_uid
        ON CONFLICT (maildrop_id, uid) DO NOTHING;
        GET DIAGNOSTICS v_carried = ROW_COUNT;
        DELETE FROM pop3.message s WHERE s.maildrop_id = p_maildrop_id;
        GET DIAGNOSTICS v_dropped = ROW_COUNT;
        v_dropped := v_dropped - v_carried;
        INSERT INTO pop3.would_remove
               (maildrop_id, uid, message_guid, size, reason, since)
        SELECT v_new, a.new_uid, w.message_guid, w.size, w.reason, w.since
          FROM unnest(p_old_uid, p_new_uid) a (old_uid, new_uid)
               JOIN pop3.would_remove w
               ON w.maildrop_id = p_maildrop_id AND w.uid = a.old_uid
        ON CONFLICT (maildrop_id, uid) DO NOTHING;
        DELETE FROM pop3.would_remove w
         WHERE w.maildrop_id = p_maildrop_id;
        UPDATE pop3.intent i
           SET state = 'closed', result = 'undecided', closed_at = now(),
               maildrop_id = NULL
         WHERE i.username = p_username AND i.state <> 'closed'
           AND i.maildrop_id = p_maildrop_id;
        GET DIAGNOSTICS v_intents = ROW_COUNT;
        UPDATE pop3.maildrop d
           SET uidnext = greatest(d.uidnext, p_uidnext),
               messages = p_messages,
               tracked = d.tracked + v_carried,
               retrieved = d.retrieved + coalesce(
                   (SELECT range_agg(int8range(s.uid, s.uid + 1))
                      FROM pop3.message s
                     WHERE s.maildrop_id = v_new
                       AND s.retrieved_at IS NOT NULL), '{}'),
               last_login_at = greatest(d.last_login_at, old.last_login_at),
               last_quit_at = greatest(d.last_quit_at, old.last_quit_at),
               imap_used_at = greatest(d.imap_used_at, old.imap_used_at),
               sessions = d.sessions + old.sessions,
               retrievals = d.retrievals + old.retrievals,
               removals = d.removals + old.removals,
               bytes = d.bytes + old.bytes
         WHERE d.maildrop_id = v_new;
        -- takes its watermarks with it
        DELETE FROM pop3.maildrop d WHERE d.maildrop_id = p_maildrop_id;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, session_id, username, mailbox_guid,
            uidvalidity, detail)
    VALUES (p_chain_id, p_seq, 'carried', p_session_id, p_username,
            p_mailbox_guid, p_uidvalidity,
            CASE WHEN old.maildrop_id IS NULL
                 THEN format('nothing to carry over from maildrop %s',
                             p_maildrop_id)
                 ELSE format('from maildrop %s, UIDVALIDITY %s: state of %s '
                             'messages carried over, of %s dropped; %s '
                             'intents left undecided', p_maildrop_id,
                             old.uidvalidity, v_carried, v_dropped,
                             v_intents)
            END);
    RETURN v_new;
END
$$;
COMMENT ON FUNCTION pop3.carry_over(uuid, bigint, uuid, text, bigint, uuid, bigint, bigint, bigint, bigint[], bigint[]) IS
    'Carry a maildrop''s state over to a new UIDVALIDITY; id of the new maildrop. One sequence number';
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
    v_new bigint := 0;
    v_gone bigint := 0;
    v_event text;
    v_chain uuid;
    v_seq bigint;
    v_since timestamptz;
    v_since_uid bigint;
    v_window bigint;
    v_window_uid bigint;
    v_mark pop3.watermark;
    v_at timestamptz;
    v_maildrop bigint;
    m pop3.maildrop;
BEGIN
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
    ON CONFLICT (session_id, started_at) DO UPDATE
       SET ended_at = excluded.ended_at, bytes = excluded.bytes,
           uidvalidity = excluded.uidvalidity, uidnext = excluded.uidnext,
           uidnext_end = excluded.uidnext_end, messages = excluded.messages,
           mailbox_guid = excluded.mailbox_guid, retr = excluded.retr,
           top = excluded.top, dele = excluded.dele, tls = excluded.tls,
           auth_user = excluded.auth_user,
           dovecot_session = excluded.dovecot_session,
           device = excluded.device,
           remote_address = excluded.remote_address,
           ended_by = excluded.ended_by, fetched = excluded.fetched,
           retrieved = excluded.retrieved, removed = excluded.removed
     WHERE s.ended_by = 'lost' AND excluded.ended_by <> 'lost'
       AND s.username = excluded.username
    RETURNING s.chain_id, s.seq INTO v_chain, v_seq;
    IF NOT FOUND THEN
        v_event := 'repeat';
    ELSIF (v_chain, v_seq) IS DISTINCT FROM (p_chain_id, p_seq) THEN
        v_event := 'session-found';
    END IF;
    IF v_event IS NOT NULL THEN
        INSERT INTO pop3.audit
               (chain_id, seq, event, session_id, dovecot_session, username,
                auth_user, remote_address, device, mailbox_guid, uidvalidity,
                detail)
        VALUES (p_chain_id, p_seq, v_event, p_session_id, p_dovecot_session,
                p_username, p_auth_user, p_remote_address, p_device,
                p_mailbox_guid, p_uidvalidity,
                CASE v_event WHEN 'repeat' THEN 'session'
                             ELSE format('was recorded as lost: chain %s, number %s',
                                         v_chain, v_seq) END);
    END IF;
    IF v_event = 'repeat' THEN
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

    IF v_retrievals > 0 THEN
        WITH retrieve AS (
            INSERT INTO pop3.message AS s
                   (maildrop_id, uid, message_guid, size, retrieved_at,
                    retrieved_count)
            SELECT m.maildrop_id, a.uid, a.guid, a.size, now(), 1
              FROM unnest(p_uid, p_guid, p_size, p_action)
                   a (uid, guid, size, action)
             WHERE a.action NOT IN ('expunge', 'move')
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
           messages = CASE WHEN p_messages IS NULL OR
                                p_uidnext_end < d.uidnext
                           THEN d.messages ELSE p_messages END,
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
CREATE FUNCTION pop3.record_polls(
    p_hour float8[], p_username text[], p_device text[],
    p_remote_address text[], p_tls boolean[], p_polls int[], p_last float8[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO pop3.session AS s
           (session_id, started_at, ended_at, polls, tls, username, device,
            remote_address, ended_by)
    SELECT md5(concat_ws(E'\x01', p.username, coalesce(p.device, E'\x02'),
                         coalesce(p.address, E'\x02'), p.hour))::uuid,
           to_timestamp(p.hour), to_timestamp(max(p.last)), sum(p.polls),
           bool_and(p.tls), p.username, p.device, p.address, 'poll'
      FROM unnest(p_hour, p_username, p_device, p_remote_address, p_tls,
                  p_polls, p_last)
           p (hour, username, device, address, tls, polls, last)
     GROUP BY p.hour, p.username, p.device, p.address
     ORDER BY 1
    ON CONFLICT (session_id, started_at) DO UPDATE
       SET polls = s.polls + excluded.polls,
           ended_at = greatest(s.ended_at, excluded.ended_at),
           tls = s.tls AND excluded.tls;

    UPDATE pop3.maildrop d
       SET last_login_at = greatest(d.last_login_at, l.last),
           last_quit_at = greatest(d.last_quit_at, l.last)
      FROM (SELECT p.username, to_timestamp(max(p.last)) AS last
              FROM unnest(p_username, p_last) p (username, last)
             GROUP BY p.username ORDER BY p.username) l
     WHERE d.username = l.username
       AND (d.last_login_at IS NULL OR d.last_login_at < l.last OR
            d.last_quit_at IS NULL OR d.last_quit_at < l.last);
END
$$;
COMMENT ON FUNCTION pop3.record_polls(float8[], text[], text[], text[], boolean[], int[], float8[]) IS
    'Fold sessions without effect into hourly rows. No sequence number';
CREATE FUNCTION pop3.record_imap_use(p_username text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.maildrop d SET imap_used_at = now()
     WHERE d.username = ANY (p_username)
       AND (d.imap_used_at IS NULL OR
            d.imap_used_at < now() - interval '1 hour');
END
$$;
COMMENT ON FUNCTION pop3.record_imap_use(text[]) IS
    'Note that these users'' mailboxes are used by IMAP. No sequence number';
CREATE FUNCTION pop3.record_usage(
    p_username text[], p_bytes bigint[], p_messages bigint[],
    p_storage_limit bigint[], p_message_limit bigint[], p_level int[],
    p_lowest int[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF (cardinality(p_username) = ALL (ARRAY[
            cardinality(p_bytes), cardinality(p_messages),
            cardinality(p_storage_limit), cardinality(p_message_limit),
            cardinality(p_level), cardinality(p_lowest)])) IS NOT TRUE
    THEN
        RAISE EXCEPTION 'record_usage: the arrays differ in length'
            USING ERRCODE = 'P3002';
    END IF;
    INSERT INTO pop3.usage AS u
           (username, bytes, messages, storage_limit, message_limit, level)
    SELECT a.username, a.bytes, a.messages, a.storage_limit, a.message_limit,
           a.level
      FROM unnest(p_username, p_bytes, p_messages, p_storage_limit,
                  p_message_limit, p_level)
           a (username, bytes, messages, storage_limit, message_limit, level)
     ORDER BY a.username
    ON CONFLICT (username) DO UPDATE
       SET at = now(), bytes = excluded.bytes, messages = excluded.messages,
           storage_limit = excluded.storage_limit,
           message_limit = excluded.message_limit, level = excluded.level;
    UPDATE pop3.notice n SET level = a.lowest
      FROM unnest(p_username, p_lowest) a (username, lowest)
     WHERE n.username = a.username AND n.kind = 'quota' AND n.level > a.lowest;
END
$$;
COMMENT ON FUNCTION pop3.record_usage(text[], bigint[], bigint[], bigint[], bigint[], int[], int[]) IS
    'Note what users have on the server (bytes, messages), and their limits. No sequence number';
CREATE FUNCTION pop3.take_notice(
    p_chain_id uuid, p_seq bigint, p_username text, p_session_id uuid,
    p_dovecot_session text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_kind text, p_level int, p_until bigint, p_messages bigint,
    p_version text, p_message_id text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_event text := 'notice';
    v_until timestamptz := to_timestamp(p_until);
    v_policy jsonb;
    v_own_scope boolean;
    v_maildrop bigint;
    v_before bigint;
    v_old jsonb;
    v_told jsonb;
    v_detail text;
    n pop3.notice;
BEGIN
    -- one after the other: an insert that another one is waited for finds its
    -- row then
    INSERT INTO pop3.notice (username, kind, at)
    VALUES (p_username, p_kind, '-infinity')
    ON CONFLICT (username, kind) DO NOTHING;
    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = p_kind FOR UPDATE;

    IF NOT pop3.notice_due(p_username, p_kind, p_level, p_version,
                           p_message_id) THEN
        v_event := 'notice-refused';
    ELSIF n.message_id = p_message_id THEN
        v_event := 'repeat';
    END IF;

    IF p_kind = 'quota' THEN
        v_detail := p_level || ' %';
    ELSIF p_kind = 'expiry' THEN
        v_detail := format('%s messages until %s', p_messages,
            to_char(v_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') ||
            ' UTC');
        SELECT jsonb_object_agg(v.parameter, v.value),
               bool_or(v.parameter = 'expire_unretrieved' AND v.level = 0)
          INTO v_policy, v_own_scope
          FROM pop3.policy_values(p_username) v;
        v_maildrop := (SELECT d.maildrop_id FROM pop3.maildrop d
                        WHERE d.username = p_username
                          AND d.mailbox_guid = p_mailbox_guid
                          AND d.uidvalidity = p_uidvalidity);
        v_before := (SELECT e.before_uid
                       FROM pop3.expiring(p_username, p_mailbox_guid,
                                          p_uidvalidity, v_until, v_policy,
                                          v_own_scope, n.told) e);
        v_old := CASE WHEN (n.told ->> 'maildrop')::bigint = v_maildrop
                      THEN n.told END;
        -- of what does not expire now nothing was told
        v_told := jsonb_build_object(
            'maildrop', v_maildrop,
            'before', greatest(v_before, (v_old ->> 'before')::bigint),
            'restored', greatest((v_old ->> 'restored')::timestamptz,
                CASE WHEN v_before IS NOT NULL
                     THEN least(now(), v_until - make_interval(secs =>
                         (v_policy ->> 'expire_unretrieved')::bigint)) END),
            'retrieved', greatest((v_old ->> 'retrieved')::timestamptz,
                CASE WHEN v_policy ->> 'expire_retrieved' <> '-1'
                     THEN least(now(), v_until - make_interval(secs =>
                         (v_policy ->> 'expire_retrieved')::bigint)) END));
    ELSE
        SELECT jsonb_object_agg(v.parameter, v.value),
               string_agg(v.parameter, ', ' ORDER BY p."position")
                   FILTER (WHERE v.value <> coalesce(n.told ->> p.name,
                                                     p.builtin))
          INTO v_told, v_detail
          FROM pop3.policy_values(p_username) v
               JOIN pop3.parameter p ON p.name = v.parameter
         WHERE p.concerns_owner;
    END IF;

    IF v_event = 'notice' THEN
        UPDATE pop3.notice x
           SET at = now(), message_id = p_message_id, told = v_told,
               level = CASE p_kind WHEN 'quota' THEN p_level ELSE 0 END,
               until = CASE p_kind WHEN 'expiry' THEN v_until END
         WHERE x.username = p_username AND x.kind = p_kind;
    END IF;
    INSERT INTO pop3.audit
           (chain_id, seq, event, reason, session_id, dovecot_session,
            username, mailbox_guid, uidvalidity, message_id, detail)
    VALUES (p_chain_id, p_seq, v_event, p_kind, p_session_id,
            p_dovecot_session, p_username, p_mailbox_guid, p_uidvalidity,
            p_message_id, v_detail);
    RETURN v_event <> 'notice-refused';
END
$$;
COMMENT ON FUNCTION pop3.take_notice(uuid, bigint, text, uuid, text, uuid, bigint, text, int, bigint, bigint, text, text) IS
    'Take the right to write a notice; whether it was got. One sequence number';
CREATE FUNCTION pop3.record_quarantine(
    p_chain_id uuid, p_seq bigint, p_record text, p_error text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO pop3.quarantine AS q (chain_id, seq, record, error)
    VALUES (p_chain_id, p_seq, p_record, p_error)
    RETURNING q.quarantine_id INTO v_id;
    -- not the error: it may quote what pop3.forget_user() has to erase
    INSERT INTO pop3.audit (chain_id, seq, event, detail)
    VALUES (p_chain_id, p_seq, 'quarantined', 'quarantine_id ' || v_id);
END
$$;
COMMENT ON FUNCTION pop3.record_quarantine(uuid, bigint, text, text) IS
    'Put away a record that cannot be recorded. One sequence number';
CREATE FUNCTION pop3.roll_up(p_day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET jit = off
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_from timestamptz := p_day::timestamptz;
    v_to timestamptz := (p_day + 1)::timestamptz;
    v_earlier date;
BEGIN
    IF p_day IS NULL OR p_day >= current_date THEN
        RAISE EXCEPTION 'day % has not ended', p_day
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF EXISTS (SELECT FROM pop3.rolled_up r WHERE r.day = p_day) AND
       (SELECT count(*) FROM pg_inherits i
         WHERE i.inhrelid IN (
                   to_regclass(to_char(p_day, '"pop3.audit_"YYYYMMDD')),
                   to_regclass(to_char(p_day, '"pop3.session_"YYYYMMDD')))
       ) < 2 THEN
        RAISE EXCEPTION 'the records of % are no longer kept: what was counted stays',
            p_day USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- reports take what is after the last day that was counted as it is
    FOR v_earlier IN
        SELECT to_date(right(i.inhrelid::regclass::text, 8), 'YYYYMMDD')
          FROM pg_inherits i
         WHERE i.inhparent = 'pop3.session'::regclass
           AND i.inhrelid::regclass::text ~ '_[0-9]{8}$'
        EXCEPT SELECT r.day FROM pop3.rolled_up r
         ORDER BY 1
    LOOP
        EXIT WHEN v_earlier >= p_day;
        PERFORM pop3.roll_up(v_earlier);
    END LOOP;

    -- two at the same time take turns here
    INSERT INTO pop3.rolled_up AS r (day) VALUES (p_day)
    ON CONFLICT (day) DO UPDATE SET at = now();
    DELETE FROM pop3.daily d WHERE d.day = p_day;
    INSERT INTO pop3.daily
           (day, domain, users, sessions, polls, quits, refused, broken, retr,
            top, dele, fetched, retrieved, removed, bytes)
    SELECT p_day, coalesce(s.domain, ''), count(DISTINCT s.username),
           sum(s.sessions),
           coalesce(sum(s.sessions) FILTER (WHERE s.ended_by = 'poll'), 0),
           count(*) FILTER (WHERE s.ended_by = 'quit'),
           count(*) FILTER (WHERE s.ended_by = 'refused'),
           count(*) FILTER (WHERE s.ended_by NOT IN ('quit', 'poll', 'refused',
                                                     'sweep')),
           sum(s.retr), sum(s.top), sum(s.dele), sum(s.fetched),
           sum(s.retrieved), sum(s.removed), sum(s.bytes)
      FROM pop3.report_session s
     WHERE s.started_at >= v_from AND s.started_at < v_to
     GROUP BY 2;

    DELETE FROM pop3.daily_event d WHERE d.day = p_day;
    INSERT INTO pop3.daily_event
           (day, domain, event, rule, events, users, bytes)
    SELECT p_day,
           CASE WHEN strpos(e.username, '@') > 0
                THEN lower(substr(e.username, strpos(e.username, '@') + 1))
                ELSE '' END,
           e.event, coalesce(e.rule, ''), count(*),
           count(DISTINCT e.username), coalesce(sum(e.size), 0)
      FROM pop3.event_counted e
     WHERE e.at >= v_from AND e.at < v_to
     GROUP BY 2, 3, 4;
END
$$;
COMMENT ON FUNCTION pop3.roll_up(date) IS
    'Count the sessions and events of a day that has ended (UTC) for reports across users, in place of what was counted of it';
CREATE FUNCTION pop3.roll_up_due() RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_day date;
    v_count int := 0;
BEGIN
    FOR v_day IN
        SELECT p.day
          FROM (SELECT to_date(right(i.inhrelid::regclass::text, 8),
                               'YYYYMMDD') AS day
                  FROM pg_inherits i
                 WHERE i.inhparent = 'pop3.session'::regclass
                   AND i.inhrelid::regclass::text ~ '_[0-9]{8}$') p
               LEFT JOIN pop3.rolled_up r ON r.day = p.day
         WHERE (p.day + 1)::timestamptz <= now() - interval '1 hour'
           AND (r.at IS NULL OR
                r.at < now() - interval '20 hours' AND
                r.at < (p.day + 1)::timestamptz + interval '3 days')
         ORDER BY r.at NULLS FIRST, p.day LIMIT 7
    LOOP
        EXIT WHEN v_count > 0 AND
                  clock_timestamp() > now() + interval '10 seconds';
        BEGIN
            PERFORM pop3.roll_up(v_day);
        EXCEPTION WHEN query_canceled THEN
            RAISE WARNING 'rolling up % takes too long', v_day
                USING HINT = 'Call pop3.roll_up() for that day by hand.';
            EXIT;
        END;
        v_count := v_count + 1;
    END LOOP;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION pop3.roll_up_due() IS
    'Roll up the days that have ended and were not counted yet, the last three again; how many';
CREATE FUNCTION pop3.count_kept() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET jit = off
    AS $$
DECLARE
    v_count bigint;
BEGIN
    DELETE FROM pop3.kept k
     WHERE NOT EXISTS (SELECT FROM pop3.maildrop d
                        WHERE d.maildrop_id = k.maildrop_id);
    INSERT INTO pop3.kept AS k
           (maildrop_id, retrieved, retrieved_bytes, oldest_retrieved_at,
            hidden, hidden_bytes, oldest_hidden_at)
    SELECT d.maildrop_id, s.*
      FROM (SELECT m.maildrop_id
              FROM pop3.maildrop m
                   LEFT JOIN pop3.kept o ON o.maildrop_id = m.maildrop_id
             WHERE o.at IS NULL OR o.at < now() - interval '20 hours'
             ORDER BY o.at NULLS FIRST, m.maildrop_id
             LIMIT greatest(5000, (SELECT count(*) / 12
                                     FROM pop3.maildrop))) d,
           -- OFFSET 0: maildrop by maildrop, by index
           LATERAL (SELECT count(*) FILTER (WHERE x.hidden_at IS NULL AND
                                            x.retrieved_at IS NOT NULL),
                           coalesce(sum(x.size)
                               FILTER (WHERE x.hidden_at IS NULL AND
                                       x.retrieved_at IS NOT NULL), 0),
                           min(x.retrieved_at)
                               FILTER (WHERE x.hidden_at IS NULL),
                           count(x.hidden_at),
                           coalesce(sum(x.size)
                               FILTER (WHERE x.hidden_at IS NOT NULL), 0),
                           min(x.hidden_at)
                      FROM pop3.message x
                     WHERE x.maildrop_id = d.maildrop_id OFFSET 0) s
    ON CONFLICT (maildrop_id) DO UPDATE
       SET at = now(), retrieved = excluded.retrieved,
           retrieved_bytes = excluded.retrieved_bytes,
           oldest_retrieved_at = excluded.oldest_retrieved_at,
           hidden = excluded.hidden, hidden_bytes = excluded.hidden_bytes,
           oldest_hidden_at = excluded.oldest_hidden_at;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION pop3.count_kept() IS
    'Count retrieved and hidden mail of the maildrops for which that is due; how many';
CREATE FUNCTION pop3.maintain()
    RETURNS TABLE (partitions_made int, strays bigint)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET timezone = 'UTC'
    AS $$
DECLARE
    v_day date;
    v_table text;
    v_column text;
    v_name text;
    v_range text;
    v_horizon interval;
    v_delay interval;
BEGIN
    partitions_made := 0;
    IF pg_try_advisory_xact_lock(hashtext('pop3.maintain')) THEN
        <<days>>
        FOR v_day IN SELECT current_date + n FROM generate_series(0, 14) n
        LOOP
            FOREACH v_table IN ARRAY ARRAY['audit', 'session']
            LOOP
                v_name := v_table || to_char(v_day, '_YYYYMMDD');
                CONTINUE WHEN to_regclass('pop3.' || v_name) IS NOT NULL;
                v_column := CASE v_table WHEN 'audit' THEN 'at'
                                         ELSE 'started_at' END;
                v_range := format('%1$I >= %2$L AND %1$I < %3$L', v_column,
                                  v_day::timestamptz,
                                  (v_day + 1)::timestamptz);
                BEGIN
                    EXECUTE format('CREATE TABLE pop3.%I (LIKE pop3.%I '
                                   'INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
                                   v_name, v_table);
                    EXECUTE format('COMMENT ON TABLE pop3.%I IS %L', v_name,
                                   'Partition of pop3.' || v_table ||
                                   ' for one day (UTC)');
                    PERFORM set_config('pop3.audit_change', 'maintain', true);
                    EXECUTE format('WITH stray AS (DELETE FROM pop3.%I '
                                   'WHERE %s RETURNING *) '
                                   'INSERT INTO pop3.%I SELECT * FROM stray',
                                   v_table || '_default', v_range, v_name);
                    PERFORM set_config('pop3.audit_change', '', true);
                    EXECUTE format('ALTER TABLE pop3.%I ATTACH PARTITION '
                                   'pop3.%I FOR VALUES FROM (%L) TO (%L)',
                                   v_table, v_name, v_day::timestamptz,
                                   (v_day + 1)::timestamptz);
                    IF v_table = 'audit' THEN
                        EXECUTE format('CREATE TRIGGER audit_guard BEFORE '
                                       'UPDATE OR DELETE OR TRUNCATE ON '
                                       'pop3.%I FOR EACH STATEMENT EXECUTE '
                                       'FUNCTION pop3.audit_guard()', v_name);
                    END IF;
                    partitions_made := partitions_made + 1;
                EXCEPTION WHEN lock_not_available THEN
                    RAISE WARNING 'pop3.%: no lock for partition %; the next call tries again',
                        v_table, v_name;
                    EXIT days;
                END;
            END LOOP;
        END LOOP;

        -- A transaction that made partitions holds locks that others wait
        -- for, and is not for long work.
        IF partitions_made = 0 THEN
            BEGIN
                PERFORM pop3.roll_up_due();
                PERFORM pop3.count_kept();
            EXCEPTION WHEN lock_not_available THEN
                RAISE WARNING 'no lock for rollups; the next call tries again';
            END;
        END IF;

        DELETE FROM pop3.intent i
         WHERE i.state = 'closed' AND i.closed_at < now() - interval '1 day';

        -- What any policy may ask for, plus what a new one of 90 days would.
        SELECT greatest(interval '90 days',
                   make_interval(secs => max(greatest(p.expire_unretrieved,
                                                      p.view_window))),
                   now() - min(p.view_since))
          INTO v_horizon
          FROM (SELECT o.expire_unretrieved, o.view_window,
                       nullif(o.view_since, '-infinity') AS view_since
                  FROM pop3.policy o
                UNION ALL
                SELECT s.expire_unretrieved, s.view_window,
                       nullif(s.view_since, '-infinity')
                  FROM pop3.preset s
                 WHERE EXISTS (SELECT FROM pop3.policy o
                                WHERE o.preset = s.name)) p;
        DELETE FROM pop3.watermark w
         WHERE w.at < now() - v_horizon
           AND EXISTS (SELECT FROM pop3.watermark n
                        WHERE n.maildrop_id = w.maildrop_id
                          AND n.at > w.at AND n.at < now() - v_horizon);

        -- Sessions wait for the locks of these rows: last, and none that is
        -- in use.
        WITH old AS (
            SELECT d.username, d.session_id, d.at FROM pop3.download d
             WHERE d.at <= now() - interval '24:05:00'
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.download d USING old o
         WHERE d.username = o.username AND d.session_id = o.session_id
           AND d.at = o.at;
        SELECT make_interval(secs => coalesce(max(p.login_delay), 0) + 86400)
          INTO v_delay
          FROM (SELECT o.login_delay FROM pop3.policy o
                UNION ALL
                SELECT s.login_delay FROM pop3.preset s
                 WHERE EXISTS (SELECT FROM pop3.policy o
                                WHERE o.preset = s.name)) p;
        WITH old AS (
            SELECT l.username FROM pop3.login l
             WHERE l.accepted_at < now() - v_delay
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.login l USING old o WHERE l.username = o.username;

        WITH old AS (
            SELECT u.username FROM pop3.usage u
             WHERE u.at < now() - interval '365 days'
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.usage u USING old o WHERE u.username = o.username;
        WITH old AS (
            SELECT n.username, n.kind FROM pop3.notice n
             WHERE n.at < now() - interval '365 days'
               AND NOT EXISTS (SELECT FROM pop3.usage u
                                WHERE u.username = n.username)
               AND NOT EXISTS (SELECT FROM pop3.maildrop d
                                WHERE d.username = n.username)
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.notice n USING old o
         WHERE n.username = o.username AND n.kind = o.kind;

        DELETE FROM pop3.removal_count r
         WHERE r.hour < now() - interval '2 days';
        WITH old AS (
            SELECT s.username FROM pop3.sweep s
             WHERE s.lease_until < now() - interval '1 day'
               FOR UPDATE SKIP LOCKED
        )
        DELETE FROM pop3.sweep s USING old o WHERE s.username = o.username;
        PERFORM pop3.count_messages();
    END IF;
    strays := (SELECT count(*) FROM pop3.audit_default) +
              (SELECT count(*) FROM pop3.session_default);
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION pop3.maintain() IS
    'Upkeep: partitions for the next 14 days, strays, closed intents, old watermarks, downloads, logins, usage and notices';
CREATE FUNCTION pop3.set_policy(p_scope text, p_parameter text, p_value text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_value text := btrim(p_value, E' \t\r\n');
    v_human text := btrim(p_value, E' \t\r\n');
    v_expression text := '$2';
BEGIN
    IF p_parameter IS DISTINCT FROM 'preset' OR p_value IS NULL THEN
        v_value := pop3.parse_value(p_parameter, p_value);
        v_human := pop3.value_human(p_parameter, v_value);
        v_expression := (
            SELECT CASE
                WHEN p.type IN ('enum', 'mailbox') THEN '$2'
                WHEN p.type = 'percents'
                THEN 'string_to_array($2, '','')::smallint[]'
                WHEN p.type = 'timestamp' AND v_value = '-1'
                THEN '''-infinity''::timestamptz'
                WHEN p.type = 'timestamp' THEN 'to_timestamp($2::float8)'
                ELSE '$2::bigint' END
              FROM pop3.parameter p WHERE p.name = p_parameter);
    END IF;
    EXECUTE format('INSERT INTO pop3.policy (scope, %1$I) VALUES ($1, %2$s) '
                   'ON CONFLICT (scope) DO UPDATE SET %1$I = excluded.%1$I',
                   p_parameter, v_expression)
        USING v_scope, v_value;
    RETURN format('%s: %s = %s', v_scope, p_parameter, v_human);
END
$$;
COMMENT ON FUNCTION pop3.set_policy(text, text, text) IS
    'Set a parameter (or the preset) of a scope; the value as people write it: 14 days, 500M, never';
CREATE FUNCTION pop3.unset_policy(p_scope text, p_parameter text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_count bigint;
BEGIN
    IF p_parameter IS DISTINCT FROM 'preset' AND
       NOT EXISTS (SELECT FROM pop3.parameter p WHERE p.name = p_parameter)
    THEN
        RAISE EXCEPTION 'there is no parameter "%": did you mean "%"?',
            p_parameter, pop3.nearest_parameter(p_parameter)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Parameters are: ' ||
                      (SELECT string_agg(x.name, ', ' ORDER BY x."position")
                         FROM pop3.parameter x) || '; and preset.';
    END IF;
    EXECUTE format('UPDATE pop3.policy SET %1$I = NULL '
                   'WHERE scope = $1 AND %1$I IS NOT NULL', p_parameter)
        USING v_scope;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    DELETE FROM pop3.policy o
     WHERE o.scope = v_scope
       AND jsonb_strip_nulls(to_jsonb(o) - 'scope' - 'version') = '{}';
    RETURN v_count > 0;
END
$$;
COMMENT ON FUNCTION pop3.unset_policy(text, text) IS
    'Let a scope inherit a parameter again (or lose its preset); whether it was set';
CREATE FUNCTION pop3.set_policies(p_scope text, p_names text[],
                                  p_values text[] DEFAULT NULL)
    RETURNS TABLE (scope text, parameter text, old text, new text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_old jsonb;
    v_new jsonb;
BEGIN
    -- one after the other, so that old is what this changes
    PERFORM pg_advisory_xact_lock(hashtext('pop3.set_policies'),
                                  hashtext(v_scope));
    v_old := coalesce((SELECT to_jsonb(o) FROM pop3.policy o
                        WHERE o.scope = v_scope), '{}');
    -- refuses all before anything is changed
    PERFORM pop3.row_with(v_old, p_names, p_values);
    PERFORM pop3.set_policy(v_scope, p_names[n], p_values[n])
       FROM generate_subscripts(p_names, 1) n
      WHERE p_values[n] IS NOT NULL;
    PERFORM pop3.unset_policy(v_scope, p_names[n])
       FROM generate_subscripts(p_names, 1) n
      WHERE p_values[n] IS NULL;
    v_new := coalesce((SELECT to_jsonb(o) FROM pop3.policy o
                        WHERE o.scope = v_scope), '{}');
    RETURN QUERY
    SELECT v_scope, a.name,
           CASE a.name WHEN 'preset' THEN v_old ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_old, a.name))
           END,
           CASE a.name WHEN 'preset' THEN v_new ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_new, a.name))
           END
      FROM unnest(p_names) WITH ORDINALITY a (name, nr)
     ORDER BY a.nr;
END
$$;
COMMENT ON FUNCTION pop3.set_policies(text, text[], text[]) IS
    'Set several parameters of a scope, all or none; NULL unsets. What it said before, and says now';
CREATE FUNCTION pop3.effective_sql(p_parameter text, p_scope text)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_rows text[] := ARRAY['(p.own)', '(p.own_preset)', '(p.domain_own)',
                           '(p.domain_preset)', '(p.site_own)',
                           '(p.site_preset)'];
    v_level int := CASE WHEN p_scope = '*' THEN 5
                        WHEN p_scope LIKE '@%' THEN 3 ELSE 1 END;
    p pop3.parameter;
BEGIN
    IF p_parameter IS NULL THEN
        RETURN CASE v_level
            -- each names $3, so that its type is known
            WHEN 5 THEN '$3::text = ''*'''
            WHEN 3 THEN 'p.domain = substr($3::text, 2)'
            ELSE 'CASE WHEN p.domain IS NULL THEN p.username ELSE '
                 'left(p.username, strpos(p.username, ''@'')) || p.domain '
                 'END = $3::text' END;
    END IF;
    IF p_scope IS NOT NULL THEN
        v_rows[v_level] := '($1)';
        v_rows[v_level + 1] := '($2)';
    END IF;
    SELECT x.* INTO STRICT p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.name = 'pop3_hold' THEN
        RETURN format('CASE WHEN ''yes'' IN (%s) THEN ''yes'' ELSE ''no'' END',
            (SELECT string_agg(format('%s.%I', r, p.name), ', ')
               FROM unnest(v_rows) r));
    END IF;
    RETURN format('coalesce(%s, %L)',
        (SELECT string_agg(format('%s.%I::text', r.row, p.name), ', '
                           ORDER BY r.nr)
           FROM unnest(v_rows) WITH ORDINALITY r ("row", nr)),
        CASE WHEN p.type = 'percents' THEN '{' || p.builtin || '}'
             WHEN p.type = 'timestamp' THEN '-infinity'
             ELSE p.builtin END);
END
$$;
COMMENT ON FUNCTION pop3.effective_sql(text, text) IS
    'SQL text of an effective value, with or without a change (internal)';
CREATE FUNCTION pop3.preview_due(p_scope text, p_policy pop3.policy,
                                 p_preset pop3.preset)
    RETURNS TABLE (before bigint, after bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
DECLARE
    v_changed text;
    v_counts bigint[];
    v_count bigint;
BEGIN
    FOREACH v_changed IN ARRAY ARRAY[NULL, p_scope]
    LOOP
        EXECUTE format($query$
            SELECT coalesce(sum(pop3.maildrop_due(d.maildrop_id, u.retrieved,
                       u.hidden, u.mass, u.unretrieved, u.own)), 0)
              FROM (SELECT p.username, %s::bigint AS retrieved,
                           %s::bigint AS hidden, %s::bigint AS mass,
                           %s::bigint AS unretrieved,
                           (%s).expire_unretrieved IS NOT NULL AS own
                      FROM pop3.policy_source p
                     WHERE %s AND %s = 'enforce' AND %s = 'no') u
                   JOIN pop3.maildrop d ON d.username = u.username
             WHERE d.tracked > 0 AND (u.retrieved >= 0 OR u.hidden >= 0 OR
                                      u.mass >= 0) OR
                   u.unretrieved >= 0
            $query$,
            pop3.effective_sql('expire_retrieved', v_changed),
            pop3.effective_sql('expire_hidden', v_changed),
            pop3.effective_sql('mass_delete_hold', v_changed),
            pop3.effective_sql('expire_unretrieved', v_changed),
            -- a user's own row decides whether use by IMAP matters
            CASE WHEN v_changed = '*' OR v_changed LIKE '@%' OR
                      v_changed IS NULL THEN '(p.own)' ELSE '($1)' END,
            pop3.effective_sql(NULL, p_scope),
            pop3.effective_sql('enforcement', v_changed),
            pop3.effective_sql('pop3_hold', v_changed))
           INTO v_count USING p_policy, p_preset, p_scope;
        v_counts := v_counts || v_count;
    END LOOP;
    before := v_counts[1];
    after := v_counts[2];
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION pop3.preview_due(text, pop3.policy, pop3.preset) IS
    'Messages due in a scope before and after a change of its row (internal)';
CREATE FUNCTION pop3.preview_policies(p_scope text, p_names text[],
                                      p_values text[] DEFAULT NULL)
    RETURNS TABLE (parameter text, old text, new text, users bigint,
                   due_before bigint, due_after bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
#variable_conflict use_column
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_old jsonb;
    v_new jsonb;
    v_policy pop3.policy;
    v_preset pop3.preset;
    v_names text[];
    v_users jsonb;
BEGIN
    v_old := coalesce((SELECT to_jsonb(o) FROM pop3.policy o
                        WHERE o.scope = v_scope), '{}');
    v_new := pop3.row_with(v_old, p_names, p_values);
    v_policy := jsonb_populate_record(NULL::pop3.policy, v_new ||
                    jsonb_build_object('scope', v_scope, 'version', 0));
    SELECT s.* INTO v_preset FROM pop3.preset s
     WHERE s.name = v_policy.preset;
    v_names := CASE WHEN 'preset' = ANY (p_names)
                    THEN (SELECT array_agg(p.name) FROM pop3.parameter p)
                    ELSE p_names END;

    -- one scan, with a count for each
    EXECUTE (SELECT format($q$SELECT jsonb_build_object(%s)
                             FROM pop3.policy_source p WHERE %s$q$,
                    string_agg(format('%L, count(*) FILTER (WHERE %s IS '
                                      'DISTINCT FROM %s)', n.name,
                                      pop3.effective_sql(n.name, NULL),
                                      pop3.effective_sql(n.name, v_scope)),
                               ', '),
                    pop3.effective_sql(NULL, v_scope))
               FROM unnest(v_names) n (name))
       INTO v_users USING v_policy, v_preset, v_scope;
    IF v_names && ARRAY['enforcement', 'pop3_hold', 'expire_retrieved',
                        'expire_unretrieved', 'expire_hidden',
                        'mass_delete_hold'] THEN
        SELECT d.before, d.after INTO due_before, due_after
          FROM pop3.preview_due(v_scope, v_policy, v_preset) d;
    END IF;

    RETURN QUERY
    SELECT a.name,
           CASE a.name WHEN 'preset' THEN v_old ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_old, a.name))
           END,
           CASE a.name WHEN 'preset' THEN v_new ->> 'preset'
                ELSE pop3.value_human(a.name, pop3.row_value(v_new, a.name))
           END,
           (v_users ->> a.name)::bigint, due_before, due_after
      FROM (SELECT g.name, g.nr FROM unnest(p_names) WITH ORDINALITY
                                     g (name, nr)
            UNION ALL
            SELECT p.name, 1000 + p."position" FROM pop3.parameter p
             WHERE p.name <> ALL (p_names)
               AND (v_users ->> p.name)::bigint > 0) a
     ORDER BY a.nr;
END
$$;
COMMENT ON FUNCTION pop3.preview_policies(text, text[], text[]) IS
    'What pop3.set_policies() would change, for how many users, and how many messages would be due; changes nothing';
CREATE FUNCTION pop3.list_policy(p_mask text DEFAULT NULL,
                                 p_limit bigint DEFAULT NULL,
                                 p_offset bigint DEFAULT 0)
    RETURNS TABLE (scope text, parameter text, value text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT o.scope, a.name,
           CASE a.name WHEN 'preset' THEN o."row" ->> 'preset'
                ELSE pop3.value_human(a.name,
                                      pop3.row_value(o."row", a.name)) END
      FROM (SELECT x.scope, jsonb_strip_nulls(to_jsonb(x)) AS "row"
              FROM pop3.policy x
             WHERE x.scope LIKE pop3.mask_like(p_mask)) o
           JOIN (SELECT 0 AS "position", 'preset' AS name
                 UNION ALL
                 SELECT p."position", p.name FROM pop3.parameter p) a
           ON o."row" ? a.name
     ORDER BY CASE WHEN o.scope = '*' THEN 0
                   WHEN o.scope LIKE '@%' THEN 1 ELSE 2 END,
              o.scope, a."position"
     LIMIT p_limit OFFSET p_offset;
END
$$;
COMMENT ON FUNCTION pop3.list_policy(text, bigint, bigint) IS
    'What scopes set themselves: the site, domains, users; by a mask with * and ?';
CREATE FUNCTION pop3.list_presets()
    RETURNS TABLE (preset text, "values" text, description text, source text,
                   scopes bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT s.name,
           (SELECT string_agg(p.name || '=' || pop3.value_human(p.name,
                                  pop3.row_value(x."row", p.name)),
                              ', ' ORDER BY p."position")
              FROM pop3.parameter p WHERE x."row" ? p.name),
           s.description, s.source,
           (SELECT count(*) FROM pop3.policy o WHERE o.preset = s.name)
      FROM pop3.preset s,
           LATERAL (SELECT jsonb_strip_nulls(to_jsonb(s)) AS "row") x
     ORDER BY s.name;
END
$$;
COMMENT ON FUNCTION pop3.list_presets() IS
    'The presets: what they set, what for, their source, how many scopes use them';
CREATE FUNCTION pop3.effective_policy(p_username text)
    RETURNS TABLE (parameter text, value text, human text, level text,
                   scope text, preset text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 25
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT v.parameter, v.value, pop3.value_human(v.parameter, v.value),
           CASE v.level / 2 WHEN 0 THEN 'user' WHEN 1 THEN 'domain'
                            WHEN 2 THEN 'site' ELSE 'built-in' END,
           v.scope, v.preset
      FROM pop3.policy_values(p_username) v;
END
$$;
COMMENT ON FUNCTION pop3.effective_policy(text) IS
    'A user''s effective policy: every parameter with its value, and where it comes from';
CREATE FUNCTION pop3.status(p_mask text DEFAULT NULL,
                            p_limit bigint DEFAULT NULL,
                            p_after text DEFAULT NULL)
    RETURNS TABLE (username text, enforcement text, hold text,
                   messages bigint, retrieved bigint, hidden bigint,
                   due bigint, bytes bigint, quota bigint, quota_percent int,
                   last_login text, last_quit text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH u AS MATERIALIZED (
        SELECT x.* FROM pop3.policy_user x
         WHERE (p_mask IS NULL OR x.username LIKE pop3.mask_like(p_mask))
           AND (p_mask ~ '[*?]' OR p_mask IS NULL OR x.username = p_mask)
           AND (p_after IS NULL OR x.username COLLATE "C" > p_after)
         ORDER BY x.username COLLATE "C" LIMIT p_limit
    )
    SELECT u.username, u.enforcement, u.pop3_hold,
           coalesce(d.messages, q.messages), coalesce(d.retrieved, 0),
           coalesce(d.hidden, 0),
           CASE WHEN u.enforcement = 'enforce' AND u.pop3_hold = 'no'
                THEN coalesce(d.due, 0) END,
           q.bytes, q.storage_limit,
           CASE WHEN q.storage_limit > 0
                THEN least(100.0 * q.bytes / q.storage_limit,
                           2000000000)::int END,
           pop3.time_human(d.last_login_at), pop3.time_human(d.last_quit_at)
      FROM u LEFT JOIN pop3.usage q ON q.username = u.username,
           LATERAL (
               SELECT sum(m.messages)::bigint AS messages,
                      sum(s.retrieved)::bigint AS retrieved,
                      sum(s.hidden)::bigint AS hidden,
                      max(m.last_login_at) AS last_login_at,
                      max(m.last_quit_at) AS last_quit_at,
                      sum(pop3.maildrop_due(m.maildrop_id,
                              u.expire_retrieved, u.expire_hidden,
                              u.mass_delete_hold, u.expire_unretrieved,
                              u.unretrieved_own))::bigint AS due
                 FROM pop3.maildrop m,
                      LATERAL (SELECT count(x.retrieved_at) AS retrieved,
                                      count(x.hidden_at) AS hidden
                                 FROM pop3.message x
                                WHERE x.maildrop_id = m.maildrop_id
                                  AND m.tracked > 0) s
                WHERE m.username = u.username) d
     ORDER BY u.username COLLATE "C";
END
$$;
COMMENT ON FUNCTION pop3.status(text, bigint, text) IS
    'What is known of users'' maildrops, by a mask with * and ?; sizes in bytes';
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
CREATE FUNCTION pop3.restore(p_username text,
                             p_uids int8multirange DEFAULT NULL,
                             p_message_id text DEFAULT NULL,
                             p_session text DEFAULT NULL,
                             p_since timestamptz DEFAULT NULL,
                             p_until timestamptz DEFAULT NULL)
    RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_message_id text := '<' || btrim(p_message_id, ' <>') || '>';
    v_session text := lower(translate(p_session, '-', ''));
    v_count bigint;
BEGIN
    WITH hidden AS (
        SELECT d.mailbox_guid, d.uidvalidity, s.maildrop_id, s.uid, s.reason
          FROM pop3.maildrop d
               JOIN pop3.message s ON s.maildrop_id = d.maildrop_id
         WHERE d.username = p_username AND s.hidden_at IS NOT NULL
           AND (p_uids IS NULL OR p_uids @> s.uid)
           AND (p_since IS NULL OR s.hidden_at >= p_since)
           AND (p_until IS NULL OR s.hidden_at < p_until)
           AND (p_message_id IS NULL AND p_session IS NULL OR
                -- UIDs change with a UIDVALIDITY, GUIDs do not
                s.message_guid IN (
                    SELECT a.message_guid FROM pop3.audit a
                     WHERE a.username = p_username AND a.event = 'intent'
                       AND a.action = 'hide'
                       AND (p_message_id IS NULL OR
                            a.message_id IN (v_message_id, p_message_id))
                       AND (p_session IS NULL OR
                            a.dovecot_session = p_session OR
                            translate(a.session_id::text, '-', '') =
                            v_session)))
         ORDER BY s.maildrop_id, s.uid
           FOR UPDATE OF s
    ), restored AS (
        UPDATE pop3.message s
           SET restored_at = now(), retrieved_at = NULL, hidden_at = NULL,
               reason = NULL
          FROM hidden h
         WHERE s.maildrop_id = h.maildrop_id AND s.uid = h.uid
        RETURNING h.mailbox_guid, h.uidvalidity, h.reason AS hidden_by,
                  s.uid, s.message_guid, s.size
    ), maildrop AS (
        UPDATE pop3.maildrop d
           SET retrieved = d.retrieved - x.uids, swept_before = NULL
          FROM (SELECT h.maildrop_id,
                       range_agg(int8range(h.uid, h.uid + 1)) AS uids
                  FROM hidden h GROUP BY h.maildrop_id) x
         WHERE d.maildrop_id = x.maildrop_id
    )
    INSERT INTO pop3.audit
           (event, reason, username, mailbox_guid, uidvalidity, uid,
            message_guid, size, detail)
    SELECT 'restored', 'admin', p_username, r.mailbox_guid, r.uidvalidity,
           r.uid, r.message_guid, r.size,
           format('by %s; was hidden by %s', pop3.who(),
                  coalesce(r.hidden_by, 'an unknown rule'))
      FROM restored r;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;
COMMENT ON FUNCTION pop3.restore(text, int8multirange, text, text, timestamptz, timestamptz) IS
    'Put hidden messages of a user back into the view, all or by UIDs, Message-ID, session, time of hiding; how many';
CREATE FUNCTION pop3.pause(p_reason text DEFAULT NULL) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.control c
       SET paused_at = now(), paused_by = pop3.who(), reason = p_reason
     WHERE c.paused_at IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('paused', 'admin', concat_ws(': ', 'by ' || pop3.who(), p_reason));
    RETURN true;
END
$$;
COMMENT ON FUNCTION pop3.pause(text) IS
    'Stop every removal by policy until pop3.resume(); whether it was not paused before';
CREATE FUNCTION pop3.resume() RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.control c
       SET paused_at = NULL, paused_by = NULL, reason = NULL
     WHERE c.paused_at IS NOT NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('resumed', 'admin', 'by ' || pop3.who());
    RETURN true;
END
$$;
COMMENT ON FUNCTION pop3.resume() IS
    'Let policies remove again after pop3.pause(); whether it was paused';
CREATE FUNCTION pop3.confirm_breaker(p_hours bigint DEFAULT 24)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_tripped timestamptz;
BEGIN
    IF (p_hours BETWEEN 1 AND 720) IS NOT TRUE THEN
        RAISE EXCEPTION 'the breaker can be confirmed for 1 to 720 hours'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT c.tripped_at INTO v_tripped FROM pop3.control c FOR UPDATE;
    UPDATE pop3.control c
       SET tripped_at = NULL, tripped_by = NULL, confirmed_by = pop3.who(),
           confirmed_until = now() + make_interval(hours => p_hours::int);
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('breaker-confirmed', 'admin',
            format('for %s hours, by %s', p_hours, pop3.who()));
    RETURN v_tripped IS NOT NULL;
END
$$;
COMMENT ON FUNCTION pop3.confirm_breaker(bigint) IS
    'Let policies remove again after the breaker tripped, uncounted for so many hours; whether it had';
CREATE FUNCTION pop3.set_breaker(p_percent bigint DEFAULT NULL,
                                 p_min bigint DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_text text;
BEGIN
    IF p_percent NOT BETWEEN 0 AND 100 OR p_min < 0 THEN
        RAISE EXCEPTION 'the breaker takes 0 to 100 percent, and a number of messages'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    UPDATE pop3.control c
       SET breaker_percent = coalesce(p_percent, c.breaker_percent),
           breaker_min = coalesce(p_min, c.breaker_min)
    RETURNING format('more than %s%% of the messages, and more than %s',
                     c.breaker_percent, c.breaker_min)
         INTO v_text;
    INSERT INTO pop3.audit (event, reason, detail)
    VALUES ('breaker-set', 'admin', v_text || ', by ' || pop3.who());
    RETURN v_text;
END
$$;
COMMENT ON FUNCTION pop3.set_breaker(bigint, bigint) IS
    'Set when the breaker trips: percent of the site''s messages, least number';
CREATE FUNCTION pop3.control_status()
    RETURNS TABLE (stopped text, since text, "by" text, reason text,
                   confirmed_until text, removals bigint,
                   breaker_limit bigint, messages bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT coalesce(c.stopped, 'no'),
           pop3.time_human(coalesce(c.paused_at, c.tripped_at)),
           c.paused_by,
           CASE c.stopped WHEN 'paused' THEN c.reason ELSE c.tripped_by END,
           CASE WHEN c.confirmed_until > now()
                THEN pop3.time_human(c.confirmed_until) END,
           pop3.breaker_count(), pop3.breaker_limit(), c.messages
      FROM pop3.control c;
END
$$;
COMMENT ON FUNCTION pop3.control_status() IS
    'Whether removals by policy are stopped, since when, why, and what the breaker counted in 24 hours';
CREATE FUNCTION pop3.due_users(p_limit bigint DEFAULT NULL,
                               p_after text DEFAULT NULL,
                               p_usernames text[] DEFAULT NULL)
    RETURNS TABLE (username text, why text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT w.username, min(w.why)
      FROM (SELECT d.username, 'due' AS why
              FROM pop3.policy_user u
                   JOIN pop3.maildrop d ON d.username = u.username
             WHERE u.enforcement = 'enforce' AND u.pop3_hold = 'no'
               AND (p_usernames IS NULL OR u.username = ANY (p_usernames))
               AND (d.tracked > 0 AND (
                        u.expire_retrieved >= 0 AND EXISTS (
                            SELECT FROM pop3.message s
                             WHERE s.maildrop_id = d.maildrop_id
                               AND s.reason IS DISTINCT FROM 'mass-delete'
                               AND s.retrieved_at <= now() - make_interval(
                                   secs => u.expire_retrieved)) OR
                        u.expire_hidden >= 0 AND EXISTS (
                            SELECT FROM pop3.message s
                             WHERE s.maildrop_id = d.maildrop_id
                               AND s.reason IS DISTINCT FROM 'mass-delete'
                               AND s.hidden_at <= now() - make_interval(
                                   secs => u.expire_hidden)) OR
                        u.mass_delete_hold >= 0 AND EXISTS (
                            SELECT FROM pop3.message s
                             WHERE s.maildrop_id = d.maildrop_id
                               AND s.reason = 'mass-delete'
                               AND s.hidden_at <= now() - make_interval(
                                   secs => u.mass_delete_hold))) OR
                    u.expire_unretrieved >= 0 AND
                    (u.unretrieved_own OR d.imap_used_at IS NULL OR
                     d.imap_used_at <= now() - make_interval(
                         secs => u.expire_unretrieved)) AND
                    coalesce(d.messages, 1) > 0 AND
                    (SELECT k.uidnext FROM pop3.watermark k
                      WHERE k.maildrop_id = d.maildrop_id
                        AND k.at <= now() - make_interval(
                            secs => u.expire_unretrieved)
                      ORDER BY k.at DESC LIMIT 1) >
                    coalesce(d.swept_before, 1))
               AND NOT EXISTS (SELECT FROM pop3.control c
                                WHERE c.stopped IS NOT NULL)
            UNION ALL
            SELECT i.username, 'repair'
              FROM pop3.intent i
             WHERE i.state <> 'closed' AND i.maildrop_id IS NOT NULL
               AND (i.state IN ('abandoned', 'stale') OR
                    i.lease_until < now())
               AND (p_usernames IS NULL OR i.username = ANY (p_usernames))) w
     WHERE p_after IS NULL OR w.username COLLATE "C" > p_after
     GROUP BY w.username
     ORDER BY w.username COLLATE "C" LIMIT p_limit;
END
$$;
COMMENT ON FUNCTION pop3.due_users(bigint, text, text[]) IS
    'Users for whom a sweep has something to do: due or repair';
CREATE FUNCTION pop3.sweep_select(p_usernames text[])
    RETURNS TABLE (username text, why text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT u.username, u.why
      FROM pop3.due_users(NULL, NULL, p_usernames) u
    UNION ALL
    SELECT DISTINCT n.username, 'new'
      FROM unnest(p_usernames) n (username)
     WHERE n.username IS NOT NULL
       AND NOT EXISTS (SELECT FROM pop3.maildrop d
                        WHERE d.username = n.username)
     ORDER BY 1;
END
$$;
COMMENT ON FUNCTION pop3.sweep_select(text[]) IS
    'Those of the users for whom a sweep has something to do: due, repair or new';
CREATE FUNCTION pop3.sweep_claim(p_username text, p_sweeper uuid,
                                 p_seconds bigint DEFAULT 600)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF p_username IS NULL OR p_sweeper IS NULL OR
       (p_seconds BETWEEN 1 AND 86400) IS NOT TRUE THEN
        RAISE EXCEPTION 'a claim needs a user, a sweep and 1 to 86400 seconds'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO pop3.sweep AS s (username, sweeper, lease_until)
    VALUES (p_username, p_sweeper,
            now() + make_interval(secs => p_seconds))
    ON CONFLICT (username) DO UPDATE
       SET claimed_at = CASE WHEN s.sweeper = excluded.sweeper
                             THEN s.claimed_at ELSE now() END,
           sweeper = excluded.sweeper, lease_until = excluded.lease_until
     WHERE s.sweeper = excluded.sweeper OR s.lease_until < now();
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION pop3.sweep_claim(text, uuid, bigint) IS
    'Take a user for a sweep, for so many seconds; whether it was got';
CREATE FUNCTION pop3.sweep_release(p_username text, p_sweeper uuid,
                                   p_done boolean DEFAULT false)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM pop3.sweep s
     WHERE s.username = p_username AND s.sweeper = p_sweeper;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF p_done THEN
        UPDATE pop3.maildrop d
           SET swept_before = x.before
          FROM (SELECT m.maildrop_id, k.before
                  FROM pop3.maildrop m
                       JOIN pop3.policy_user u ON u.username = m.username,
                       LATERAL (SELECT max(w.uidnext) AS before
                                  FROM pop3.watermark w
                                 WHERE w.maildrop_id = m.maildrop_id
                                   AND w.at <= now() - make_interval(
                                       secs => u.expire_unretrieved)) k
                 WHERE m.username = p_username
                   AND u.expire_unretrieved >= 0
                   -- what is spared now has its time later
                   AND NOT EXISTS (
                       SELECT FROM pop3.message s
                        WHERE s.maildrop_id = m.maildrop_id
                          AND s.restored_at IS NOT NULL)
                   AND NOT EXISTS (
                       SELECT FROM pop3.intent i
                        WHERE i.username = p_username
                          AND i.state <> 'closed')) x
         WHERE d.maildrop_id = x.maildrop_id
           AND d.swept_before IS DISTINCT FROM x.before;
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION pop3.sweep_release(text, uuid, boolean) IS
    'A sweep is done with a user; whether it had the user';
CREATE FUNCTION pop3.forget_user(p_username text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_name text := 'forgotten-' || gen_random_uuid();
    v_audit bigint;
    v_session bigint;
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
    UPDATE pop3.audit a
       SET username = v_name, auth_user = NULL, dovecot_session = NULL,
           remote_address = NULL, device = NULL, uidl = NULL,
           message_id = NULL, moved_to = NULL, detail = NULL,
           -- a domain's or the site's names nobody
           scope = CASE WHEN a.scope = '*' OR a.scope LIKE '* %' OR
                             a.scope LIKE '@%' OR a.scope = 'built-in'
                        THEN a.scope END
     WHERE a.username = p_username;
    GET DIAGNOSTICS v_audit = ROW_COUNT;
    PERFORM set_config('pop3.audit_change', '', true);
    UPDATE pop3.session s
       SET username = v_name, auth_user = NULL, dovecot_session = NULL,
           remote_address = NULL, device = NULL
     WHERE s.username = p_username;
    GET DIAGNOSTICS v_session = ROW_COUNT;
    UPDATE pop3.quarantine q SET record = NULL, error = NULL
     WHERE strpos(q.record, p_username) > 0;

    INSERT INTO pop3.audit (event, reason, username, detail)
    VALUES ('forgotten', 'admin', v_name, 'by ' || pop3.who());
    RETURN v_audit + v_session;
END
$$;
COMMENT ON FUNCTION pop3.forget_user(text) IS
    'Erase a user''s personal data, unless on hold; number of rows of audit and session';
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
    SET plan_cache_mode = force_generic_plan
    AS $$
BEGIN
    RETURN QUERY
    SELECT s.maildrop_id, s.mailbox_guid, s.uidvalidity, s.uidnext,
           s.messages, s.anchor_uid, s.anchor_guid, s.hidden, s.hidden_uid,
           s.hidden_guid, s.view_from, s.before_uid, s.exempt, s.spared,
           s.would, s.tracked, s.due_uid, s.due_guid, s.due_reason,
           s.intent_session, s.intent_no
      FROM pop3.maildrop_state(
               p_username, p_expire_retrieved, p_expire_hidden,
               p_expire_unretrieved, p_unretrieved_own_scope, p_view_since,
               p_view_window, -1, false, p_due_limit) s;
END
$$;
COMMENT ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, int) IS
    'For services of version 1: pop3.maildrop_state() without mass_delete_hold, whose mail remains hidden, and UIDs of what was retrieved';
GRANT EXECUTE ON FUNCTION pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint, int) TO pop3_service;
CREATE FUNCTION pop3.record_intent(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_policy_version text, p_lease int,
    p_uid bigint[], p_guid uuid[], p_size bigint[], p_action text[],
    p_reason text[], p_uidl text[], p_message_id text[])
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN pop3.record_intent(
        p_chain_id, p_first_seq, p_session_id, p_intent_no, p_dovecot_session,
        p_username, p_auth_user, p_remote_address, p_device, p_mailbox_guid,
        p_uidvalidity,
        -- not told of a stop, which concerns removals by policy alone
        CASE pop3.policy_version(p_username)
             WHEN p_policy_version || '.stopped'
             THEN p_policy_version || '.stopped'
             ELSE p_policy_version END,
        p_lease, p_uid, p_guid, p_size,
        p_action, p_reason, p_uidl, p_message_id, array_fill(NULL::text,
        ARRAY[cardinality(p_uid)]), NULL::text);
END
$$;
COMMENT ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[]) IS
    'For services of version 1: pop3.record_intent() without mailboxes to move to';
GRANT EXECUTE ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[]) TO pop3_service;
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
    p_view_since float8, p_view_window bigint)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    PERFORM pop3.record_session(
        p_chain_id, p_seq, p_session_id, p_dovecot_session, p_username,
        p_auth_user, p_remote_address, p_tls, p_device, p_started, p_duration,
        p_ended_by, p_mailbox_guid, p_uidvalidity, p_uidnext, p_uidnext_end,
        p_messages, p_anchor_uid, p_anchor_guid, p_retr, p_top, p_dele,
        p_bytes, p_fetched, p_removed, p_uid, p_guid, p_size, p_action,
        p_would_uid, p_would_guid, p_would_size, p_would_reason, p_view_since,
        p_view_window, NULL);
END
$$;
COMMENT ON FUNCTION pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean, text, float8, float8, text, uuid, bigint, bigint, bigint, bigint, bigint, uuid, int, int, int, bigint, int8multirange, int8multirange, bigint[], uuid[], bigint[], text[], bigint[], uuid[], bigint[], text[], float8, bigint) IS
    'For services of version 1: pop3.record_session() without download_daily';
GRANT EXECUTE ON FUNCTION pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean, text, float8, float8, text, uuid, bigint, bigint, bigint, bigint, bigint, uuid, int, int, int, bigint, int8multirange, int8multirange, bigint[], uuid[], bigint[], text[], bigint[], uuid[], bigint[], text[], float8, bigint) TO pop3_service;
CREATE FUNCTION pop3.record_intent(
    p_chain_id uuid, p_first_seq bigint, p_session_id uuid, p_intent_no int,
    p_dovecot_session text, p_username text, p_auth_user text,
    p_remote_address text, p_device text, p_mailbox_guid uuid,
    p_uidvalidity bigint, p_policy_version text, p_lease int,
    p_uid bigint[], p_guid uuid[], p_size bigint[], p_action text[],
    p_reason text[], p_uidl text[], p_message_id text[], p_mailbox text[])
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN pop3.record_intent(
        p_chain_id, p_first_seq, p_session_id, p_intent_no, p_dovecot_session,
        p_username, p_auth_user, p_remote_address, p_device, p_mailbox_guid,
        p_uidvalidity,
        -- not told of a stop, which concerns removals by policy alone
        CASE pop3.policy_version(p_username)
             WHEN p_policy_version || '.stopped'
             THEN p_policy_version || '.stopped'
             ELSE p_policy_version END,
        p_lease, p_uid, p_guid, p_size,
        p_action, p_reason, p_uidl, p_message_id, p_mailbox, NULL::text);
END
$$;
COMMENT ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[]) IS
    'For services of version 1: pop3.record_intent() without what room is made for';
GRANT EXECUTE ON FUNCTION pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text, uuid, bigint, text, int, bigint[], uuid[], bigint[], text[], text[], text[], text[], text[]) TO pop3_service;
CREATE VIEW pop3.policy_source AS
SELECT n.username, n.domain,
       u AS own, up AS own_preset, d AS domain_own, dp AS domain_preset,
       s AS site_own, sp AS site_preset
  FROM (SELECT k.username,
               CASE WHEN strpos(k.username, '@') > 0
                    THEN left(k.username, strpos(k.username, '@') - 1) ||
                         lower(substr(k.username, strpos(k.username, '@')))
                    ELSE k.username END AS scope,
               CASE WHEN strpos(k.username, '@') > 0
                    THEN lower(substr(k.username, strpos(k.username, '@') + 1))
               END AS domain
          FROM (SELECT m.username FROM pop3.maildrop m
                UNION
                SELECT q.username FROM pop3.usage q
                UNION
                SELECT p.scope FROM pop3.policy p
                 WHERE p.scope <> '*' AND p.scope NOT LIKE '@%') k) n
       LEFT JOIN pop3.policy u ON u.scope = n.scope
       LEFT JOIN pop3.preset up ON up.name = u.preset
       LEFT JOIN pop3.policy d ON d.scope = '@' || n.domain
       LEFT JOIN pop3.preset dp ON dp.name = d.preset
       LEFT JOIN pop3.policy s ON s.scope = '*'
       LEFT JOIN pop3.preset sp ON sp.name = s.preset;
COMMENT ON VIEW pop3.policy_source IS
    'The rows of pop3.policy and pop3.preset behind each known user''s policy (internal)';
COMMENT ON COLUMN pop3.policy_source.username IS 'User';
COMMENT ON COLUMN pop3.policy_source.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.policy_source.own IS 'Row of the user';
COMMENT ON COLUMN pop3.policy_source.own_preset IS 'Row of its preset';
COMMENT ON COLUMN pop3.policy_source.domain_own IS 'Row of the domain';
COMMENT ON COLUMN pop3.policy_source.domain_preset IS 'Row of its preset';
COMMENT ON COLUMN pop3.policy_source.site_own IS 'Row of the site';
COMMENT ON COLUMN pop3.policy_source.site_preset IS 'Row of its preset';
CREATE VIEW pop3.policy_user AS
SELECT p.username, p.domain,
       coalesce((p.own).enforcement, (p.own_preset).enforcement,
                (p.domain_own).enforcement, (p.domain_preset).enforcement,
                (p.site_own).enforcement, (p.site_preset).enforcement,
                'observe') AS enforcement,
       CASE WHEN 'yes' IN ((p.own).pop3_hold, (p.own_preset).pop3_hold,
                           (p.domain_own).pop3_hold,
                           (p.domain_preset).pop3_hold,
                           (p.site_own).pop3_hold,
                           (p.site_preset).pop3_hold)
            THEN 'yes' ELSE 'no' END AS pop3_hold,
       coalesce((p.own).on_retrieve, (p.own_preset).on_retrieve,
                (p.domain_own).on_retrieve, (p.domain_preset).on_retrieve,
                (p.site_own).on_retrieve, (p.site_preset).on_retrieve,
                'keep') AS on_retrieve,
       coalesce((p.own).expire_retrieved, (p.own_preset).expire_retrieved,
                (p.domain_own).expire_retrieved,
                (p.domain_preset).expire_retrieved,
                (p.site_own).expire_retrieved,
                (p.site_preset).expire_retrieved, -1) AS expire_retrieved,
       coalesce((p.own).expire_unretrieved, (p.own_preset).expire_unretrieved,
                (p.domain_own).expire_unretrieved,
                (p.domain_preset).expire_unretrieved,
                (p.site_own).expire_unretrieved,
                (p.site_preset).expire_unretrieved, -1) AS expire_unretrieved,
       coalesce((p.own).expire_hidden, (p.own_preset).expire_hidden,
                (p.domain_own).expire_hidden, (p.domain_preset).expire_hidden,
                (p.site_own).expire_hidden, (p.site_preset).expire_hidden,
                -1) AS expire_hidden,
       coalesce((p.own).mass_delete_hold, (p.own_preset).mass_delete_hold,
                (p.domain_own).mass_delete_hold,
                (p.domain_preset).mass_delete_hold,
                (p.site_own).mass_delete_hold,
                (p.site_preset).mass_delete_hold, 604800) AS mass_delete_hold,
       (p.own).expire_unretrieved IS NOT NULL AS unretrieved_own
  FROM pop3.policy_source p;
COMMENT ON VIEW pop3.policy_user IS
    'Effective values that reports need, per known user (internal)';
COMMENT ON COLUMN pop3.policy_user.username IS 'User';
COMMENT ON COLUMN pop3.policy_user.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.policy_user.enforcement IS 'off, observe or enforce';
COMMENT ON COLUMN pop3.policy_user.pop3_hold IS 'yes if any level says so';
COMMENT ON COLUMN pop3.policy_user.on_retrieve IS
    'What becomes of retrieved mail';
COMMENT ON COLUMN pop3.policy_user.expire_retrieved IS
    'Seconds from retrieval to removal; -1: never';
COMMENT ON COLUMN pop3.policy_user.expire_unretrieved IS
    'Seconds from arrival to removal of what was never retrieved; -1: never';
COMMENT ON COLUMN pop3.policy_user.expire_hidden IS
    'Seconds from hiding to removal; -1: never';
COMMENT ON COLUMN pop3.policy_user.mass_delete_hold IS
    'Seconds from hiding by mass-delete to removal; -1: never';
COMMENT ON COLUMN pop3.policy_user.unretrieved_own IS
    'Whether the user''s own row sets expire_unretrieved, so that use by IMAP does not matter';
CREATE VIEW pop3.intent_decided AS
SELECT i.at, i.username, i.auth_user, i.remote_address, i.device,
       i.reason AS rule, i.action,
       CASE coalesce(o.event, l.event, r.event, 'open')
            WHEN 'committed-late' THEN 'committed'
            ELSE coalesce(o.event, l.event, r.event, 'open') END AS status,
       coalesce(o.at, l.at, r.at) AS decided_at,
       i.mailbox_guid, i.uidvalidity, i.uid, i.message_guid, i.uidl,
       i.message_id, i.size, i.moved_to, i.dovecot_session, i.session_id,
       i.intent_no, i.detail
  FROM pop3.audit i
       LEFT JOIN LATERAL (
           SELECT a.event, a.at
             FROM pop3.audit a
            WHERE a.session_id = i.session_id AND a.intent_no = i.intent_no
              AND a.uid IS NULL AND a.username = i.username
              AND a.event IN ('committed', 'committed-late', 'released')
              AND a.at >= i.at - interval '5 minutes'
              AND a.at < i.at + interval '1 day'
            LIMIT 1) o ON true
       LEFT JOIN LATERAL (
           SELECT a.event, a.at
             FROM pop3.audit a
            WHERE o.event IS NULL
              AND a.session_id = i.session_id AND a.intent_no = i.intent_no
              AND a.uid IS NULL AND a.username = i.username
              AND a.event IN ('committed', 'committed-late', 'released')
              AND a.at >= i.at + interval '1 day'
            LIMIT 1) l ON true
       LEFT JOIN LATERAL (
           SELECT a.event, a.at
             FROM pop3.audit a
            WHERE o.event IS NULL AND l.event IS NULL
              AND a.session_id = i.session_id AND a.intent_no = i.intent_no
              AND a.uid = i.uid AND a.username = i.username
              AND a.event IN ('presumed', 'released')
              AND a.at >= i.at - interval '5 minutes'
            LIMIT 1) r ON true
 WHERE i.event = 'intent';
COMMENT ON VIEW pop3.intent_decided IS
    'What sessions meant to do to messages, and what became of it (internal)';
COMMENT ON COLUMN pop3.intent_decided.at IS 'When it was begun';
COMMENT ON COLUMN pop3.intent_decided.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.intent_decided.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.intent_decided.remote_address IS
    'The client''s address';
COMMENT ON COLUMN pop3.intent_decided.device IS 'The client''s device';
COMMENT ON COLUMN pop3.intent_decided.rule IS 'By which rule';
COMMENT ON COLUMN pop3.intent_decided.action IS
    'expunge, move, hide or flag';
COMMENT ON COLUMN pop3.intent_decided.status IS
    'committed, released, presumed (gone, by what a repair found), or open';
COMMENT ON COLUMN pop3.intent_decided.decided_at IS
    'When that became known; NULL while open';
COMMENT ON COLUMN pop3.intent_decided.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.intent_decided.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.intent_decided.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.intent_decided.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.intent_decided.uidl IS 'UIDL of the message';
COMMENT ON COLUMN pop3.intent_decided.message_id IS
    'Message-ID of the message';
COMMENT ON COLUMN pop3.intent_decided.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.intent_decided.moved_to IS
    'Mailbox that it is moved to; NULL where the action is another';
COMMENT ON COLUMN pop3.intent_decided.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.intent_decided.session_id IS 'The session';
COMMENT ON COLUMN pop3.intent_decided.intent_no IS
    'Number of the intent in its session';
COMMENT ON COLUMN pop3.intent_decided.detail IS 'Free text';
CREATE VIEW pop3.event_counted AS
SELECT i.at, i.username,
       CASE i.action WHEN 'hide' THEN 'hidden' WHEN 'flag' THEN 'flagged'
                     ELSE 'removed' END AS event,
       i.rule, i.size
  FROM pop3.intent_decided i
 WHERE i.status = 'committed' OR
       i.status = 'presumed' AND i.action IN ('expunge', 'move')
UNION ALL
SELECT a.at, a.username,
       CASE a.event WHEN 'gone' THEN 'removed' ELSE a.event END,
       CASE a.event WHEN 'gone' THEN 'gone' ELSE a.reason END, a.size
  FROM pop3.audit a
 WHERE a.event NOT IN ('intent', 'committed', 'committed-late', 'released',
                       'presumed', 'late', 'repair-late', 'repeat',
                       'session-found')
   AND (a.event <> 'gone' OR a.uid IS NOT NULL);
COMMENT ON VIEW pop3.event_counted IS
    'What rollups count, one by one: removals that are decided, and other events (internal)';
COMMENT ON COLUMN pop3.event_counted.at IS
    'When it was recorded; of a removal, when it was begun';
COMMENT ON COLUMN pop3.event_counted.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.event_counted.event IS
    'removed, hidden, flagged, or an event of pop3.audit';
COMMENT ON COLUMN pop3.event_counted.rule IS
    'Rule of a removal (gone: not by POP3), or reason of another event';
COMMENT ON COLUMN pop3.event_counted.size IS 'Bytes of the message';
CREATE VIEW pop3.report_user AS
SELECT u.username, u.domain, u.enforcement, u.pop3_hold,
       d.messages,
       coalesce(d.retrieved, 0) AS retrieved,
       coalesce(d.retrieved_bytes, 0) AS retrieved_bytes,
       d.oldest_retrieved_at,
       coalesce(d.hidden, 0) AS hidden,
       coalesce(d.hidden_bytes, 0) AS hidden_bytes,
       d.oldest_hidden_at,
       d.first_seen_at, d.last_login_at, d.last_quit_at, d.imap_used_at,
       coalesce(d.sessions, 0) AS sessions,
       coalesce(d.retrievals, 0) AS retrievals,
       coalesce(d.removals, 0) AS removals,
       coalesce(d.bytes, 0) AS bytes,
       coalesce(q.messages, d.messages) AS stored_messages,
       q.bytes AS stored_bytes,
       CASE WHEN n.messages < 0 THEN 0 ELSE n.messages END AS unretrieved,
       CASE WHEN n.bytes < 0 THEN 0 ELSE n.bytes END AS unretrieved_bytes,
       q.storage_limit, q.message_limit,
       greatest(floor(q.bytes * 100.0 / nullif(q.storage_limit, 0)),
                floor(q.messages * 100.0 / nullif(q.message_limit, 0)))::int
           AS quota_percent,
       q.at AS stored_at
  FROM pop3.policy_user u
       LEFT JOIN pop3.usage q ON q.username = u.username
       LEFT JOIN (SELECT m.username,
                         sum(m.messages)::bigint AS messages,
                         sum(s.retrieved)::bigint AS retrieved,
                         sum(s.retrieved_bytes)::bigint AS retrieved_bytes,
                         min(s.oldest_retrieved_at) AS oldest_retrieved_at,
                         sum(s.hidden)::bigint AS hidden,
                         sum(s.hidden_bytes)::bigint AS hidden_bytes,
                         min(s.oldest_hidden_at) AS oldest_hidden_at,
                         sum(s.tracked)::bigint AS tracked,
                         sum(s.tracked_bytes)::bigint AS tracked_bytes,
                         min(m.created_at) AS first_seen_at,
                         max(m.last_login_at) AS last_login_at,
                         max(m.last_quit_at) AS last_quit_at,
                         max(m.imap_used_at) AS imap_used_at,
                         sum(m.sessions)::bigint AS sessions,
                         sum(m.retrievals)::bigint AS retrievals,
                         sum(m.removals)::bigint AS removals,
                         sum(m.bytes)::bigint AS bytes
                    FROM pop3.maildrop m,
                         LATERAL (
                             SELECT count(x.retrieved_at) AS retrieved,
                                    coalesce(sum(x.size)
                                        FILTER (WHERE x.retrieved_at
                                                      IS NOT NULL), 0)
                                        AS retrieved_bytes,
                                    min(x.retrieved_at) AS oldest_retrieved_at,
                                    count(x.hidden_at) AS hidden,
                                    coalesce(sum(x.size)
                                        FILTER (WHERE x.hidden_at
                                                      IS NOT NULL), 0)
                                        AS hidden_bytes,
                                    min(x.hidden_at) AS oldest_hidden_at,
                                    count(coalesce(x.retrieved_at,
                                                   x.hidden_at)) AS tracked,
                                    coalesce(sum(x.size)
                                        FILTER (WHERE x.retrieved_at
                                                      IS NOT NULL OR
                                                      x.hidden_at
                                                      IS NOT NULL), 0)
                                        AS tracked_bytes
                               FROM pop3.message x
                              WHERE x.maildrop_id = m.maildrop_id) s
                   GROUP BY m.username) d ON d.username = u.username,
       LATERAL (SELECT coalesce(q.messages, d.messages) -
                       coalesce(d.tracked, 0) AS messages,
                       q.bytes - coalesce(d.tracked_bytes, 0) AS bytes) n
 WHERE d.username IS NOT NULL OR q.username IS NOT NULL;
COMMENT ON VIEW pop3.report_user IS
    'Users with what is on the server for them, and the state of their maildrops';
COMMENT ON COLUMN pop3.report_user.username IS 'User';
COMMENT ON COLUMN pop3.report_user.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_user.enforcement IS
    'off, observe or enforce, as it is in force';
COMMENT ON COLUMN pop3.report_user.pop3_hold IS 'yes while on hold';
COMMENT ON COLUMN pop3.report_user.messages IS
    'Messages in the mailbox at the end of the last session; NULL if there was none';
COMMENT ON COLUMN pop3.report_user.retrieved IS
    'Messages left there that were retrieved';
COMMENT ON COLUMN pop3.report_user.retrieved_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_user.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_user.hidden IS 'Hidden messages';
COMMENT ON COLUMN pop3.report_user.hidden_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_user.oldest_hidden_at IS
    'When the first of them was hidden';
COMMENT ON COLUMN pop3.report_user.first_seen_at IS
    'First session; NULL if there was none';
COMMENT ON COLUMN pop3.report_user.last_login_at IS 'Last login by POP3';
COMMENT ON COLUMN pop3.report_user.last_quit_at IS
    'End of the last session that ended by QUIT';
COMMENT ON COLUMN pop3.report_user.imap_used_at IS
    'Last use by IMAP, to the hour';
COMMENT ON COLUMN pop3.report_user.sessions IS 'Sessions, polls excluded';
COMMENT ON COLUMN pop3.report_user.retrievals IS
    'Messages retrieved, in total';
COMMENT ON COLUMN pop3.report_user.removals IS
    'Messages removed by POP3 sessions, in total';
COMMENT ON COLUMN pop3.report_user.bytes IS
    'Bytes sent by RETR and TOP, in total';
COMMENT ON COLUMN pop3.report_user.stored_messages IS
    'Messages on the server, in all mailboxes that the quota counts; where there is no quota, as messages';
COMMENT ON COLUMN pop3.report_user.stored_bytes IS
    'Their bytes; NULL where there is no quota';
COMMENT ON COLUMN pop3.report_user.unretrieved IS
    'Those that POP3 has neither retrieved nor hidden';
COMMENT ON COLUMN pop3.report_user.unretrieved_bytes IS
    'Their bytes; NULL where there is no quota';
COMMENT ON COLUMN pop3.report_user.storage_limit IS
    'Quota in force, bytes; NULL: none';
COMMENT ON COLUMN pop3.report_user.message_limit IS
    'Quota in force, messages; NULL: none';
COMMENT ON COLUMN pop3.report_user.quota_percent IS
    'How much of it is used, the larger of bytes and messages; NULL: no quota';
COMMENT ON COLUMN pop3.report_user.stored_at IS
    'When stored_messages and stored_bytes were counted; NULL where there is no quota';
CREATE VIEW pop3.report_quota AS
SELECT q.username,
       CASE WHEN strpos(q.username, '@') > 0
            THEN lower(substr(q.username, strpos(q.username, '@') + 1))
       END AS domain,
       q.bytes, q.storage_limit, q.messages, q.message_limit,
       greatest(floor(q.bytes * 100.0 / nullif(q.storage_limit, 0)),
                floor(q.messages * 100.0 / nullif(q.message_limit, 0)))::int
           AS percent,
       q.level, q.at
  FROM pop3.usage q;
COMMENT ON VIEW pop3.report_quota IS
    'What users have on the server, and their quotas, as deliveries and sessions last told';
COMMENT ON COLUMN pop3.report_quota.username IS 'User';
COMMENT ON COLUMN pop3.report_quota.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_quota.bytes IS
    'Bytes, in all mailboxes that the quota counts';
COMMENT ON COLUMN pop3.report_quota.storage_limit IS
    'Quota in force, bytes; NULL: none';
COMMENT ON COLUMN pop3.report_quota.messages IS
    'Messages, in all mailboxes that the quota counts';
COMMENT ON COLUMN pop3.report_quota.message_limit IS
    'Quota in force, messages; NULL: none';
COMMENT ON COLUMN pop3.report_quota.percent IS
    'How much of it is used, the larger of bytes and messages; NULL: no quota';
COMMENT ON COLUMN pop3.report_quota.level IS
    'Highest threshold of quota_warn that is reached, percent; 0: none';
COMMENT ON COLUMN pop3.report_quota.at IS 'When it was counted';
CREATE VIEW pop3.report_kept AS
SELECT u.username, u.domain, u.enforcement, u.pop3_hold, d.retrieved,
       d.retrieved_bytes, d.oldest_retrieved_at, d.hidden, d.hidden_bytes,
       d.oldest_hidden_at, u.on_retrieve,
       nullif(u.expire_retrieved, -1) AS expire_retrieved,
       nullif(u.expire_hidden, -1) AS expire_hidden, d.last_login_at,
       d.counted_at
  FROM (SELECT m.username,
               sum(k.retrieved)::bigint AS retrieved,
               sum(k.retrieved_bytes)::bigint AS retrieved_bytes,
               min(k.oldest_retrieved_at) AS oldest_retrieved_at,
               sum(k.hidden)::bigint AS hidden,
               sum(k.hidden_bytes)::bigint AS hidden_bytes,
               min(k.oldest_hidden_at) AS oldest_hidden_at,
               max(m.last_login_at) AS last_login_at,
               min(k.at) AS counted_at
          FROM pop3.kept k
               JOIN pop3.maildrop m ON m.maildrop_id = k.maildrop_id
         GROUP BY m.username) d
       JOIN pop3.policy_user u ON u.username = d.username;
COMMENT ON VIEW pop3.report_kept IS
    'Retrieved and hidden mail that is on the server, per user, as counted in the last day or so';
COMMENT ON COLUMN pop3.report_kept.username IS 'User';
COMMENT ON COLUMN pop3.report_kept.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_kept.enforcement IS 'off, observe or enforce';
COMMENT ON COLUMN pop3.report_kept.pop3_hold IS 'yes while on hold';
COMMENT ON COLUMN pop3.report_kept.retrieved IS
    'Retrieved messages in the view';
COMMENT ON COLUMN pop3.report_kept.retrieved_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_kept.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_kept.hidden IS 'Hidden messages';
COMMENT ON COLUMN pop3.report_kept.hidden_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_kept.oldest_hidden_at IS
    'When the first of them was hidden';
COMMENT ON COLUMN pop3.report_kept.on_retrieve IS
    'What becomes of retrieved mail: keep, hide, move, delete';
COMMENT ON COLUMN pop3.report_kept.expire_retrieved IS
    'Seconds after which the policy removes retrieved mail; NULL: never';
COMMENT ON COLUMN pop3.report_kept.expire_hidden IS
    'Seconds after which the policy removes hidden mail; NULL: never';
COMMENT ON COLUMN pop3.report_kept.last_login_at IS 'Last login by POP3';
COMMENT ON COLUMN pop3.report_kept.counted_at IS 'When it was counted';
CREATE VIEW pop3.report_session AS
SELECT s.started_at, s.ended_at, s.username,
       CASE WHEN strpos(s.username, '@') > 0
            THEN lower(substr(s.username, strpos(s.username, '@') + 1))
       END AS domain,
       s.auth_user, s.remote_address, s.device, s.tls, s.ended_by,
       CASE WHEN s.ended_by = 'sweep' THEN 0 ELSE s.polls END AS sessions,
       s.messages, s.retr, s.top, s.dele,
       (SELECT coalesce(sum(upper(u) - lower(u)), 0)::bigint
          FROM unnest(s.fetched) u) AS fetched,
       (SELECT coalesce(sum(upper(u) - lower(u)), 0)::bigint
          FROM unnest(s.retrieved) u) AS retrieved,
       (SELECT coalesce(sum(upper(u) - lower(u)), 0)::bigint
          FROM unnest(s.removed) u) AS removed,
       s.bytes, s.dovecot_session, s.session_id
  FROM pop3.session s;
COMMENT ON VIEW pop3.report_session IS
    'The sessions, one by one; those without effect are a row per hour, user, device and address';
COMMENT ON COLUMN pop3.report_session.started_at IS
    'Login; for polls the hour';
COMMENT ON COLUMN pop3.report_session.ended_at IS
    'End; for polls that of the last one';
COMMENT ON COLUMN pop3.report_session.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.report_session.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_session.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.report_session.remote_address IS
    'The client''s address';
COMMENT ON COLUMN pop3.report_session.device IS 'The client''s device';
COMMENT ON COLUMN pop3.report_session.tls IS
    'Whether the connection was encrypted; for polls, all of them';
COMMENT ON COLUMN pop3.report_session.ended_by IS
    'quit, drop, timeout, kick, update-failed, refused, error, lost, poll, or sweep';
COMMENT ON COLUMN pop3.report_session.sessions IS
    'Number of sessions that the row is: 1, more if they are polls, 0 for a sweep';
COMMENT ON COLUMN pop3.report_session.messages IS
    'Messages in the mailbox at the end; NULL if it is not known';
COMMENT ON COLUMN pop3.report_session.retr IS 'RETR commands that succeeded';
COMMENT ON COLUMN pop3.report_session.top IS 'TOP commands that succeeded';
COMMENT ON COLUMN pop3.report_session.dele IS 'DELE commands that succeeded';
COMMENT ON COLUMN pop3.report_session.fetched IS
    'Messages that were sent whole';
COMMENT ON COLUMN pop3.report_session.retrieved IS
    'Messages whose retrieval a QUIT confirmed';
COMMENT ON COLUMN pop3.report_session.removed IS 'Messages expunged';
COMMENT ON COLUMN pop3.report_session.bytes IS 'Bytes sent by RETR and TOP';
COMMENT ON COLUMN pop3.report_session.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.report_session.session_id IS 'The session';
CREATE VIEW pop3.report_session_daily AS
SELECT d.day, nullif(d.domain, '') AS domain, d.users, d.sessions, d.polls,
       d.quits, d.refused, d.broken, d.retr, d.top, d.dele, d.fetched,
       d.retrieved, d.removed, d.bytes
  FROM pop3.daily d
UNION ALL
SELECT (s.started_at AT TIME ZONE 'UTC')::date, s.domain,
       count(DISTINCT s.username), sum(s.sessions)::bigint,
       coalesce(sum(s.sessions) FILTER (WHERE s.ended_by = 'poll'),
                0)::bigint,
       count(*) FILTER (WHERE s.ended_by = 'quit'),
       count(*) FILTER (WHERE s.ended_by = 'refused'),
       count(*) FILTER (WHERE s.ended_by NOT IN ('quit', 'poll', 'refused', 'sweep')),
       sum(s.retr)::bigint, sum(s.top)::bigint, sum(s.dele)::bigint,
       sum(s.fetched)::bigint, sum(s.retrieved)::bigint,
       sum(s.removed)::bigint, sum(s.bytes)::bigint
  FROM pop3.report_session s
 WHERE s.started_at >= (SELECT coalesce((max(r.day) + 1)::timestamp
                                            AT TIME ZONE 'UTC', '-infinity')
                          FROM pop3.rolled_up r)
 GROUP BY 1, 2;
COMMENT ON VIEW pop3.report_session_daily IS
    'Sessions per day (UTC) and domain';
COMMENT ON COLUMN pop3.report_session_daily.day IS 'Day (UTC) of the login';
COMMENT ON COLUMN pop3.report_session_daily.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_session_daily.users IS 'Users with a session';
COMMENT ON COLUMN pop3.report_session_daily.sessions IS
    'Sessions, polls and refused logins included';
COMMENT ON COLUMN pop3.report_session_daily.polls IS 'Sessions without effect';
COMMENT ON COLUMN pop3.report_session_daily.quits IS
    'Sessions that ended by QUIT, polls excluded';
COMMENT ON COLUMN pop3.report_session_daily.refused IS 'Logins refused';
COMMENT ON COLUMN pop3.report_session_daily.broken IS
    'Sessions that ended otherwise: no UPDATE, nothing counted or removed';
COMMENT ON COLUMN pop3.report_session_daily.retr IS
    'RETR commands that succeeded';
COMMENT ON COLUMN pop3.report_session_daily.top IS
    'TOP commands that succeeded';
COMMENT ON COLUMN pop3.report_session_daily.dele IS
    'DELE commands that succeeded';
COMMENT ON COLUMN pop3.report_session_daily.fetched IS
    'Messages that were sent whole';
COMMENT ON COLUMN pop3.report_session_daily.retrieved IS
    'Messages whose retrieval a QUIT confirmed';
COMMENT ON COLUMN pop3.report_session_daily.removed IS 'Messages expunged';
COMMENT ON COLUMN pop3.report_session_daily.bytes IS
    'Bytes sent by RETR and TOP';
CREATE VIEW pop3.report_event AS
SELECT a.at, a.event, a.reason AS rule, a.action, a.username,
       CASE WHEN strpos(a.username, '@') > 0
            THEN lower(substr(a.username, strpos(a.username, '@') + 1))
       END AS domain,
       a.auth_user, a.remote_address, a.device, a.mailbox_guid,
       a.uidvalidity, a.uid, a.message_guid, a.uidl, a.message_id, a.size,
       a.moved_to, a.dovecot_session, a.session_id, a.intent_no, a.detail
  FROM pop3.audit a;
COMMENT ON VIEW pop3.report_event IS
    'What was audited, row by row: removals in their steps, refusals, restores, notices, ...';
COMMENT ON COLUMN pop3.report_event.at IS 'When it was recorded';
COMMENT ON COLUMN pop3.report_event.event IS
    'Event, as the documentation of pop3.audit lists them';
COMMENT ON COLUMN pop3.report_event.rule IS
    'Rule of a removal, or reason of another event';
COMMENT ON COLUMN pop3.report_event.action IS
    'expunge, move, hide or flag; NULL where nothing was done to a message';
COMMENT ON COLUMN pop3.report_event.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.report_event.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_event.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.report_event.remote_address IS
    'The client''s address';
COMMENT ON COLUMN pop3.report_event.device IS 'The client''s device';
COMMENT ON COLUMN pop3.report_event.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_event.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_event.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_event.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.report_event.uidl IS 'UIDL of the message';
COMMENT ON COLUMN pop3.report_event.message_id IS
    'Message-ID of the message';
COMMENT ON COLUMN pop3.report_event.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.report_event.moved_to IS
    'Mailbox that it is moved to; NULL where the action is another';
COMMENT ON COLUMN pop3.report_event.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.report_event.session_id IS
    'The session; of a repair, the one that took the intent';
COMMENT ON COLUMN pop3.report_event.intent_no IS
    'Number of the intent in its session';
COMMENT ON COLUMN pop3.report_event.detail IS 'Free text';
CREATE VIEW pop3.report_event_daily AS
SELECT d.day, nullif(d.domain, '') AS domain, d.event,
       nullif(d.rule, '') AS rule, d.events, d.users, d.bytes
  FROM pop3.daily_event d
UNION ALL
SELECT (e.at AT TIME ZONE 'UTC')::date,
       CASE WHEN strpos(e.username, '@') > 0
            THEN lower(substr(e.username, strpos(e.username, '@') + 1)) END,
       e.event, e.rule, count(*), count(DISTINCT e.username),
       coalesce(sum(e.size), 0)::bigint
  FROM pop3.event_counted e
 WHERE e.at >= (SELECT coalesce((max(r.day) + 1)::timestamp
                                    AT TIME ZONE 'UTC', '-infinity')
                  FROM pop3.rolled_up r)
 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW pop3.report_event_daily IS
    'Removals by rule, refusals and other events per day (UTC) and domain';
COMMENT ON COLUMN pop3.report_event_daily.day IS
    'Day (UTC) of the event; of a removal, when it was begun';
COMMENT ON COLUMN pop3.report_event_daily.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_event_daily.event IS
    'removed, hidden, flagged, or an event of pop3.audit that is no part of a removal: refused, restored, notice, ...';
COMMENT ON COLUMN pop3.report_event_daily.rule IS
    'Rule of a removal (gone: not by POP3), or reason of another event; NULL if there is none';
COMMENT ON COLUMN pop3.report_event_daily.events IS
    'How many: messages, or events that are about none';
COMMENT ON COLUMN pop3.report_event_daily.users IS 'Users whom they concern';
COMMENT ON COLUMN pop3.report_event_daily.bytes IS
    'Bytes of these messages, as far as they are known';
CREATE VIEW pop3.report_deletion AS
SELECT i.at, i.username, i.auth_user, i.remote_address, i.device, i.rule,
       i.action, i.status, i.decided_at, i.mailbox_guid, i.uidvalidity, i.uid,
       i.message_guid, i.uidl, i.message_id, i.size, i.moved_to,
       i.dovecot_session, i.session_id, i.intent_no, i.detail
  FROM pop3.intent_decided i
 WHERE i.action IN ('expunge', 'move') AND i.status <> 'released'
UNION ALL
SELECT g.at, g.username, g.auth_user, g.remote_address, g.device, 'gone',
       'expunge', 'gone', g.at, g.mailbox_guid, g.uidvalidity, g.uid,
       g.message_guid, g.uidl, g.message_id, g.size, NULL, g.dovecot_session,
       g.session_id, NULL, g.detail
  FROM pop3.audit g
 WHERE g.event = 'gone' AND g.uid IS NOT NULL;
COMMENT ON VIEW pop3.report_deletion IS
    'Who removed a message, when, from where, by which rule';
COMMENT ON COLUMN pop3.report_deletion.at IS
    'When the removal was begun; when it was noticed, if status is gone';
COMMENT ON COLUMN pop3.report_deletion.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.report_deletion.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.report_deletion.remote_address IS
    'Address of the client in whose session it happened';
COMMENT ON COLUMN pop3.report_deletion.device IS 'That client''s device';
COMMENT ON COLUMN pop3.report_deletion.rule IS
    'dele (the client asked), retrieved, expired-retrieved, expired-unretrieved, expired-hidden, leave-limit, quota, mass-delete, ...; gone: not by POP3';
COMMENT ON COLUMN pop3.report_deletion.action IS 'expunge or move';
COMMENT ON COLUMN pop3.report_deletion.status IS
    'committed; open (not known yet); presumed (the session broke off, the message is gone); gone (by IMAP or others)';
COMMENT ON COLUMN pop3.report_deletion.decided_at IS
    'When that became known; NULL while open';
COMMENT ON COLUMN pop3.report_deletion.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_deletion.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_deletion.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_deletion.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.report_deletion.uidl IS 'UIDL of the message';
COMMENT ON COLUMN pop3.report_deletion.message_id IS
    'Message-ID of the message';
COMMENT ON COLUMN pop3.report_deletion.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.report_deletion.moved_to IS
    'Mailbox that it was moved to; NULL where the action is another';
COMMENT ON COLUMN pop3.report_deletion.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.report_deletion.session_id IS 'The session';
COMMENT ON COLUMN pop3.report_deletion.intent_no IS
    'Number of the intent in its session';
COMMENT ON COLUMN pop3.report_deletion.detail IS
    'Where the rule is quota, for which message room was made';
CREATE VIEW pop3.report_never_quit AS
SELECT s.username,
       count(*) AS sessions,
       sum(s.retr)::bigint AS retr,
       sum(s.bytes)::bigint AS bytes,
       min(s.started_at) AS first_login_at,
       max(s.started_at) AS last_login_at,
       (array_agg(s.ended_by ORDER BY s.started_at DESC))[1] AS last_ended_by,
       (array_agg(s.remote_address ORDER BY s.started_at DESC))[1]
           AS last_remote_address
  FROM pop3.session s
 WHERE s.started_at > now() - interval '30 days'
   AND (s.retr > 0 OR s.fetched <> '{}')
 GROUP BY s.username
HAVING count(*) FILTER (WHERE s.ended_by = 'quit') = 0;
COMMENT ON VIEW pop3.report_never_quit IS
    'Users who fetched mail in the last 30 days, and no such session ended by QUIT';
COMMENT ON COLUMN pop3.report_never_quit.username IS 'User';
COMMENT ON COLUMN pop3.report_never_quit.sessions IS
    'Sessions that fetched mail, of the last 30 days';
COMMENT ON COLUMN pop3.report_never_quit.retr IS
    'RETR commands that succeeded in them';
COMMENT ON COLUMN pop3.report_never_quit.bytes IS 'Bytes they were sent';
COMMENT ON COLUMN pop3.report_never_quit.first_login_at IS 'First of them';
COMMENT ON COLUMN pop3.report_never_quit.last_login_at IS 'Last of them';
COMMENT ON COLUMN pop3.report_never_quit.last_ended_by IS
    'How the last one ended: drop, timeout, ...';
COMMENT ON COLUMN pop3.report_never_quit.last_remote_address IS
    'Client''s address of the last one';
CREATE VIEW pop3.report_leave_on_server AS
SELECT d.username, u.domain,
       count(*) AS messages,
       sum(m.size)::bigint AS bytes,
       min(m.retrieved_at) AS oldest_retrieved_at,
       max(m.retrieved_at) AS newest_retrieved_at,
       nullif(u.expire_retrieved, -1) AS expire_retrieved,
       max(d.last_login_at) AS last_login_at
  FROM pop3.message m
       JOIN pop3.maildrop d ON d.maildrop_id = m.maildrop_id
       JOIN pop3.policy_user u ON u.username = d.username
 WHERE m.retrieved_at IS NOT NULL AND m.hidden_at IS NULL
 GROUP BY d.username, u.domain, u.expire_retrieved;
COMMENT ON VIEW pop3.report_leave_on_server IS
    'Users with retrieved mail left on the server, and how much';
COMMENT ON COLUMN pop3.report_leave_on_server.username IS 'User';
COMMENT ON COLUMN pop3.report_leave_on_server.domain IS
    'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_leave_on_server.messages IS
    'Retrieved messages in the view';
COMMENT ON COLUMN pop3.report_leave_on_server.bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_leave_on_server.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_leave_on_server.newest_retrieved_at IS
    'When the last of them was retrieved';
COMMENT ON COLUMN pop3.report_leave_on_server.expire_retrieved IS
    'Seconds after which the policy removes them; NULL: never';
COMMENT ON COLUMN pop3.report_leave_on_server.last_login_at IS
    'Last login by POP3';
CREATE VIEW pop3.report_expiring AS
SELECT d.username, u.domain, u.enforcement, u.pop3_hold,
       CASE WHEN e.held THEN 'mass-delete'
            WHEN e.hidden_until <= now() OR
                 e.hidden_until <= e.retrieved_until OR
                 e.retrieved_until IS NULL
            THEN 'expired-hidden' ELSE 'expired-retrieved' END AS rule,
       least(e.hidden_until, e.retrieved_until) AS expires_at,
       least(e.hidden_until, e.retrieved_until) - now() AS expires_in,
       d.mailbox_guid, d.uidvalidity, m.uid, m.message_guid, m.size,
       m.retrieved_at, m.hidden_at
  FROM pop3.message m
       JOIN pop3.maildrop d ON d.maildrop_id = m.maildrop_id
       JOIN pop3.policy_user u ON u.username = d.username,
       LATERAL (SELECT m.reason IS NOT DISTINCT FROM 'mass-delete' AS held)
               h,
       LATERAL (SELECT h.held,
                       m.retrieved_at +
                       CASE WHEN u.expire_retrieved >= 0 AND NOT h.held
                            THEN make_interval(secs => u.expire_retrieved) END
                       AS retrieved_until,
                       m.hidden_at +
                       CASE WHEN h.held AND u.mass_delete_hold >= 0
                            THEN make_interval(secs => u.mass_delete_hold)
                            WHEN NOT h.held AND u.expire_hidden >= 0
                            THEN make_interval(secs => u.expire_hidden) END
                       AS hidden_until) e
 WHERE e.retrieved_until IS NOT NULL OR e.hidden_until IS NOT NULL;
COMMENT ON VIEW pop3.report_expiring IS
    'Retrieved and hidden messages that will expire, and when; they go at the next login after it';
COMMENT ON COLUMN pop3.report_expiring.username IS 'User';
COMMENT ON COLUMN pop3.report_expiring.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_expiring.enforcement IS
    'Only enforce removes it';
COMMENT ON COLUMN pop3.report_expiring.pop3_hold IS
    'yes: it stays as long as the hold';
COMMENT ON COLUMN pop3.report_expiring.rule IS
    'expired-retrieved, expired-hidden, or mass-delete (at the end of mass_delete_hold)';
COMMENT ON COLUMN pop3.report_expiring.expires_at IS
    'When its time has come';
COMMENT ON COLUMN pop3.report_expiring.expires_in IS
    'How long that is from now; negative: it is due';
COMMENT ON COLUMN pop3.report_expiring.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_expiring.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_expiring.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_expiring.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.report_expiring.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.report_expiring.retrieved_at IS
    'When it was retrieved';
COMMENT ON COLUMN pop3.report_expiring.hidden_at IS
    'When it was hidden; NULL if it is in the view';
CREATE VIEW pop3.report_expiring_soon AS
SELECT d.username, u.domain, u.enforcement, u.pop3_hold,
       CASE WHEN e.held THEN 'mass-delete'
            WHEN e.hidden_until <= now() OR
                 e.hidden_until <= e.retrieved_until OR
                 e.retrieved_until IS NULL
            THEN 'expired-hidden' ELSE 'expired-retrieved' END AS rule,
       least(e.hidden_until, e.retrieved_until) AS expires_at,
       d.mailbox_guid, d.uidvalidity, m.uid, m.message_guid, m.size,
       m.retrieved_at, m.hidden_at
  FROM pop3.maildrop d
       JOIN pop3.policy_user u ON u.username = d.username,
       LATERAL (SELECT now() + interval '7 days' -
                       make_interval(secs => nullif(u.expire_retrieved, -1))
                       AS retrieved_by,
                       now() + interval '7 days' -
                       make_interval(secs => least(
                           nullif(u.expire_hidden, -1),
                           nullif(u.mass_delete_hold, -1))) AS hidden_by) b,
       LATERAL (SELECT c.*
                  FROM (SELECT s.* FROM pop3.message s
                         WHERE s.maildrop_id = d.maildrop_id
                           AND s.retrieved_at <= b.retrieved_by
                        UNION ALL
                        SELECT s.* FROM pop3.message s
                         WHERE s.maildrop_id = d.maildrop_id
                           AND s.hidden_at <= b.hidden_by
                           AND (s.retrieved_at <= b.retrieved_by)
                               IS NOT TRUE) c
                OFFSET 0) m,
       LATERAL (SELECT m.reason IS NOT DISTINCT FROM 'mass-delete' AS held)
               h,
       LATERAL (SELECT h.held,
                       m.retrieved_at +
                       CASE WHEN u.expire_retrieved >= 0 AND NOT h.held
                            THEN make_interval(secs => u.expire_retrieved) END
                       AS retrieved_until,
                       m.hidden_at +
                       CASE WHEN h.held AND u.mass_delete_hold >= 0
                            THEN make_interval(secs => u.mass_delete_hold)
                            WHEN NOT h.held AND u.expire_hidden >= 0
                            THEN make_interval(secs => u.expire_hidden) END
                       AS hidden_until) e
 WHERE least(e.hidden_until, e.retrieved_until) <= now() + interval '7 days';
COMMENT ON VIEW pop3.report_expiring_soon IS
    'Retrieved and hidden messages that expire within seven days, or are due; they go at the next login after it';
COMMENT ON COLUMN pop3.report_expiring_soon.username IS 'User';
COMMENT ON COLUMN pop3.report_expiring_soon.domain IS
    'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_expiring_soon.enforcement IS
    'Only enforce removes it';
COMMENT ON COLUMN pop3.report_expiring_soon.pop3_hold IS
    'yes: it stays as long as the hold';
COMMENT ON COLUMN pop3.report_expiring_soon.rule IS
    'expired-retrieved, expired-hidden, or mass-delete (at the end of mass_delete_hold)';
COMMENT ON COLUMN pop3.report_expiring_soon.expires_at IS
    'When its time comes, or has come';
COMMENT ON COLUMN pop3.report_expiring_soon.mailbox_guid IS
    'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_expiring_soon.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_expiring_soon.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_expiring_soon.message_guid IS
    'GUID of the message';
COMMENT ON COLUMN pop3.report_expiring_soon.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.report_expiring_soon.retrieved_at IS
    'When it was retrieved';
COMMENT ON COLUMN pop3.report_expiring_soon.hidden_at IS
    'When it was hidden; NULL if it is in the view';
CREATE VIEW pop3.report_policy AS
SELECT p.username, p.domain, r.name AS parameter, v.value, e.human,
       CASE (l.level - 1) / 2 WHEN 0 THEN 'user' WHEN 1 THEN 'domain'
                              WHEN 2 THEN 'site' ELSE 'built-in' END AS level,
       CASE (l.level - 1) / 2 WHEN 0 THEN (p.own).scope
                              WHEN 1 THEN (p.domain_own).scope
                              WHEN 2 THEN (p.site_own).scope END AS scope,
       CASE l.level WHEN 2 THEN (p.own).preset
                    WHEN 4 THEN (p.domain_own).preset
                    WHEN 6 THEN (p.site_own).preset END AS preset
  FROM pop3.policy_source p,
       LATERAL (VALUES
           ('enforcement', ARRAY[
               (p.own).enforcement, (p.own_preset).enforcement,
               (p.domain_own).enforcement, (p.domain_preset).enforcement,
               (p.site_own).enforcement, (p.site_preset).enforcement]),
           ('pop3_access', ARRAY[
               (p.own).pop3_access, (p.own_preset).pop3_access,
               (p.domain_own).pop3_access, (p.domain_preset).pop3_access,
               (p.site_own).pop3_access, (p.site_preset).pop3_access]),
           ('view_since', ARRAY[
               (p.own).view_since, (p.own_preset).view_since,
               (p.domain_own).view_since, (p.domain_preset).view_since,
               (p.site_own).view_since, (p.site_preset).view_since]::text[]),
           ('view_window', ARRAY[
               (p.own).view_window, (p.own_preset).view_window,
               (p.domain_own).view_window, (p.domain_preset).view_window,
               (p.site_own).view_window, (p.site_preset).view_window]::text[]),
           ('view_limit', ARRAY[
               (p.own).view_limit, (p.own_preset).view_limit,
               (p.domain_own).view_limit, (p.domain_preset).view_limit,
               (p.site_own).view_limit, (p.site_preset).view_limit]::text[]),
           ('on_retrieve', ARRAY[
               (p.own).on_retrieve, (p.own_preset).on_retrieve,
               (p.domain_own).on_retrieve, (p.domain_preset).on_retrieve,
               (p.site_own).on_retrieve, (p.site_preset).on_retrieve]),
           ('on_dele', ARRAY[
               (p.own).on_dele, (p.own_preset).on_dele, (p.domain_own).on_dele,
               (p.domain_preset).on_dele, (p.site_own).on_dele,
               (p.site_preset).on_dele]),
           ('move_mailbox', ARRAY[
               (p.own).move_mailbox, (p.own_preset).move_mailbox,
               (p.domain_own).move_mailbox, (p.domain_preset).move_mailbox,
               (p.site_own).move_mailbox, (p.site_preset).move_mailbox]),
           ('mark_seen', ARRAY[
               (p.own).mark_seen, (p.own_preset).mark_seen,
               (p.domain_own).mark_seen, (p.domain_preset).mark_seen,
               (p.site_own).mark_seen, (p.site_preset).mark_seen]),
           ('expire_retrieved', ARRAY[
               (p.own).expire_retrieved, (p.own_preset).expire_retrieved,
               (p.domain_own).expire_retrieved,
               (p.domain_preset).expire_retrieved,
               (p.site_own).expire_retrieved,
               (p.site_preset).expire_retrieved]::text[]),
           ('expire_unretrieved', ARRAY[
               (p.own).expire_unretrieved, (p.own_preset).expire_unretrieved,
               (p.domain_own).expire_unretrieved,
               (p.domain_preset).expire_unretrieved,
               (p.site_own).expire_unretrieved,
               (p.site_preset).expire_unretrieved]::text[]),
           ('expire_hidden', ARRAY[
               (p.own).expire_hidden, (p.own_preset).expire_hidden,
               (p.domain_own).expire_hidden, (p.domain_preset).expire_hidden,
               (p.site_own).expire_hidden,
               (p.site_preset).expire_hidden]::text[]),
           ('leave_max_messages', ARRAY[
               (p.own).leave_max_messages, (p.own_preset).leave_max_messages,
               (p.domain_own).leave_max_messages,
               (p.domain_preset).leave_max_messages,
               (p.site_own).leave_max_messages,
               (p.site_preset).leave_max_messages]::text[]),
           ('leave_max_bytes', ARRAY[
               (p.own).leave_max_bytes, (p.own_preset).leave_max_bytes,
               (p.domain_own).leave_max_bytes,
               (p.domain_preset).leave_max_bytes, (p.site_own).leave_max_bytes,
               (p.site_preset).leave_max_bytes]::text[]),
           ('quota_storage', ARRAY[
               (p.own).quota_storage, (p.own_preset).quota_storage,
               (p.domain_own).quota_storage, (p.domain_preset).quota_storage,
               (p.site_own).quota_storage,
               (p.site_preset).quota_storage]::text[]),
           ('quota_messages', ARRAY[
               (p.own).quota_messages, (p.own_preset).quota_messages,
               (p.domain_own).quota_messages, (p.domain_preset).quota_messages,
               (p.site_own).quota_messages,
               (p.site_preset).quota_messages]::text[]),
           ('quota_action', ARRAY[
               (p.own).quota_action, (p.own_preset).quota_action,
               (p.domain_own).quota_action, (p.domain_preset).quota_action,
               (p.site_own).quota_action, (p.site_preset).quota_action]),
           ('quota_warn', ARRAY[
               (p.own).quota_warn::text, (p.own_preset).quota_warn::text,
               (p.domain_own).quota_warn::text,
               (p.domain_preset).quota_warn::text,
               (p.site_own).quota_warn::text,
               (p.site_preset).quota_warn::text]),
           ('login_delay', ARRAY[
               (p.own).login_delay, (p.own_preset).login_delay,
               (p.domain_own).login_delay, (p.domain_preset).login_delay,
               (p.site_own).login_delay, (p.site_preset).login_delay]::text[]),
           ('download_daily', ARRAY[
               (p.own).download_daily, (p.own_preset).download_daily,
               (p.domain_own).download_daily, (p.domain_preset).download_daily,
               (p.site_own).download_daily,
               (p.site_preset).download_daily]::text[]),
           ('top_lines', ARRAY[
               (p.own).top_lines, (p.own_preset).top_lines,
               (p.domain_own).top_lines, (p.domain_preset).top_lines,
               (p.site_own).top_lines, (p.site_preset).top_lines]::text[]),
           ('mass_delete_percent', ARRAY[
               (p.own).mass_delete_percent, (p.own_preset).mass_delete_percent,
               (p.domain_own).mass_delete_percent,
               (p.domain_preset).mass_delete_percent,
               (p.site_own).mass_delete_percent,
               (p.site_preset).mass_delete_percent]::text[]),
           ('mass_delete_hold', ARRAY[
               (p.own).mass_delete_hold, (p.own_preset).mass_delete_hold,
               (p.domain_own).mass_delete_hold,
               (p.domain_preset).mass_delete_hold,
               (p.site_own).mass_delete_hold,
               (p.site_preset).mass_delete_hold]::text[]),
           ('pop3_hold', ARRAY[
               (p.own).pop3_hold, (p.own_preset).pop3_hold,
               (p.domain_own).pop3_hold, (p.domain_preset).pop3_hold,
               (p.site_own).pop3_hold, (p.site_preset).pop3_hold]),
           ('notify', ARRAY[
               (p.own).notify, (p.own_preset).notify, (p.domain_own).notify,
               (p.domain_preset).notify, (p.site_own).notify,
               (p.site_preset).notify])) c (name, "values")
       JOIN pop3.parameter r ON r.name = c.name,
       LATERAL (SELECT coalesce(
                    CASE WHEN r.name = 'pop3_hold'
                         THEN array_position(c."values", 'yes') END,
                    (SELECT min(i) FROM generate_series(1, 6) i
                      WHERE c."values"[i] IS NOT NULL), 7) AS level) l,
       LATERAL (SELECT coalesce(c."values"[l.level], r.builtin) AS raw) w,
       LATERAL (SELECT CASE
                    WHEN r.type = 'percents' THEN btrim(w.raw, '{}')
                    WHEN r.type <> 'timestamp' OR w.raw = '-1' THEN w.raw
                    WHEN w.raw = '-infinity' THEN '-1'
                    ELSE floor(extract(epoch FROM
                                       w.raw::timestamptz))::bigint::text
                END AS value) v,
       LATERAL (SELECT pop3.value_human(r.name, v.value) AS human) e;
COMMENT ON VIEW pop3.report_policy IS
    'Effective policy of every known user, with the scope each value came from';
COMMENT ON COLUMN pop3.report_policy.username IS 'User';
COMMENT ON COLUMN pop3.report_policy.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_policy.parameter IS 'Name of the parameter';
COMMENT ON COLUMN pop3.report_policy.value IS
    'Value: seconds, bytes, numbers, words; -1 never or unlimited, -2 as configured';
COMMENT ON COLUMN pop3.report_policy.human IS 'The same as a person reads it';
COMMENT ON COLUMN pop3.report_policy.level IS
    'Where it comes from: user, domain, site or built-in';
COMMENT ON COLUMN pop3.report_policy.scope IS
    'The scope that says so; NULL for built-in';
COMMENT ON COLUMN pop3.report_policy.preset IS
    'The scope''s preset, if the value is that''s';
CREATE VIEW pop3.report_policy_change AS
SELECT h.at, h.who, h.caller, h.kind, h.name, k.parameter,
       o.human AS old, n.human AS new, h.history_id
  FROM pop3.policy_history h,
       LATERAL jsonb_object_keys(coalesce(h.old, '{}') ||
                                 coalesce(h.new, '{}')) k (parameter)
       LEFT JOIN pop3.parameter r ON r.name = k.parameter,
       LATERAL (SELECT h.old ->> k.parameter AS old,
                       h.new ->> k.parameter AS new) v,
       LATERAL (SELECT CASE r.type
                    WHEN 'timestamp' THEN pop3.value_human(r.name,
                        CASE v.old WHEN '-infinity' THEN '-1' ELSE
                            floor(extract(epoch FROM v.old::timestamptz)
                                 )::bigint::text END)
                    WHEN 'percents' THEN pop3.value_human(r.name,
                        replace(btrim(v.old, '[]'), ' ', ''))
                    ELSE coalesce(pop3.value_human(r.name, v.old), v.old) END
                    AS human) o,
       LATERAL (SELECT CASE r.type
                    WHEN 'timestamp' THEN pop3.value_human(r.name,
                        CASE v.new WHEN '-infinity' THEN '-1' ELSE
                            floor(extract(epoch FROM v.new::timestamptz)
                                 )::bigint::text END)
                    WHEN 'percents' THEN pop3.value_human(r.name,
                        replace(btrim(v.new, '[]'), ' ', ''))
                    ELSE coalesce(pop3.value_human(r.name, v.new), v.new) END
                    AS human) n
 WHERE v.old IS DISTINCT FROM v.new AND k.parameter NOT IN ('scope', 'name');
COMMENT ON VIEW pop3.report_policy_change IS
    'Changes of policies and presets, parameter by parameter';
COMMENT ON COLUMN pop3.report_policy_change.at IS 'When';
COMMENT ON COLUMN pop3.report_policy_change.who IS
    'Database role that logged in';
COMMENT ON COLUMN pop3.report_policy_change.caller IS
    'On whose behalf, as the setting pop3.caller said; NULL if it did not';
COMMENT ON COLUMN pop3.report_policy_change.kind IS 'policy or preset';
COMMENT ON COLUMN pop3.report_policy_change.name IS
    'The scope, or the preset''s name';
COMMENT ON COLUMN pop3.report_policy_change.parameter IS
    'Parameter that was changed; preset: on which preset the scope builds';
COMMENT ON COLUMN pop3.report_policy_change.old IS
    'Value before; NULL: inherited';
COMMENT ON COLUMN pop3.report_policy_change.new IS
    'Value since; NULL: inherited';
COMMENT ON COLUMN pop3.report_policy_change.history_id IS
    'Number of the change; what was changed at once has the same';
CREATE VIEW pop3.report_would_remove AS
SELECT d.username, u.domain, w.rule, w.since, w.recorded,
       d.mailbox_guid, d.uidvalidity, w.uid, w.message_guid, w.size
  FROM pop3.maildrop d
       JOIN pop3.policy_user u ON u.username = d.username,
       LATERAL (
           SELECT DISTINCT ON (c.uid) c.*
             FROM (
                 SELECT r.uid, r.message_guid, r.size, r.reason AS rule,
                        r.since, true AS recorded
                   FROM pop3.would_remove r
                  WHERE r.maildrop_id = d.maildrop_id
                    AND r.reason NOT IN ('expired-retrieved',
                                         'expired-hidden', 'mass-delete')
                    AND NOT EXISTS (SELECT FROM pop3.message m
                                     WHERE m.maildrop_id = r.maildrop_id
                                       AND m.uid = r.uid
                                       AND m.reason = 'mass-delete')
                 UNION ALL
                 SELECT m.uid, m.message_guid, m.size, 'expired-hidden',
                        m.hidden_at + make_interval(secs => u.expire_hidden),
                        false
                   FROM pop3.message m
                  WHERE m.maildrop_id = d.maildrop_id
                    AND u.expire_hidden >= 0
                    AND m.hidden_at <= now() -
                        make_interval(secs => u.expire_hidden)
                    AND m.reason IS DISTINCT FROM 'mass-delete'
                 UNION ALL
                 SELECT m.uid, m.message_guid, m.size, 'mass-delete',
                        m.hidden_at +
                        make_interval(secs => u.mass_delete_hold),
                        false
                   FROM pop3.message m
                  WHERE m.maildrop_id = d.maildrop_id
                    AND u.mass_delete_hold >= 0
                    AND m.hidden_at <= now() -
                        make_interval(secs => u.mass_delete_hold)
                    AND m.reason = 'mass-delete'
                 UNION ALL
                 SELECT m.uid, m.message_guid, m.size, 'expired-retrieved',
                        m.retrieved_at +
                        make_interval(secs => u.expire_retrieved),
                        false
                   FROM pop3.message m
                  WHERE m.maildrop_id = d.maildrop_id
                    AND u.expire_retrieved >= 0
                    AND m.retrieved_at <= now() -
                        make_interval(secs => u.expire_retrieved)
                    AND m.reason IS DISTINCT FROM 'mass-delete') c
            ORDER BY c.uid, c.since) w
 WHERE u.enforcement = 'observe' AND u.pop3_hold = 'no';
COMMENT ON VIEW pop3.report_would_remove IS
    'What enforcement=enforce would have removed, of users under observe';
COMMENT ON COLUMN pop3.report_would_remove.username IS 'User';
COMMENT ON COLUMN pop3.report_would_remove.domain IS
    'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_would_remove.rule IS
    'retrieved, expired-retrieved, expired-unretrieved, expired-hidden, mass-delete, leave-limit, ...';
COMMENT ON COLUMN pop3.report_would_remove.since IS
    'Since when it would be gone';
COMMENT ON COLUMN pop3.report_would_remove.recorded IS
    'Whether a session said so; else it follows from the clocks';
COMMENT ON COLUMN pop3.report_would_remove.mailbox_guid IS
    'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_would_remove.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_would_remove.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_would_remove.message_guid IS
    'GUID of the message';
COMMENT ON COLUMN pop3.report_would_remove.size IS 'Bytes of the message';
INSERT INTO pop3.preset (name, description, source, view_since, view_window,
                         view_limit, on_retrieve, on_dele, move_mailbox,
                         mark_seen, expire_retrieved, expire_unretrieved,
                         expire_hidden, leave_max_messages, leave_max_bytes,
                         quota_storage, quota_messages, quota_action,
                         quota_warn, login_delay, download_daily, top_lines,
                         mass_delete_percent, mass_delete_hold, notify)
VALUES ('rfc1939',
        'RFC 1939 as it is: mail stays until the client deletes it',
        'RFC 1939; the built-in values',
        '-infinity', -1, -1, 'keep', 'delete', 'Trash', 'as-configured', -1,
        -1, -1, -1, -1, -2, -2, 'reject', '{80,95}', 0, -1, -1, -1, 604800,
        'no');
INSERT INTO pop3.preset (name, description, source, on_retrieve, top_lines)
VALUES ('download-and-delete',
        'Retrieved mail is deleted at QUIT; TOP shows headers only, or is a download like RETR',
        'RFC 1939, section 8 (documented)', 'delete', 0);
INSERT INTO pop3.preset (name, description, source, expire_retrieved,
                         expire_unretrieved, notify)
VALUES ('section8',
        'Read mail expires after 7 days, unread mail after 60, and users are told',
        'The example in RFC 1939, section 8 (documented)',
        7 * 86400, 60 * 86400, 'yes');
INSERT INTO pop3.preset (name, description, source, expire_retrieved,
                         leave_max_bytes)
VALUES ('leave-14-days',
        'Retrieved mail may stay for 14 days, up to 1 GB',
        'Usual "leave on server" of clients, kept by the server',
        14 * 86400, 1073741824);
INSERT INTO pop3.preset (name, description, source, on_retrieve,
                         expire_hidden)
VALUES ('download-once-day',
        'Deletion after retrieval with a day of grace: retrieved mail is hidden at QUIT, and removed a day later',
        'RFC 1939, section 8, made safe against clients that QUIT after a failed download',
        'hide', 86400);
INSERT INTO pop3.preset (name, description, source, on_retrieve, on_dele,
                         expire_hidden, view_limit, download_daily)
VALUES ('gmail',
        'Each message is shown until it was downloaded once; nothing is deleted by POP3',
        'Gmail: hiding documented, limits of 250 messages and 1250 MB a day reported; expire_hidden is ours, so that hidden mail does not fill quotas for ever',
        'hide', 'hide', 30 * 86400, 250, 1250 * 1048576);
INSERT INTO pop3.preset (name, description, source, view_window, on_retrieve,
                         on_dele, expire_hidden)
VALUES ('gmail-recent',
        'The mail of the last 30 days is shown, downloaded or not, for several clients',
        'Gmail''s "recent:" login (reported); expire_hidden is ours',
        30 * 86400, 'keep', 'hide', 30 * 86400);
INSERT INTO pop3.preset (name, description, source, view_window, on_dele,
                         expire_hidden)
VALUES ('qq',
        'The mail of the last 30 days is shown, and clients cannot delete',
        'QQ Mail''s setting that forbids clients to delete (documented); what clients see of it, and the 30 days, are assumed; expire_hidden is ours',
        30 * 86400, 'hide', 30 * 86400);
INSERT INTO pop3.preset (name, description, source, view_window,
                         mass_delete_percent)
VALUES ('netease-163',
        'The mail of the last 30 days is shown; mass deletion is held back',
        'NetEase 163: 30 days and an alert on mass deletion (documented); 50 % is assumed',
        30 * 86400, 50);
INSERT INTO pop3.preset (name, description, source, view_window, on_retrieve,
                         on_dele)
VALUES ('sina',
        'All mail is shown, and clients delete',
        'Sina: assumed, no source is known', -1, 'keep', 'delete');
INSERT INTO pop3.preset (name, description, source, on_dele, move_mailbox)
VALUES ('outlook',
        'What clients delete goes to the mailbox POP',
        'Hotmail''s POP folder (reported)', 'move', 'POP');
INSERT INTO pop3.preset (name, description, source, on_dele)
VALUES ('zimbra',
        'What clients delete is deleted',
        'Zimbra''s default; keep, read and trash are its other choices (documented)',
        'delete');
GRANT USAGE ON SCHEMA pop3 TO pop3_service, pop3_admin, pop3_report;
GRANT EXECUTE ON FUNCTION
    pop3.now(),
    pop3.policy_levels(text),
    pop3.policy_rows(text),
    pop3.policy_version(text),
    pop3.maildrop_state(text, bigint, bigint, bigint, boolean, float8, bigint,
                        bigint, boolean, int),
    pop3.tracked(bigint),
    pop3.accept_login(text, uuid, bigint, boolean),
    pop3.download_reserve(text, uuid, bigint, bigint, bigint),
    pop3.leave_excess(text, bigint, bigint, bigint, int8multirange, bigint[],
                      bigint[], int),
    pop3.intent_state(uuid, int),
    pop3.told_level(text),
    pop3.evictable(text, uuid, bigint, bigint, bigint, int),
    pop3.notices(text, uuid, bigint, bigint),
    pop3.notice_due(text, text, int, text, text),
    pop3.chain_open(uuid, int),
    pop3.batch_begin(uuid, bigint, bigint, bigint, bigint),
    pop3.record_intent(uuid, bigint, uuid, int, text, text, text, text, text,
                       uuid, bigint, text, int, bigint[], uuid[], bigint[],
                       text[], text[], text[], text[], text[], text),
    pop3.record_outcome(uuid, bigint, uuid, int, text),
    pop3.record_abandon(uuid),
    pop3.claim_intent(uuid, text, uuid, int, int),
    pop3.record_repair(uuid, bigint, uuid, text, uuid, int, bigint[],
                       boolean[]),
    pop3.record_event(uuid, bigint, text, text, uuid, text, text, text, text,
                      text, uuid, bigint, bigint, bigint[], text),
    pop3.carry_over(uuid, bigint, uuid, text, bigint, uuid, bigint, bigint,
                    bigint, bigint[], bigint[]),
    pop3.record_session(uuid, bigint, uuid, text, text, text, text, boolean,
                        text, float8, float8, text, uuid, bigint, bigint,
                        bigint, bigint, bigint, uuid, int, int, int, bigint,
                        int8multirange, int8multirange, bigint[], uuid[],
                        bigint[], text[], bigint[], uuid[], bigint[], text[],
                        float8, bigint, boolean),
    pop3.record_polls(float8[], text[], text[], text[], boolean[], int[],
                      float8[]),
    pop3.record_imap_use(text[]),
    pop3.record_usage(text[], bigint[], bigint[], bigint[], bigint[], int[],
                      int[]),
    pop3.take_notice(uuid, bigint, text, uuid, text, uuid, bigint, text, int,
                     bigint, bigint, text, text),
    pop3.record_quarantine(uuid, bigint, text, text),
    pop3.maintain()
TO pop3_service;
GRANT EXECUTE ON FUNCTION
    pop3.set_policy(text, text, text),
    pop3.unset_policy(text, text),
    pop3.effective_policy(text),
    pop3.explain(text),
    pop3.set_policies(text, text[], text[]),
    pop3.preview_policies(text, text[], text[]),
    pop3.list_policy(text, bigint, bigint),
    pop3.list_presets(),
    pop3.status(text, bigint, text),
    pop3.log(text, timestamptz, timestamptz, text, text, bigint),
    pop3.restore(text, int8multirange, text, text, timestamptz, timestamptz),
    pop3.pause(text),
    pop3.resume(),
    pop3.confirm_breaker(bigint),
    pop3.set_breaker(bigint, bigint),
    pop3.control_status(),
    pop3.due_users(bigint, text, text[]),
    pop3.sweep_select(text[]),
    pop3.sweep_claim(text, uuid, bigint),
    pop3.sweep_release(text, uuid, boolean),
    pop3.forget_user(text),
    pop3.roll_up(date),
    pop3.maintain()
TO pop3_admin;
GRANT SELECT, INSERT, UPDATE, DELETE ON pop3.policy, pop3.preset
    TO pop3_admin;
GRANT SELECT ON pop3.policy_history, pop3.parameter TO pop3_admin;
GRANT SELECT ON
    pop3.report_user, pop3.report_session_daily, pop3.report_deletion,
    pop3.report_never_quit, pop3.report_leave_on_server, pop3.report_expiring,
    pop3.report_policy, pop3.report_would_remove, pop3.report_session,
    pop3.report_event, pop3.report_event_daily, pop3.report_kept,
    pop3.report_expiring_soon, pop3.report_quota, pop3.report_policy_change
TO pop3_report, pop3_admin;
GRANT EXECUTE ON FUNCTION pop3.value_human(text, text)
    TO pop3_report, pop3_admin;
SELECT pop3.maintain() \g /dev/null
COMMIT;
