-- Tables that reports across users read, so that none has to scan pop3.audit
-- or pop3.message. Filled by pop3.maintain(); nothing else depends on them, and
-- what is in them can be counted anew from the rest as long as that is kept.

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
