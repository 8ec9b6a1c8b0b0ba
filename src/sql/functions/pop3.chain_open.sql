-- Open a writer's chain, which is made if it is not there yet. p_schema is the
-- schema version that the service was made for. Returns the head of the chain,
-- the version that the database has, the names of the parameters, and the
-- database's time (seconds since 1970).
-- Calls: now, parameter_names. Tables: writes chain; reads schema_version.

CREATE FUNCTION pop3.chain_open(p_chain_id uuid, p_schema int)
    RETURNS TABLE (last_batch bigint, last_seq bigint, schema int,
                   parameters text[], db_now float8)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO pop3.chain AS c (chain_id, service_schema)
    VALUES (p_chain_id, p_schema)
    ON CONFLICT (chain_id) DO UPDATE
       SET service_schema = excluded.service_schema, opened_at = now()
    RETURNING c.last_batch, c.last_seq INTO last_batch, last_seq;
    schema := (SELECT max(v.version) FROM pop3.schema_version v);
    parameters := pop3.parameter_names();
    db_now := pop3.now();
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION pop3.chain_open(uuid, int) IS
    'Open a writer''s chain: its head, the schema''s version, names of the parameters, time';
