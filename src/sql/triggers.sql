-- Triggers. Those on pop3.audit and pop3.seal fire once a statement, for a table
-- named in it; pop3.maintain() gives each partition its own.

CREATE TRIGGER policy_check BEFORE INSERT OR UPDATE ON pop3.policy
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_check();
CREATE TRIGGER policy_check BEFORE INSERT OR UPDATE OR DELETE ON pop3.preset
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_check();

CREATE TRIGGER policy_history AFTER INSERT OR UPDATE OR DELETE ON pop3.policy
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER policy_history AFTER INSERT OR UPDATE OR DELETE ON pop3.preset
    FOR EACH ROW EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER policy_truncate BEFORE TRUNCATE ON pop3.policy
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.policy_keep_history();
CREATE TRIGGER policy_truncate BEFORE TRUNCATE ON pop3.preset
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.policy_keep_history();

CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.audit
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();
CREATE TRIGGER audit_guard
    BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.audit_default
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();

CREATE TRIGGER audit_guard BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.seal
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();
CREATE TRIGGER audit_guard
    BEFORE UPDATE OR DELETE OR TRUNCATE ON pop3.seal_default
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.audit_guard();
