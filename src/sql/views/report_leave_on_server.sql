-- Users whose clients leave retrieved mail on the server, and how much.

CREATE VIEW pop3.report_leave_on_server AS
SELECT d.username, u.domain,
       count(*) AS messages,
       sum(m.size)::bigint AS bytes,
       min(m.retrieved_at) AS oldest_retrieved_at,
       max(m.retrieved_at) AS newest_retrieved_at,
       nullif(u.expire_retrieved, -1) AS expire_retrieved,
       max(d.last_login_at) AS last_login_at
  FROM pop3.message m
       JOIN pop3.maildrop d ON d.maildrop_id = m.maildrop_id
       JOIN pop3.policy_user u ON u.username = d.username
 WHERE m.retrieved_at IS NOT NULL AND m.hidden_at IS NULL
 GROUP BY d.username, u.domain, u.expire_retrieved;

COMMENT ON VIEW pop3.report_leave_on_server IS
    'Users with retrieved mail left on the server, and how much';
COMMENT ON COLUMN pop3.report_leave_on_server.username IS 'User';
COMMENT ON COLUMN pop3.report_leave_on_server.domain IS
    'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_leave_on_server.messages IS
    'Retrieved messages in the view';
COMMENT ON COLUMN pop3.report_leave_on_server.bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_leave_on_server.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_leave_on_server.newest_retrieved_at IS
    'When the last of them was retrieved';
COMMENT ON COLUMN pop3.report_leave_on_server.expire_retrieved IS
    'Seconds after which the policy removes them; NULL: never';
COMMENT ON COLUMN pop3.report_leave_on_server.last_login_at IS
    'Last login by POP3';
