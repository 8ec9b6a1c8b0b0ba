-- The effective values that reports need, for each known user.

CREATE VIEW pop3.policy_user AS
SELECT p.username, p.domain,
       coalesce((p.own).enforcement, (p.own_preset).enforcement,
                (p.domain_own).enforcement, (p.domain_preset).enforcement,
                (p.site_own).enforcement, (p.site_preset).enforcement,
                'observe') AS enforcement,
       CASE WHEN 'yes' IN ((p.own).pop3_hold, (p.own_preset).pop3_hold,
                           (p.domain_own).pop3_hold,
                           (p.domain_preset).pop3_hold,
                           (p.site_own).pop3_hold,
                           (p.site_preset).pop3_hold)
            THEN 'yes' ELSE 'no' END AS pop3_hold,
       coalesce((p.own).on_retrieve, (p.own_preset).on_retrieve,
                (p.domain_own).on_retrieve, (p.domain_preset).on_retrieve,
                (p.site_own).on_retrieve, (p.site_preset).on_retrieve,
                'keep') AS on_retrieve,
       coalesce((p.own).expire_retrieved, (p.own_preset).expire_retrieved,
                (p.domain_own).expire_retrieved,
                (p.domain_preset).expire_retrieved,
                (p.site_own).expire_retrieved,
                (p.site_preset).expire_retrieved, -1) AS expire_retrieved,
       coalesce((p.own).expire_unretrieved, (p.own_preset).expire_unretrieved,
                (p.domain_own).expire_unretrieved,
                (p.domain_preset).expire_unretrieved,
                (p.site_own).expire_unretrieved,
                (p.site_preset).expire_unretrieved, -1) AS expire_unretrieved,
       coalesce((p.own).expire_hidden, (p.own_preset).expire_hidden,
                (p.domain_own).expire_hidden, (p.domain_preset).expire_hidden,
                (p.site_own).expire_hidden, (p.site_preset).expire_hidden,
                -1) AS expire_hidden,
       coalesce((p.own).mass_delete_hold, (p.own_preset).mass_delete_hold,
                (p.domain_own).mass_delete_hold,
                (p.domain_preset).mass_delete_hold,
                (p.site_own).mass_delete_hold,
                (p.site_preset).mass_delete_hold, 604800) AS mass_delete_hold,
       (p.own).expire_unretrieved IS NOT NULL AS unretrieved_own
  FROM pop3.policy_source p;

COMMENT ON VIEW pop3.policy_user IS
    'Effective values that reports need, per known user (internal)';
COMMENT ON COLUMN pop3.policy_user.username IS 'User';
COMMENT ON COLUMN pop3.policy_user.domain IS 'Domain; NULL if it has none';
COMMENT ON COLUMN pop3.policy_user.enforcement IS 'off, observe or enforce';
COMMENT ON COLUMN pop3.policy_user.pop3_hold IS 'yes if any level says so';
COMMENT ON COLUMN pop3.policy_user.on_retrieve IS
    'What becomes of retrieved mail';
COMMENT ON COLUMN pop3.policy_user.expire_retrieved IS
    'Seconds from retrieval to removal; -1: never';
COMMENT ON COLUMN pop3.policy_user.expire_unretrieved IS
    'Seconds from arrival to removal of what was never retrieved; -1: never';
COMMENT ON COLUMN pop3.policy_user.expire_hidden IS
    'Seconds from hiding to removal; -1: never';
COMMENT ON COLUMN pop3.policy_user.mass_delete_hold IS
    'Seconds from hiding by mass-delete to removal; -1: never';
COMMENT ON COLUMN pop3.policy_user.unretrieved_own IS
    'Whether the user''s own row sets expire_unretrieved, so that use by IMAP does not matter';
