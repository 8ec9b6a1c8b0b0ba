# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Upgrades of earlier schemas: the result is that of a fresh installation,
nothing that was recorded is lost, and services of the version before go on.

schemas/*.sql are those schemas, frozen. A change of tables.sql, or of what
belongs to it, that no migration makes too fails here."""

import itertools
import os
import re
import threading
import time

import psycopg2
import pytest

from catalog import data, describe, lost
from oldservice import NAMES, SCHEMAS, SERVED, OldService, statements
from pg import SQL_DIR
from sqlhelp import DAY, USER, Database, Service, new_id

UPGRADE = os.path.join(SQL_DIR, "upgrade.sql")
INDEXES = os.path.join(SQL_DIR, "indexes.sql")
CURRENT = len(os.listdir(os.path.join(SQL_DIR, "migrations")))
_numbers = itertools.count(1)


# of the module: tests that share it are run by one worker (tests/lib/spread.py)
@pytest.fixture(scope="module")
def templates(postgres):
    """{name: (database, its data)}: earlier schemas, with rows everywhere."""
    made = {}
    for name in NAMES:
        dbname = "old_%d" % len(made)
        postgres.create_database(dbname)
        postgres.psql_file(os.path.join(SCHEMAS, name + ".sql"),
                           dbname=dbname)
        db = Database(postgres, dbname)
        db.set("*", enforcement="enforce", expire_retrieved="30d",
               view_window="90d")
        db.set(USER, preset="section8")
        OldService(db, name).life(USER)
        if name in SERVED:
            db.rows("INSERT INTO pop3.audit (at, event) "
                    "VALUES (now() - interval '1 day', 'refused')")
            service = OldService(db, name)
            service.session(USER, ago=DAY)
            service.remove([7], reason="expired-unretrieved")
            db.rows("SELECT pop3.sweep_claim('other', gen_random_uuid()), "
                    "pop3.roll_up(current_date - 1), pop3.count_kept()")
        found = data(db)
        empty = [table for table, rows in found.items() if not rows]
        assert not empty, "nothing to lose there"
        made[name] = (dbname, found, describe(db))
        db.close()
    return made


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def old(postgres, templates, name):
    """A database of an earlier schema, with data."""
    dbname = "upgraded_%d" % next(_numbers)
    postgres.create_database(dbname, template=templates[name][0])
    db = Database(postgres, dbname)
    yield db
    db.close()
    postgres.drop_database(dbname)


def upgrade(db, **args):
    return db.server.psql_file(UPGRADE, dbname=db.name, **args)


def upgraded(name):
    """What upgrade.sql says."""
    return "from version %s to %d" % (name[0], CURRENT)


def test_upgraded_is_as_installed(postgres, old, name):
    assert upgraded(name) in upgrade(old)
    old.server.psql_file(INDEXES, dbname=old.name)
    fresh = Database(postgres, postgres.dbname)
    try:
        found, expected = describe(old), describe(fresh)
        assert len(expected) > 500
        assert sorted(found - expected) == []
        assert sorted(expected - found) == []
    finally:
        fresh.close()


def test_nothing_is_lost(old, name, templates):
    before = templates[name][1]
    upgrade(old)
    after = data(old)
    # pop3.parameter tells what the functions take, and is replaced
    assert {table for table, _ in lost(before, after)} <= {"parameter"}
    assert [len(after[t]) for t in before if t != "schema_version"] == \
        [len(before[t]) for t in before if t != "schema_version"]
    old.check()


def test_no_record_is_rewritten(old):
    """Neither of the two big tables gets other files, and none is read."""
    def files():
        return old.values(
            "SELECT c.oid::regclass || ' ' || c.relfilenode FROM pg_class c "
            "WHERE c.relnamespace = 'pop3'::regnamespace AND "
            "c.relname ~ '^(audit|session)(_|$)' ORDER BY 1", ())

    def scans():
        old.rows("SELECT pg_stat_clear_snapshot()")
        return old.value(
            "SELECT sum(s.seq_scan) FROM pg_stat_user_tables s "
            "WHERE s.schemaname = 'pop3' AND pg_relation_size(s.relid) > 0 "
            "AND s.relname ~ '^(audit|session)(_|$)'", ())

    before, scanned = files(), scans()
    upgrade(old)
    assert set(files()) > set(before)
    for _ in range(20):             # what psql counted comes at its end
        assert scans() == scanned
        time.sleep(0.02)


def missing_indexes(db):
    """Partitions that lack any of their table's indexes."""
    return db.values(
        "SELECT DISTINCT h.inhrelid::regclass::text FROM pg_inherits h "
        "JOIN pg_index x ON x.indrelid = h.inhparent "
        "WHERE NOT EXISTS (SELECT FROM pg_inherits i "
        "JOIN pg_index y ON y.indexrelid = i.inhrelid "
        "WHERE i.inhparent = x.indexrelid AND y.indrelid = h.inhrelid "
        "AND y.indisvalid) ORDER BY 1")


def test_indexes(old):
    """Of partitions with rows only indexes.sql makes them; it goes on where it
    was interrupted. New partitions have them."""
    upgrade(old)
    full = old.values("SELECT DISTINCT a.tableoid::regclass::text "
                      "FROM pop3.audit a ORDER BY 1")
    assert full and missing_indexes(old) == full
    gone = old.value("SELECT max(c.oid::regclass::text) FROM pg_class c "
                     "WHERE c.relname ~ '^audit_\\d{8}$'", ())
    old.rows("DROP TABLE " + gone)
    assert old.value("SELECT partitions_made FROM pop3.maintain()") == 1
    assert missing_indexes(old) == full
    # as CREATE INDEX CONCURRENTLY leaves it
    old.rows("SET ROLE pop3_owner; CREATE INDEX broken ON %s (seq); "
             "RESET ROLE; UPDATE pg_index SET indisvalid = false "
             "WHERE indexrelid = 'pop3.broken'::regclass" % full[0])
    for _ in range(2):
        old.server.psql_file(INDEXES, dbname=old.name)
        assert missing_indexes(old) == []
        assert old.values("SELECT x.indexrelid::regclass::text "
                          "FROM pg_index x WHERE NOT x.indisvalid") == []
    assert old.value("SELECT to_regclass('pop3.broken')") is None
    upgrade(old)


def test_a_second_upgrade_replaces_functions(old):
    upgrade(old)
    before = describe(old), data(old)
    old.rows("DROP VIEW pop3.report_kept; "
             "CREATE OR REPLACE FUNCTION pop3.now() RETURNS float8 "
             "LANGUAGE sql AS 'SELECT 1.0::float8'")
    assert describe(old) != before[0]
    assert "version %d; its functions and views were replaced" % CURRENT in \
        upgrade(old)
    assert describe(old) == before[0]
    assert lost(before[1], data(old)) == []


def test_two_upgrades_at_a_time(old):
    told = []
    threads = [threading.Thread(target=lambda: told.append(upgrade(old)))
               for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(re.findall("upgraded|replaced", "".join(told))) == \
        ["replaced", "upgraded"]


@pytest.mark.parametrize("name", SERVED)
@pytest.mark.parametrize("tag", ["DROP VIEW", "ALTER TABLE", "CREATE TABLE",
                                 "CREATE FUNCTION", "CREATE VIEW", "GRANT"])
def test_interrupted(old, name, templates, tag):
    """The connection goes at the first statement of this kind."""
    old.rows("CREATE SCHEMA other; "
             "CREATE FUNCTION other.stop() RETURNS event_trigger "
             "LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
             "PERFORM pg_terminate_backend(pg_backend_pid()); END $$; "
             "CREATE EVENT TRIGGER stop ON ddl_command_start "
             "WHEN TAG IN ('%s') EXECUTE FUNCTION other.stop()" % tag)
    with pytest.raises(RuntimeError, match="terminating connection"):
        upgrade(old)
    assert describe(old) == templates[name][2]
    assert lost(templates[name][1], data(old)) == []
    OldService(old, name).life("berta@example.org")
    old.rows("DROP EVENT TRIGGER stop")
    assert upgraded(name) in upgrade(old)
    OldService(old, name).life("carla@example.org")


def test_newer(old):
    upgrade(old)
    old.rows("INSERT INTO pop3.schema_version (version) VALUES (%d)" %
             (CURRENT + 1))
    before = describe(old)
    with pytest.raises(RuntimeError, match="schema pop3 has version %d, which "
                       "is newer than %d" % (CURRENT + 1, CURRENT)):
        upgrade(old)
    assert describe(old) == before


def test_no_schema(postgres):
    postgres.create_database("nothing")
    try:
        with pytest.raises(RuntimeError, match="there is no schema pop3"):
            postgres.psql_file(UPGRADE, dbname="nothing")
    finally:
        postgres.drop_database("nothing")


@pytest.mark.parametrize("name", SERVED)
def test_roles_of_earlier_versions(old):
    """They were made without what they have now; what an administrator chose
    stays."""
    old.rows("ALTER ROLE pop3_admin RESET jit; "
             "ALTER ROLE pop3_report SET jit = on")
    try:
        upgrade(old)
        assert old.values("SELECT rolconfig::text FROM pg_roles "
                          "WHERE rolname IN ('pop3_admin', 'pop3_report') "
                          "ORDER BY rolname") == ["{jit=off}", "{jit=on}"]
    finally:
        old.rows("ALTER ROLE pop3_admin SET jit = off; "
                 "ALTER ROLE pop3_report SET jit = off")


def test_who_may(old):
    """As for an installation: a member of pop3_owner."""
    old.rows("CREATE ROLE upgrader LOGIN; GRANT pop3_owner TO upgrader")
    try:
        with pytest.raises(RuntimeError, match="pop3_owner"):
            upgrade(old, role="pop3_admin")
        upgrade(old, role="upgrader")
    finally:
        old.rows("REVOKE pop3_owner FROM upgrader; DROP ROLE upgrader")


# --- services ---

@pytest.mark.parametrize("name", SERVED)
def test_statements_resolve(old, name):
    """They give the same columns, of the same types."""
    def columns(statement):
        with old.connection("pop3_service").cursor() as cur:
            cur.execute(statement.nothing())
            return [(c.name, c.type_code) for c in cur.description]

    old_statements = statements(name).values()
    before = {s.text: columns(s) for s in old_statements}
    upgrade(old)
    assert {s.text: columns(s) for s in old_statements} == before
    for n, statement in enumerate(old_statements):
        old.rows("PREPARE s%d AS %s" % (n, statement.text),
                 role="pop3_service")


@pytest.mark.parametrize("name", SERVED)
def test_statements_act_as_before(old, name):
    service = OldService(old, name)
    before = service.life("berta@example.org")
    upgrade(old)
    # a service that stayed, and one that was started again
    assert service.life("carla@example.org") == before
    assert OldService(old, name).life("doris@example.org") == before
    old.check()


@pytest.mark.parametrize("name", SERVED)
def test_services_of_both_versions(old, name):
    """They work on the same maildrops by turns."""
    upgrade(old)
    before, now = OldService(old, name), Service(old)
    user = "berta@example.org"
    before.session(user, retrieved={2: "none", 3: "none"})
    now.session(user, retrieved={4: "none", 5: "none"}, download=False)
    before.remove([3], "hide", "dele", user=user)
    now.remove([5], "hide", "dele", user=user)
    states = [str(s.state(user)[0].hidden) for s in (before, now)]
    assert states == ["{[3,4),[5,6)}"] * 2
    for service, uid in ((before, 2), (now, 4)):
        result, session = service.intent({uid: ("expunge", "dele")},
                                         user=user)
        assert result == "ok"
        # either may answer for the other's
        other = now if service is before else before
        assert other.read("intent_state", session_id=session,
                          intent_no=1)[0].intent_state == "open"
        assert service.outcome(session) == "ok"
    assert now.state(user)[0].tracked == 2
    old.check()


@pytest.mark.parametrize("name", SERVED)
def test_going_back(old, name):
    """The host's service is the release before again, and then the new one, on
    one chain: what each recorded holds for the other."""
    upgrade(old)
    user = "dora@example.org"
    now = Service(old)
    now.session(user, retrieved={2: "none", 3: "none", 4: "none"})
    now.remove([3], "hide", "dele", user=user)
    _, left_open = now.intent({2: ("expunge", "dele")}, user=user)

    before = OldService(old, name, now.chain)
    assert before.epoch == now.epoch + 1
    before.abandon(left_open)
    (state,) = before.state(user)
    assert (str(state.hidden), state.intent_session) == (
        "{[3,4)}", "{%s}" % left_open)
    by = new_id()
    assert [c.uid for c in before.claim(left_open, by, user=user)] == [2]
    before.repair(left_open, by, {2: False}, user=user)
    before.remove([4], "hide", "dele", user=user)
    # the other one, which is still there for a moment, is fenced off
    with pytest.raises(psycopg2.Error):
        now.event("refused", user=user)
    before.life("emil@example.org")

    again = Service(old, now.chain)
    assert again.seq == before.seq > now.seq
    (state,) = again.state(user)
    assert (str(state.hidden), state.tracked) == ("{[3,5)}", 2)
    again.session(user, retrieved={5: "none"})
    again.remove([5], user=user)
    assert again.state(user)[0].tracked == 2
    old.check()


@pytest.mark.parametrize("name", SERVED)
def test_removals_are_stopped(old, name):
    """Services of the version before go on, and remove nothing by policy."""
    upgrade(old)
    service = OldService(old, name)
    user = "berta@example.org"
    service.session(user, retrieved={2: "none", 3: "none"})
    old.rows("SELECT pop3.pause('why')", role="pop3_admin")
    assert 6 in {r.level for r in service.read("policy_levels",
                                               username=user)}
    assert service.state(user, expire_retrieved=0)[0].due_uid is None
    result, _ = service.intent({2: ("expunge", "expired-retrieved")}, user)
    assert result == "stale"
    service.remove([2], user=user)
    assert service.intent({3: ("expunge", "dele")}, user,
                          policy_version="9.0.0.0.0.0")[0] == "stale"
    old.rows("SELECT pop3.resume()", role="pop3_admin")
    service.remove([3], reason="expired-retrieved", user=user)


class Load(threading.Thread):
    """A service at work: sessions that remove a message. What fails is tried
    again, as the service does."""

    def __init__(self, db, name, number):
        super().__init__()
        self.db = Database(db.server, db.name)
        self.service = OldService(self.db, name)
        self.user = "load%d@example.org" % number
        self.done = 0
        self.errors = []
        self.slowest = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            begun = time.monotonic()
            self.again(lambda: self.service.session(
                self.user, retrieved={self.done + 1: "none"},
                uidnext=self.done + 2, uidnext_end=self.done + 2))
            self.again(lambda: self.service.remove(
                [self.done + 1], user=self.user))
            self.done += 1
            self.slowest = max(self.slowest, time.monotonic() - begun)

    def again(self, step):
        for _ in range(20):
            try:
                return step()
            except psycopg2.Error as error:
                self.errors.append(error)
        raise self.errors[-1]


def wait_for(workers, more):
    goals = [w.done + more for w in workers]
    end = time.monotonic() + 60
    while any(w.done < goal for w, goal in zip(workers, goals)):
        assert time.monotonic() < end and all(w.is_alive() for w in workers)
        time.sleep(0.01)


@pytest.mark.parametrize("name", SERVED)
def test_under_load(old, name):
    workers = [Load(old, name, n) for n in range(3)]
    for worker in workers:
        worker.start()
    try:
        wait_for(workers, 30)
        upgrade(old)
        wait_for(workers, 30)
    finally:
        for worker in workers:
            worker.ended.set()
        for worker in workers:
            worker.join()
    assert [e for w in workers for e in w.errors] == []
    assert max(w.slowest for w in workers) < 4, "twice the longest lock"
    for worker in workers:
        counts = old.row(
            "SELECT (SELECT count(*) FROM pop3.session WHERE username = %s), "
            "(SELECT count(*) FROM pop3.audit WHERE username = %s "
            "AND event = 'intent') AS intents, "
            "(SELECT count(*) FROM pop3.audit WHERE username = %s "
            "AND event = 'committed') AS outcomes", (worker.user,) * 3)
        assert set(counts.values()) == {worker.done}
        worker.db.close()
    old.check()


@pytest.mark.parametrize("name", SERVED)
def test_a_long_report(old, name, tmp_path):
    """Nobody waits long for an upgrade that waits for a report; it has its
    turn afterwards, or says what it waited for."""
    impatient = tmp_path / "impatient.sql"
    impatient.write_text("\\set tries 2\n\\i %s\n" % UPGRADE)
    tmp_path.chmod(0o755)
    report = old.server.connect("pop3_admin", old.name, autocommit=False)
    worker = Load(old, name, 1)
    with report.cursor() as cur:
        cur.execute("SELECT count(*) FROM pop3.report_deletion")
    worker.start()
    try:
        with pytest.raises(RuntimeError, match="lock timeout"):
            old.server.psql_file(str(impatient), dbname=old.name)
        threading.Timer(0.5, report.commit).start()
        upgrade(old)
        wait_for([worker], 3)
    finally:
        worker.ended.set()
        worker.join()
        report.close()
    assert worker.errors == [] and worker.slowest < 4
    worker.db.close()
    old.check()


# --- files ---

def test_versions():
    """upgrade.sql runs every migration, and comes to the version of a fresh
    installation."""
    def read(name):
        with open(os.path.join(SQL_DIR, name)) as file:
            return file.read()

    text = read("upgrade.sql")
    migrations = sorted(os.listdir(os.path.join(SQL_DIR, "migrations")))
    (current,) = re.findall(r"^\\set current (\d+)$", text, re.M)
    assert int(current) == len(migrations)
    for number, name in enumerate(migrations[1:], 2):
        assert re.search(r"^\\if :before_%d\n\\ir migrations/%s\n\\endif$" %
                         (number, re.escape(name)), text, re.M), name
        assert "max(v.version) < %d AS before_%d" % (number, number) in text
