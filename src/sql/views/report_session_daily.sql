-- Sessions per day (UTC) and domain.

CREATE VIEW pop3.report_session_daily AS
SELECT (s.started_at AT TIME ZONE 'UTC')::date AS day,
       CASE WHEN strpos(s.username, '@') > 0
            THEN lower(substr(s.username, strpos(s.username, '@') + 1))
       END AS domain,
       count(DISTINCT s.username) AS users,
       sum(s.polls)::bigint AS sessions,
       coalesce(sum(s.polls) FILTER (WHERE s.ended_by = 'poll'), 0)::bigint
           AS polls,
       count(*) FILTER (WHERE s.ended_by = 'quit') AS quits,
       count(*) FILTER (WHERE s.ended_by = 'refused') AS refused,
       count(*) FILTER (WHERE s.ended_by NOT IN ('quit', 'poll', 'refused'))
           AS broken,
       sum(s.retr)::bigint AS retr,
       sum(s.top)::bigint AS top,
       sum(s.dele)::bigint AS dele,
       sum(f.n)::bigint AS fetched,
       sum(r.n)::bigint AS retrieved,
       sum(x.n)::bigint AS removed,
       sum(s.bytes)::bigint AS bytes
  FROM pop3.session s,
       LATERAL (SELECT coalesce(sum(upper(u) - lower(u)), 0) AS n
                  FROM unnest(s.fetched) u) f,
       LATERAL (SELECT coalesce(sum(upper(u) - lower(u)), 0) AS n
                  FROM unnest(s.retrieved) u) r,
       LATERAL (SELECT coalesce(sum(upper(u) - lower(u)), 0) AS n
                  FROM unnest(s.removed) u) x
 GROUP BY 1, 2;

COMMENT ON VIEW pop3.report_session_daily IS
    'Sessions per day (UTC) and domain';
COMMENT ON COLUMN pop3.report_session_daily.day IS 'Day (UTC) of the login';
COMMENT ON COLUMN pop3.report_session_daily.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_session_daily.users IS 'Users with a session';
COMMENT ON COLUMN pop3.report_session_daily.sessions IS
    'Sessions, polls included';
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
