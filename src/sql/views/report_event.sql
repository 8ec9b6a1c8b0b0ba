-- What was audited, row by row. Ask for a user, a Message-ID, or for a span of
-- time, and only that is read.

CREATE VIEW pop3.report_event AS
SELECT a.at, a.event, a.reason AS rule, a.action, a.username,
       CASE WHEN strpos(a.username, '@') > 0
            THEN lower(substr(a.username, strpos(a.username, '@') + 1))
       END AS domain,
       a.auth_user, a.remote_address, a.device, a.mailbox_guid,
       a.uidvalidity, a.uid, a.message_guid, a.uidl, a.message_id, a.size,
       a.moved_to, a.dovecot_session, a.session_id, a.intent_no, a.detail
  FROM pop3.audit a;

COMMENT ON VIEW pop3.report_event IS
    'What was audited, row by row: removals in their steps, refusals, restores, notices, ...';
COMMENT ON COLUMN pop3.report_event.at IS 'When it was recorded';
COMMENT ON COLUMN pop3.report_event.event IS
    'Event, as the documentation of pop3.audit lists them';
COMMENT ON COLUMN pop3.report_event.rule IS
    'Rule of a removal, or reason of another event';
COMMENT ON COLUMN pop3.report_event.action IS
    'expunge, move, hide or flag; NULL where nothing was done to a message';
COMMENT ON COLUMN pop3.report_event.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.report_event.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_event.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.report_event.remote_address IS
    'The client''s address';
COMMENT ON COLUMN pop3.report_event.device IS 'The client''s device';
COMMENT ON COLUMN pop3.report_event.mailbox_guid IS 'GUID of the mailbox';
COMMENT ON COLUMN pop3.report_event.uidvalidity IS
    'UIDVALIDITY of the mailbox';
COMMENT ON COLUMN pop3.report_event.uid IS 'UID of the message';
COMMENT ON COLUMN pop3.report_event.message_guid IS 'GUID of the message';
COMMENT ON COLUMN pop3.report_event.uidl IS 'UIDL of the message';
COMMENT ON COLUMN pop3.report_event.message_id IS
    'Message-ID of the message';
COMMENT ON COLUMN pop3.report_event.size IS 'Bytes of the message';
COMMENT ON COLUMN pop3.report_event.moved_to IS
    'Mailbox that it is moved to; NULL where the action is another';
COMMENT ON COLUMN pop3.report_event.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.report_event.session_id IS
    'The session; of a repair, the one that took the intent';
COMMENT ON COLUMN pop3.report_event.intent_no IS
    'Number of the intent in its session';
COMMENT ON COLUMN pop3.report_event.detail IS 'Free text';
