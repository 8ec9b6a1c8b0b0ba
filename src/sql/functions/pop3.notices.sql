-- What the owner of a maildrop should be told: nothing unless enforcement is
-- enforce and notify is yes, and nothing of a kind that a notice told of in the
-- last 24 hours. Changes nothing. Rows of kind
--   rule    a parameter that concerns the owner, whose effective value (new) is
--           not the one last told (old; the built-in one before the first):
--           name, old, new
--   expiry  at most one: messages that no notice covered go within
--           p_expiry_time seconds, if things stay as they are:
--             uids    by expire_retrieved; NULL if none
--             before_uid, exempt
--                     by expire_unretrieved: UIDs below before_uid, save
--                     exempt; NULL if none. Whether they are still there is not
--                     known here
--             at      when the first of them goes, until: the end of that time;
--                     seconds since 1970
--
-- What would be due is what pop3.maildrop_state() says at that time, without
-- what is hidden or not in the view by view_since or view_window. Mailboxes that
-- IMAP used in the last 24 hours are taken to be used by IMAP until then.
-- Calls: policy_values, expiring. Tables: reads notice, parameter, control.

CREATE FUNCTION pop3.notices(
    p_username text, p_mailbox_guid uuid, p_uidvalidity bigint,
    p_expiry_time bigint)
    RETURNS TABLE (kind text, name text, old text, new text,
                   uids int8multirange, before_uid bigint,
                   exempt int8multirange, at bigint, until bigint)
    LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 5
    SET search_path = pg_catalog, pg_temp
    AS $$
#variable_conflict use_column
DECLARE
    v_policy jsonb;
    v_own_scope boolean;
    n pop3.notice;
BEGIN
    SELECT jsonb_object_agg(v.parameter, v.value),
           bool_or(v.parameter = 'expire_unretrieved' AND v.level = 0)
      INTO v_policy, v_own_scope
      FROM pop3.policy_values(p_username) v;
    IF v_policy ->> 'enforcement' <> 'enforce' OR
       v_policy ->> 'notify' <> 'yes' THEN
        RETURN;
    END IF;

    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = 'policy';
    IF NOT FOUND OR n.at <= now() - interval '24 hours' THEN
        RETURN QUERY
        SELECT 'rule', p.name, o.old, v_policy ->> p.name,
               NULL::int8multirange, NULL::bigint, NULL::int8multirange,
               NULL::bigint, NULL::bigint
          FROM pop3.parameter p,
               LATERAL (SELECT coalesce(n.told ->> p.name, p.builtin) AS old) o
         WHERE p.concerns_owner AND o.old <> v_policy ->> p.name
         ORDER BY p."position";
    END IF;

    SELECT x.* INTO n FROM pop3.notice x
     WHERE x.username = p_username AND x.kind = 'expiry';
    IF FOUND AND n.at > now() - interval '24 hours' OR
       v_policy ->> 'pop3_hold' = 'yes' OR
       EXISTS (SELECT FROM pop3.control c WHERE c.stopped IS NOT NULL) THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT 'expiry', NULL, NULL, NULL, e.uids, e.before_uid, e.exempt,
           floor(extract(epoch FROM e.at))::bigint,
           floor(extract(epoch FROM e.until))::bigint
      FROM pop3.expiring(p_username, p_mailbox_guid, p_uidvalidity,
                         -- whole seconds, as the client tells it back
                         to_timestamp(ceil(extract(epoch FROM now())) +
                                      p_expiry_time),
                         v_policy, v_own_scope, n.told) e;
END
$$;

COMMENT ON FUNCTION pop3.notices(text, uuid, bigint, bigint) IS
    'What a notice should tell the owner: changed rules, and mail that goes within p_expiry_time (seconds)';
