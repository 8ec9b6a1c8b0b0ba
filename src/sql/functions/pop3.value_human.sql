-- A parameter's value, given in canonical form, as a person reads it:
-- "14 days", "500 MB", "never". pop3.parse_value() reads it back.
-- Calls: nothing. Tables: reads parameter.

CREATE FUNCTION pop3.value_human(p_parameter text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
    v_num bigint;
    v_unit record;
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.type IN ('enum', 'mailbox') THEN
        RETURN p_value;
    ELSIF p.type = 'percents' THEN
        RETURN CASE p_value WHEN '' THEN p.none_word
                            ELSE replace(p_value, ',', '%, ') || '%' END;
    END IF;
    v_num := p_value::bigint;
    IF v_num = -1 AND p.none_word IS NOT NULL THEN
        RETURN p.none_word;
    ELSIF v_num = -2 AND p.as_configured THEN
        RETURN 'as-configured';
    ELSIF p.type = 'percent' THEN
        RETURN v_num || '%';
    ELSIF p.type = 'timestamp' THEN
        RETURN to_char(to_timestamp(v_num) AT TIME ZONE 'UTC',
                       CASE WHEN v_num % 86400 = 0 THEN 'YYYY-MM-DD'
                            WHEN v_num % 60 = 0
                            THEN 'YYYY-MM-DD HH24:MI "UTC"'
                            ELSE 'YYYY-MM-DD HH24:MI:SS "UTC"' END);
    END IF;
    FOR v_unit IN
        SELECT u.factor, u.name
          FROM (VALUES ('time', 86400, 'day'), ('time', 3600, 'hour'),
                       ('time', 60, 'minute'), ('time', 1, 'second'),
                       ('size', 1099511627776, 'TB'),
                       ('size', 1073741824, 'GB'), ('size', 1048576, 'MB'),
                       ('size', 1024, 'kB'), ('size', 1, 'byte'))
               u (type, factor, name)
         WHERE u.type = p.type ORDER BY u.factor DESC
    LOOP
        IF v_unit.factor = 1 OR v_num <> 0 AND v_num % v_unit.factor = 0 THEN
            v_num := v_num / v_unit.factor;
            RETURN v_num || ' ' || v_unit.name ||
                   CASE WHEN v_num = 1 OR right(v_unit.name, 1) = 'B'
                        THEN '' ELSE 's' END;
        END IF;
    END LOOP;
    RETURN v_num;
END
$$;

COMMENT ON FUNCTION pop3.value_human(text, text) IS
    'A parameter''s canonical value as a person reads it: 14 days, 500 MB, never';
