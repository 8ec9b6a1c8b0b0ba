-- Who removed a message, when, from where, by which rule. A row per message
-- that a session meant to take out of the mailbox and that was not released,
-- and per message that somebody else took. Hiding is no deletion.

CREATE VIEW pop3.report_deletion AS
SELECT i.at, i.username, i.auth_user, i.remote_address, i.device, i.rule,
       i.action, i.status, i.decided_at, i.mailbox_guid, i.uidvalidity, i.uid,
       i.message_guid, i.uidl, i.message_id, i.size, i.moved_to,
       i.dovecot_session, i.session_id, i.intent_no, i.detail
  FROM pop3.intent_decided i
 WHERE i.action IN ('expunge', 'move') AND i.status <> 'released'
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
