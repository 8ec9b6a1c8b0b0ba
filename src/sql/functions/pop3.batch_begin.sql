-- First call of each transaction that writes rows p_first_seq to p_last_seq of
-- a chain (p_last_seq = p_first_seq - 1 if it writes none): moves the chain's
-- head. Raises P3001 unless the head is right before this batch and the epoch is
-- the one that the last pop3.chain_open() gave, so that a batch is either
-- written once or not at all, however often it is sent.
-- p_usernames are the users for whom it changes what pop3.maildrop_state() says,
-- all of them; NULL: pop3.tell_change() finds them.
-- Calls: nothing. Tables: writes chain, maildrop_change.

CREATE FUNCTION pop3.batch_begin(p_chain_id uuid, p_epoch bigint,
                                 p_batch bigint, p_first_seq bigint,
                                 p_last_seq bigint,
                                 p_usernames text[] DEFAULT NULL)
    RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_batch bigint;
    v_seq bigint;
    v_epoch bigint;
BEGIN
    IF p_last_seq < p_first_seq - 1 THEN
        RAISE EXCEPTION 'batch % of chain %: rows % to % are out of order',
            p_batch, p_chain_id, p_first_seq, p_last_seq
            USING ERRCODE = 'P3001';
    END IF;
    UPDATE pop3.chain c
       SET last_batch = p_batch, last_seq = p_last_seq
     WHERE c.chain_id = p_chain_id AND c.last_batch = p_batch - 1
       AND c.last_seq = p_first_seq - 1 AND c.epoch = p_epoch;
    IF FOUND THEN
        IF p_usernames IS NOT NULL THEN
            PERFORM set_config('pop3.users_named', 'yes', true);
            INSERT INTO pop3.maildrop_change (username)
            SELECT DISTINCT u.username FROM unnest(p_usernames) u (username);
        END IF;
        RETURN;
    END IF;
    SELECT c.last_batch, c.last_seq, c.epoch INTO v_batch, v_seq, v_epoch
      FROM pop3.chain c WHERE c.chain_id = p_chain_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'chain % is not open', p_chain_id
            USING ERRCODE = 'P3001';
    END IF;
    IF v_epoch <> p_epoch THEN
        RAISE EXCEPTION 'chain % was opened again: batch % comes too late',
            p_chain_id, p_batch
            USING ERRCODE = 'P3001';
    END IF;
    RAISE EXCEPTION 'chain % stands at batch %, row %: batch % from row % does not follow',
        p_chain_id, v_batch, v_seq, p_batch, p_first_seq
        USING ERRCODE = 'P3001';
END
$$;

COMMENT ON FUNCTION pop3.batch_begin(uuid, bigint, bigint, bigint, bigint, text[]) IS
    'Move a chain''s head over the rows that this transaction writes; P3001 unless they follow it';
