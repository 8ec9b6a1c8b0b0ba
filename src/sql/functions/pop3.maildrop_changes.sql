-- For which users what pop3.maildrop_state() says may have changed by
-- transactions that p_seen does not see and this call does: to be called again
-- with what it returns as seen. NULL: none yet. A user who is NULL stands for
-- all. What was committed before transactions from p_forget on began is nobody's
-- concern any more, and deleted.
-- Calls: nothing. Tables: writes maildrop_change.

CREATE FUNCTION pop3.maildrop_changes(p_seen pg_snapshot, p_forget xid8)
    RETURNS TABLE (seen pg_snapshot, usernames text[])
    LANGUAGE plpgsql SECURITY DEFINER ROWS 1
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan
    AS $$
#variable_conflict use_column
BEGIN
    -- one statement, so that both are of one snapshot
    RETURN QUERY
    SELECT pg_current_snapshot(),
           CASE WHEN bool_or(c.username IS NULL) OR count(*) > 20000
                THEN ARRAY[NULL::text]
                ELSE array_agg(DISTINCT c.username) END
      FROM pop3.maildrop_change c
     WHERE c.xid >= pg_snapshot_xmin(p_seen)
       AND NOT pg_visible_in_snapshot(c.xid, p_seen);
    IF p_forget IS NOT NULL AND
       pg_try_advisory_xact_lock(hashtext('pop3.maildrop_changes')) THEN
        DELETE FROM pop3.maildrop_change c WHERE c.xid < p_forget;
        -- no transaction that was committed has such a number: they are of
        -- another server, which this database was dumped from
        DELETE FROM pop3.maildrop_change c
         WHERE c.xid >= pg_snapshot_xmax(pg_current_snapshot())
           AND c.xid <> pg_current_xact_id();
    END IF;
END
$$;

COMMENT ON FUNCTION pop3.maildrop_changes(pg_snapshot, xid8) IS
    'Users whose maildrops'' state may have changed since; forgets older changes';
