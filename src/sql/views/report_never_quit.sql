-- Users whose clients fetch mail but never end such a session by QUIT: nothing
-- of theirs counts as retrieved, so only age bounds their maildrops.

CREATE VIEW pop3.report_never_quit AS
SELECT s.username,
       count(*) AS sessions,
       sum(s.retr)::bigint AS retr,
       sum(s.bytes)::bigint AS bytes,
       min(s.started_at) AS first_login_at,
       max(s.started_at) AS last_login_at,
       (array_agg(s.ended_by ORDER BY s.started_at DESC))[1] AS last_ended_by,
       (array_agg(s.remote_address ORDER BY s.started_at DESC))[1]
           AS last_remote_address
  FROM pop3.session s
 WHERE s.started_at > now() - interval '30 days'
   AND (s.retr > 0 OR s.fetched <> '{}')
 GROUP BY s.username
HAVING count(*) FILTER (WHERE s.ended_by = 'quit') = 0;

COMMENT ON VIEW pop3.report_never_quit IS
    'Users who fetched mail in the last 30 days, and no such session ended by QUIT';
COMMENT ON COLUMN pop3.report_never_quit.username IS 'User';
COMMENT ON COLUMN pop3.report_never_quit.sessions IS
    'Sessions that fetched mail, of the last 30 days';
COMMENT ON COLUMN pop3.report_never_quit.retr IS
    'RETR commands that succeeded in them';
COMMENT ON COLUMN pop3.report_never_quit.bytes IS 'Bytes they were sent';
COMMENT ON COLUMN pop3.report_never_quit.first_login_at IS 'First of them';
COMMENT ON COLUMN pop3.report_never_quit.last_login_at IS 'Last of them';
COMMENT ON COLUMN pop3.report_never_quit.last_ended_by IS
    'How the last one ended: drop, timeout, ...';
COMMENT ON COLUMN pop3.report_never_quit.last_remote_address IS
    'Client''s address of the last one';
