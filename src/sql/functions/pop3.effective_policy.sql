-- A user's effective policy: a row per parameter, with the value in canonical
-- form and for people, the level it comes from (user, domain, site, or
-- built-in), the scope that says so, and its preset if the value is that's.
-- pop3_hold is yes if any level says yes.
-- Calls: policy_values, value_human. Tables: none.

CREATE FUNCTION pop3.effective_policy(p_username text)
    RETURNS TABLE (parameter text, value text, human text, level text,
                   scope text, preset text)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 25
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT v.parameter, v.value, pop3.value_human(v.parameter, v.value),
           CASE v.level / 2 WHEN 0 THEN 'user' WHEN 1 THEN 'domain'
                            WHEN 2 THEN 'site' ELSE 'built-in' END,
           v.scope, v.preset
      FROM pop3.policy_values(p_username) v;
END
$$;

COMMENT ON FUNCTION pop3.effective_policy(text) IS
    'A user''s effective policy: every parameter with its value, and where it comes from';
