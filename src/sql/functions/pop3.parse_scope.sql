-- Scope as pop3.policy has it: "*", "@domain", "user@domain", or a bare user
-- name where a host has no domains. The domain becomes lower case, the part
-- before it is kept. Raises a readable error for anything else.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.parse_scope(p_scope text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_at int := strpos(p_scope, '@');
    v_scope text := p_scope;
BEGIN
    IF v_at > 0 THEN
        v_scope := left(p_scope, v_at - 1) || lower(substr(p_scope, v_at));
    END IF;
    IF v_scope = '*' OR
       v_scope ~ '^[^*[:cntrl:][:space:]]+$' AND v_scope !~ '@$' THEN
        RETURN v_scope;
    END IF;
    RAISE EXCEPTION 'scope: "%" is not allowed: use * (site), @domain, user@domain or a user name',
        coalesce(p_scope, '')
        USING ERRCODE = 'check_violation', CONSTRAINT = 'scope_allowed',
              COLUMN = 'scope', TABLE = 'policy', SCHEMA = 'pop3';
END
$$;

COMMENT ON FUNCTION pop3.parse_scope(text) IS
    'A scope in the form that pop3.policy has, or an error (internal)';
