-- What rollups count, one by one: what became of messages by sessions' doing,
-- once it is known, and the other events. Ask for a span of time.

CREATE VIEW pop3.event_counted AS
SELECT i.at, i.username,
       CASE i.action WHEN 'hide' THEN 'hidden' WHEN 'flag' THEN 'flagged'
                     ELSE 'removed' END AS event,
       i.rule, i.size
  FROM pop3.intent_decided i
 WHERE i.status = 'committed' OR
       i.status = 'presumed' AND i.action IN ('expunge', 'move')
UNION ALL
SELECT a.at, a.username,
       CASE a.event WHEN 'gone' THEN 'removed' ELSE a.event END,
       CASE a.event WHEN 'gone' THEN 'gone' ELSE a.reason END, a.size
  FROM pop3.audit a
 WHERE a.event NOT IN ('intent', 'committed', 'committed-late', 'released',
                       'presumed', 'late', 'repair-late', 'repeat',
                       'session-found')
   AND (a.event <> 'gone' OR a.uid IS NOT NULL);

COMMENT ON VIEW pop3.event_counted IS
    'What rollups count, one by one: removals that are decided, and other events (internal)';
COMMENT ON COLUMN pop3.event_counted.at IS
    'When it was recorded; of a removal, when it was begun';
COMMENT ON COLUMN pop3.event_counted.username IS 'Whose maildrop';
COMMENT ON COLUMN pop3.event_counted.event IS
    'removed, hidden, flagged, or an event of pop3.audit';
COMMENT ON COLUMN pop3.event_counted.rule IS
    'Rule of a removal (gone: not by POP3), or reason of another event';
COMMENT ON COLUMN pop3.event_counted.size IS 'Bytes of the message';
