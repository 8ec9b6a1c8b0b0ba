-- Trigger: keeps every change of pop3.policy and pop3.preset.
-- Calls: nothing. Tables: writes policy_history.

CREATE FUNCTION pop3.policy_keep_history() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_old jsonb;
    v_new jsonb;
    v_name text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'pop3.% cannot be truncated, since its history is kept',
            TG_TABLE_NAME
            USING ERRCODE = 'P3003', HINT = 'Use DELETE.';
    END IF;
    v_name := CASE TG_TABLE_NAME WHEN 'policy' THEN 'scope' ELSE 'name' END;
    IF TG_OP <> 'INSERT' THEN
        v_old := jsonb_strip_nulls(to_jsonb(OLD)) - 'version';
    END IF;
    IF TG_OP <> 'DELETE' THEN
        v_new := jsonb_strip_nulls(to_jsonb(NEW)) - 'version';
    END IF;
    IF v_old IS DISTINCT FROM v_new THEN
        INSERT INTO pop3.policy_history (who, caller, kind, name, old, new)
        VALUES (session_user,
                nullif(current_setting('pop3.caller', true), ''),
                TG_TABLE_NAME,
                coalesce(v_new ->> v_name, v_old ->> v_name), v_old, v_new);
    END IF;
    RETURN NULL;
END
$$;

COMMENT ON FUNCTION pop3.policy_keep_history() IS
    'Trigger: writes pop3.policy_history; refuses TRUNCATE';
