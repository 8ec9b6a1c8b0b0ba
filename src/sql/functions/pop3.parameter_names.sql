-- Names of the policy parameters, in the order of pop3.policy_rows()."values".
-- Calls: nothing. Tables: reads parameter.

CREATE FUNCTION pop3.parameter_names() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT array_agg(name ORDER BY "position") FROM pop3.parameter $$;

COMMENT ON FUNCTION pop3.parameter_names() IS
    'Names of the policy parameters, in the order of the values of pop3.policy_rows()';
