-- By what the policies of now are known: their generation, the transaction that
-- made it, and what removals by policy are stopped by, if they are; dots between.
-- A service that knows them by the same text knows what is in force.
-- Calls: nothing. Tables: reads generation, control.

CREATE FUNCTION pop3.policies_known() RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN (SELECT concat_ws('.', g.generation, g.changed_by, c.stopped)
              FROM pop3.generation g, pop3.control c);
END
$$;

COMMENT ON FUNCTION pop3.policies_known() IS
    'By what the policies of now are known: their generation, and what removals by policy are stopped by (internal)';
