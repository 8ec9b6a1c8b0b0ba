-- Canonical form of a parameter's value as people write it: "14d", "14 days",
-- "36h", "500M", "never", "unlimited", "2026-01-31", "80,95", words. Months and
-- years are refused, since they have no fixed length. Raises a readable error
-- for an unknown parameter, or a value that is not allowed.
-- Calls: nearest_parameter, value_problem, value_allowed. Tables: reads
-- parameter.

CREATE FUNCTION pop3.parse_value(p_parameter text, p_value text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
    v_text text := btrim(p_value, E' \t\r\n');
    v_word text := lower(btrim(p_value, E' \t\r\n'));
    v_match text[];
    v_factor bigint;
    v_num numeric;
    v_canonical text;
    v_problem text;
    v_use text;
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no parameter "%": did you mean "%"?',
            p_parameter, pop3.nearest_parameter(p_parameter)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Parameters are: ' ||
                      (SELECT string_agg(x.name, ', ' ORDER BY x."position")
                         FROM pop3.parameter x) || '; and preset.';
    END IF;
    IF p_value IS NULL THEN
        RAISE EXCEPTION '%: no value is given', p_parameter
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'pop3.unset_policy() makes it inherit.';
    END IF;

    IF p.type = 'mailbox' THEN
        v_canonical := v_text;
    ELSIF p.type = 'enum' THEN
        v_canonical := v_word;
    ELSIF p.type = 'percents' THEN
        v_canonical := CASE
            WHEN v_word IN ('', 'none', 'never', 'unlimited') THEN ''
            ELSE regexp_replace(
                     regexp_replace(v_text, '\s*%?\s*(,|$)', '\1', 'g'),
                     '(^|,)\s*0*(?=[0-9])', '\1', 'g') END;
    ELSIF p.none_word IS NOT NULL AND
          v_word IN ('never', 'unlimited', p.none_word) THEN
        RETURN '-1';
    ELSIF p.as_configured AND v_word = 'as-configured' THEN
        RETURN '-2';
    ELSIF p.type = 'timestamp' THEN
        v_match := regexp_match(v_text,
            '^(\d{4}-\d{2}-\d{2})(?:[Tt ]'
            '((?:[01]\d|2[0-3]):[0-5]\d)(?::(\d{2})(?:\.\d+)?)?'
            '\s?(?:[Zz]|[Uu][Tt][Cc]|([+-]\d{2}):?(\d{2})?)?)?$');
        IF v_match IS NOT NULL THEN
            BEGIN
                v_num := floor(extract(epoch FROM (
                    v_match[1] || ' ' || coalesce(v_match[2], '00:00') ||
                    ':' || coalesce(v_match[3], '00') ||
                    coalesce(v_match[4] || ':' || coalesce(v_match[5], '00'),
                             '+00'))::timestamptz));
            EXCEPTION WHEN datetime_field_overflow OR
                           invalid_datetime_format OR
                           invalid_time_zone_displacement_value THEN
                NULL;
            END;
        END IF;
        IF v_num IS NULL THEN
            v_problem := 'is not a date or time';
            v_use := '2026-01-31, 2026-01-31 12:00 (UTC) or '
                     '2026-01-31T12:00:00+01:00, or ' || p.none_word;
        END IF;
        v_canonical := v_num;
    ELSE
        v_match := regexp_match(v_text, '^(\d+)\s*(\S*)$');
        v_factor := CASE
            WHEN p.type = 'time' THEN CASE
                WHEN v_match[2] = '' AND v_match[1] ~ '^0+$' THEN 1
                -- "3M" more likely means months
                WHEN v_match[2] = 'M' THEN NULL
                WHEN lower(v_match[2]) IN ('s', 'sec', 'secs', 'second',
                                           'seconds') THEN 1
                WHEN lower(v_match[2]) IN ('m', 'min', 'mins', 'minute',
                                           'minutes') THEN 60
                WHEN lower(v_match[2]) IN ('h', 'hr', 'hrs', 'hour', 'hours')
                THEN 3600
                WHEN lower(v_match[2]) IN ('d', 'day', 'days') THEN 86400
                WHEN lower(v_match[2]) IN ('w', 'week', 'weeks') THEN 604800
                END
            WHEN p.type = 'size' THEN CASE
                WHEN lower(v_match[2]) IN ('', 'b', 'byte', 'bytes') THEN 1
                WHEN lower(v_match[2]) IN ('k', 'kb', 'kib') THEN 1024
                WHEN lower(v_match[2]) IN ('m', 'mb', 'mib') THEN 1048576
                WHEN lower(v_match[2]) IN ('g', 'gb', 'gib') THEN 1073741824
                WHEN lower(v_match[2]) IN ('t', 'tb', 'tib')
                THEN 1099511627776
                END
            WHEN v_match[2] = '' THEN 1
            WHEN p.type = 'percent' AND v_match[2] = '%' THEN 1
            END;
        IF v_factor IS NULL THEN
            v_problem := CASE
                WHEN p.type = 'time' AND v_match[2] = '' THEN 'has no unit'
                ELSE 'is not a ' || CASE p.type
                    WHEN 'percent' THEN 'percentage'
                    WHEN 'number' THEN 'whole number' ELSE p.type END END;
            v_use := CASE p.type
                WHEN 'time' THEN 'seconds, minutes, hours, days or weeks, '
                                 'such as 14d, 36h'
                WHEN 'size' THEN 'bytes, kB, MB, GB or TB, such as 500M, 1G'
                WHEN 'percent' THEN 'a whole number, such as 50%'
                ELSE 'a whole number' END ||
                CASE WHEN p.as_configured
                     THEN ', ' || p.none_word || ' or as-configured'
                     WHEN p.none_word IS NOT NULL
                     THEN ', or ' || p.none_word ELSE '' END;
        ELSE
            v_num := v_match[1]::numeric * v_factor;
            v_canonical := least(v_num, 9223372036854775807);
        END IF;
    END IF;

    -- a number may look like one of the special values only by accident
    IF v_problem IS NULL AND v_num IS NOT NULL AND v_num < 0 THEN
        v_problem := 'is out of range';
    END IF;
    v_problem := coalesce(v_problem,
                          pop3.value_problem(p_parameter, v_canonical));
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION '%: "%" %: use %', p_parameter, left(v_text, 80),
            v_problem, coalesce(v_use, pop3.value_allowed(p_parameter, false))
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN v_canonical;
END
$$;

COMMENT ON FUNCTION pop3.parse_value(text, text) IS
    'Canonical form of a parameter''s value as people write it (internal)';
