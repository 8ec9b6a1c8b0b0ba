-- What is wrong with a parameter's value, given in canonical form: "is out of
-- range" or the like; NULL if nothing.
-- Calls: nothing. Tables: reads parameter.

CREATE FUNCTION pop3.value_problem(p_parameter text, p_value text)
    RETURNS text
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
    v_num bigint;
    v_percents int[];
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.type = 'enum' THEN
        RETURN CASE WHEN p_value <> ALL (p.words) THEN 'is not allowed' END;
    ELSIF p.type = 'mailbox' THEN
        RETURN CASE WHEN p_value = '' THEN 'is empty'
                    WHEN octet_length(p_value) > 255 THEN 'is too long'
                    WHEN upper(p_value) = 'INBOX'
                    THEN 'is where POP3 mail comes from'
                    WHEN p_value ~ '[\u0001-\u001f\u007f-\u009f]'
                    THEN 'has control characters' END;
    ELSIF p.type = 'percents' THEN
        IF p_value !~ '^([0-9]{1,3}(,[0-9]{1,3})*)?$' THEN
            RETURN 'is not a list of percents';
        END IF;
        v_percents := string_to_array(p_value, ',')::int[];
        RETURN CASE WHEN v_percents IS DISTINCT FROM
                         ARRAY(SELECT DISTINCT n FROM unnest(v_percents) n
                                WHERE n BETWEEN p.min_value AND p.max_value
                                ORDER BY n)
                    THEN 'is not a list of percents' END;
    END IF;
    v_num := p_value::bigint;
    RETURN CASE WHEN v_num = -1 AND p.none_word IS NOT NULL THEN NULL
                WHEN v_num = -2 AND p.as_configured THEN NULL
                WHEN v_num BETWEEN p.min_value AND p.max_value THEN NULL
                ELSE 'is out of range' END;
END
$$;

COMMENT ON FUNCTION pop3.value_problem(text, text) IS
    'What is wrong with a parameter''s canonical value; NULL if nothing (internal)';
