-- What sessions meant to do to messages, and what became of that: a row per
-- message of an intent. The outcome is of the whole intent, a repair of each
-- message; the outcome counts for more, early or late: the session was there.
--
-- Nearly always the outcome comes within seconds, so it is looked for in the
-- day that follows, and in all later days only for the few that have none there
-- (a session that broke off is repaired at the user's next login). All are
-- look-ups by the index audit_decision, and not joins: the planner could not
-- tell from a span of time which partitions outcomes may be in. The five
-- minutes are for a database's clock that was set back.

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
