-- How many messages of a maildrop are due under limits in seconds (-1 or NULL:
-- none): the retrieved and hidden ones by their clocks, and what an outage
-- postponed; of those that were never
-- retrieved at most so many as may be there, since they have no rows. p_own_scope
-- is whether the user's own row sets expire_unretrieved. As
-- pop3.maildrop_state() has it, but for what open intents are about.
-- Calls: nothing. Tables: reads maildrop, message, watermark.

CREATE FUNCTION pop3.maildrop_due(
    p_maildrop_id bigint, p_retrieved bigint, p_hidden bigint,
    p_mass bigint, p_unretrieved bigint, p_own_scope boolean)
    RETURNS bigint
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    AS $$
DECLARE
    v_retrieved timestamptz := now() -
        make_interval(secs => nullif(p_retrieved, -1));
    v_hidden timestamptz := now() - make_interval(secs => nullif(p_hidden, -1));
    v_mass timestamptz := now() - make_interval(secs => nullif(p_mass, -1));
    v_unretrieved timestamptz := now() -
        make_interval(secs => nullif(p_unretrieved, -1));
    v_due bigint;
    v_before bigint;
    d pop3.maildrop;
BEGIN
    SELECT count(*) INTO v_due FROM pop3.message s
     WHERE s.maildrop_id = p_maildrop_id
       AND (s.postponed IS NOT NULL OR
            s.retrieved_at <= v_retrieved AND
            s.reason IS DISTINCT FROM 'mass-delete' OR
            s.hidden_at <= v_hidden AND
            s.reason IS DISTINCT FROM 'mass-delete' OR
            s.hidden_at <= v_mass AND s.reason = 'mass-delete');
    IF v_unretrieved IS NULL THEN
        RETURN v_due;
    END IF;

    SELECT k.uidnext INTO v_before FROM pop3.watermark k
     WHERE k.maildrop_id = p_maildrop_id AND k.at <= v_unretrieved
     ORDER BY k.at DESC LIMIT 1;
    IF v_before > 1 THEN
        SELECT x.* INTO d FROM pop3.maildrop x
         WHERE x.maildrop_id = p_maildrop_id;
        IF p_own_scope OR d.imap_used_at IS NULL OR
           d.imap_used_at <= v_unretrieved THEN
            v_due := v_due + greatest(0, least(
                v_before - 1 - coalesce(
                    (SELECT sum(upper(r) - lower(r))
                       FROM unnest(d.retrieved *
                                   int8multirange(int8range(1, v_before))) r),
                    0),
                d.messages - d.tracked));
        END IF;
    END IF;
    RETURN v_due;
END
$$;

COMMENT ON FUNCTION pop3.maildrop_due(bigint, bigint, bigint, bigint, bigint, boolean) IS
    'How many messages of a maildrop are due; limits in seconds (internal)';
