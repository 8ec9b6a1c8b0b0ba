# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What each role may do, and what it may not, logged in as it."""

import psycopg2
import pytest

from sqlhelp import USER, Service, new_id

SERVICE = {
    "now", "policy_rows", "policy_levels", "policy_version",
    "policy_generation", "policy_changes", "policy_users",
    "maildrop_state", "maildrop_changes", "tracked",
    "plain_waiting", "chain_plain",
    "chain_rows", "chain_seal",
    "intent_state", "chain_open", "batch_begin", "replay_at", "record_intent",
    "record_postponed",
    "record_outcome", "record_abandon", "claim_intent", "record_repair",
    "record_event", "carry_over", "record_session", "record_polls",
    "record_imap_use", "record_quarantine", "maintain", "accept_login",
    "download_reserve", "leave_excess", "told_level", "evictable",
    "record_usage", "notices", "notice_due", "take_notice"}
ADMIN = {"set_policy", "unset_policy", "effective_policy", "explain",
         "set_policies", "preview_policies", "list_policy", "list_presets",
         "status", "log", "pause", "resume", "confirm_breaker", "set_breaker",
         "control_status", "due_users", "sweep_select", "sweep_claim",
         "sweep_release", "restore", "forget_user", "maintain",
         "set_retention",
         "value_human", "roll_up"}
REPORT = {"value_human"}
# what `verify' reads
VERIFY = {"audit", "session", "session_lost", "seal", "chain"}
REPORTS = {
    "report_user", "report_session_daily", "report_deletion",
    "report_never_quit", "report_leave_on_server", "report_expiring",
    "report_policy", "report_would_remove", "report_session",
    "report_event", "report_event_daily", "report_kept",
    "report_expiring_soon", "report_quota", "report_policy_change"}


@pytest.fixture
def stranger(db):
    db.rows("DROP ROLE IF EXISTS stranger")
    db.rows("CREATE ROLE stranger LOGIN")
    yield "stranger"
    conn = db._connections.pop("stranger", None)
    if conn:
        conn.close()
    db.rows("DROP ROLE stranger")


@pytest.mark.parametrize("role,functions", [
    ("pop3_service", SERVICE), ("pop3_admin", ADMIN), ("pop3_report", REPORT)])
def test_functions(db, role, functions):
    assert set(db.values(
        "SELECT p.proname::text FROM pg_proc p "
        "WHERE p.pronamespace = 'pop3'::regnamespace "
        "AND has_function_privilege(p.oid, 'EXECUTE')",
        role=role)) == functions


@pytest.mark.parametrize("role,readable,writable", [
    ("pop3_service", set(), set()),
    ("pop3_admin", REPORTS | VERIFY | {"policy", "preset", "policy_history",
                                       "parameter"}, {"policy", "preset"}),
    ("pop3_report", REPORTS, set())])
def test_tables(db, role, readable, writable):
    def tables(rights):
        return set(db.values(
            "SELECT c.relname::text FROM pg_class c "
            "WHERE c.relnamespace = 'pop3'::regnamespace "
            "AND c.relkind IN ('r', 'p', 'v', 'S') "
            "AND (has_table_privilege(c.oid, %s) "
            "     OR has_any_column_privilege(c.oid, %s))",
            (rights, rights.replace("DELETE, TRUNCATE, TRIGGER", "UPDATE")),
            role=role))

    assert tables("SELECT") == readable
    assert tables("INSERT") == tables("UPDATE") == writable
    assert set(db.values(
        "SELECT c.relname::text FROM pg_class c "
        "WHERE c.relnamespace = 'pop3'::regnamespace "
        "AND has_table_privilege(c.oid, 'DELETE')", role=role)) == writable
    assert db.values(
        "SELECT c.relname::text FROM pg_class c "
        "WHERE c.relnamespace = 'pop3'::regnamespace "
        "AND c.relkind IN ('r', 'p') "
        "AND has_table_privilege(c.oid, 'TRUNCATE, REFERENCES, TRIGGER')",
        role=role) == []


def test_strangers_may_nothing(db, stranger):
    for sql in ("SELECT pop3.now()", "SELECT * FROM pop3.report_user",
                "SELECT pop3.set_policy('*', 'on_dele', 'hide')"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege,
                           match="permission denied for schema pop3"):
            db.rows(sql, role=stranger)
    # nor with USAGE alone
    db.rows("GRANT USAGE ON SCHEMA pop3 TO stranger")
    try:
        for name in db.values(
                "SELECT p.oid::regprocedure::text FROM pg_proc p "
                "WHERE p.pronamespace = 'pop3'::regnamespace"):
            assert not db.value("SELECT has_function_privilege(%s, "
                                "'EXECUTE')", (name,), role=stranger), name
    finally:
        db.rows("REVOKE USAGE ON SCHEMA pop3 FROM stranger")


def test_nobody_creates_objects_in_the_schema(db):
    for role in ("pop3_service", "pop3_admin", "pop3_report"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.rows("CREATE TABLE pop3.mine (a int)", role=role)


def test_the_owner_does_not_log_in(db):
    with pytest.raises(psycopg2.OperationalError,
                       match="not permitted to log in"):
        db.server.connect("pop3_owner", db.name)
    row = db.row("SELECT rolsuper, rolcreaterole, rolcreatedb "
                 "FROM pg_roles WHERE rolname = 'pop3_owner'")
    assert not any(row.values())


def test_everything_belongs_to_the_owner(db):
    assert db.values(
        "SELECT c.relname::text FROM pg_class c "
        "WHERE c.relnamespace = 'pop3'::regnamespace "
        "AND c.relowner <> 'pop3_owner'::regrole") == []
    assert db.values(
        "SELECT p.proname::text FROM pg_proc p "
        "WHERE p.pronamespace::regnamespace::text IN ('pop3', 'pop3_test') "
        "AND p.proowner <> 'pop3_owner'::regrole") == []
    assert db.value("SELECT nspowner::regrole::text FROM pg_namespace "
                    "WHERE nspname = 'pop3'") == "pop3_owner"


def test_what_the_service_may_not(db):
    for sql in (
            "SELECT pop3.set_policy('*', 'on_dele', 'hide')",
            "SELECT pop3.restore('a@b')",
            "SELECT pop3.forget_user('a@b')",
            "SELECT pop3.effective_policy('a@b')",
            "SELECT * FROM pop3.audit",
            "SELECT * FROM pop3.report_deletion",
            "INSERT INTO pop3.audit (event) VALUES ('x')",
            "UPDATE pop3.chain SET last_seq = 0",
            "DELETE FROM pop3.intent",
            "SELECT pop3.maildrop_find('a', gen_random_uuid(), 1)",
            "SELECT pop3_test.age('a', '1 day')"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.rows(sql, role="pop3_service")


def test_what_the_admin_may(db):
    service = Service(db)
    service.remove([3], "hide")
    for sql in (
            "SELECT pop3.set_policy('*', 'on_dele', 'hide')",
            "SELECT pop3.unset_policy('*', 'on_dele')",
            "SELECT * FROM pop3.effective_policy('a@b')",
            "SELECT pop3.explain('a@b')",
            "SELECT pop3.restore('%s')" % USER,
            "SELECT * FROM pop3.maintain()",
            "INSERT INTO pop3.policy (scope, on_dele) VALUES ('*', 'hide')",
            "UPDATE pop3.policy SET on_dele = 'move'",
            "DELETE FROM pop3.policy",
            "SELECT * FROM pop3.policy_history",
            "SELECT pop3.forget_user('%s')" % USER):
        db.rows(sql, role="pop3_admin")


def test_what_the_admin_may_not(db):
    for sql in (
            "SELECT * FROM pop3.message",
            "DELETE FROM pop3.audit",
            "UPDATE pop3.seal SET key_id = 'x'",
            "UPDATE pop3.session SET username = 'x'",
            "UPDATE pop3.chain SET last_seq = 0",
            "SELECT pop3.erase_salts('{}', '{}', '{}')",
            "DELETE FROM pop3.policy_history",
            "UPDATE pop3.policy_history SET who = 'x'",
            "UPDATE pop3.parameter SET builtin = 'enforce'",
            "SELECT pop3.batch_begin('%s', 1, 1, 1, 1)" % new_id(),
            "SELECT pop3.record_quarantine('%s', 1, 'a', 'b')" % new_id(),
            "SELECT pop3_test.age('a', '1 day')"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.rows(sql, role="pop3_admin")


def test_reports_are_read_by_report_and_admin(db):
    service = Service(db)
    service.session(retrieved={3: "none"})
    for role in ("pop3_report", "pop3_admin"):
        for view in REPORTS:
            db.rows("SELECT * FROM pop3.%s" % view, role=role)
    for sql in ("SELECT * FROM pop3.message", "SELECT * FROM pop3.policy",
                "SELECT * FROM pop3.policy_user",
                "SELECT * FROM pop3.explain('a@b')"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.rows(sql, role="pop3_report")


def test_a_hostile_search_path_is_ignored(db, stranger):
    """Objects of the caller's must not be found by our functions."""
    db.rows("CREATE SCHEMA evil AUTHORIZATION pop3_admin")
    try:
        db.rows("CREATE FUNCTION evil.lower(text) RETURNS text LANGUAGE sql "
                "AS $$ SELECT 'evil'::text $$; "
                "CREATE FUNCTION evil.eq(text, text) RETURNS boolean "
                "LANGUAGE sql AS $$ SELECT true $$; "
                "CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, "
                "FUNCTION = evil.eq); "
                "CREATE TEMPORARY TABLE policy (scope text)",
                role="pop3_admin")
        db.rows("SET search_path = evil, pg_catalog", role="pop3_admin")
        assert db.value("SELECT pop3.set_policy('@Example.org', 'on_dele', "
                        "'hide')", role="pop3_admin") == \
            "@example.org: on_dele = hide"
        assert db.values("SELECT scope FROM pop3.policy") == ["@example.org"]
    finally:
        db.rows("RESET search_path", role="pop3_admin")
        db.rows("DROP TABLE pg_temp.policy", role="pop3_admin")
        db.rows("DROP SCHEMA evil CASCADE")
