-- What report_expiring has of the next seven days, and what is due already; for
-- all users at once, by looking up only these messages of each maildrop.

CREATE VIEW pop3.report_expiring_soon AS
SELECT d.username, u.domain, u.enforcement, u.pop3_hold,
       -- as the login that removes it will say
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
       -- Two index scans, and no OR, for which the planner reads the whole
       -- maildrop. OFFSET 0 keeps it from reading all maildrops at once.
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
