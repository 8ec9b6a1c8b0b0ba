-- Removals by rule, refusals and other events per day (UTC) and domain: days
-- that were rolled up, and the later ones, mostly today, as they are now.

CREATE VIEW pop3.report_event_daily AS
SELECT d.day, nullif(d.domain, '') AS domain, d.event,
       nullif(d.rule, '') AS rule, d.events, d.users, d.bytes
  FROM pop3.daily_event d
UNION ALL
SELECT (e.at AT TIME ZONE 'UTC')::date,
       CASE WHEN strpos(e.username, '@') > 0
            THEN lower(substr(e.username, strpos(e.username, '@') + 1)) END,
       e.event, e.rule, count(*), count(DISTINCT e.username),
       coalesce(sum(e.size), 0)::bigint
  FROM pop3.event_counted e
 WHERE e.at >= (SELECT coalesce((max(r.day) + 1)::timestamp
                                    AT TIME ZONE 'UTC', '-infinity')
                  FROM pop3.rolled_up r)
 GROUP BY 1, 2, 3, 4;

COMMENT ON VIEW pop3.report_event_daily IS
    'Removals by rule, refusals and other events per day (UTC) and domain';
COMMENT ON COLUMN pop3.report_event_daily.day IS
    'Day (UTC) of the event; of a removal, when it was begun';
COMMENT ON COLUMN pop3.report_event_daily.domain IS
    'Domain; NULL for users without one';
COMMENT ON COLUMN pop3.report_event_daily.event IS
    'removed, hidden, flagged, or an event of pop3.audit that is no part of a removal: refused, restored, notice, ...';
COMMENT ON COLUMN pop3.report_event_daily.rule IS
    'Rule of a removal (gone: not by POP3), or reason of another event; NULL if there is none';
COMMENT ON COLUMN pop3.report_event_daily.events IS
    'How many: messages, or events that are about none';
COMMENT ON COLUMN pop3.report_event_daily.users IS 'Users whom they concern';
COMMENT ON COLUMN pop3.report_event_daily.bytes IS
    'Bytes of these messages, as far as they are known';
