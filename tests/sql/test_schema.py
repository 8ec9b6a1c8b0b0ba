# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The schema's habits: search_path, PUBLIC, comments, files, documentation,
installation."""

import glob
import os
import re

import psycopg2
import pytest

from pg import SQL_DIR, TOP
from sqlhelp import Service, guid

SCHEMAS = "('pop3', 'pop3_test')"


def read(*parts):
    with open(os.path.join(SQL_DIR, *parts)) as file:
        return file.read()


def names(directory):
    return sorted(os.path.basename(p) for p in
                  glob.glob(os.path.join(SQL_DIR, directory, "*.sql")))


# --- functions ---

def test_every_function_pins_its_search_path(db):
    for row in db.rows("SELECT p.oid::regprocedure::text AS name, "
                       "p.proconfig FROM pg_proc p "
                       "WHERE p.pronamespace::regnamespace::text IN " +
                       SCHEMAS):
        assert "search_path=pg_catalog, pg_temp" in (row.proconfig or []), \
            row.name


def test_no_function_is_executable_by_public(db):
    assert db.values(
        "SELECT p.oid::regprocedure::text FROM pg_proc p, "
        "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a "
        "WHERE p.pronamespace::regnamespace::text IN %s "
        "AND a.grantee = 0" % SCHEMAS) == []


def test_functions_are_security_definer(db):
    """All but the guard, which has to see who is at work."""
    assert db.values(
        "SELECT p.proname::text FROM pg_proc p "
        "WHERE p.pronamespace::regnamespace::text IN %s "
        "AND NOT p.prosecdef" % SCHEMAS) == ["audit_guard"]


def test_readers_are_stable(db):
    """What only reads says so."""
    stable = set(db.values(
        "SELECT p.proname::text FROM pg_proc p "
        "WHERE p.pronamespace = 'pop3'::regnamespace "
        "AND p.provolatile <> 'v'"))
    assert stable == {
        "now", "policy_rows", "policy_levels", "policy_version",
        "policy_generation", "policy_changes", "policy_users",
        "policies_known", "maildrop_state", "tracked",
        "intent_state", "removed_meanwhile", "leave_excess", "told_level",
        "evictable", "notices", "notice_due", "expiring", "policy_values",
        "effective_policy", "explain", "parameter_names",
        "parse_value", "parse_scope", "value_human", "value_allowed",
        "value_problem", "nearest_parameter", "who", "mask_like",
        "row_value", "row_with", "time_human", "event_text", "maildrop_due",
        "deciding_scopes", "effective_sql", "preview_due",
        "preview_policies", "list_policy", "list_presets", "status", "log",
        "control_status", "breaker_count", "breaker_limit", "due_users",
        "sweep_select", "event_time", "forgotten_name", "chain_rows",
        "is_plain_event", "plain_waiting"}


def test_no_function_is_overloaded(db):
    """But for what services of the version before call."""
    compat = [function for name in names("compat") for function in
              re.findall(r"^CREATE FUNCTION pop3\.(\w+)",
                         read("compat", name), re.M)]
    assert db.rows(
        "SELECT p.proname::text, count(*) FROM pg_proc p "
        "WHERE p.pronamespace::regnamespace::text IN %s "
        "GROUP BY p.pronamespace, p.proname HAVING count(*) > 1 ORDER BY 1" %
        SCHEMAS) == [{"proname": function,
                      "count": 1 + compat.count(function)}
                     for function in sorted(set(compat))]


# --- comments ---

def test_everything_has_a_comment(db):
    missing = db.values(
        "SELECT 'schema ' || n.nspname FROM pg_namespace n "
        "WHERE n.nspname IN {0} "
        "AND obj_description(n.oid, 'pg_namespace') IS NULL "
        "UNION ALL "
        "SELECT 'relation ' || c.oid::regclass FROM pg_class c "
        "WHERE c.relnamespace::regnamespace::text IN {0} "
        "AND c.relkind IN ('r', 'p', 'v') "
        "AND obj_description(c.oid, 'pg_class') IS NULL "
        "UNION ALL "
        "SELECT 'column ' || c.oid::regclass || '.' || a.attname "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace::regnamespace::text IN {0} "
        "AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition "
        "AND a.attnum > 0 AND NOT a.attisdropped "
        "AND col_description(c.oid, a.attnum) IS NULL "
        "UNION ALL "
        "SELECT 'function ' || p.oid::regprocedure FROM pg_proc p "
        "WHERE p.pronamespace::regnamespace::text IN {0} "
        "AND obj_description(p.oid, 'pg_proc') IS NULL "
        "UNION ALL "
        "SELECT 'sequence ' || c.oid::regclass FROM pg_class c "
        "WHERE c.oid = 'pop3.policy_version_seq'::regclass "
        "AND obj_description(c.oid, 'pg_class') IS NULL "
        "UNION ALL "
        "SELECT 'role ' || r.rolname FROM pg_roles r "
        "WHERE r.rolname LIKE 'pop3\\_%' "
        "AND shobj_description(r.oid, 'pg_authid') IS NULL".format(SCHEMAS))
    assert missing == []


def test_times_and_sizes_say_their_units(db):
    """A number that is a time or a size is of no use without its unit."""
    for row in db.rows(
            "SELECT c.relname, a.attname, "
            "col_description(c.oid, a.attnum) AS comment "
            "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE c.relnamespace = 'pop3'::regnamespace "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition "
            "AND a.atttypid = 'bigint'::regtype AND a.attnum > 0"):
        if re.search("expire|delay|window|hold$", row.attname):
            assert "econds" in row.comment, (row.relname, row.attname)
        if re.search("size|bytes|storage|daily", row.attname):
            assert "ytes" in row.comment or "quota in" in row.comment, \
                (row.relname, row.attname)


# --- files ---

def test_every_file_is_installed_and_every_installed_file_exists():
    def included_by(*files):
        return re.findall(r"^\\ir (\S+)$", "".join(map(read, files)), re.M)

    included = included_by("install.sql", "code.sql", "test-schema.sql")
    assert len(included) == len(set(included)) + 1, \
        "nothing twice but header.sql"
    included += included_by("upgrade.sql")
    for directory in ("functions", "views", "compat", "migrations"):
        for name in names(directory):
            assert directory + "/" + name in included, name
    for path in included:
        assert os.path.exists(os.path.join(SQL_DIR, path)), path


def test_makefile_lists_every_file():
    listed = set(re.findall(r"[\w./-]+\.sql", read("Makefile.am")))
    present = {os.path.relpath(p, SQL_DIR) for p in
               glob.glob(os.path.join(SQL_DIR, "**", "*.sql"),
                         recursive=True)}
    assert listed == present


@pytest.mark.parametrize("name", names("functions"))
def test_function_files(name):
    """One function a file, named after it, with result, calls and tables in
    its header, which name what it really calls and touches."""
    text = read("functions", name)
    function = name[:-len(".sql")]
    assert re.findall(r"^CREATE FUNCTION (\S+?)\(", text, re.M) == [function]
    header = text[:text.index("CREATE FUNCTION")]
    assert all(line.startswith("--") or not line
               for line in header.splitlines())
    match = re.search(r"^-- Calls: (.*?)\. Tables: (.*?)\.$", header,
                      re.M | re.S)
    assert match, "header lacks calls and tables"
    calls, tables = (re.sub(r"\n-- ", " ", g) for g in match.groups())
    body = re.sub(r"--.*", "", text[text.index("AS $$"):
                                    text.index("COMMENT ON FUNCTION")])
    code = re.sub(r"'(?:[^']|'')*'", "''", body)
    functions = {n[len("pop3."):-len(".sql")] for n in names("functions")
                 if n.startswith("pop3.")}
    used = set(re.findall(r"\bpop3\.(\w+)", code)) | set(re.findall(
        r"(?:INTO|UPDATE) pop3\.(\w+)", body))
    used = {re.sub("_default$", "", u) for u in used}
    assert set(calls.split(", ")) - {"nothing"} == used & functions
    named = set(re.findall(r"\w+", tables)) - {
        "reads", "writes", "and", "makes", "partitions", "of", "none"}
    assert named == used - functions - {"policy_version_seq"}


def test_migrations_are_numbered_and_begin_with_their_version():
    for number, name in enumerate(names("migrations"), 1):
        assert name.startswith("%04d-" % number)
        code = re.sub(r"--.*\n", "", read("migrations", name)).strip()
        assert code.startswith("INSERT INTO pop3.schema_version (version) "
                               "VALUES (%d);" % number)


def test_version(db):
    assert db.values("SELECT version FROM pop3.schema_version") == \
        list(range(1, len(names("migrations")) + 1))


# --- documentation ---

def documented():
    with open(os.path.join(TOP, "doc", "sql.md")) as file:
        return re.findall(r"^### `?((?:pop3|pop3_test)\.\w+)", file.read(),
                          re.M)


def test_everything_is_documented(db):
    exists = set(db.values(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname IN {0} AND c.relkind IN ('r', 'p', 'v') "
        "AND NOT c.relispartition "
        "UNION ALL SELECT n.nspname || '.' || p.proname FROM pg_proc p "
        "JOIN pg_namespace n ON n.oid = p.pronamespace "
        "WHERE n.nspname IN {0}".format(SCHEMAS)))
    there = documented()
    assert len(there) == len(set(there))
    assert set(there) == exists


def read_all(*parts):
    text = ""
    for path in glob.glob(os.path.join(TOP, "src", *parts)):
        with open(path) as file:
            text += file.read()
    return text


def test_every_event_is_documented(documented_events):
    """Those of the plugin; the fixture db sees to those of the functions."""
    sent = re.findall(r'pop3_policy_session_event\(\w+, "([^"]+)"',
                      read_all("plugin", "*.c"))
    (accepted,) = re.findall(
        r"\bevents\[\] = \{(.*?)\}",
        read_all("service", "pop3-policy-request-event.c"), re.S)
    accepted = re.findall(r'"([^"]+)"', accepted)
    assert sent and set(sent) <= set(accepted) <= set(documented_events)


def test_every_documented_event_exists(documented_events):
    words = set(re.findall(
        r"""['"]([a-z-]+)['"]""", read_all("sql", "functions", "*.sql") +
        read_all("service", "pop3-policy-request-event.c")))
    assert "intent" in documented_events
    assert set(documented_events) <= words


# --- installation ---

def test_it_is_not_installed_over_another(fresh):
    with pytest.raises(RuntimeError, match='schema "pop3" already exists'):
        fresh.server.install_schema(test=False, dbname=fresh.name)


def test_a_failed_installation_leaves_nothing(postgres):
    postgres.create_database("failing")
    try:
        postgres.query("CREATE SCHEMA other", dbname="failing")
        postgres.query(
            "CREATE FUNCTION other.stop() RETURNS event_trigger "
            "LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'stop'; END $$",
            dbname="failing")
        postgres.query(
            "CREATE EVENT TRIGGER stop ON ddl_command_start "
            "WHEN TAG IN ('GRANT') EXECUTE FUNCTION other.stop()",
            dbname="failing")
        with pytest.raises(RuntimeError, match="stop"):
            postgres.install_schema(test=False, dbname="failing")
        assert postgres.query(
            "SELECT nspname::text FROM pg_namespace WHERE nspname = 'pop3'",
            dbname="failing") == []
    finally:
        postgres.drop_database("failing")


def test_installation_without_superuser(postgres):
    """CREATEROLE and CREATE on the database are enough."""
    postgres.query("CREATE ROLE installer LOGIN CREATEROLE")
    if postgres.value("SHOW server_version_num") >= "160000":
        # whoever made the roles before hands them on
        postgres.query("GRANT pop3_owner TO installer WITH ADMIN TRUE")
    postgres.create_database("theirs")
    try:
        postgres.query("GRANT CREATE ON DATABASE theirs TO installer")
        postgres.psql_file(os.path.join(SQL_DIR, "install.sql"),
                           role="installer", dbname="theirs")
        assert postgres.value("SELECT pop3.now() > 0", role="pop3_service",
                              dbname="theirs")
        assert postgres.value(
            "SELECT relowner::regrole::text FROM pg_class "
            "WHERE oid = 'pop3.audit'::regclass", dbname="theirs") == \
            "pop3_owner"
    finally:
        postgres.drop_database("theirs")
        postgres.query("REVOKE pop3_owner FROM installer")
        postgres.query("DROP ROLE installer")


def test_no_test_schema_unless_asked_for(postgres):
    postgres.create_database("production")
    try:
        postgres.install_schema(test=False, dbname="production")
        assert postgres.query(
            "SELECT 1 FROM pg_namespace WHERE nspname = 'pop3_test'",
            dbname="production") == []
    finally:
        postgres.drop_database("production")


# --- cost ---

def test_a_logins_cost_does_not_grow_with_the_mail_that_is_left(fresh):
    """Blocks touched for a user with 10,000 retrieved messages, none due,
    and for one with 10."""
    service = Service(fresh)
    for user, count in (("few@x", 10), ("many@x", 10000)):
        uids = range(1, count + 1)
        service.session(user, mailbox_guid=guid(count), uidnext=count + 1,
                        retrieved={u: "none" for u in uids})
    fresh.age("70 days", "few@x")
    fresh.age("70 days", "many@x")
    fresh.rows("VACUUM ANALYZE")
    blocks = {}
    for user in ("few@x", "many@x"):
        for _ in range(2):
            fresh.rows("SELECT pg_stat_force_next_flush()") \
                if fresh.value("SHOW server_version_num") >= "150000" else None
            plan = fresh.value(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT json) SELECT * FROM "
                "pop3.maildrop_state(%s, 31536000, 31536000, 5184000, false, "
                "-1, 86400, 604800, true, 1000)", (user,))[0]["Plan"]
            assert plan["Actual Rows"] == 1
            blocks[user] = plan["Shared Hit Blocks"] + \
                plan["Shared Read Blocks"]
    assert blocks["many@x"] <= blocks["few@x"] + 15, blocks
    (state,) = service.state("many@x", expire_unretrieved=60 * 86400)
    assert (str(state.exempt), state.before_uid) == ("{[1,10001)}", 10001)


def test_updates_of_maildrops_stay_on_their_page(fresh):
    service = Service(fresh)
    for n in range(60):
        service.session(uidnext=11 + n, retrieved={1 + n: "none"})
    fresh.rows("SELECT pg_stat_clear_snapshot()")
    for role in ("pop3_service", "postgres"):
        fresh._connections.pop(role).close()
    row = None
    for _ in range(50):
        row = fresh.row("SELECT n_tup_upd, n_tup_hot_upd "
                        "FROM pg_stat_user_tables "
                        "WHERE relid = 'pop3.maildrop'::regclass")
        if row.n_tup_upd >= 60:
            break
        fresh.rows("SELECT pg_sleep(0.05)")
    assert row.n_tup_upd >= 60
    assert row.n_tup_hot_upd == row.n_tup_upd


def test_messages_of_errors_name_what_is_wrong(db):
    with pytest.raises(psycopg2.Error) as error:
        db.rows("SELECT pop3.set_policy('*', 'expire_retrieved', 'a month')",
                role="pop3_admin")
    assert error.value.pgcode == "22023"
