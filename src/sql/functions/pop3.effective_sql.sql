-- SQL text, for queries on pop3.policy_source p: the effective value of a
-- parameter (as text in the form of its column), as things are where p_scope is
-- NULL, else with parameters $1 (pop3.policy) and $2 (pop3.preset) in place of
-- that scope's row and preset. Where p_parameter is NULL: the condition that a
-- row's user is in scope $3.
-- Calls: nothing. Tables: reads parameter.

CREATE FUNCTION pop3.effective_sql(p_parameter text, p_scope text)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_rows text[] := ARRAY['(p.own)', '(p.own_preset)', '(p.domain_own)',
                           '(p.domain_preset)', '(p.site_own)',
                           '(p.site_preset)'];
    v_level int := CASE WHEN p_scope = '*' THEN 5
                        WHEN p_scope LIKE '@%' THEN 3 ELSE 1 END;
    p pop3.parameter;
BEGIN
    IF p_parameter IS NULL THEN
        RETURN CASE v_level
            -- each names $3, so that its type is known
            WHEN 5 THEN '$3::text = ''*'''
            WHEN 3 THEN 'p.domain = substr($3::text, 2)'
            ELSE 'CASE WHEN p.domain IS NULL THEN p.username ELSE '
                 'left(p.username, strpos(p.username, ''@'')) || p.domain '
                 'END = $3::text' END;
    END IF;
    IF p_scope IS NOT NULL THEN
        v_rows[v_level] := '($1)';
        v_rows[v_level + 1] := '($2)';
    END IF;
    SELECT x.* INTO STRICT p FROM pop3.parameter x WHERE x.name = p_parameter;
    IF p.name = 'pop3_hold' THEN
        RETURN format('CASE WHEN ''yes'' IN (%s) THEN ''yes'' ELSE ''no'' END',
            (SELECT string_agg(format('%s.%I', r, p.name), ', ')
               FROM unnest(v_rows) r));
    END IF;
    RETURN format('coalesce(%s, %L)',
        (SELECT string_agg(format('%s.%I::text', r.row, p.name), ', '
                           ORDER BY r.nr)
           FROM unnest(v_rows) WITH ORDINALITY r ("row", nr)),
        CASE WHEN p.type = 'percents' THEN '{' || p.builtin || '}'
             WHEN p.type = 'timestamp' THEN '-infinity'
             ELSE p.builtin END);
END
$$;

COMMENT ON FUNCTION pop3.effective_sql(text, text) IS
    'SQL text of an effective value, with or without a change (internal)';
