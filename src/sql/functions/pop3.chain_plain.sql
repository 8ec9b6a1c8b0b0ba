-- Make rows that were written in plain SQL part of a chain: at most p_rows, the
-- oldest first, of those dated from p_from to p_until (seconds since 1970). They
-- get numbers from p_seq on, p_rows of them in all; a row of event unused stands
-- for each number that is left because another service was faster.
-- Calls: is_plain_event. Tables: writes audit.

CREATE FUNCTION pop3.chain_plain(p_chain_id uuid, p_seq bigint, p_rows int,
                                 p_from float8, p_until float8)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- planned for these days alone
    SET plan_cache_mode = force_custom_plan
    AS $$
DECLARE
    v_from timestamptz := to_timestamp(p_from);
    v_until timestamptz := least(to_timestamp(p_until), now());
    v_row record;
    v_seq bigint := p_seq;
BEGIN
    PERFORM set_config('pop3.audit_change', 'chain_plain', true);
    FOR v_row IN
        SELECT a.tableoid, a.ctid, a.at FROM pop3.audit a
         WHERE a.chain_id IS NULL AND a.at >= v_from AND a.at <= v_until
           AND pop3.is_plain_event(a.event)
         ORDER BY a.at LIMIT p_rows
           FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE pop3.audit a SET chain_id = p_chain_id, seq = v_seq
         WHERE a.at = v_row.at AND a.tableoid = v_row.tableoid
           AND a.ctid = v_row.ctid;
        v_seq := v_seq + 1;
    END LOOP;
    PERFORM set_config('pop3.audit_change', '', true);
    INSERT INTO pop3.audit (chain_id, seq, event)
    SELECT p_chain_id, s.seq, 'unused'
      FROM generate_series(v_seq, p_seq + p_rows - 1) s (seq);
END
$$;

COMMENT ON FUNCTION pop3.chain_plain(uuid, bigint, int, float8, float8) IS
    'Make rows that were written in plain SQL part of a chain';
