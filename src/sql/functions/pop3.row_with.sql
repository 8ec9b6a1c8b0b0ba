-- A row of pop3.policy, given as JSON, with parameters (and the preset) set to
-- values as people write them, as pop3.set_policies() would: an element that is
-- NULL, or p_values being NULL, unsets. Raises what that would.
-- Calls: parse_value. Tables: reads parameter, preset.

CREATE FUNCTION pop3.row_with(p_row jsonb, p_names text[], p_values text[])
    RETURNS jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_row jsonb := p_row;
    v_value text;
    v_json jsonb;
    a record;
BEGIN
    IF coalesce(cardinality(p_names), 0) = 0 THEN
        RAISE EXCEPTION 'no parameter is given'
            USING ERRCODE = 'invalid_parameter_value';
    ELSIF cardinality(p_values) <> cardinality(p_names) THEN
        RAISE EXCEPTION 'there are % parameters, but % values',
            cardinality(p_names), cardinality(p_values)
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR a IN SELECT x.name, p_values[x.nr] AS value, p.type,
                    count(*) OVER (PARTITION BY x.name) AS times
               FROM unnest(p_names) WITH ORDINALITY x (name, nr)
                    LEFT JOIN pop3.parameter p ON p.name = x.name
              ORDER BY x.nr
    LOOP
        IF a.times > 1 THEN
            RAISE EXCEPTION '% is given more than once', a.name
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        v_value := btrim(a.value, E' \t\r\n');
        IF a.name = 'preset' AND v_value IS NOT NULL AND
           NOT EXISTS (SELECT FROM pop3.preset x WHERE x.name = v_value) THEN
            RAISE EXCEPTION 'preset: "%" does not exist: use one of %',
                v_value, (SELECT string_agg(x.name, ', ' ORDER BY x.name)
                            FROM pop3.preset x)
                USING ERRCODE = 'foreign_key_violation';
        ELSIF a.name IS DISTINCT FROM 'preset' AND
              (v_value IS NOT NULL OR a.type IS NULL) THEN
            -- of an unknown parameter it says so first
            v_value := pop3.parse_value(a.name, a.value);
        END IF;
        v_json := CASE
            WHEN a.name = 'preset' OR a.type IN ('enum', 'mailbox')
            THEN to_jsonb(v_value)
            WHEN a.type = 'percents'
            THEN to_jsonb(string_to_array(v_value, ',')::smallint[])
            WHEN a.type = 'timestamp' AND v_value = '-1'
            THEN to_jsonb('-infinity'::timestamptz)
            WHEN a.type = 'timestamp'
            THEN to_jsonb(to_timestamp(v_value::float8))
            ELSE to_jsonb(v_value::bigint) END;
        v_row := jsonb_set(v_row, ARRAY[a.name],
                           coalesce(v_json, 'null'));
    END LOOP;
    RETURN v_row;
END
$$;

COMMENT ON FUNCTION pop3.row_with(jsonb, text[], text[]) IS
    'A row of pop3.policy with parameters set as pop3.set_policies() would (internal)';
