-- Users of POP3 with the state of their maildrops.

CREATE VIEW pop3.report_user AS
SELECT d.username, u.domain, u.enforcement, u.pop3_hold,
       sum(d.messages)::bigint AS messages,
       sum(s.retrieved)::bigint AS retrieved,
       sum(s.retrieved_bytes)::bigint AS retrieved_bytes,
       min(s.oldest_retrieved_at) AS oldest_retrieved_at,
       sum(s.hidden)::bigint AS hidden,
       sum(s.hidden_bytes)::bigint AS hidden_bytes,
       min(s.oldest_hidden_at) AS oldest_hidden_at,
       min(d.created_at) AS first_seen_at,
       max(d.last_login_at) AS last_login_at,
       max(d.last_quit_at) AS last_quit_at,
       max(d.imap_used_at) AS imap_used_at,
       sum(d.sessions)::bigint AS sessions,
       sum(d.retrievals)::bigint AS retrievals,
       sum(d.removals)::bigint AS removals,
       sum(d.bytes)::bigint AS bytes
  FROM pop3.maildrop d
       JOIN pop3.policy_user u ON u.username = d.username,
       LATERAL (SELECT count(m.retrieved_at) AS retrieved,
                       coalesce(sum(m.size)
                           FILTER (WHERE m.retrieved_at IS NOT NULL), 0)
                           AS retrieved_bytes,
                       min(m.retrieved_at) AS oldest_retrieved_at,
                       count(m.hidden_at) AS hidden,
                       coalesce(sum(m.size)
                           FILTER (WHERE m.hidden_at IS NOT NULL), 0)
                           AS hidden_bytes,
                       min(m.hidden_at) AS oldest_hidden_at
                  FROM pop3.message m
                 WHERE m.maildrop_id = d.maildrop_id) s
 GROUP BY d.username, u.domain, u.enforcement, u.pop3_hold;

COMMENT ON VIEW pop3.report_user IS
    'Users of POP3 with the state of their maildrops';
COMMENT ON COLUMN pop3.report_user.username IS 'User';
COMMENT ON COLUMN pop3.report_user.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_user.enforcement IS
    'off, observe or enforce, as it is in force';
COMMENT ON COLUMN pop3.report_user.pop3_hold IS 'yes while on hold';
COMMENT ON COLUMN pop3.report_user.messages IS
    'Messages in the mailbox at the end of the last session';
COMMENT ON COLUMN pop3.report_user.retrieved IS
    'Messages left there that were retrieved';
COMMENT ON COLUMN pop3.report_user.retrieved_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_user.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_user.hidden IS 'Hidden messages';
COMMENT ON COLUMN pop3.report_user.hidden_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_user.oldest_hidden_at IS
    'When the first of them was hidden';
COMMENT ON COLUMN pop3.report_user.first_seen_at IS 'First session';
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
