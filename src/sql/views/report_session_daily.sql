-- Sessions per day (UTC) and domain: days that were rolled up, and the later
-- ones, mostly today, as they are now.

CREATE VIEW pop3.report_session_daily AS
SELECT d.day, nullif(d.domain, '') AS domain, d.users, d.sessions, d.polls,
       d.quits, d.refused, d.broken, d.retr, d.top, d.dele, d.fetched,
       d.retrieved, d.removed, d.bytes
  FROM pop3.daily d
UNION ALL
SELECT (s.started_at AT TIME ZONE 'UTC')::date, s.domain,
       count(DISTINCT s.username), sum(s.sessions)::bigint,
       coalesce(sum(s.sessions) FILTER (WHERE s.ended_by = 'poll'),
                0)::bigint,
       count(*) FILTER (WHERE s.ended_by = 'quit'),
       count(*) FILTER (WHERE s.ended_by = 'refused'),
       count(*) FILTER (WHERE s.ended_by NOT IN ('quit', 'poll', 'refused', 'sweep')),
       sum(s.retr)::bigint, sum(s.top)::bigint, sum(s.dele)::bigint,
       sum(s.fetched)::bigint, sum(s.retrieved)::bigint,
       sum(s.removed)::bigint, sum(s.bytes)::bigint
  FROM pop3.report_session s
 WHERE s.started_at >= (SELECT coalesce((max(r.day) + 1)::timestamp
                                            AT TIME ZONE 'UTC', '-infinity')
                          FROM pop3.rolled_up r)
 GROUP BY 1, 2;

COMMENT ON VIEW pop3.report_session_daily IS
    'Sessions per day (UTC) and domain';
COMMENT ON COLUMN pop3.report_session_daily.day IS 'Day (UTC) of the login';
COMMENT ON COLUMN pop3.report_session_daily.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_session_daily.users IS 'Users with a session';
COMMENT ON COLUMN pop3.report_session_daily.sessions IS
    'Sessions, polls and refused logins included';
COMMENT ON COLUMN pop3.report_session_daily.polls IS 'Sessions without effect';
COMMENT ON COLUMN pop3.report_session_daily.quits IS
    'Sessions that ended by QUIT, polls excluded';
COMMENT ON COLUMN pop3.report_session_daily.refused IS 'Logins refused';
COMMENT ON COLUMN pop3.report_session_daily.broken IS
    'Sessions that ended otherwise: no UPDATE, nothing counted or removed';
COMMENT ON COLUMN pop3.report_session_daily.retr IS
    'RETR commands that succeeded';
COMMENT ON COLUMN pop3.report_session_daily.top IS
    'TOP commands that succeeded';
COMMENT ON COLUMN pop3.report_session_daily.dele IS
    'DELE commands that succeeded';
COMMENT ON COLUMN pop3.report_session_daily.fetched IS
    'Messages that were sent whole';
COMMENT ON COLUMN pop3.report_session_daily.retrieved IS
    'Messages whose retrieval a QUIT confirmed';
COMMENT ON COLUMN pop3.report_session_daily.removed IS 'Messages expunged';
COMMENT ON COLUMN pop3.report_session_daily.bytes IS
    'Bytes sent by RETR and TOP';
