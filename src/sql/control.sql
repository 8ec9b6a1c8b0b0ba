-- What stops policies at once, and how sweeps share the work.

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
             WHEN tripped_at IS NOT NULL THEN 'breaker' END) STORED,
    retention_days  int CONSTRAINT retention_days_allowed
        CHECK (retention_days BETWEEN 7 AND 36500)
);
COMMENT ON TABLE pop3.control IS
    'One row: whether removals by policy are stopped, by pop3.pause() or the breaker; how long records are kept';
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
COMMENT ON COLUMN pop3.control.retention_days IS
    'Days of pop3.audit, pop3.session and pop3.seal that are kept; NULL: all';
INSERT INTO pop3.control DEFAULT VALUES;

ALTER TABLE pop3.maildrop ADD COLUMN swept_before bigint;
COMMENT ON COLUMN pop3.maildrop.swept_before IS
    'UIDs below it that were never retrieved and had expired were removed by a sweep';
ALTER TABLE pop3.maildrop ADD COLUMN postponed_at timestamptz;
COMMENT ON COLUMN pop3.maildrop.postponed_at IS
    'When a removal was last postponed; NULL once all of them are decided';

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
