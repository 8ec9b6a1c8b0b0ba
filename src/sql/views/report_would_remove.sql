-- What enforcement=enforce would have removed, of users under observe: what
-- sessions found (pop3.would_remove), and what has run out since, whether or
-- not a session has been there. A message once, by its first rule.

CREATE VIEW pop3.report_would_remove AS
SELECT d.username, u.domain, w.rule, w.since, w.recorded,
       d.mailbox_guid, d.uidvalidity, w.uid, w.message_guid, w.size
  FROM pop3.maildrop d
       JOIN pop3.policy_user u ON u.username = d.username,
       LATERAL (
           SELECT DISTINCT ON (c.uid) c.*
             FROM (
                 -- recorded clocks may have been set anew: those are computed
                 SELECT r.uid, r.message_guid, r.size, r.reason AS rule,
                        r.since, true AS recorded
                   FROM pop3.would_remove r
                  WHERE r.maildrop_id = d.maildrop_id
                    AND r.reason NOT IN ('expired-retrieved',
                                         'expired-hidden', 'mass-delete')
                    -- before its time, by no other rule
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
