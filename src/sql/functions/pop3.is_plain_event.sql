-- Whether a row of this event in pop3.audit may have been written in plain SQL, by
-- a function for people or by a person. The other events are written by
-- services alone, which do so in a chain: a row that is in none was inserted by
-- something else, stays out, and verify finds it.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.is_plain_event(p_event text) RETURNS boolean
    LANGUAGE sql IMMUTABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
SELECT p_event <> ALL (ARRAY['intent', 'committed', 'committed-late',
    'released', 'presumed', 'late', 'repair-late', 'gone', 'unused', 'repeat',
    'session-found', 'quarantined', 'chain-back', 'postponed'])
$$;

COMMENT ON FUNCTION pop3.is_plain_event(text) IS
    'Whether a row of this event may have been written in plain SQL';
