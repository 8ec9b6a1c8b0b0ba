# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""download_daily: what counts, and until when."""

import threading
import time

import psycopg2
import pytest

from sqlhelp import DAY, USER, Database, Service, new_id

OTHER = "bert@example.org"
STEP = 300


@pytest.fixture
def service(db):
    return Service(db)


def used(service, user=USER):
    return service.download(1 << 50, user=user).used


def test_what_is_reserved_counts_at_once(db, service):
    session = new_id()
    row = service.download(1000, reserve=400, session=session)
    assert (row.used, row.wait) == (0, None)
    assert used(service) == 400
    # it was sent; another is about to be
    row = service.download(1000, bytes=400, reserve=500, session=session)
    assert (row.used, row.wait) == (400, None)
    assert used(service) == 900
    assert used(service, OTHER) == 0


@pytest.mark.parametrize("sent,counted", [
    (0, 0), (100, 100), (400, 400), (450, 450), (100000, 100000)])
def test_what_was_sent_replaces_what_was_reserved(db, service, sent, counted):
    session = new_id()
    service.download(1000, reserve=400, session=session)
    service.session(session_id=session, bytes=sent, download=True)
    assert used(service) == counted


def test_the_same_call_again_changes_nothing(db, service):
    session = new_id()
    first = service.download(1000, reserve=400, session=session)
    for _ in range(3):
        assert service.download(1000, reserve=400, session=session) == first
    assert used(service) == 400
    first = service.download(1000, bytes=300, reserve=50, session=session)
    assert service.download(1000, bytes=300, reserve=50,
                            session=session) == first
    assert used(service) == 350


@pytest.mark.parametrize("before,limit,refused", [
    (0, 1, False), (999, 1000, False), (1000, 1000, True),
    (5000, 1000, True), (1000, 1001, False)])
def test_the_limit_is_looked_at_before_sending(db, service, before, limit,
                                               refused):
    """A message that is bigger than the limit can be had at first."""
    service.session(bytes=before, download=True)
    row = service.download(limit, reserve=10 ** 9)
    assert row.used == before
    assert (row.wait is not None) == refused
    # if it is refused nothing is reserved
    assert used(service) == before + (0 if refused else 10 ** 9)


def test_a_refused_call_settles_all_the_same(db, service):
    session = new_id()
    service.download(1000, reserve=2000, session=session)
    assert service.download(1000, session=new_id()).wait is not None
    assert service.download(1000, bytes=1500, reserve=1,
                            session=session).used == 1500
    assert used(service) == 1500


def test_the_wait_is_until_enough_has_gone(db, service):
    """Of 700, 400 and 300 bytes, 20, 10 and 0 hours ago."""
    for bytes, age in ((700, "10 hours"), (400, "10 hours"), (300, "0")):
        service.session(bytes=bytes, download=True)
        db.age(age)
    for limit, hours in ((1400, 4), (701, 4), (700, 14), (301, 14),
                         (300, 24), (1, 24)):
        row = service.download(limit, reserve=1)
        assert row.used == 1400
        assert hours * 3600 - 60 <= row.wait <= hours * 3600 + STEP, limit
    assert service.download(1401).wait is None


@pytest.mark.parametrize("seconds", [1, 30, 299])
def test_the_wait_is_exact(db, service, seconds):
    """When it is over, the download is allowed; a second before, it is not."""
    service.session(bytes=1000, download=True)
    wait = service.download(1000, reserve=1).wait
    db.age("%d seconds" % (wait - seconds))
    left = service.download(1000, reserve=1).wait
    assert seconds - 5 <= left <= seconds
    if left > 2:
        db.age("%d seconds" % (left - 2))
        assert 0 < service.download(1000, reserve=1).wait <= 2
    db.age("2 seconds")
    assert service.download(1000, reserve=1).wait is None


def test_bytes_count_for_24_hours_after_their_five_minutes(db, service):
    service.session(bytes=1000, download=True)
    db.age("%d seconds" % (DAY - 10))
    assert used(service) == 1000
    db.age("%d seconds" % (STEP + 10))
    assert used(service) == 0


def test_steps_of_five_minutes(db, service):
    # not at the end of one
    while db.value("SELECT extract(epoch FROM now())::bigint % 300") > 290:
        time.sleep(1)
    session = new_id()
    for n in range(4):
        service.download(1 << 40, bytes=n * 100, reserve=100, session=session)
    (row,) = db.rows("SELECT bytes, total, extract(epoch FROM at)::bigint "
                     "% 300 AS rest FROM pop3.download")
    assert row == {"bytes": 400, "total": 400, "rest": 0}
    db.age("5 minutes")
    service.download(1 << 40, bytes=390, reserve=100, session=session)
    assert db.rows("SELECT bytes, total FROM pop3.download ORDER BY at") == [
        {"bytes": 390, "total": 390}, {"bytes": 100, "total": 490}]
    # nothing came of it: what was sent remains where it was counted
    service.session(session_id=session, bytes=390, download=True)
    assert db.rows("SELECT bytes, total FROM pop3.download ORDER BY at") == [
        {"bytes": 390, "total": 390}, {"bytes": 0, "total": 390}]


# what the service knows of the limit, whether it was asked; bytes of 500
@pytest.mark.parametrize("download,asked,counted", [
    (True, True, 500), (True, False, 500), (False, False, 0),
    (None, True, 500), (None, False, 0)])
def test_the_end_of_a_session(db, service, download, asked, counted):
    session = new_id()
    if asked:
        service.download(1000, reserve=900, session=session)
    service.session(session_id=session, bytes=500, download=download)
    assert used(service) == counted
    # and again
    service.session(session_id=session, bytes=500, download=download)
    assert used(service) == counted


@pytest.mark.parametrize("ended_by", ["drop", "timeout", "update-failed"])
def test_any_end_of_a_session_settles(db, service, ended_by):
    session = new_id()
    service.download(1000, reserve=900, session=session)
    service.session(session_id=session, bytes=5, download=True,
                    ended_by=ended_by)
    assert used(service) == 5


def test_a_session_that_opened_no_mailbox_settles(db, service):
    session = new_id()
    service.download(1000, reserve=900, session=session)
    service.session(session_id=session, bytes=0, download=None,
                    mailbox_guid=None, uidvalidity=None, uidnext=None)
    assert used(service) == 0


def test_of_a_lost_session_what_was_reserved_counts(db, service):
    session = new_id()
    service.download(1000, reserve=900, session=session)
    lost = service.session(session_id=session, bytes=0, download=None,
                           ended_by="lost")
    assert used(service) == 900
    service.session(session_id=session, bytes=100, download=True,
                    started=lost["started"])
    assert used(service) == 100


def test_who_logged_in_is_the_services_business(db, service):
    """Where auth_user is an alias the session counts, a master user's not."""
    service.session(bytes=5000, download=True, auth_user="alias")
    assert used(service) == 5000
    service.session(bytes=5000, download=False, auth_user="admin")
    assert used(service) == 5000


@pytest.mark.parametrize("args", [
    {"user": None}, {"limit": 0}, {"limit": -1}, {"bytes": -1},
    {"reserve": -1}, {"bytes": None}, {"reserve": None}, {"limit": None}])
def test_nonsense_is_refused(db, service, args):
    with pytest.raises(psycopg2.Error, match="a download needs"):
        service.download(**{"limit": 1000, **args})
    assert db.rows("SELECT * FROM pop3.download") == []


# --- many at once ---

def test_many_sessions_at_once(db, service):
    """Of 12 sessions that want 100 bytes each again and again, as many succeed
    as the limit allows, to the byte."""
    allowed, barrier = [], threading.Barrier(12)

    def run():
        mine = Database(db.server, db.name)
        service, session, sent = Service(mine), new_id(), 0
        barrier.wait()
        for _ in range(10):
            if service.download(5000, bytes=sent, reserve=100,
                                session=session).wait is None:
                sent += 100
                allowed.append(100)
        service.session(session_id=session, bytes=sent, download=True,
                        retrieved={})
        mine.close()

    threads = [threading.Thread(target=run) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(allowed) == 5000
    assert used(service) == 5000


def test_a_session_sees_what_another_is_reserving(db, service):
    conn = db.server.connect(Service.ROLE, db.name, autocommit=False)
    with conn.cursor() as cursor:
        cursor.execute("SELECT * FROM pop3.download_reserve"
                       "(%s, %s, 1000, 0, 1000)", (USER, new_id()))
        assert cursor.fetchall() == [(0, None)]
    # others do not wait
    assert service.download(1000, reserve=1, user=OTHER).wait is None
    answers = []
    thread = threading.Thread(target=lambda: answers.append(
        service.download(1000, reserve=1)))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "it did not wait"
    conn.commit()
    thread.join()
    conn.close()
    assert answers[0].used == 1000 and answers[0].wait > 0


# --- upkeep ---

def rows(db):
    return db.value("SELECT count(*) FROM pop3.download")


def test_a_users_old_rows_go_with_the_next_download(db, service):
    for _ in range(3):
        service.session(bytes=10, download=True)
    service.session(OTHER, bytes=10, download=True)
    for user in (USER, OTHER):
        db.age("25 hours", user)
    service.download(1000, reserve=5)
    assert db.values("SELECT username FROM pop3.download ORDER BY 1") == \
        [USER, OTHER]


def test_old_rows_are_deleted(db, service):
    service.session(bytes=10, download=True)
    db.age("23 hours")
    service.session(bytes=10, download=True)
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert rows(db) == 2
    db.age("2 hours")
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert rows(db) == 1
    assert used(service) == 10


def test_a_session_of_more_than_a_day(db, service):
    """What it sent yesterday is not counted again."""
    session = new_id()
    service.download(1000, reserve=700, session=session)
    service.session(bytes=10, download=True)
    db.age("26 hours")
    row = service.download(1000, bytes=700, reserve=100, session=session)
    assert row.used == 0
    assert rows(db) == 2, "its own two; the other's is deleted"
    assert used(service) == 100
    service.session(session_id=session, bytes=800, download=True)
    assert used(service) == 100
