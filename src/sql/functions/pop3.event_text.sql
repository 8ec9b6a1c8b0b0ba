-- What happened, in words, of a row of pop3.audit; p_outcome is what became of an
-- intent's message: committed, released, presumed; NULL while that is not known.
-- Calls: nothing. Tables: none.

CREATE FUNCTION pop3.event_text(p_event text, p_action text, p_reason text,
                                p_moved_to text, p_outcome text)
    RETURNS text
    LANGUAGE sql IMMUTABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT CASE
        WHEN p_event = 'intent' THEN
            CASE p_action WHEN 'expunge' THEN 'removed'
                          WHEN 'move' THEN 'moved to ' || p_moved_to
                          WHEN 'hide' THEN 'hidden'
                          WHEN 'flag' THEN 'marked as deleted'
                          ELSE p_action END ||
            CASE WHEN p_outcome IS NULL THEN ' (outcome not known yet)'
                 WHEN p_outcome = 'released' THEN ' (not done: it stayed)'
                 WHEN p_outcome = 'presumed'
                 THEN ' (presumably: the session broke off, it is gone)'
                 ELSE '' END
        WHEN p_event IN ('refused', 'would-refuse') THEN
            CASE p_reason WHEN 'dele' THEN 'DELE'
                          WHEN 'download-daily' THEN 'download'
                          ELSE 'login' END ||
            CASE p_event WHEN 'refused' THEN ' refused'
                         ELSE ' would have been refused' END
        WHEN p_event = 'postponed' THEN
            CASE p_action WHEN 'flag' THEN 'marked as deleted'
                          ELSE 'hidden, removal postponed' END ||
            ': the database was away'
        WHEN p_event = 'notice' THEN 'owner was sent a notice'
        ELSE coalesce((SELECT x.words FROM (VALUES
            ('gone', 'removed by IMAP or others'),
            ('kept', 'postponed removal decided anew: it stays'),
            ('mismatch', 'state dropped: its UID is another message''s'),
            ('rollback', 'mailbox was put back from an older copy'),
            ('carried', 'state carried over to a new UIDVALIDITY'),
            ('restored', 'restored to the view'),
            ('unconfirmed', 'not retrieved: QUIT came before it was out'),
            ('mass-delete', 'mass deletion: hidden instead of removed'),
            ('would-mass-delete', 'mass deletion: would have been hidden'),
            ('quarantined', 'a record could not be written'),
            ('chain-back', 'the database lost records, they were written again'),
            ('forgotten', 'personal data was erased'))
            x (event, words) WHERE x.event = p_event), p_event) END
$$;

COMMENT ON FUNCTION pop3.event_text(text, text, text, text, text) IS
    'What happened, in words (internal)';
