-- Mail that POP3 has done with and that is on the server, for all users at
-- once: as counted for each of them in the last day or so. Of one user
-- report_user and report_leave_on_server tell it as it is now.

CREATE VIEW pop3.report_kept AS
SELECT u.username, u.domain, u.enforcement, u.pop3_hold, d.retrieved,
       d.retrieved_bytes, d.oldest_retrieved_at, d.hidden, d.hidden_bytes,
       d.oldest_hidden_at, u.on_retrieve,
       nullif(u.expire_retrieved, -1) AS expire_retrieved,
       nullif(u.expire_hidden, -1) AS expire_hidden, d.last_login_at,
       d.counted_at
  FROM (SELECT m.username,
               sum(k.retrieved)::bigint AS retrieved,
               sum(k.retrieved_bytes)::bigint AS retrieved_bytes,
               min(k.oldest_retrieved_at) AS oldest_retrieved_at,
               sum(k.hidden)::bigint AS hidden,
               sum(k.hidden_bytes)::bigint AS hidden_bytes,
               min(k.oldest_hidden_at) AS oldest_hidden_at,
               max(m.last_login_at) AS last_login_at,
               min(k.at) AS counted_at
          FROM pop3.kept k
               JOIN pop3.maildrop m ON m.maildrop_id = k.maildrop_id
         GROUP BY m.username) d
       JOIN pop3.policy_user u ON u.username = d.username;

COMMENT ON VIEW pop3.report_kept IS
    'Retrieved and hidden mail that is on the server, per user, as counted in the last day or so';
COMMENT ON COLUMN pop3.report_kept.username IS 'User';
COMMENT ON COLUMN pop3.report_kept.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.report_kept.enforcement IS 'off, observe or enforce';
COMMENT ON COLUMN pop3.report_kept.pop3_hold IS 'yes while on hold';
COMMENT ON COLUMN pop3.report_kept.retrieved IS
    'Retrieved messages in the view';
COMMENT ON COLUMN pop3.report_kept.retrieved_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_kept.oldest_retrieved_at IS
    'When the first of them was retrieved';
COMMENT ON COLUMN pop3.report_kept.hidden IS 'Hidden messages';
COMMENT ON COLUMN pop3.report_kept.hidden_bytes IS 'Their bytes';
COMMENT ON COLUMN pop3.report_kept.oldest_hidden_at IS
    'When the first of them was hidden';
COMMENT ON COLUMN pop3.report_kept.on_retrieve IS
    'What becomes of retrieved mail: keep, hide, move, delete';
COMMENT ON COLUMN pop3.report_kept.expire_retrieved IS
    'Seconds after which the policy removes retrieved mail; NULL: never';
COMMENT ON COLUMN pop3.report_kept.expire_hidden IS
    'Seconds after which the policy removes hidden mail; NULL: never';
COMMENT ON COLUMN pop3.report_kept.last_login_at IS 'Last login by POP3';
COMMENT ON COLUMN pop3.report_kept.counted_at IS 'When it was counted';
