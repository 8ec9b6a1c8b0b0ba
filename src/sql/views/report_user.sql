-- Users with what is on the server for them, and the state of their maildrops:
-- everybody that POP3, or a delivery, has seen.

CREATE VIEW pop3.report_user AS
SELECT u.username, u.domain, u.enforcement, u.pop3_hold,
       d.messages,
       coalesce(d.retrieved, 0) AS retrieved,
       coalesce(d.retrieved_bytes, 0) AS retrieved_bytes,
       d.oldest_retrieved_at,
       coalesce(d.hidden, 0) AS hidden,
       coalesce(d.hidden_bytes, 0) AS hidden_bytes,
       d.oldest_hidden_at,
       d.first_seen_at, d.last_login_at, d.last_quit_at, d.imap_used_at,
       coalesce(d.sessions, 0) AS sessions,
       coalesce(d.retrievals, 0) AS retrievals,
       coalesce(d.removals, 0) AS removals,
       coalesce(d.bytes, 0) AS bytes,
       coalesce(q.messages, d.messages) AS stored_messages,
       q.bytes AS stored_bytes,
       CASE WHEN n.messages < 0 THEN 0 ELSE n.messages END AS unretrieved,
       CASE WHEN n.bytes < 0 THEN 0 ELSE n.bytes END AS unretrieved_bytes,
       q.storage_limit, q.message_limit,
       greatest(floor(q.bytes * 100.0 / nullif(q.storage_limit, 0)),
                floor(q.messages * 100.0 / nullif(q.message_limit, 0)))::int
           AS quota_percent,
       q.at AS stored_at
  FROM pop3.policy_user u
       LEFT JOIN pop3.usage q ON q.username = u.username
       LEFT JOIN (SELECT m.username,
                         sum(m.messages)::bigint AS messages,
                         sum(s.retrieved)::bigint AS retrieved,
                         sum(s.retrieved_bytes)::bigint AS retrieved_bytes,
                         min(s.oldest_retrieved_at) AS oldest_retrieved_at,
                         sum(s.hidden)::bigint AS hidden,
                         sum(s.hidden_bytes)::bigint AS hidden_bytes,
                         min(s.oldest_hidden_at) AS oldest_hidden_at,
                         sum(s.tracked)::bigint AS tracked,
                         sum(s.tracked_bytes)::bigint AS tracked_bytes,
                         min(m.created_at) AS first_seen_at,
                         max(m.last_login_at) AS last_login_at,
                         max(m.last_quit_at) AS last_quit_at,
                         max(m.imap_used_at) AS imap_used_at,
                         sum(m.sessions)::bigint AS sessions,
                         sum(m.retrievals)::bigint AS retrievals,
                         sum(m.removals)::bigint AS removals,
                         sum(m.bytes)::bigint AS bytes
                    FROM pop3.maildrop m,
                         LATERAL (
                             SELECT count(x.retrieved_at) AS retrieved,
                                    coalesce(sum(x.size)
                                        FILTER (WHERE x.retrieved_at
                                                      IS NOT NULL), 0)
                                        AS retrieved_bytes,
                                    min(x.retrieved_at) AS oldest_retrieved_at,
                                    count(x.hidden_at) AS hidden,
                                    coalesce(sum(x.size)
                                        FILTER (WHERE x.hidden_at
                                                      IS NOT NULL), 0)
                                        AS hidden_bytes,
                                    min(x.hidden_at) AS oldest_hidden_at,
                                    count(coalesce(x.retrieved_at,
                                                   x.hidden_at)) AS tracked,
                                    coalesce(sum(x.size)
                                        FILTER (WHERE x.retrieved_at
                                                      IS NOT NULL OR
                                                      x.hidden_at
                                                      IS NOT NULL), 0)
                                        AS tracked_bytes
                               FROM pop3.message x
                              WHERE x.maildrop_id = m.maildrop_id) s
                   GROUP BY m.username) d ON d.username = u.username,
       -- both may be of another time
       LATERAL (SELECT coalesce(q.messages, d.messages) -
                       coalesce(d.tracked, 0) AS messages,
                       q.bytes - coalesce(d.tracked_bytes, 0) AS bytes) n
 WHERE d.username IS NOT NULL OR q.username IS NOT NULL;

COMMENT ON VIEW pop3.report_user IS
    'Users with what is on the server for them, and the state of their maildrops';
COMMENT ON COLUMN pop3.report_user.username IS 'User';
COMMENT ON COLUMN pop3.report_user.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_user.enforcement IS
    'off, observe or enforce, as it is in force';
COMMENT ON COLUMN pop3.report_user.pop3_hold IS 'yes while on hold';
COMMENT ON COLUMN pop3.report_user.messages IS
    'Messages in the mailbox at the end of the last session; NULL if there was none';
COMMENT ON COLUMN pop3.report_user.retrieved IS
    'Messages left there that were retrieved';
COMMENT ON COLUMN pop3.report_user.retrieved_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_user.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_user.hidden IS 'Hidden messages';
COMMENT ON COLUMN pop3.report_user.hidden_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_user.oldest_hidden_at IS
    'When the first of them was hidden';
COMMENT ON COLUMN pop3.report_user.first_seen_at IS
    'First session; NULL if there was none';
COMMENT ON COLUMN pop3.report_user.last_login_at IS 'Last login by POP3';
COMMENT ON COLUMN pop3.report_user.last_quit_at IS
    'End of the last session that ended by QUIT';
COMMENT ON COLUMN pop3.report_user.imap_used_at IS
    'Last use by IMAP, to the hour';
COMMENT ON COLUMN pop3.report_user.sessions IS 'Sessions, polls excluded';
COMMENT ON COLUMN pop3.report_user.retrievals IS
    'Messages retrieved, in total';
COMMENT ON COLUMN pop3.report_user.removals IS
    'Messages removed by POP3 sessions, in total';
COMMENT ON COLUMN pop3.report_user.bytes IS
    'Bytes sent by RETR and TOP, in total';
COMMENT ON COLUMN pop3.report_user.stored_messages IS
    'Messages on the server, in all mailboxes that the quota counts; where there is no quota, as messages';
COMMENT ON COLUMN pop3.report_user.stored_bytes IS
    'Their bytes; NULL where there is no quota';
COMMENT ON COLUMN pop3.report_user.unretrieved IS
    'Those that POP3 has neither retrieved nor hidden';
COMMENT ON COLUMN pop3.report_user.unretrieved_bytes IS
    'Their bytes; NULL where there is no quota';
COMMENT ON COLUMN pop3.report_user.storage_limit IS
    'Quota in force, bytes; NULL: none';
COMMENT ON COLUMN pop3.report_user.message_limit IS
    'Quota in force, messages; NULL: none';
COMMENT ON COLUMN pop3.report_user.quota_percent IS
    'How much of it is used, the larger of bytes and messages; NULL: no quota';
COMMENT ON COLUMN pop3.report_user.stored_at IS
    'When stored_messages and stored_bytes were counted; NULL where there is no quota';
