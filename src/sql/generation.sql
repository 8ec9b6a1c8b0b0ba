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
