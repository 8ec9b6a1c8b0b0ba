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

-- The row of pop3.generation is locked before any row of these, so that those
-- who change policies wait for each other in one order only.
CREATE TRIGGER policy_generation
    BEFORE INSERT OR UPDATE OR DELETE ON pop3.policy
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER policy_generation
    BEFORE INSERT OR UPDATE OR DELETE ON pop3.preset
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER history_updated AFTER UPDATE ON pop3.policy_history
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER history_deleted AFTER DELETE ON pop3.policy_history
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER history_truncated AFTER TRUNCATE ON pop3.policy_history
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.move_generation();
CREATE TRIGGER control_told AFTER UPDATE OF paused_at, tripped_at ON pop3.control
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_control();

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

-- What pop3.maildrop_state() reads. Watermarks are deleted with their maildrop, or
-- when they are too old to matter.
CREATE TRIGGER inserted AFTER INSERT ON pop3.maildrop
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.maildrop
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.maildrop
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.maildrop
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.message
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.message
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.message
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.message
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.intent
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.intent
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.intent
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.intent
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.would_remove
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.would_remove
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER deleted AFTER DELETE ON pop3.would_remove
    REFERENCING OLD TABLE AS before_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.would_remove
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER inserted AFTER INSERT ON pop3.watermark
    REFERENCING NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER updated AFTER UPDATE ON pop3.watermark
    REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
CREATE TRIGGER truncated AFTER TRUNCATE ON pop3.watermark
    FOR EACH STATEMENT EXECUTE FUNCTION pop3.tell_change();
