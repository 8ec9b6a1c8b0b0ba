-- Who removed a message, when, from where, by which rule. A row per message
-- that a session meant to take out of the mailbox and that was not released,
-- and per message that somebody else took. Hiding is no deletion.

CREATE VIEW pop3.report_deletion AS
SELECT i.at, i.username, i.auth_user, i.remote_address, i.device,
       i.reason AS rule, i.action,
       CASE WHEN o.event IN ('committed', 'committed-late') THEN 'committed'
            WHEN 'presumed' = r.event THEN 'presumed'
            ELSE 'open' END AS status,
       coalesce(o.at, r.at) AS decided_at,
       i.mailbox_guid, i.uidvalidity, i.uid, i.message_guid, i.uidl,
       i.message_id, i.size, i.moved_to, i.dovecot_session, i.session_id,
       i.intent_no, i.detail
  FROM pop3.audit i
       -- The outcome is of the whole intent, a repair of each message. The
       -- outcome counts for more, early or late: the session was there.
       LEFT JOIN pop3.audit o
       ON o.session_id = i.session_id AND o.intent_no = i.intent_no
          AND o.username = i.username AND o.uid IS NULL
          AND o.event IN ('committed', 'committed-late', 'released')
       LEFT JOIN pop3.audit r
       ON r.session_id = i.session_id AND r.intent_no = i.intent_no
          AND r.username = i.username AND r.uid = i.uid
          AND r.event IN ('presumed', 'released')
 WHERE i.event = 'intent' AND i.action IN ('expunge', 'move')
   AND coalesce(o.event, r.event, 'open') <> 'released'
UNION ALL
SELECT g.at, g.username, g.auth_user, g.remote_address, g.device, 'gone',
       'expunge', 'gone', g.at, g.mailbox_guid, g.uidvalidity, g.uid,
       g.message_guid, g.uidl, g.message_id, g.size, NULL, g.dovecot_session,
       g.session_id, NULL, g.detail
  FROM pop3.audit g
 WHERE g.event = 'gone' AND g.uid IS NOT NULL;

COMMENT ON VIEW pop3.report_deletion IS
    'Who removed a message, when, from where, by which rule';
COMMENT ON COLUMN pop3.report_deletion.at IS
    'When the removal was begun; when it was noticed, if status is gone';
COMMENT ON COLUMN pop3.report_deletion.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.report_deletion.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.report_deletion.remote_address IS
    'Address of the client in whose session it happened';
COMMENT ON COLUMN pop3.report_deletion.device IS 'That client''s device';
COMMENT ON COLUMN pop3.report_deletion.rule IS
    'dele (the client asked), retrieved, expired-retrieved, expired-unretrieved, expired-hidden, leave-limit, quota, mass-delete, ...; gone: not by POP3';
COMMENT ON COLUMN pop3.report_deletion.action IS 'expunge or move';
COMMENT ON COLUMN pop3.report_deletion.status IS
    'committed; open (not known yet); presumed (the session broke off, the message is gone); gone (by IMAP or others)';
COMMENT ON COLUMN pop3.report_deletion.decided_at IS
    'When that became known; NULL while open';
COMMENT ON COLUMN pop3.report_deletion.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_deletion.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_deletion.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_deletion.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.report_deletion.uidl IS 'UIDL of the message';
COMMENT ON COLUMN pop3.report_deletion.message_id IS
    'Message-ID of the message';
COMMENT ON COLUMN pop3.report_deletion.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.report_deletion.moved_to IS
    'Mailbox that it was moved to; NULL where the action is another';
COMMENT ON COLUMN pop3.report_deletion.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.report_deletion.session_id IS 'The session';
COMMENT ON COLUMN pop3.report_deletion.intent_no IS
    'Number of the intent in its session';
COMMENT ON COLUMN pop3.report_deletion.detail IS
    'Where the rule is quota, for which message room was made';
