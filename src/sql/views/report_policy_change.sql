-- Changes of policies and presets, parameter by parameter, with the values as
-- people read them.

CREATE VIEW pop3.report_policy_change AS
SELECT h.at, h.who, h.caller, h.kind, h.name, k.parameter,
       o.human AS old, n.human AS new, h.history_id
  FROM pop3.policy_history h,
       LATERAL jsonb_object_keys(coalesce(h.old, '{}') ||
                                 coalesce(h.new, '{}')) k (parameter)
       LEFT JOIN pop3.parameter r ON r.name = k.parameter,
       LATERAL (SELECT h.old ->> k.parameter AS old,
                       h.new ->> k.parameter AS new) v,
       LATERAL (SELECT CASE r.type
                    WHEN 'timestamp' THEN pop3.value_human(r.name,
                        CASE v.old WHEN '-infinity' THEN '-1' ELSE
                            floor(extract(epoch FROM v.old::timestamptz)
                                 )::bigint::text END)
                    WHEN 'percents' THEN pop3.value_human(r.name,
                        replace(btrim(v.old, '[]'), ' ', ''))
                    ELSE coalesce(pop3.value_human(r.name, v.old), v.old) END
                    AS human) o,
       LATERAL (SELECT CASE r.type
                    WHEN 'timestamp' THEN pop3.value_human(r.name,
                        CASE v.new WHEN '-infinity' THEN '-1' ELSE
                            floor(extract(epoch FROM v.new::timestamptz)
                                 )::bigint::text END)
                    WHEN 'percents' THEN pop3.value_human(r.name,
                        replace(btrim(v.new, '[]'), ' ', ''))
                    ELSE coalesce(pop3.value_human(r.name, v.new), v.new) END
                    AS human) n
 WHERE v.old IS DISTINCT FROM v.new AND k.parameter NOT IN ('scope', 'name');

COMMENT ON VIEW pop3.report_policy_change IS
    'Changes of policies and presets, parameter by parameter';
COMMENT ON COLUMN pop3.report_policy_change.at IS 'When';
COMMENT ON COLUMN pop3.report_policy_change.who IS
    'Database role that logged in';
COMMENT ON COLUMN pop3.report_policy_change.caller IS
    'On whose behalf, as the setting pop3.caller said; NULL if it did not';
COMMENT ON COLUMN pop3.report_policy_change.kind IS 'policy or preset';
COMMENT ON COLUMN pop3.report_policy_change.name IS
    'The scope, or the preset''s name';
COMMENT ON COLUMN pop3.report_policy_change.parameter IS
    'Parameter that was changed; preset: on which preset the scope builds';
COMMENT ON COLUMN pop3.report_policy_change.old IS
    'Value before; NULL: inherited';
COMMENT ON COLUMN pop3.report_policy_change.new IS
    'Value since; NULL: inherited';
COMMENT ON COLUMN pop3.report_policy_change.history_id IS
    'Number of the change; what was changed at once has the same';
