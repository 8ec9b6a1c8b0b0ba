-- The rows that this transaction wrote, with the numbers p_first_seq to
-- p_last_seq of a chain, for the service to seal: kind is A (pop3.audit) or S
-- (pop3.session, pop3.session_lost), public and personal are the columns of their
-- canonical form, in its order (doc/audit.md). p_session_id and p_started (seconds
-- since 1970) are the sessions among them; p_from is the earliest time that a
-- record was given (seconds since 1970), NULL if all are of now.
-- Calls: nothing. Tables: reads audit, session, session_lost.
--
-- Each plan is for the partitions of these times: planning for all of them costs a
-- new connection more than the rest of its start.

CREATE FUNCTION pop3.chain_rows(
    p_chain_id uuid, p_first_seq bigint, p_last_seq bigint, p_from float8,
    p_session_id uuid[], p_started float8[])
    RETURNS TABLE (seq bigint, kind text, public text[], personal text[])
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_custom_plan
    AS $$
#variable_conflict use_column
DECLARE
    v_found bigint := 0;
    v_from timestamptz := least(to_timestamp(p_from), now());
    v_until timestamptz := now();
BEGIN
    IF cardinality(p_session_id) > 0 THEN
        SELECT to_timestamp(min(u.started)), to_timestamp(max(u.started))
          INTO v_from, v_until
          FROM unnest(p_started) u (started);
        -- OFFSET: by the index, whatever the planner knows of today's rows.
        -- What was lost and found in one batch has two.
        RETURN QUERY
        SELECT r.*
          FROM (SELECT DISTINCT u.session_id,
                       to_timestamp(u.started) AS started_at
                  FROM unnest(p_session_id, p_started)
                       u (session_id, started)) k,
               LATERAL (
                   SELECT s.seq, 'S',
                          ARRAY[s.session_id::text,
                                (extract(epoch FROM s.started_at) * 1000000)
                                    ::bigint::text,
                                (extract(epoch FROM s.ended_at) * 1000000)
                                    ::bigint::text,
                                s.bytes::text, s.uidvalidity::text,
                                s.uidnext::text, s.uidnext_end::text,
                                s.messages::text, s.mailbox_guid::text,
                                s.polls::text, s.retr::text, s.top::text,
                                s.dele::text, left(s.tls::text, 1),
                                s.ended_by, s.fetched::text,
                                s.retrieved::text, s.removed::text],
                          ARRAY[s.username, s.auth_user, s.dovecot_session,
                                s.device, s.remote_address]
                     FROM (SELECT o.* FROM pop3.session o
                            WHERE o.session_id = k.session_id
                              AND o.started_at = k.started_at
                              AND o.started_at BETWEEN v_from AND v_until
                           UNION ALL
                           SELECT l.* FROM pop3.session_lost l
                            WHERE l.session_id = k.session_id
                              AND l.started_at = k.started_at) s
                    WHERE s.chain_id = p_chain_id
                      AND s.seq BETWEEN p_first_seq AND p_last_seq
                   OFFSET 0) r;
        GET DIAGNOSTICS v_found = ROW_COUNT;
        v_from := least(to_timestamp(p_from), now());
        v_until := now();
    END IF;
    IF v_found > p_last_seq - p_first_seq THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT a.seq, 'A',
           ARRAY[(extract(epoch FROM a.at) * 1000000)::bigint::text,
                 a.session_id::text, a.mailbox_guid::text,
                 a.message_guid::text, a.uidvalidity::text, a.uid::text,
                 a.size::text, a.intent_no::text, a.event, a.action,
                 a.reason],
           ARRAY[a.username, a.auth_user, a.dovecot_session,
                 a.remote_address, a.device, a.uidl, a.message_id, a.moved_to,
                 a.detail, a.scope]
      FROM pop3.audit a
     WHERE a.seq BETWEEN p_first_seq AND p_last_seq
       AND a.chain_id = p_chain_id AND a.at BETWEEN v_from AND v_until;
END
$$;

COMMENT ON FUNCTION pop3.chain_rows(uuid, bigint, bigint, float8, uuid[], float8[]) IS
    'Rows that this transaction wrote, as columns of their canonical form, to be sealed';
