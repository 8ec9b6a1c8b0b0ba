-- What a row of pop3.policy or pop3.preset, given as JSON, says of a parameter,
-- in canonical form; NULL if it inherits.
-- Calls: nothing. Tables: reads parameter.

CREATE FUNCTION pop3.row_value(p_row jsonb, p_parameter text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_type text := (SELECT p.type FROM pop3.parameter p
                     WHERE p.name = p_parameter);
    v_value text := p_row ->> p_parameter;
BEGIN
    RETURN CASE
        WHEN v_type = 'percents' THEN translate(v_value, '[] ', '')
        WHEN v_type = 'timestamp' AND v_value = '-infinity' THEN '-1'
        WHEN v_type = 'timestamp'
        THEN floor(extract(epoch FROM v_value::timestamptz))::bigint::text
        ELSE v_value END;
END
$$;

COMMENT ON FUNCTION pop3.row_value(jsonb, text) IS
    'What a row of pop3.policy or pop3.preset says of a parameter, in canonical form (internal)';
