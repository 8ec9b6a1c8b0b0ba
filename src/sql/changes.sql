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
