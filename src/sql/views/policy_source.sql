-- For each known user the six rows that its policy is made of; what
-- pop3.policy_rows() gives for one, as joins that serve all at once.

CREATE VIEW pop3.policy_source AS
SELECT n.username, n.domain,
       u AS own, up AS own_preset, d AS domain_own, dp AS domain_preset,
       s AS site_own, sp AS site_preset
  FROM (SELECT k.username,
               CASE WHEN strpos(k.username, '@') > 0
                    THEN left(k.username, strpos(k.username, '@') - 1) ||
                         lower(substr(k.username, strpos(k.username, '@')))
                    ELSE k.username END AS scope,
               CASE WHEN strpos(k.username, '@') > 0
                    THEN lower(substr(k.username, strpos(k.username, '@') + 1))
               END AS domain
          FROM (SELECT m.username FROM pop3.maildrop m
                UNION
                SELECT q.username FROM pop3.usage q
                UNION
                SELECT p.scope FROM pop3.policy p
                 WHERE p.scope <> '*' AND p.scope NOT LIKE '@%') k) n
       LEFT JOIN pop3.policy u ON u.scope = n.scope
       LEFT JOIN pop3.preset up ON up.name = u.preset
       LEFT JOIN pop3.policy d ON d.scope = '@' || n.domain
       LEFT JOIN pop3.preset dp ON dp.name = d.preset
       LEFT JOIN pop3.policy s ON s.scope = '*'
       LEFT JOIN pop3.preset sp ON sp.name = s.preset;

COMMENT ON VIEW pop3.policy_source IS
    'The rows of pop3.policy and pop3.preset behind each known user''s policy (internal)';
COMMENT ON COLUMN pop3.policy_source.username IS 'User';
COMMENT ON COLUMN pop3.policy_source.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.policy_source.own IS 'Row of the user';
COMMENT ON COLUMN pop3.policy_source.own_preset IS 'Row of its preset';
COMMENT ON COLUMN pop3.policy_source.domain_own IS 'Row of the domain';
COMMENT ON COLUMN pop3.policy_source.domain_preset IS 'Row of its preset';
COMMENT ON COLUMN pop3.policy_source.site_own IS 'Row of the site';
COMMENT ON COLUMN pop3.policy_source.site_preset IS 'Row of its preset';
