-- What users have on the server, and their quotas, as deliveries and sessions
-- last told. Without the state of messages, which report_user counts besides.

CREATE VIEW pop3.report_quota AS
SELECT q.username,
       CASE WHEN strpos(q.username, '@') > 0
            THEN lower(substr(q.username, strpos(q.username, '@') + 1))
       END AS domain,
       q.bytes, q.storage_limit, q.messages, q.message_limit,
       greatest(floor(q.bytes * 100.0 / nullif(q.storage_limit, 0)),
                floor(q.messages * 100.0 / nullif(q.message_limit, 0)))::int
           AS percent,
       q.level, q.at
  FROM pop3.usage q;

COMMENT ON VIEW pop3.report_quota IS
    'What users have on the server, and their quotas, as deliveries and sessions last told';
COMMENT ON COLUMN pop3.report_quota.username IS 'User';
COMMENT ON COLUMN pop3.report_quota.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_quota.bytes IS
    'Bytes, in all mailboxes that the quota counts';
COMMENT ON COLUMN pop3.report_quota.storage_limit IS
    'Quota in force, bytes; NULL: none';
COMMENT ON COLUMN pop3.report_quota.messages IS
    'Messages, in all mailboxes that the quota counts';
COMMENT ON COLUMN pop3.report_quota.message_limit IS
    'Quota in force, messages; NULL: none';
COMMENT ON COLUMN pop3.report_quota.percent IS
    'How much of it is used, the larger of bytes and messages; NULL: no quota';
COMMENT ON COLUMN pop3.report_quota.level IS
    'Highest threshold of quota_warn that is reached, percent; 0: none';
COMMENT ON COLUMN pop3.report_quota.at IS 'When it was counted';
