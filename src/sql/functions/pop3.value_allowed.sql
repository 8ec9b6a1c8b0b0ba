-- What values a parameter allows, for error messages: as people write them, or
-- as the columns hold them (p_canonical).
-- Calls: value_human. Tables: reads parameter.

CREATE FUNCTION pop3.value_allowed(p_parameter text, p_canonical boolean)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    p pop3.parameter;
BEGIN
    SELECT x.* INTO p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.type = 'enum' THEN
        RETURN regexp_replace(array_to_string(p.words, ', '), ', ([^,]*)$',
                              ' or \1');
    ELSIF p.type = 'mailbox' THEN
        RETURN 'the name of a mailbox other than INBOX, at most 255 bytes '
               'without control characters';
    ELSIF p.type = 'percents' THEN
        RETURN format('ascending whole percents from %s to %s, such as %s',
                      p.min_value, p.max_value,
                      CASE WHEN p_canonical THEN '{80,95}, or {} for none'
                           ELSE '80,95, or none' END);
    ELSIF p_canonical AND p.type = 'timestamp' THEN
        RETURN 'a time from 1970 to 9999, or -infinity for never';
    ELSIF p_canonical THEN
        RETURN concat(p.min_value, ' to ', p.max_value,
                      CASE p.type WHEN 'time' THEN ' seconds'
                                  WHEN 'size' THEN ' bytes'
                                  WHEN 'percent' THEN ' percent' END,
                      ', -1 for ' || p.none_word,
                      CASE WHEN p.as_configured
                           THEN ', -2 for as-configured' END);
    END IF;
    RETURN concat(pop3.value_human(p.name, p.min_value::text), ' to ',
                  pop3.value_human(p.name, p.max_value::text),
                  CASE WHEN p.as_configured
                       THEN ', ' || p.none_word || ' or as-configured'
                       ELSE ', or ' || p.none_word END);
END
$$;

COMMENT ON FUNCTION pop3.value_allowed(text, boolean) IS
    'What values a parameter allows, for error messages (internal)';
