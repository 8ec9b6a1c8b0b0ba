# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A linter for what a database holds after installation: functions that nobody
may call by accident, or trick, and roles that reach no relation but theirs.
Each rule is also shown to find what breaks it."""

import psycopg2
import pytest

from sqlhelp import Service

ROLES = ("pop3_service", "pop3_admin", "pop3_report")
# what `verify' reads, as pop3_admin
VERIFY = ("audit", "session", "session_lost", "seal", "chain")
# the one that has to see who is at work; it only raises errors
INVOKER = {"pop3.audit_guard()"}

FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, p.prosecdef AS definer,
       p.proowner::regrole::text AS owner,
       coalesce(p.proconfig, '{}')::text[] AS settings,
       p.prorettype = 'trigger'::regtype AS trigger,
       ARRAY(SELECT a.grantee::regrole::text
               FROM aclexplode(coalesce(p.proacl,
                                        acldefault('f', p.proowner))) a
              WHERE a.privilege_type = 'EXECUTE'
                AND a.grantee <> p.proowner) AS grantees,
       ARRAY(SELECT a.grantee::regrole::text
               FROM aclexplode(p.proacl) a
              WHERE a.is_grantable AND a.grantee <> p.proowner) AS granting
  FROM pg_proc p
 WHERE p.pronamespace::regnamespace::text IN ('pop3', 'pop3_test')
 ORDER BY 1
"""

# All rights that a role has on a relation or a column of it, by whatever way
# (PUBLIC and roles that it is a member of included).
RIGHTS = """
SELECT c.oid::regclass::text AS name, c.relkind, c.relispartition AS partition,
       c.relowner::regrole::text AS owner,
       ARRAY(SELECT t.p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE',
                                          'DELETE', 'TRUNCATE', 'REFERENCES',
                                          'TRIGGER']) t (p)
              WHERE CASE WHEN c.relkind = 'S' THEN false
                         ELSE has_table_privilege(%(role)s, c.oid, t.p) END
                 OR CASE WHEN c.relkind = 'S' OR
                              t.p IN ('DELETE', 'TRUNCATE', 'TRIGGER')
                         THEN false
                         ELSE has_any_column_privilege(%(role)s, c.oid, t.p)
                    END
                 OR CASE WHEN c.relkind = 'S' AND t.p IN ('SELECT', 'UPDATE')
                         THEN has_sequence_privilege(%(role)s, c.oid, t.p) OR
                              has_sequence_privilege(%(role)s, c.oid, 'USAGE')
                         ELSE false END) AS rights
  FROM pg_class c
 WHERE c.relnamespace::regnamespace::text IN ('pop3', 'pop3_test')
   AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
 ORDER BY 1
"""


def lint_functions(db):
    """What is wrong with functions, as sentences."""
    found = []
    functions = db.rows(FUNCTIONS)
    assert len(functions) > 50
    for f in functions:
        def wrong(what, f=f):
            found.append("%s: %s" % (f.name, what))

        if "-" in f.grantees:
            wrong("PUBLIC may execute it")
        if set(f.grantees) - {"-"} - set(ROLES):
            wrong("others than the roles may execute it")
        if f.granting:
            wrong("a role may grant it")
        if f.name.startswith("pop3_test.") and f.grantees:
            wrong("somebody may execute it")
        if f.trigger and f.grantees:
            wrong("somebody may call a trigger")
        if f.owner != "pop3_owner":
            wrong("belongs to " + f.owner)
        if f.settings.count("search_path=pg_catalog, pg_temp") != 1:
            wrong("its search_path is not pinned")
        if f.definer == (f.name in INVOKER):
            wrong("SECURITY DEFINER is %s" % f.definer)
    return found


def lint_relations(db):
    """What is wrong with relations, and what roles may do to them."""
    found = []
    admin = {"pop3.policy": {"SELECT", "INSERT", "UPDATE", "DELETE"},
             "pop3.preset": {"SELECT", "INSERT", "UPDATE", "DELETE"},
             "pop3.policy_history": {"SELECT"}, "pop3.parameter": {"SELECT"},
             **{"pop3." + name: {"SELECT"} for name in VERIFY}}
    for role in (*ROLES, "public"):
        for c in db.rows(RIGHTS, {"role": role}):
            report = c.relkind == "v" and c.name.startswith("pop3.report_")
            allowed = set()
            if role in ("pop3_admin", "pop3_report") and report:
                allowed = {"SELECT"}
            if role == "pop3_admin":
                allowed |= admin.get(c.name, set())
            if set(c.rights) != allowed:
                found.append("%s: %s has %s" % (c.name, role, c.rights))
            if c.owner != "pop3_owner" and role == "public":
                found.append("%s: belongs to %s" % (c.name, c.owner))
    # what would be made by the owner tomorrow
    for d in db.rows(
            "SELECT coalesce(nullif(a.defaclnamespace, 0)::regnamespace"
            "::text, 'the database') AS schema, a.defaclobjtype::text AS kind, "
            "a.defaclacl::text[] AS acl FROM pg_default_acl a "
            "WHERE a.defaclrole = 'pop3_owner'::regrole"):
        for item in d.acl:
            if not item.startswith("pop3_owner="):
                found.append("default of %s in %s: %s" % (d.kind, d.schema,
                                                          item))
    return found


def lint_roles(db):
    found = []
    for r in db.rows(
            "SELECT r.rolname::text AS name, r.rolsuper OR r.rolcreaterole "
            "OR r.rolcreatedb OR r.rolbypassrls OR r.rolreplication AS may, "
            "ARRAY(SELECT m.roleid::regrole::text FROM pg_auth_members m "
            "      WHERE m.member = r.oid) AS member, "
            "has_schema_privilege(r.oid, 'pop3', 'CREATE') AS creates, "
            "has_schema_privilege(r.oid, 'pop3_test', 'USAGE') AS tests "
            "FROM pg_roles r WHERE r.rolname = ANY (%s)", (list(ROLES),)):
        if r.may or r.member or r.creates or r.tests:
            found.append("%s: %s" % (r.name, dict(r)))
    return found


def lint_views(db):
    """Views run with their owner's rights; a condition of the reader's must
    not see rows that the view leaves out, which none does for secrecy. So it
    is enough that none is a security_invoker, and that none has rules or
    triggers to write through."""
    return db.values(
        "SELECT c.oid::regclass::text FROM pg_class c "
        "WHERE c.relnamespace = 'pop3'::regnamespace AND c.relkind = 'v' "
        "AND ('security_invoker=true' = ANY (c.reloptions) OR "
        "     EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid) OR "
        "     (SELECT count(*) FROM pg_rewrite w "
        "       WHERE w.ev_class = c.oid) <> 1)")


def lint(db):
    return lint_functions(db) + lint_relations(db) + lint_roles(db) + \
        lint_views(db)


def test_nothing_is_wrong(db):
    assert lint(db) == []


def test_nothing_is_wrong_with_what_maintain_makes(fresh):
    """Partitions that are made later, indexes and triggers included."""
    before = set(fresh.values("SELECT inhrelid::regclass::text "
                              "FROM pg_inherits"))
    names = fresh.rows("SELECT to_char(current_date + 9, 'YYYYMMDD') AS a, "
                       "to_char(current_date + 14, 'YYYYMMDD') AS b")[0]
    for name in names.values():
        fresh.rows("DROP TABLE pop3.audit_%s, pop3.session_%s" % (name, name))
    made = fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert made.partitions_made == 4
    assert set(fresh.values("SELECT inhrelid::regclass::text "
                            "FROM pg_inherits")) == before
    assert lint(fresh) == []
    for name in names.values():
        for table in ("audit", "session"):
            for role in ROLES:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    fresh.rows("SELECT * FROM pop3.%s_%s" % (table, name),
                               role=role)
        with pytest.raises(psycopg2.Error, match="append-only"):
            fresh.rows("DELETE FROM pop3.audit_%s" % name)


@pytest.mark.parametrize("sql,finds", [
    ("GRANT EXECUTE ON FUNCTION pop3.now() TO PUBLIC",
     "pop3.now(): PUBLIC may execute it"),
    ("GRANT EXECUTE ON FUNCTION pop3.now() TO pop3_service "
     "WITH GRANT OPTION", "pop3.now(): a role may grant it"),
    ("GRANT EXECUTE ON FUNCTION pop3.policy_check() TO pop3_admin",
     "pop3.policy_check(): somebody may call a trigger"),
    ("GRANT EXECUTE ON FUNCTION pop3_test.age(text, interval) TO pop3_admin",
     "pop3_test.age(text,interval): somebody may execute it"),
    ("CREATE FUNCTION pop3.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
     "pop3.mine(): belongs to postgres"),
    ("CREATE FUNCTION pop3.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
     "pop3.mine(): PUBLIC may execute it"),
    ("CREATE FUNCTION pop3.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
     "pop3.mine(): SECURITY DEFINER is False"),
    ("ALTER FUNCTION pop3.now() RESET search_path",
     "pop3.now(): its search_path is not pinned"),
    ("ALTER FUNCTION pop3.now() SET search_path = public, pg_catalog",
     "pop3.now(): its search_path is not pinned"),
    ("ALTER FUNCTION pop3.now() SECURITY INVOKER",
     "pop3.now(): SECURITY DEFINER is False"),
    ("GRANT SELECT ON pop3.audit_default TO pop3_report",
     "pop3.audit_default: pop3_report has ['SELECT']"),
    ("GRANT SELECT (uid) ON pop3.message TO pop3_report",
     "pop3.message: pop3_report has ['SELECT']"),
    ("GRANT SELECT ON pop3.usage TO PUBLIC",
     "pop3.usage: pop3_service has ['SELECT']"),
    ("GRANT UPDATE ON pop3.report_kept TO pop3_admin",
     "pop3.report_kept: pop3_admin has ['SELECT', 'UPDATE']"),
    ("GRANT USAGE ON SEQUENCE pop3.policy_version_seq TO pop3_report",
     "pop3.policy_version_seq: pop3_report has ['SELECT', 'UPDATE']"),
    ("CREATE VIEW pop3.report_mine AS SELECT 1",
     "pop3.report_mine: pop3_report has []"),
    ("CREATE TABLE pop3.mine (a int)", "pop3.mine: belongs to postgres"),
    ("ALTER DEFAULT PRIVILEGES FOR ROLE pop3_owner IN SCHEMA pop3 "
     "GRANT SELECT ON TABLES TO pop3_report",
     "default of r in pop3: pop3_report=r/pop3_owner"),
    ("GRANT CREATE ON SCHEMA pop3 TO pop3_report", "pop3_report: "),
    ("GRANT USAGE ON SCHEMA pop3_test TO pop3_service", "pop3_service: "),
    ("CREATE RULE mine AS ON UPDATE TO pop3.report_user "
     "DO INSTEAD NOTHING", "pop3.report_user"),
])
def test_the_linter_finds(fresh, sql, finds):
    fresh.rows(sql)
    found = lint(fresh)
    assert [f for f in found if f.startswith(finds)], found


@pytest.mark.parametrize("role", ROLES)
def test_reading_each_relation(db, role):
    """Not by what the catalogs say: each is tried."""
    Service(db).session(retrieved={3: "none"})
    refused, read = set(), set()
    for c in db.rows("SELECT c.oid::regclass::text AS name FROM pg_class c "
                     "WHERE c.relnamespace = 'pop3'::regnamespace "
                     "AND c.relkind IN ('r', 'p', 'v', 'S')"):
        try:
            db.rows("SELECT * FROM %s LIMIT 1" % c.name, role=role)
            read.add(c.name)
        except psycopg2.errors.InsufficientPrivilege:
            refused.add(c.name)
    reports = set(db.values("SELECT 'pop3.' || viewname FROM pg_views "
                            "WHERE schemaname = 'pop3' "
                            "AND viewname LIKE 'report\\_%%'", ()))
    verify = {"pop3." + name for name in VERIFY}
    assert refused > {"pop3.message", "pop3.intent"}
    assert refused > verify or role == "pop3_admin"
    assert read == {"pop3_service": set(), "pop3_report": reports,
                    "pop3_admin": reports | verify | {
                        "pop3.policy", "pop3.preset", "pop3.policy_history",
                        "pop3.parameter"}}[role]


@pytest.mark.parametrize("role", ["pop3_report", "pop3_service"])
def test_writing_to_each_relation(db, role):
    for c in db.rows("SELECT c.oid::regclass::text AS name, "
                     "c.relkind = 'v' AS view FROM pg_class c "
                     "WHERE c.relnamespace = 'pop3'::regnamespace "
                     "AND c.relkind IN ('r', 'p', 'v')"):
        # whether a view can be written to is looked at before the rights
        expected = (psycopg2.errors.InsufficientPrivilege,
                    psycopg2.errors.ObjectNotInPrerequisiteState) \
            if c.view else psycopg2.errors.InsufficientPrivilege
        for sql in ("DELETE FROM %s", "INSERT INTO %s DEFAULT VALUES",
                    "TRUNCATE %s")[:2 if c.view else 3]:
            with pytest.raises(expected):
                db.rows(sql % c.name, role=role)
