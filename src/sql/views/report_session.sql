-- The sessions, one by one. Ask for a user, or for a span of started_at, and
-- only those days are read.

CREATE VIEW pop3.report_session AS
SELECT s.started_at, s.ended_at, s.username,
       CASE WHEN strpos(s.username, '@') > 0
            THEN lower(substr(s.username, strpos(s.username, '@') + 1))
       END AS domain,
       s.auth_user, s.remote_address, s.device, s.tls, s.ended_by,
       CASE WHEN s.ended_by = 'sweep' THEN 0 ELSE s.polls END AS sessions,
       s.messages, s.retr, s.top, s.dele,
       (SELECT coalesce(sum(upper(u) - lower(u)), 0)::bigint
          FROM unnest(s.fetched) u) AS fetched,
       (SELECT coalesce(sum(upper(u) - lower(u)), 0)::bigint
          FROM unnest(s.retrieved) u) AS retrieved,
       (SELECT coalesce(sum(upper(u) - lower(u)), 0)::bigint
          FROM unnest(s.removed) u) AS removed,
       s.bytes, s.dovecot_session, s.session_id
  FROM pop3.session s;

COMMENT ON VIEW pop3.report_session IS
    'The sessions, one by one; those without effect are a row per hour, user, device and address';
COMMENT ON COLUMN pop3.report_session.started_at IS
    'Login; for polls the hour';
COMMENT ON COLUMN pop3.report_session.ended_at IS
    'End; for polls that of the last one';
COMMENT ON COLUMN pop3.report_session.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.report_session.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_session.auth_user IS
    'Authenticated login, where it differs (a master user)';
COMMENT ON COLUMN pop3.report_session.remote_address IS
    'The client''s address';
COMMENT ON COLUMN pop3.report_session.device IS 'The client''s device';
COMMENT ON COLUMN pop3.report_session.tls IS
    'Whether the connection was encrypted; for polls, all of them';
COMMENT ON COLUMN pop3.report_session.ended_by IS
    'quit, drop, timeout, kick, update-failed, refused, error, lost, poll, or sweep';
COMMENT ON COLUMN pop3.report_session.sessions IS
    'Number of sessions that the row is: 1, more if they are polls, 0 for a sweep';
COMMENT ON COLUMN pop3.report_session.messages IS
    'Messages in the mailbox at the end; NULL if it is not known';
COMMENT ON COLUMN pop3.report_session.retr IS 'RETR commands that succeeded';
COMMENT ON COLUMN pop3.report_session.top IS 'TOP commands that succeeded';
COMMENT ON COLUMN pop3.report_session.dele IS 'DELE commands that succeeded';
COMMENT ON COLUMN pop3.report_session.fetched IS
    'Messages that were sent whole';
COMMENT ON COLUMN pop3.report_session.retrieved IS
    'Messages whose retrieval a QUIT confirmed';
COMMENT ON COLUMN pop3.report_session.removed IS 'Messages expunged';
COMMENT ON COLUMN pop3.report_session.bytes IS 'Bytes sent by RETR and TOP';
COMMENT ON COLUMN pop3.report_session.dovecot_session IS
    'Dovecot''s session id, as in its log';
COMMENT ON COLUMN pop3.report_session.session_id IS 'The session';
