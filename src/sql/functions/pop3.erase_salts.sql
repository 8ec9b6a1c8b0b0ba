-- Erase the salts of rows of chains in their seals: what is left there of their
-- personal columns, a digest, is then one of nothing that anybody could try. The
-- arrays are the rows' chains and numbers, and a time shortly before they were
-- sealed, where that is known.
-- Calls: nothing. Tables: writes seal.

CREATE FUNCTION pop3.erase_salts(p_chain_id uuid[], p_seq bigint[],
                                 p_at timestamptz[])
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- the partitions that are looked at depend on the times
    SET plan_cache_mode = force_custom_plan
    AS $$
DECLARE
    v_row record;
    v_seal record;
    v_salts bytea;
    v_seq bigint;
BEGIN
    FOR v_row IN
        SELECT r.chain_id, r.day, array_agg(r.seq ORDER BY r.seq) AS seqs
          FROM (SELECT u.chain_id, u.seq,
                       date_trunc('day', u.at, 'UTC') AS day
                  FROM unnest(p_chain_id, p_seq, p_at) u (chain_id, seq, at)
                 WHERE u.chain_id IS NOT NULL AND u.seq IS NOT NULL) r
         GROUP BY r.chain_id, r.day
    LOOP
        WHILE cardinality(v_row.seqs) > 0 LOOP
            -- the seal that may cover the first of them: of that day, as a
            -- rule, or of those after it
            SELECT s.tableoid, s.ctid, s.at, s.first_seq, s.last_seq, s.salts
              INTO v_seal
              FROM pop3.seal s
             WHERE s.chain_id = v_row.chain_id
               AND s.first_seq <= v_row.seqs[1]
               AND s.at >= v_row.day - interval '1 day'
               AND s.at < v_row.day + interval '3 days'
             ORDER BY s.first_seq DESC LIMIT 1;
            IF NOT FOUND OR v_seal.last_seq < v_row.seqs[1] THEN
                SELECT s.tableoid, s.ctid, s.at, s.first_seq, s.last_seq,
                       s.salts
                  INTO v_seal
                  FROM pop3.seal s
                 WHERE s.chain_id = v_row.chain_id
                   AND s.first_seq <= v_row.seqs[1]
                 ORDER BY s.first_seq DESC LIMIT 1;
            END IF;
            IF NOT FOUND OR v_seal.last_seq < v_row.seqs[1] THEN
                -- an older service did not seal it
                v_row.seqs := v_row.seqs[2:];
                CONTINUE;
            END IF;
            v_salts := v_seal.salts;
            FOREACH v_seq IN ARRAY v_row.seqs LOOP
                EXIT WHEN v_seq > v_seal.last_seq;
                v_salts := overlay(
                    v_salts PLACING decode(repeat('00', 16), 'hex')
                    FROM (16 * (v_seq - v_seal.first_seq) + 1)::int FOR 16);
            END LOOP;
            UPDATE pop3.seal s SET salts = v_salts
             WHERE s.at = v_seal.at AND s.tableoid = v_seal.tableoid
               AND s.ctid = v_seal.ctid;
            v_row.seqs := ARRAY(SELECT u FROM unnest(v_row.seqs) u
                                 WHERE u > v_seal.last_seq ORDER BY u);
        END LOOP;
    END LOOP;
END
$$;

COMMENT ON FUNCTION pop3.erase_salts(uuid[], bigint[], timestamptz[]) IS
    'Erase the salts of rows in their seals';
