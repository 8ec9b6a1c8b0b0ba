-- Trigger: keeps pop3.audit append-only.
-- Calls: nothing. Tables: none.
--
-- No role but the owner (and superusers) has any right on the table. This
-- stops their accidents. Rows may be changed by the functions that have to
-- (pop3.forget_user, pop3.maintain, pop3_test.age): they act as pop3_owner,
-- and say so by the transaction's setting pop3.audit_change, which they take
-- back. It is no proof against an owner who means it.

CREATE FUNCTION pop3.audit_guard() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF current_user = 'pop3_owner' AND
       current_setting('pop3.audit_change', true) IN
       ('forget_user', 'maintain', 'age') THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION 'pop3.audit is append-only: % is not allowed', TG_OP
        USING ERRCODE = 'P3003',
              HINT = 'pop3.forget_user() erases personal data.';
END
$$;

COMMENT ON FUNCTION pop3.audit_guard() IS
    'Trigger: refuses UPDATE, DELETE and TRUNCATE of pop3.audit';
