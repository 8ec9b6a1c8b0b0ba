-- Last call of a transaction that wrote rows p_first_seq to p_last_seq of a chain:
-- their seal. Raises P3001 unless these are the head's, and p_prev_mac is the MAC
-- of what was sealed before them (32 zero bytes if nothing was). Salts are 16
-- bytes per row, digests and MACs 32.
-- Calls: nothing. Tables: writes chain, seal.

CREATE FUNCTION pop3.chain_seal(
    p_chain_id uuid, p_first_seq bigint, p_last_seq bigint, p_key_id text,
    p_prev_mac bytea, p_salts bytea, p_digests bytea, p_macs bytea)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.chain c
       SET last_mac = substring(p_macs FROM octet_length(p_macs) - 31)
     WHERE c.chain_id = p_chain_id AND c.last_seq = p_last_seq
       AND coalesce(c.last_mac, decode(repeat('00', 32), 'hex')) = p_prev_mac;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the seal of rows % to % of chain % does not follow what was sealed before',
            p_first_seq, p_last_seq, p_chain_id USING ERRCODE = 'P3001';
    END IF;
    INSERT INTO pop3.seal (chain_id, first_seq, last_seq, key_id, prev_mac,
                           salts, digests, macs)
    VALUES (p_chain_id, p_first_seq, p_last_seq, p_key_id, p_prev_mac,
            p_salts, p_digests, p_macs);
END
$$;

COMMENT ON FUNCTION pop3.chain_seal(uuid, bigint, bigint, text, bytea, bytea, bytea, bytea) IS
    'Seal the rows that this transaction wrote; P3001 unless the seal follows the one before';
