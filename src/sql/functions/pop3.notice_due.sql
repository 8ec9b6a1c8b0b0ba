-- May a notice be written to the owner now? If enforcement is enforce and notify
-- is yes, the policy is still that of p_version (NULL: whatever it is), and none
-- of the kind was written in the last 24 hours; of kind quota, if p_level
-- (percent) is above what was told. The notice that was allowed last, told by
-- its Message-ID, still is.
-- Calls: policy_values, policy_version. Tables: reads notice.

CREATE FUNCTION pop3.notice_due(
    p_username text, p_kind text, p_level int, p_version text,
    p_message_id text)
    RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    n pop3.notice;
BEGIN
    IF p_message_id IS NULL OR p_kind IS NULL OR
       p_kind NOT IN ('quota', 'expiry', 'policy') OR
       p_kind = 'quota' AND p_level IS NULL THEN
        RAISE EXCEPTION 'a notice needs a kind, a Message-ID and, of kind quota, a level'
            USING ERRCODE = 'P3002';
    END IF;
    IF (SELECT count(*) FROM pop3.policy_values(p_username) v
         WHERE v.parameter = 'enforcement' AND v.value = 'enforce'
            OR v.parameter = 'notify' AND v.value = 'yes') < 2 OR
       p_version <> pop3.policy_version(p_username) THEN
        RETURN false;
    END IF;
    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = p_kind;
    RETURN coalesce(n.message_id = p_message_id, false) OR
           coalesce(n.at <= now() - interval '24 hours', true) AND
           (p_kind <> 'quota' OR p_level > coalesce(n.level, 0));
END
$$;

COMMENT ON FUNCTION pop3.notice_due(text, text, int, text, text) IS
    'May a notice be written to the owner now?';
