-- Note that these users' mailboxes are used by IMAP, at most once an hour. No
-- sequence number.
-- Calls: nothing. Tables: writes maildrop.

CREATE FUNCTION pop3.record_imap_use(p_username text[]) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE pop3.maildrop d SET imap_used_at = now()
     WHERE d.username = ANY (p_username)
       AND (d.imap_used_at IS NULL OR
            d.imap_used_at < now() - interval '1 hour');
END
$$;

COMMENT ON FUNCTION pop3.record_imap_use(text[]) IS
    'Note that these users'' mailboxes are used by IMAP. No sequence number';
