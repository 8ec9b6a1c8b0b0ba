# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Rollups per day, and what is kept of each maildrop: they say what the records
say, may be made again at any time, and take what came late."""

import datetime
import threading

import psycopg2
import pytest

from sqlhelp import DAY, USER, Service, new_id

OTHER = "bert@example.com"
DAYS = 8


@pytest.fixture
def old(fresh):
    """A service on a database with partitions for the last days."""
    for table, column in (("audit", "at"), ("session", "started_at")):
        for n in range(1, DAYS + 1):
            fresh.rows(
                "SET ROLE pop3_owner; DO $$ BEGIN EXECUTE format('"
                "CREATE TABLE pop3.%%I PARTITION OF pop3.%s FOR VALUES "
                "FROM (%%L) TO (%%L)', to_char(current_date - %d, "
                "'\"%s_\"YYYYMMDD'), (current_date - %d)::timestamptz, "
                "(current_date - %d)::timestamptz); END $$; RESET ROLE" %
                (table, n, table, n, n - 1))
    return Service(fresh)


def today(db):
    return db.value("SELECT (now() AT TIME ZONE 'UTC')::date")


def busy_day(service, by):
    """Records of something of everything, moved into the past."""
    db = service.db
    for user in (USER, OTHER, "root"):
        service.session(user, retrieved={1: "none", 2: "expunge"},
                        fetched="{[1,4)}", removed="{[2,3)}", top=1, dele=1,
                        bytes=700, would={14: "dele", 15: "dele"})
        service.remove([3], user=user)
        service.remove([4, 5], "expunge", "expired-retrieved", user=user)
        service.remove([6], "move", "retrieved", user=user)
        service.remove([7], "hide", "retrieved", user=user)
        service.remove([8], "flag", user=user)
        _, failed = service.intent({9: ("expunge", "dele")}, user)
        service.outcome(failed, "failed")
        service.intent({10: ("expunge", "dele")}, user)
        _, broken = service.intent({11: ("expunge", "dele"),
                                    12: ("expunge", "dele"),
                                    13: ("hide", "dele")}, user)
        service.abandon(broken)
        me = new_id()
        service.claim(broken, me, user)
        service.repair(broken, me, {11: False, 12: True, 13: False}, user)
        service.event("gone", [14, 15], user=user)
        service.event("refused", reason="login-delay", user=user)
        db.rows("SELECT pop3.restore(%s)", (user,))
    service.session(ended_by="refused", mailbox_guid=None, uidvalidity=None,
                    bytes=0)
    service.session(OTHER, ended_by="drop", bytes=7)
    now = db.value("SELECT pop3.now()")
    service.write(0, "record_polls", hour=[now - now % 3600],
                  username=[USER], device=[None],
                  remote_address=["192.0.2.1"], tls=[True], polls=[40],
                  last=[now])
    if by:
        for user in (USER, OTHER, "root"):
            db.age("%d days" % by, user)


def reports(db):
    return [db.rows("SELECT * FROM pop3.report_%s_daily ORDER BY %s" % (
        name, order), role="pop3_report")
        for name, order in (("session", "day, domain"),
                            ("event", "day, domain, event, rule"))]


def rollup(db):
    return [db.rows("SELECT * FROM pop3.%s ORDER BY %s" % (name, order))
            for name, order in (("daily", "day, domain"),
                                ("daily_event", "day, domain, event, rule"))]


def test_a_rollup_says_what_the_records_say(fresh, old):
    busy_day(old, 1)
    before = reports(fresh)
    yesterday = today(fresh) - datetime.timedelta(days=1)
    sessions, events = before
    assert [(s.day, s.domain, s.users, s.sessions, s.polls, s.quits,
             s.refused, s.broken, s.retr, s.top, s.dele, s.fetched,
             s.retrieved, s.removed, s.bytes) for s in sessions] == [
        (yesterday, "example.com", 1, 2, 0, 1, 0, 1, 2, 1, 1, 3, 2, 1, 707),
        (yesterday, "example.org", 1, 42, 40, 1, 1, 0, 2, 1, 1, 3, 2, 1,
         700),
        (yesterday, None, 1, 1, 0, 1, 0, 0, 2, 1, 1, 3, 2, 1, 700)]
    assert [(e.day, e.event, e.rule, e.events, e.users, e.bytes)
            for e in events if e.domain == "example.com"] == [
        (yesterday, "flagged", "dele", 1, 1, 800),
        (yesterday, "hidden", "retrieved", 1, 1, 700),
        (yesterday, "refused", "login-delay", 1, 1, 0),
        (yesterday, "removed", "dele", 2, 1, 1400),
        (yesterday, "removed", "expired-retrieved", 2, 1, 900),
        (yesterday, "removed", "gone", 2, 1, 2900),
        (yesterday, "removed", "retrieved", 1, 1, 600),
        (yesterday, "restored", "admin", 1, 1, 700)]
    assert len(events) == 3 * 8
    # what is removed is what report_deletion has
    assert sum(e.events for e in events if e.event == "removed") == \
        fresh.value("SELECT count(*) FROM pop3.report_deletion "
                    "WHERE status <> 'open'")
    fresh.rows("SELECT pop3.roll_up(%s)", (yesterday,), role="pop3_admin")
    assert reports(fresh) == before
    assert len(rollup(fresh)[0]) == 3 and len(rollup(fresh)[1]) == 24


def test_a_rollup_may_be_made_again(fresh, old):
    busy_day(old, 2)
    day = today(fresh) - datetime.timedelta(days=2)
    fresh.rows("SELECT pop3.roll_up(%s)", (day,))
    first = rollup(fresh)
    fresh.rows("SELECT pop3.roll_up(%s)", (day,))
    assert rollup(fresh) == first and first[0]
    fresh.rows("DELETE FROM pop3.daily")
    fresh.rows("UPDATE pop3.daily_event SET events = events + 1")
    fresh.rows("SELECT pop3.roll_up(%s)", (day,))
    assert rollup(fresh) == first


def test_two_rollups_at_the_same_time(fresh, old):
    busy_day(old, 2)
    day = today(fresh) - datetime.timedelta(days=2)
    conn = fresh.server.connect("pop3_admin", fresh.name, autocommit=False)
    with conn.cursor() as cur:
        cur.execute("SELECT pop3.roll_up(%s)", (day,))
    done = []
    thread = threading.Thread(target=lambda: done.append(
        fresh.rows("SELECT pop3.roll_up(%s)", (day,))))
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    conn.commit()
    conn.close()
    thread.join()
    assert done and len(rollup(fresh)[0]) == 3


def test_what_is_rolled_up_is_not_read(fresh, old):
    """Reports have today as it is, and other days as they were counted."""
    busy_day(old, 1)
    fresh.rows("SELECT pop3.roll_up(current_date - 1)")
    busy_day(old, 0)
    sessions, events = reports(fresh)
    assert sorted({s.day for s in sessions}) == sorted(
        {e.day for e in events}) == [
        today(fresh) - datetime.timedelta(days=1), today(fresh)]
    fresh.rows("DELETE FROM pop3.daily; DELETE FROM pop3.daily_event")
    sessions, events = reports(fresh)
    assert {s.day for s in sessions} == {e.day for e in events} == \
        {today(fresh)}


def test_all_earlier_days_are_counted(fresh, old):
    """Reports take later days than the last that was counted as they are, so
    none before that may be missing."""
    busy_day(old, 4)
    before = reports(fresh)
    fresh.rows("SELECT pop3.roll_up(current_date - 2)")
    assert fresh.values("SELECT day FROM pop3.rolled_up ORDER BY 1") == [
        today(fresh) - datetime.timedelta(days=n)
        for n in range(DAYS, 1, -1)]
    assert reports(fresh) == before


@pytest.mark.parametrize("day", ["current_date", "current_date + 1", "NULL"])
def test_a_day_that_has_not_ended(db, day):
    with pytest.raises(psycopg2.Error, match="has not ended"):
        db.rows("SELECT pop3.roll_up(%s)" % day)


def test_what_was_counted_outlives_the_records(fresh, old):
    busy_day(old, 5)
    before = reports(fresh)
    fresh.rows("SELECT pop3.roll_up_due()")
    day = fresh.value("SELECT to_char(current_date - 5, 'YYYYMMDD')")
    fresh.rows("DROP TABLE pop3.session_%s; "
               "ALTER TABLE pop3.audit DETACH PARTITION pop3.audit_%s" % (
                   day, day))
    assert reports(fresh) == before
    with pytest.raises(psycopg2.Error, match="no longer kept"):
        fresh.rows("SELECT pop3.roll_up(current_date - 5)")
    fresh.rows("UPDATE pop3.rolled_up SET at = at - interval '2 days'")
    fresh.rows("SELECT pop3.roll_up_due()")
    assert reports(fresh) == before
    # the chain's rows are as they were, but for those of that day
    fresh.rows("DELETE FROM pop3.chain")


def due(db):
    """Days that roll_up_due() counts now, as so many days ago."""
    db.rows("BEGIN; SAVEPOINT due; "
            "UPDATE pop3.rolled_up SET at = at - interval '1 second'")
    db.rows("SELECT pop3.roll_up_due()")
    days = db.values("SELECT current_date - day FROM pop3.rolled_up "
                     "WHERE at = now() ORDER BY 1")
    db.rows("ROLLBACK")
    return days


def test_due_days(fresh, old):
    """Each ended day, an hour after its end; the last three again, once a
    day."""
    first = 1 if fresh.value("SELECT now() - current_date > "
                             "interval '1 hour'") else 2
    # seven at once, oldest first
    assert due(fresh) == list(range(DAYS - 6, DAYS + 1))
    for _ in range(2):
        fresh.rows("SELECT pop3.roll_up_due()")
    assert fresh.value("SELECT max(day) FROM pop3.rolled_up") == \
        today(fresh) - datetime.timedelta(days=first)
    assert due(fresh) == []
    # as if each had been counted an hour after its end
    fresh.rows("UPDATE pop3.rolled_up SET at = (day + 1)::timestamptz + "
               "interval '1 hour'")
    assert set(due(fresh)) >= {2, 3, 4, 5}
    for _ in range(2):
        fresh.rows("SELECT pop3.roll_up_due()")
    assert due(fresh) == []
    # a day later the last three, none that was counted late
    fresh.rows("UPDATE pop3.rolled_up SET at = at - interval '21 hours'")
    assert set(due(fresh)) - {4} == set(range(first, 4))


def test_late_rows_are_counted_by_the_next_rollup(fresh, old):
    """A session that is recorded two days after it began, and a removal that
    was decided by a repair."""
    _, broken = old.intent({11: ("expunge", "dele")})
    old.abandon(broken)
    fresh.age("2 days")
    for _ in range(2):
        fresh.rows("SELECT pop3.roll_up_due()")
    assert rollup(fresh) == [[], []]
    old.session(ago=2 * DAY, bytes=77)
    me = new_id()
    old.claim(broken, me)
    old.repair(broken, me, {11: False})
    assert [r.events for r in reports(fresh)[1]] == []
    fresh.rows("UPDATE pop3.rolled_up SET at = at - interval '21 hours'")
    fresh.rows("SELECT pop3.roll_up_due()")
    ((session,), (event,)) = rollup(fresh)
    day = today(fresh) - datetime.timedelta(days=2)
    assert (session.day, session.bytes) == (day, 77)
    assert (event.day, event.event, event.rule, event.events) == \
        (day, "removed", "dele", 1)


def test_what_is_too_late_is_counted_by_hand(fresh, old):
    for _ in range(2):
        fresh.rows("SELECT pop3.roll_up_due()")
    old.session(ago=6 * DAY, bytes=77)
    fresh.rows("UPDATE pop3.rolled_up SET at = at - interval '21 hours'")
    fresh.rows("SELECT pop3.roll_up_due()")
    assert rollup(fresh)[0] == []
    fresh.rows("SELECT pop3.roll_up(current_date - 6)")
    assert [r.bytes for r in rollup(fresh)[0]] == [77]


def test_maintain_rolls_up(fresh, old):
    busy_day(old, 1)
    before = reports(fresh)
    # partitions are there: it has time for that
    row = fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert row.partitions_made == 0
    for _ in range(2):
        fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert fresh.value("SELECT count(*) FROM pop3.rolled_up") >= DAYS - 1
    assert fresh.value("SELECT count(*) FROM pop3.kept") == 3
    assert reports(fresh) == before


def test_maintain_does_not_roll_up_under_its_locks(fresh, old):
    fresh.rows("DROP TABLE pop3.audit_%s" % fresh.value(
        "SELECT to_char(current_date + 3, 'YYYYMMDD')"))
    assert fresh.row("SELECT * FROM pop3.maintain()").partitions_made == 1
    assert fresh.value("SELECT count(*) FROM pop3.rolled_up") == 0
    assert fresh.row("SELECT * FROM pop3.maintain()").partitions_made == 0
    assert fresh.value("SELECT count(*) FROM pop3.rolled_up") == 7


def test_maintain_does_not_wait_long_for_a_rollup(fresh, old):
    """Somebody rolls a day up and does not end: the next call does it."""
    conn = fresh.server.connect("postgres", fresh.name, autocommit=False)
    with conn.cursor() as cur:
        cur.execute("SELECT pop3.roll_up(current_date - %s)" % DAYS)
    row = fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert row.strays == 0
    assert any("no lock for rollups" in n for n in
               fresh.connection("pop3_service").notices)
    assert fresh.value("SELECT count(*) FROM pop3.rolled_up") == 0
    conn.rollback()
    conn.close()
    fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert fresh.value("SELECT count(*) FROM pop3.rolled_up") == 7


def test_a_rollup_that_takes_too_long(fresh, old):
    """It is not made, and the rest of the upkeep goes on."""
    fresh.rows("INSERT INTO pop3.login VALUES ('a@b', now() - interval "
               "'9 days', gen_random_uuid())")
    conn = fresh.server.connect("postgres", fresh.name, autocommit=False)
    with conn.cursor() as cur:
        cur.execute("SELECT pop3.roll_up(current_date - %s)" % DAYS)
    fresh.rows("SET statement_timeout = '300ms'", role="pop3_service")
    fresh.row("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert any("takes too long" in n for n in
               fresh.connection("pop3_service").notices)
    conn.rollback()
    conn.close()
    assert fresh.rows("SELECT * FROM pop3.login") == []
    assert fresh.value("SELECT count(*) FROM pop3.rolled_up") == 0


# --- kept ---

KEPT = ("SELECT d.username, k.retrieved, k.retrieved_bytes, k.hidden, "
        "k.hidden_bytes FROM pop3.kept k JOIN pop3.maildrop d "
        "USING (maildrop_id) ORDER BY 1")


def kept(db):
    return [tuple(r.values()) for r in db.rows(KEPT)]


def test_kept_is_what_other_reports_have(db):
    service = Service(db)
    for user in (USER, OTHER):
        service.session(user, retrieved={1: "none", 2: "none", 3: "none"})
        service.remove([3, 4], "hide", user=user)
    service.session("carl@example.org")
    service.remove([1], user=OTHER)
    assert db.value("SELECT pop3.count_kept()") == 3
    assert kept(db) == [(USER, 2, 300, 2, 700), (OTHER, 1, 200, 2, 700),
                        ("carl@example.org", 0, 0, 0, 0)]
    for row in db.rows("SELECT * FROM pop3.report_leave_on_server"):
        mine = db.row("SELECT * FROM pop3.report_kept WHERE username = %s",
                      (row.username,), role="pop3_report")
        assert (mine.retrieved, mine.retrieved_bytes,
                mine.oldest_retrieved_at, mine.domain) == \
            (row.messages, row.bytes, row.oldest_retrieved_at, row.domain)
        user = db.row("SELECT * FROM pop3.report_user WHERE username = %s",
                      (row.username,))
        assert (mine.hidden, mine.hidden_bytes, mine.oldest_hidden_at) == \
            (user.hidden, user.hidden_bytes, user.oldest_hidden_at)


def test_kept_is_counted_once_a_day(db):
    service = Service(db)
    service.session(retrieved={1: "none"})
    assert db.value("SELECT pop3.count_kept()") == 1
    service.session(retrieved={2: "none"})
    assert db.value("SELECT pop3.count_kept()") == 0
    assert kept(db) == [(USER, 1, 100, 0, 0)]
    db.rows("UPDATE pop3.kept SET at = at - interval '21 hours'")
    assert db.value("SELECT pop3.count_kept()") == 1
    assert kept(db) == [(USER, 2, 300, 0, 0)]


def test_kept_of_maildrops_that_are_gone(db):
    service = Service(db)
    service.session(retrieved={1: "none"})
    db.value("SELECT pop3.count_kept()")
    db.rows("SELECT pop3.forget_user(%s)", (USER,))
    assert db.rows("SELECT * FROM pop3.report_kept") == []
    db.value("SELECT pop3.count_kept()")
    assert db.value("SELECT count(*) FROM pop3.kept") == 0


def test_many_maildrops_are_counted_by_and_by(db):
    db.rows("INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity) "
            "SELECT 'u' || n, gen_random_uuid(), 1 "
            "FROM generate_series(1, 6000) n")
    assert [db.value("SELECT pop3.count_kept()") for _ in range(3)] == \
        [5000, 1000, 0]


# --- views beside the others ---

def test_expiring_soon_is_what_report_expiring_has_of_a_week(db):
    service = Service(db)
    for user in (USER, OTHER):
        for uids, by in (((1, 2), 5), ((3, 4), 6), ((5, 6), 4)):
            service.session(user, retrieved={u: "none" for u in uids})
            service.remove([uids[0], uids[0] + 20], "hide", user=user)
            service.remove([uids[0] + 40], "hide", "mass-delete", user=user)
            db.age("%d days" % by, user)
    seen = 0
    for retrieved, hidden, hold in ((14, 7, 7), (20, 30, "unlimited"),
                                    ("never", 12, 9), (17, "never", 3),
                                    (0, 0, 0), (30, 30, 30)):
        db.set("*", expire_retrieved="%sd" % retrieved
               if retrieved != "never" else "never",
               expire_hidden="%sd" % hidden if hidden != "never" else "never",
               mass_delete_hold="%sd" % hold
               if hold != "unlimited" else "unlimited")
        columns = ("username, domain, enforcement, pop3_hold, rule, "
                   "expires_at, mailbox_guid, uidvalidity, uid, "
                   "message_guid, size, retrieved_at, hidden_at")
        soon = db.rows("SELECT %s FROM pop3.report_expiring_soon "
                       "ORDER BY username, uid" % columns,
                       role="pop3_report")
        assert soon == db.rows(
            "SELECT %s FROM pop3.report_expiring "
            "WHERE expires_at <= now() + interval '7 days' "
            "ORDER BY username, uid" % columns, role="pop3_report")
        seen += len(soon)
    assert seen > 40


def test_quota_is_what_report_user_has(db):
    service = Service(db)
    service.session()
    service.write(0, "record_usage", username=[USER, OTHER, "root"],
                  bytes=[960, 100, 7], messages=[9, 9, 8],
                  storage_limit=[1000, None, None],
                  message_limit=[None, 10, None], level=[95, 90, 0],
                  lowest=[95, 90, 0])
    rows = db.rows("SELECT * FROM pop3.report_quota", role="pop3_report")
    assert {r.username: r.percent for r in rows} == {
        USER: 96, OTHER: 90, "root": None}
    for row in rows:
        user = db.row("SELECT * FROM pop3.report_user WHERE username = %s",
                      (row.username,))
        assert (row.domain, row.bytes, row.messages, row.storage_limit,
                row.message_limit, row.percent, row.at) == (
            user.domain, user.stored_bytes, user.stored_messages,
            user.storage_limit, user.message_limit, user.quota_percent,
            user.stored_at)


def test_deletion_that_was_decided_much_later(fresh, old):
    """In another partition than the day that follows."""
    for user in (USER, OTHER):
        _, broken = old.intent({3: ("expunge", "dele"),
                                4: ("expunge", "dele")}, user)
        old.abandon(broken)
        fresh.age("3 days", user)
        me = new_id()
        old.claim(broken, me, user)
        old.repair(broken, me, {3: True, 4: False}, user)
        if user == OTHER:
            old.outcome(broken)
        fresh.age("1 day", user)
    assert [tuple(r.values()) for r in fresh.rows(
        "SELECT username, uid, status, decided_at - at > interval '2 days' "
        "FROM pop3.report_deletion ORDER BY username, uid")] == [
        (USER, 4, "presumed", True),
        (OTHER, 3, "committed", True), (OTHER, 4, "committed", True)]


# begun with the first ones, since it waits
@pytest.mark.xdist_group("slow database")
def test_rollups_of_a_slow_database(fresh, old):
    """One day at least, and no more when that took long: the rest is for the
    next call."""
    def call(seconds):
        conn = fresh.server.connect("postgres", fresh.name, autocommit=False)
        with conn.cursor() as cur:
            cur.execute("SELECT now()")
            cur.execute("SELECT pg_sleep(%s)", (seconds,))
            cur.execute("SELECT pop3.roll_up_due()")
            done = cur.fetchone()[0]
        conn.commit()
        conn.close()
        return done

    assert call(10.1) == 1
    assert call(0) >= 6
