-- Schema version 2: quotas and notices, what stops policies at once, sweeps,
-- rollups for reports. The first version 1 had no login_delay, download_daily
-- and moved_to either, a later one has them.

INSERT INTO pop3.schema_version (version) VALUES (2);

-- what the first version 1 lacks
-- A row of a user's is updated in place by each login.
CREATE TABLE IF NOT EXISTS pop3.login (
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

CREATE TABLE IF NOT EXISTS pop3.download (
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

ALTER TABLE pop3.audit ADD COLUMN IF NOT EXISTS moved_to text;
COMMENT ON COLUMN pop3.audit.moved_to IS
    'Mailbox that a message is moved to; NULL where the action is another';

-- columns; none has a value in rows that are there
ALTER TABLE pop3.parameter
    ADD COLUMN concerns_owner boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pop3.parameter.concerns_owner IS
    'Whether the owner is told when its effective value changes, under notify=yes';
ALTER TABLE pop3.audit ADD COLUMN scope text;
COMMENT ON COLUMN pop3.audit.scope IS
    'Scope of the policy that decided, with "preset" and its name if the value is that''s; built-in if no scope sets it; NULL where no policy decides';
ALTER TABLE pop3.maildrop ADD COLUMN swept_before bigint;
COMMENT ON COLUMN pop3.maildrop.swept_before IS
    'UIDs below it that were never retrieved and had expired were removed by a sweep';

-- comments that tell of more
COMMENT ON COLUMN pop3.audit.event IS
    'intent, committed, released, presumed, late, repair-late, gone, mismatch, rollback, carried, restored, refused, mass-delete, notice, repeat, quarantined, ...';
COMMENT ON COLUMN pop3.audit.reason IS
    'Rule: dele, retrieved, expired-retrieved, expired-unretrieved, expired-hidden, leave-limit, quota, mass-delete; of a refusal: pop3-access, login-delay, download-daily, dele; of a notice: quota, expiry, policy';

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

-- A chain has one writer, so nobody waits for another's row.
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

-- No foreign key to pop3.maildrop: it would lock rows that sessions update.
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

-- What became of an intent, for reports: a row per intent, or message repaired.
CREATE INDEX audit_decision ON ONLY pop3.audit (session_id, intent_no, uid)
    WHERE event IN ('committed', 'committed-late', 'released', 'presumed');
-- Building it for what is recorded would keep writers waiting: partitions
-- without rows get it now, those of days to come when they are made, the others
-- by indexes.sql.
DO $$
DECLARE
    v_partition regclass;
    v_index record;
BEGIN
    FOR v_partition IN
        SELECT h.inhrelid FROM pg_inherits h
         WHERE h.inhparent = 'pop3.audit'::regclass
           AND pg_relation_size(h.inhrelid) = 0
    LOOP
        EXECUTE format('CREATE INDEX ON %s '
                       '(session_id, intent_no, uid) '
                       'WHERE event IN (''committed'', ''committed-late'', '
                       '''released'', ''presumed'')',
                       v_partition);
        SELECT max(x.indexrelid)::regclass AS made INTO v_index
          FROM pg_index x WHERE x.indrelid = v_partition;
        EXECUTE format('ALTER INDEX pop3.audit_decision ATTACH PARTITION %s',
                       v_index.made);
    END LOOP;
END
$$;

COMMENT ON COLUMN pop3.session.ended_by IS
    'quit, drop, timeout, kick, update-failed, refused, error, lost, poll, or sweep';
