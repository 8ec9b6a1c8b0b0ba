-- Trigger: keeps pop3.audit and pop3.seal append-only.
-- Calls: nothing. Tables: none.
--
-- No role but the owner (and superusers) has any right on these tables. This
-- stops their accidents. Rows may be changed by the functions that have to
-- (pop3.forget_user, pop3.maintain, pop3.chain_plain, pop3_test.age): they act
-- as pop3_owner, and say so by the transaction's setting pop3.audit_change,
-- which they take back. It is no proof against an owner who means it.

CREATE FUNCTION pop3.audit_guard() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_user = 'pop3_owner' AND
       current_setting('pop3.audit_change', true) IN
       ('forget_user', 'maintain', 'chain_plain', 'age') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'pop3.% is append-only: % is not allowed',
          split_part(TG_TABLE_NAME, '_', 1), TG_OP
          USING ERRCODE = 'P3003',
                HINT = 'pop3.forget_user() erases personal data.';
END
$$;

COMMENT ON FUNCTION pop3.audit_guard() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of pop3.audit and pop3.seal';
