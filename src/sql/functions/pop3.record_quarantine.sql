-- Put away a record that no function accepts, so that it does not block those
-- behind it: one audit row of event quarantined, and the record for a person
-- to look at.
-- Calls: nothing. Tables: writes audit, quarantine.

CREATE FUNCTION pop3.record_quarantine(
    p_chain_id uuid, p_seq bigint, p_record text, p_error text)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO pop3.quarantine AS q (chain_id, seq, record, error)
    VALUES (p_chain_id, p_seq, p_record, p_error)
    RETURNING q.quarantine_id INTO v_id;
    -- not the error: it may quote what pop3.forget_user() has to erase
    INSERT INTO pop3.audit (chain_id, seq, event, detail)
    VALUES (p_chain_id, p_seq, 'quarantined', 'quarantine_id ' || v_id);
END
$$;

COMMENT ON FUNCTION pop3.record_quarantine(uuid, bigint, text, text) IS
    'Put away a record that cannot be recorded. One sequence number';
