-- Let a scope inherit a parameter again (or take its preset away: p_parameter
-- "preset"). A scope that sets nothing any more is deleted. Returns whether it
-- was set.
-- Calls: parse_scope, nearest_parameter. Tables: writes policy; reads
-- parameter.

CREATE FUNCTION pop3.unset_policy(p_scope text, p_parameter text)
    RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_scope text := pop3.parse_scope(p_scope);
    v_count bigint;
BEGIN
    IF p_parameter IS DISTINCT FROM 'preset' AND
       NOT EXISTS (SELECT FROM pop3.parameter p WHERE p.name = p_parameter)
    THEN
        RAISE EXCEPTION 'there is no parameter "%": did you mean "%"?',
            p_parameter, pop3.nearest_parameter(p_parameter)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Parameters are: ' ||
                      (SELECT string_agg(x.name, ', ' ORDER BY x."position")
                         FROM pop3.parameter x) || '; and preset.';
    END IF;
    EXECUTE format('UPDATE pop3.policy SET %1$I = NULL '
                   'WHERE scope = $1 AND %1$I IS NOT NULL', p_parameter)
        USING v_scope;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    DELETE FROM pop3.policy o
     WHERE o.scope = v_scope
       AND jsonb_strip_nulls(to_jsonb(o) - 'scope' - 'version') = '{}';
    RETURN v_count > 0;
END
$$;

COMMENT ON FUNCTION pop3.unset_policy(text, text) IS
    'Let a scope inherit a parameter again (or lose its preset); whether it was set';
