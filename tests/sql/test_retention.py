# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Records are kept as long as an administrator says: whole days are dropped,
rolled up before, and what went is told."""

import datetime
import re
import threading
import time

import psycopg2
import pytest

from sqlhelp import USER, Service

DAYS = 12
TABLES = ("audit", "session", "seal")


def make_days(db, first, last):
    """Partitions for days before today, as the owner."""
    for table in TABLES:
        for day in days(db, first, last):
            db.rows("SET ROLE pop3_owner; DO $$ BEGIN EXECUTE format("
                    "'CREATE TABLE pop3.{0}_{1} PARTITION OF pop3.{0} "
                    "FOR VALUES FROM (%L) TO (%L)', '{1}'::timestamptz, "
                    "'{1}'::timestamptz + interval '1 day'); END $$; "
                    "RESET ROLE".format(table, day))


def rolled_up(db):
    db.rows("INSERT INTO pop3.rolled_up (day) SELECT current_date - n "
            "FROM generate_series(1, 30) n ON CONFLICT DO NOTHING")


@pytest.fixture
def old(fresh):
    """Something on each of the last days; a service."""
    make_days(fresh, 1, DAYS)
    service = Service(fresh)
    for _ in range(DAYS):
        service.session(retrieved={1: "none"})
        service.remove([2, 3])
        fresh.age("1 day")
    return service


def names(db, table):
    """{day} of its partitions before today."""
    found = db.values(
        "SELECT right(c.relname, 8) FROM pg_inherits i JOIN pg_class c "
        "ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass "
        "AND c.relname ~ '_[0-9]{8}$' AND right(c.relname, 8) < "
        "to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')", ("pop3." + table,))
    return set(found)


def days(db, first, last):
    today = db.value("SELECT (now() AT TIME ZONE 'UTC')::date")
    return {(today - datetime.timedelta(n)).strftime("%Y%m%d")
            for n in range(first, last + 1)}


def keep(db, number):
    return db.value("SELECT pop3.set_retention(%s)", (number,),
                    role="pop3_admin")


def maintain(db, calls=1):
    for _ in range(calls):
        db.rows("SELECT * FROM pop3.maintain()", role="pop3_service")


def told(db):
    """{table: detail} of what was dropped."""
    return {d.split(":")[0]: d for d in db.values(
        "SELECT detail FROM pop3.audit WHERE event = 'retention'")}


def test_all_is_kept_unless_somebody_says_so(old):
    maintain(old.db, 3)
    for table in TABLES:
        assert names(old.db, table) == days(old.db, 1, DAYS)


def test_old_days_are_dropped(old):
    db = old.db
    was = {r.name: r for r in db.rows(
        "SELECT tableoid::regclass::text AS name, count(*) AS rows, "
        "max(seq) AS top FROM pop3.audit GROUP BY 1")}
    assert keep(db, 7) == "7 days"
    maintain(db, 3)
    for table in TABLES:
        assert names(db, table) == days(db, 1, 7)
    details = told(db)
    assert set(details) == {"%s_%s" % (table, day) for table in TABLES
                            for day in days(db, 8, DAYS)}
    for name, detail in details.items():
        if name.startswith("audit"):
            assert detail == "%s: %d rows, chain %s up to seq %d" % (
                name, was["pop3." + name].rows, old.chain,
                was["pop3." + name].top)
        elif name.startswith("seal"):
            assert re.fullmatch(
                r"\w+: (0 rows|\d+ rows, chain %s up to seq \d+)" % old.chain,
                detail)
    # counted before
    assert set(db.values("SELECT to_char(day, 'YYYYMMDD') FROM pop3.daily")) \
        >= days(db, 8, DAYS)
    assert db.value("SELECT count(DISTINCT day) FROM "
                    "pop3.report_event_daily WHERE event = 'removed'") >= DAYS
    # and again nothing
    maintain(db)
    assert told(db) == details


def test_days_that_are_not_rolled_up_stay(old):
    """And those behind them."""
    db = old.db
    keep(db, 7)
    maintain(db, 3)
    make_days(db, 8, 9)
    (ninth,) = days(db, 9, 9)
    db.rows("DELETE FROM pop3.rolled_up WHERE day = %s", (ninth,))
    assert db.value("SELECT pop3.drop_days()") == 0
    db.rows("INSERT INTO pop3.rolled_up (day) VALUES (%s)", (ninth,))
    assert db.value("SELECT pop3.drop_days()") == 6


def test_eight_days_at_once(fresh):
    make_days(fresh, 1, 20)
    rolled_up(fresh)
    keep(fresh, 7)
    for left in (12, 7, 7):
        maintain(fresh)
        for table in TABLES:
            assert names(fresh, table) == days(fresh, 1, left)


def test_what_is_in_no_day(old):
    """Rows of before in the default partitions, and sessions that were lost."""
    db = old.db
    old.event("refused")
    old.session()
    db.age("40 days")
    db.rows("INSERT INTO pop3.session_lost SELECT * FROM pop3.session "
            "WHERE tableoid = 'pop3.session_default'::regclass LIMIT 1")
    db.rows("INSERT INTO pop3.session_lost (session_id, started_at, ended_at, "
            "username, ended_by) VALUES (gen_random_uuid(), now(), now(), "
            "'x', 'lost')")
    strays = db.value("SELECT count(*) FROM pop3.audit_default")
    assert strays > 0
    keep(db, 30)
    maintain(db, 3)
    assert db.value("SELECT count(*) FROM pop3.audit_default") == 0
    assert db.value("SELECT count(*) FROM pop3.session_default") == 0
    assert db.values("SELECT username FROM pop3.session_lost") == ["x"]
    details = told(db)
    assert details["audit_default"].startswith(
        "audit_default: %d rows, chain %s up to seq " % (strays, old.chain))
    assert "session_default" in details
    assert details["session_lost"].startswith("session_lost: 1 rows")
    with pytest.raises(psycopg2.Error, match="append-only"):
        db.rows("DELETE FROM pop3.audit")


def test_several_chains(old):
    """Each is told with its own number."""
    db = old.db
    other = Service(db)
    assert other.chain != old.chain
    for _ in range(3):
        other.event("refused")
    db.age("40 days")
    rolled_up(db)
    keep(db, 7)
    db.value("SELECT pop3.drop_days()")
    found = [d for d in told(db).values() if other.chain in d]
    assert len(found) == 1
    assert re.fullmatch(r"\w+: \d+ rows, chain (\S+) up to seq \d+; "
                        r"chain (\S+) up to seq \d+", found[0]).groups() == \
        tuple(sorted((old.chain, other.chain)))
    assert "chain %s up to seq 3" % other.chain in found[0]


def test_a_hold_is_about_mail(old):
    old.db.set(USER, pop3_hold="yes")
    keep(old.db, 7)
    maintain(old.db, 3)
    assert names(old.db, "audit") == days(old.db, 1, 7)


@pytest.mark.parametrize("table", ["audit", "session", "seal"])
@pytest.mark.parametrize("what", ["reads", "writes"])
def test_who_holds_a_table_is_not_waited_for_long(old, table, what):
    """Nor are those behind us; the next call does it."""
    db = old.db
    keep(db, 7)
    rolled_up(db)
    other = db.server.connect(dbname=db.name, autocommit=False)
    other.cursor().execute(
        "LOCK TABLE ONLY pop3.%s IN %s MODE" % (
            table, {"reads": "ACCESS SHARE", "writes": "ROW EXCLUSIVE"}[what]))
    began = time.monotonic()
    assert db.value("SELECT pop3.drop_days()") == 0
    assert time.monotonic() - began < 5
    assert names(db, "audit") == names(db, "seal") == days(db, 1, DAYS)
    assert told(db) == {}
    other.rollback()
    other.close()
    assert db.value("SELECT pop3.drop_days()") == 3 * (DAYS - 7)


def test_a_lock_that_is_gone_soon(old):
    """A writer's transaction ends; one of the next tries gets it."""
    db = old.db
    keep(db, 7)
    rolled_up(db)
    other = db.server.connect(dbname=db.name, autocommit=False)
    other.cursor().execute("LOCK TABLE pop3.audit IN ROW EXCLUSIVE MODE")
    timer = threading.Timer(0.12, other.rollback)
    timer.start()
    assert db.value("SELECT pop3.drop_days()") == 3 * (DAYS - 7)
    timer.join()
    other.close()


def test_an_old_day_in_use(old):
    """Somebody reads one: it stays, and the others behind it."""
    db = old.db
    keep(db, 7)
    rolled_up(db)
    (oldest,) = days(db, DAYS, DAYS)
    other = db.server.connect(dbname=db.name, autocommit=False)
    other.cursor().execute("LOCK TABLE pop3.audit_%s IN ROW EXCLUSIVE MODE" %
                           oldest)
    assert db.value("SELECT pop3.drop_days()") == 0
    other.rollback()
    other.close()
    assert db.value("SELECT pop3.drop_days()") == 3 * (DAYS - 7)


def test_writers_go_on_meanwhile(old):
    """Records are written while days are dropped, and none fails."""
    db = old.db
    keep(db, 7)
    stop = threading.Event()
    written, errors = [], []

    def write():
        conn = db.server.connect(dbname=db.name)
        try:
            with conn.cursor() as cur:
                while not stop.is_set():
                    cur.execute("INSERT INTO pop3.audit (event, username) "
                                "VALUES ('refused', 'writer')")
                    written.append(1)
        except psycopg2.Error as error:
            errors.append(error)
        finally:
            conn.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        maintain(db, 3)
    finally:
        stop.set()
        thread.join()
    assert errors == []
    assert names(db, "audit") == days(db, 1, 7)
    assert db.value("SELECT count(*) FROM pop3.audit "
                    "WHERE username = 'writer'") == len(written) > 0


def test_setting_it(db):
    for wrong in (6, 0, -1, 40000):
        with pytest.raises(psycopg2.Error, match="7 to 36500 days"):
            keep(db, wrong)
    assert keep(db, 400) == "400 days"
    assert db.value("SELECT retention_days FROM pop3.control") == 400
    assert keep(db, None) == "for ever"
    assert [d.split(",")[0] for d in db.values(
        "SELECT detail FROM pop3.audit WHERE event = 'retention-set' "
        "ORDER BY at")] == ["400 days", "for ever"]
    for role in ("pop3_service", "pop3_report"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            db.value("SELECT pop3.set_retention(400)", role=role)
