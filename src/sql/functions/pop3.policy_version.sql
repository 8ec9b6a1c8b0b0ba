-- Versions of the six rows that pop3.policy_rows() may give, joined by dots, 0
-- where there is none: the same text means that nothing has changed. While
-- removals by policy are stopped, ".stopped" follows.
-- Calls: nothing. Tables: reads policy, preset, control.

CREATE FUNCTION pop3.policy_version(p_username text) RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_at int := strpos(p_username, '@');
    v_domain text;
    v_user text := p_username;
    v_versions bigint[] := ARRAY[0, 0, 0, 0, 0, 0];
    v_level int;
    r record;
BEGIN
    IF v_at > 0 THEN
        v_domain := lower(substr(p_username, v_at));
        v_user := left(p_username, v_at - 1) || v_domain;
    END IF;
    FOR r IN
        SELECT o.scope, o.version, p.version AS preset_version
          FROM pop3.policy o LEFT JOIN pop3.preset p ON p.name = o.preset
         WHERE o.scope IN (v_user, v_domain, '*')
    LOOP
        v_level := CASE r.scope WHEN '*' THEN 5 WHEN v_domain THEN 3
                                ELSE 1 END;
        v_versions[v_level] := r.version;
        v_versions[v_level + 1] := coalesce(r.preset_version, 0);
    END LOOP;
    RETURN array_to_string(v_versions, '.') ||
           CASE WHEN EXISTS (SELECT FROM pop3.control c
                              WHERE c.stopped IS NOT NULL)
                THEN '.stopped' ELSE '' END;
END
$$;

COMMENT ON FUNCTION pop3.policy_version(text) IS
    'Version of a user''s policy: those of the six rows of pop3.policy_rows(), joined by dots, 0 where there is none; .stopped behind them while removals are';
