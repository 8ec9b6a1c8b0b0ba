# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""login_delay: which logins are accepted."""

import threading

import psycopg2
import pytest

from sqlhelp import DAY, USER, Database, Service, new_id

OTHER = "bert@example.org"


@pytest.fixture
def service(db):
    return Service(db)


def login_row(db):
    return db.row("SELECT * FROM pop3.login")


# (what happened before: seconds that went by and whether the login was
# accepted), delay, seconds to wait now
@pytest.mark.parametrize("went_by,delay,wait", [
    (0, 60, 60), (1, 60, 59), (58, 60, 2), (61, 60, 0), (3600, 60, 0),
    (0, 1, 1), (2, 1, 0), (0, 3155760000, 3155760000)])
def test_delay_counts_from_the_last_accepted_login(db, service, went_by,
                                                   delay, wait):
    assert service.accept_login(delay=delay) == 0
    before = login_row(db)
    db.age("%d seconds" % went_by)
    found = service.accept_login(delay=delay)
    # the test itself takes its time
    assert wait - 5 <= found <= wait and (found > 0) == (wait > 0)
    assert (login_row(db).session_id == before.session_id) == (wait > 0)


def test_the_wait_is_rounded_up(db, service):
    service.accept_login(delay=60)
    db.age("59.2 seconds")
    assert service.accept_login(delay=60) == 1
    db.age("0.9 seconds")
    assert service.accept_login(delay=60) == 0


def test_a_refused_login_changes_nothing(db, service):
    service.accept_login()
    before = db.row("SELECT *, xmin::text, xmax::text FROM pop3.login")
    for _ in range(3):
        assert service.accept_login() > 0
    assert db.row("SELECT *, xmin::text, xmax::text FROM pop3.login") == \
        before
    db.age("61 seconds")
    assert service.accept_login() == 0


def test_a_session_is_accepted_again_at_no_new_time(db, service):
    session = new_id()
    assert service.accept_login(session) == 0
    before = login_row(db)
    assert service.accept_login(session) == 0
    assert login_row(db) == before
    assert service.accept_login() > 0


def test_observe_accepts_and_says_what_is_missing(db, service):
    assert service.accept_login(enforce=False) == 0
    db.age("10 seconds")
    second = new_id()
    assert 45 <= service.accept_login(second, enforce=False) <= 50
    assert login_row(db).session_id == second
    # from that one on
    assert 55 <= service.accept_login() <= 60


def test_users_do_not_wait_for_each_other(db, service):
    assert service.accept_login() == 0
    assert service.accept_login(user=OTHER) == 0
    assert service.accept_login(user=OTHER) > 0


def test_a_longer_delay_counts_at_once(db, service):
    service.accept_login(delay=1)
    db.age("2 seconds")
    assert service.accept_login(delay=60) > 0
    assert service.accept_login(delay=1) == 0


def test_a_clock_that_was_set_back_locks_nobody_out(db, service):
    service.accept_login()
    db.age("-1 day")
    assert service.accept_login() == 0
    assert 0 < service.accept_login() <= 60


@pytest.mark.parametrize("args", [
    {"user": None}, {"delay": None}, {"delay": -1}, {"enforce": None}])
def test_nonsense_is_refused(db, service, args):
    with pytest.raises(psycopg2.Error, match="a login needs"):
        service.accept_login(**args)
    assert db.rows("SELECT * FROM pop3.login") == []


# --- many at once ---

def logins_at_once(db, count, enforce=True):
    """Each on a connection of its own. Their answers."""
    answers = []
    barrier = threading.Barrier(count)

    def run():
        mine = Database(db.server, db.name)
        service = Service(mine)
        barrier.wait()
        answers.append(service.accept_login(enforce=enforce))
        mine.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return answers


@pytest.mark.parametrize("known", [False, True])
def test_of_many_logins_at_once_one_is_accepted(db, service, known):
    for _ in range(5):
        if known:
            service.accept_login()
            db.age("1 day")
        else:
            db.rows("DELETE FROM pop3.login")
        answers = logins_at_once(db, 8)
        assert answers.count(0) == 1, answers
        assert max(answers) <= 60


def test_under_observe_all_are_accepted_and_one_would_be(db, service):
    assert logins_at_once(db, 8, enforce=False).count(0) == 1


def held_login(db, session):
    conn = db.server.connect(Service.ROLE, db.name, autocommit=False)
    with conn.cursor() as cursor:
        cursor.execute("SELECT pop3.accept_login(%s, %s, 60, true)",
                       (USER, session))
        assert cursor.fetchone() == (0,)
    return conn


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("commits", [True, False])
def test_a_login_waits_for_one_that_is_being_accepted(db, service, known,
                                                      commits):
    if known:
        service.accept_login()
        db.age("1 day")
    held = held_login(db, new_id())
    answers = []
    thread = threading.Thread(
        target=lambda: answers.append(service.accept_login()))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "it did not wait"
    if commits:
        held.commit()
    else:
        held.rollback()
    thread.join()
    held.close()
    assert (answers[0] > 0) == commits


# --- upkeep ---

@pytest.mark.parametrize("days,delay,kept", [
    (0.9, "1m", True), (1.1, "1m", False), (1.1, None, False),
    (9, "10d", True), (12, "10d", False)])
def test_old_logins_are_deleted(db, service, days, delay, kept):
    if delay is not None:
        db.set("@example.net", login_delay=delay)
    service.accept_login()
    db.age("%d seconds" % (days * DAY))
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert len(db.rows("SELECT * FROM pop3.login")) == kept


def test_a_presets_delay_keeps_logins_where_it_is_used(db, service):
    db.rows("UPDATE pop3.preset SET login_delay = 864000 WHERE name = 'qq'")
    for preset, kept in (("qq", 1), ("gmail", 0)):
        db.set("@example.net", preset=preset)
        service.accept_login(delay=0)
        db.age("5 days")
        db.rows("SELECT pop3.maintain()", role="pop3_service")
        assert len(db.rows("SELECT * FROM pop3.login")) == kept


def test_upkeep_does_not_wait_for_a_login(db, service):
    service.accept_login()
    db.age("10 days")
    held = held_login(db, new_id())
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    held.commit()
    held.close()
    assert service.accept_login() > 0
