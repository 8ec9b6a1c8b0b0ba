-- Messages whose clock runs, and when it runs out: retrieved and hidden ones.
-- Unretrieved mail has no rows, so it is not here.

CREATE VIEW pop3.report_expiring AS
SELECT d.username, u.domain, u.enforcement, u.pop3_hold,
       -- as the login that removes it will say
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
