-- Set a parameter for a scope, or give the scope a preset (p_parameter
-- "preset"). The value is text as people write it: "14 days", "14d", "500M",
-- "never", "2026-01-31", "80,95". Returns what was set, as a sentence.
-- Calls: parse_scope, parse_value, value_human. Tables: writes policy; reads
-- parameter.

CREATE FUNCTION pop3.set_policy(p_scope text, p_parameter text, p_value text)
    RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_value text := btrim(p_value, E' \t\r\n');
    v_human text := btrim(p_value, E' \t\r\n');
    v_expression text := '$2';
BEGIN
    IF p_parameter IS DISTINCT FROM 'preset' OR p_value IS NULL THEN
        v_value := pop3.parse_value(p_parameter, p_value);
        v_human := pop3.value_human(p_parameter, v_value);
        v_expression := (
            SELECT CASE
                WHEN p.type IN ('enum', 'mailbox') THEN '$2'
                WHEN p.type = 'percents'
                THEN 'string_to_array($2, '','')::smallint[]'
                WHEN p.type = 'timestamp' AND v_value = '-1'
                THEN '''-infinity''::timestamptz'
                WHEN p.type = 'timestamp' THEN 'to_timestamp($2::float8)'
                ELSE '$2::bigint' END
              FROM pop3.parameter p WHERE p.name = p_parameter);
    END IF;
    EXECUTE format('INSERT INTO pop3.policy (scope, %1$I) VALUES ($1, %2$s) '
                   'ON CONFLICT (scope) DO UPDATE SET %1$I = excluded.%1$I',
                   p_parameter, v_expression)
        USING v_scope, v_value;
    RETURN format('%s: %s = %s', v_scope, p_parameter, v_human);
END
$$;

COMMENT ON FUNCTION pop3.set_policy(text, text, text) IS
    'Set a parameter (or the preset) of a scope; the value as people write it: 14 days, 500M, never';
