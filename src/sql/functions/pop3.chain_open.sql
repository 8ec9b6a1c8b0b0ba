-- Open a writer's chain, which is made if it is not there yet. p_schema is the
-- schema version that the service was made for. Returns the head of the chain,
-- the version that the database has, the names of the parameters, the
-- database's time (seconds since 1970), the chain's new epoch: batches of
-- earlier ones, which a connection that was given up may still have under way,
-- are refused from now on; and the MAC of the last row that was sealed.
-- Calls: now, parameter_names. Tables: writes chain; reads schema_version.

CREATE FUNCTION pop3.chain_open(p_chain_id uuid, p_schema int)
    RETURNS TABLE (last_batch bigint, last_seq bigint, schema int,
                   parameters text[], db_now float8, epoch bigint,
                   last_mac bytea)
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO pop3.chain AS c (chain_id, service_schema, epoch)
    VALUES (p_chain_id, p_schema, 1)
    ON CONFLICT (chain_id) DO UPDATE
       SET service_schema = excluded.service_schema, opened_at = now(),
           epoch = c.epoch + 1
    RETURNING c.last_batch, c.last_seq, c.epoch, c.last_mac
         INTO last_batch, last_seq, epoch, last_mac;
    schema := (SELECT max(v.version) FROM pop3.schema_version v);
    parameters := pop3.parameter_names();
    db_now := pop3.now();
    RETURN NEXT;
END
$$;

COMMENT ON FUNCTION pop3.chain_open(uuid, int) IS
    'Open a writer''s chain: its head, the schema''s version, names of the parameters, time, epoch, last MAC';
