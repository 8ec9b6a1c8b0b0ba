-- Tables of schema pop3. Times are timestamptz on the database's clock, lengths
-- of time whole seconds, sizes bytes. UIDs and UIDVALIDITYs are unsigned 32 bit
-- numbers, hence bigint. -1 in a policy means never or unlimited, -2 as
-- configured in Dovecot, NULL inherit.

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

-- --- policy ----------------------------------------------------------------

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

-- The columns that pop3.policy and pop3.preset share, in the order of
-- pop3.parameter. Only a form to copy from: dropped again below. The checks
-- stand behind pop3.policy_check(), which refuses more readably.
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
-- for changes of pop3.preset.name, and to find who uses a preset
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

-- --- state -----------------------------------------------------------------

-- Every session updates its maildrop's row. No index has a column that this
-- changes, and pages have room, so that the updates are heap-only.
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

-- No foreign key to pop3.maildrop: it would cost a look-up for each retrieved
-- message, and only the functions write here. Column order avoids padding.
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
    postponed       text,
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
COMMENT ON COLUMN pop3.message.postponed IS
    'Rule that was to remove it while the database was away, dele or retrieved; NULL once that is decided. Hidden until then';
-- what expire_retrieved removes
CREATE INDEX message_retrieved ON pop3.message (maildrop_id, retrieved_at)
    WHERE retrieved_at IS NOT NULL;
-- the hidden set, and what expire_hidden removes
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
-- for pop3.maintain(); rows come in the order of time, so this stays tiny
CREATE INDEX watermark_at ON pop3.watermark USING brin (at)
    WITH (pages_per_range = 32, autosummarize = on);

-- no foreign key, as in pop3.message
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

-- A row of a user's is updated in place by each login.
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

-- A row of a user's is updated in place after each delivery.
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
        CHECK (result IN ('committed', 'failed', 'repaired', 'undecided',
                          'postponed')),
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
    'How it was closed: committed, failed, repaired, undecided (UIDVALIDITY changed), or postponed (the database was away)';
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
CREATE INDEX intent_closed ON pop3.intent (username, closed_at)
    WHERE state = 'closed';

CREATE TABLE pop3.chain (
    chain_id       uuid PRIMARY KEY,
    service_schema int NOT NULL,
    last_batch     bigint NOT NULL DEFAULT 0,
    last_seq       bigint NOT NULL DEFAULT 0,
    epoch          bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    opened_at      timestamptz NOT NULL DEFAULT now(),
    last_mac       bytea CONSTRAINT last_mac_length
        CHECK (octet_length(last_mac) = 32)
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
COMMENT ON COLUMN pop3.chain.last_mac IS
    'MAC of the last row that was sealed; NULL while none is';

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

-- --- what happened ---------------------------------------------------------

-- Partitioned by day (UTC), see pop3.maintain(). No unique index on
-- (chain_id, seq): it could not span partitions; pop3.batch_begin() sees to it.
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
-- 12 bytes a row in daily partitions; (username, started_at) would take 52
CREATE INDEX session_username ON pop3.session (username);
CREATE TABLE pop3.session_default PARTITION OF pop3.session DEFAULT;
COMMENT ON TABLE pop3.session_default IS
    'Rows of pop3.session that belong to no partition; pop3.maintain() counts them';

-- No partitions: there are few such rows.
CREATE TABLE pop3.session_lost (
    LIKE pop3.session INCLUDING DEFAULTS INCLUDING COMMENTS,
    PRIMARY KEY (session_id, started_at)
);
COMMENT ON TABLE pop3.session_lost IS
    'A row per session that was recorded as lost and found later, as it was recorded first. pop3.session has what is known since';
CREATE INDEX session_lost_username ON pop3.session_lost (username);

CREATE TABLE pop3.audit (
    -- as pop3.event_time(), which does not exist yet
    at              timestamptz NOT NULL DEFAULT CASE
        WHEN current_setting('pop3.replay_at', true) <> '' AND
             pg_has_role(session_user, 'pop3_service', 'MEMBER')
        THEN least(now(), greatest(
            now() - interval '30 days',
            to_timestamp(current_setting('pop3.replay_at')::float8)))
        ELSE now() END,
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
COMMENT ON COLUMN pop3.audit.at IS
    'When it was recorded; if the database was away, when it would have been';
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
    'intent, postponed, kept, committed, released, presumed, late, repair-late, gone, mismatch, rollback, carried, restored, refused, mass-delete, notice, repeat, quarantined, ...';
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
-- "What became of this message?", whoever's it was. 48 and 43 bytes a row that
-- names a message so, on 240 of the row; a B-tree on Message-IDs would take
-- 112. BRIN with Bloom filters would cost next to nothing, but the planner
-- takes it for useless, and scans whole days.
CREATE INDEX audit_message_id ON pop3.audit USING hash (message_id)
    WHERE message_id IS NOT NULL;
CREATE INDEX audit_message_guid ON pop3.audit (message_guid)
    WHERE message_guid IS NOT NULL;
-- What became of an intent, for reports: a row per intent, or message repaired.
CREATE INDEX audit_decision ON pop3.audit (session_id, intent_no, uid)
    WHERE event IN ('committed', 'committed-late', 'released', 'presumed');
-- A batch finds its rows by it, to seal them.
CREATE INDEX audit_seq ON pop3.audit (seq);
-- what was done in plain SQL and is not part of a chain yet
CREATE INDEX audit_plain ON pop3.audit (at) WHERE chain_id IS NULL;
CREATE TABLE pop3.audit_default PARTITION OF pop3.audit DEFAULT;
COMMENT ON TABLE pop3.audit_default IS
    'Rows of pop3.audit that belong to no partition; pop3.maintain() counts them';

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

-- --- seals -----------------------------------------------------------------

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
