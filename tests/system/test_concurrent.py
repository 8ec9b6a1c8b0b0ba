# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Several sessions of one user at once: views are fixed, and nothing is
removed, hidden or told twice."""

import concurrent.futures
import contextlib
import os
import signal

import pytest

from dovecot import wait_until
from owner import COMMITTED, event, intent, refusal, shown


@pytest.fixture
def background():
    """background(function) runs it in a thread; .result() waits for it."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        yield pool.submit


@contextlib.contextmanager
def chain_locked(host):
    """No record becomes durable for this time."""
    conn = host.pg.connect(dbname=host.dbname, autocommit=False)
    try:
        conn.cursor().execute("SELECT FROM pop3.chain FOR UPDATE")
        yield
    finally:
        conn.close()


def wait_service_blocked(host):
    """Wait until the service waits for a lock in the database."""
    wait_until(lambda: host.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s "
        "AND usename = 'pop3_service' AND wait_event_type = 'Lock'",
        (host.dbname,)))


@contextlib.contextmanager
def open_intent(owner, pop, background):
    """The session has sent QUIT, its intent is durable, and it goes no further
    for this time. Gives the answer to come. It must be the only session."""
    wait_until(lambda: len(owner.host.pids("pop3")) == 1,
               what="earlier sessions to be over")
    (pid,) = owner.host.pids("pop3")
    try:
        with chain_locked(owner.host):
            answer = background(pop.quit)
            wait_service_blocked(owner.host)
            os.kill(pid, signal.SIGSTOP)
        wait_until(owner.audit, what="the intent")
        yield answer
    finally:
        os.kill(pid, signal.SIGCONT)


def test_view_stays_while_another_session_deletes(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(3)
    with owner.pop3() as pop:
        before = (pop.stat(), pop.list(), pop.uidl())
        owner.retrieve(1, 2)
        owner.deliver(1)
        assert owner.uids() == [3, 4]
        assert (pop.stat(), pop.list(), pop.uidl()) == before
        assert b"Subject: Message 3" in pop.retr(3)[1]
        assert refusal(pop, "RETR 1").startswith("-ERR Message 1 expunged")
        assert (pop.stat(), pop.list(), pop.uidl()) == before
    assert owner.ended(retr=2, top=0, fetched="{[3,4)}")["removed"] == {3}
    assert owner.poll() == [4]


def test_view_stays_while_another_session_hides(owner):
    owner.set(on_retrieve="hide")
    owner.deliver(3)
    with owner.pop3() as pop:
        owner.retrieve(1)
        assert shown(pop) == [1, 2, 3]
        assert b"Subject: Message 1" in pop.retr(1)[1]
        assert b"Subject: Message 2" in pop.retr(2)[1]
    owner.ended(retr=2)
    assert owner.poll() == [3]


def test_view_stays_while_another_login_expires(owner):
    owner.set(expire_retrieved="1d")
    owner.deliver(3)
    owner.retrieve(1)
    with owner.pop3() as pop:
        owner.age("1 day")
        assert owner.poll() == [2, 3]
        assert shown(pop) == [1, 2, 3]
        assert b"Subject: Message 2" in pop.retr(2)[1]
    assert owner.ended(fetched="{[2,3)}")["retrieved"] == {2}
    assert owner.poll() == [2, 3]
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED)


def test_both_delete_the_same(owner):
    owner.deliver(3)
    with owner.pop3() as first, owner.pop3() as second:
        for pop in (first, second):
            pop.dele(1)
            pop.dele(3)
    owner.ended(dele=2)
    owner.ended(dele=2)
    assert owner.uids() == [2]
    owner.told(intent("expunge", "dele", 1, 3) + COMMITTED)


def test_both_delete_something(owner):
    owner.deliver(3)
    with owner.pop3() as first, owner.pop3() as second:
        first.dele(1)
        second.dele(3)
    owner.ended(dele=1)
    owner.ended(dele=1)
    assert owner.uids() == [2]
    # the inner one ends first
    owner.told(intent("expunge", "dele", 3) + COMMITTED +
               intent("expunge", "dele", 1) + COMMITTED)


def test_one_deletes_and_one_hides(owner):
    owner.set(on_dele="hide")
    owner.deliver(2)
    with owner.pop3() as first:
        first.dele(1)
        owner.set(on_dele="delete")
        owner.delete(1)
    owner.ended(dele=1)
    assert owner.uids() == [2]
    assert owner.hidden() == []


def test_both_hide_the_same(owner):
    owner.set(on_dele="hide")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.dele(1)
        owner.delete(1)
        (hidden,) = owner.state().values()
    owner.ended(dele=1)
    assert owner.state() == {1: hidden}
    assert owner.poll() == [2]


def test_both_retrieve_the_same(owner):
    owner.deliver(1)
    with owner.pop3() as pop:
        pop.retr(1)
        owner.retrieve(1)
    owner.ended(retr=1)
    assert owner.state()[1]["retrieved_count"] == 2


def test_no_state_of_a_message_that_another_session_deleted(owner):
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.retr(2)
        owner.delete(1)
    owner.ended(retr=2)
    owner.poll()
    assert list(owner.state()) == [2]
    assert owner.maildrop()["tracked"] == 1


def test_what_others_remove_during_a_session_is_told(owner):
    owner.deliver(3)
    owner.retrieve(1, 2)
    with owner.pop3() as pop:
        owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                           "uid", "1")
        pop.retr(3)
    owner.ended(retr=1)
    assert owner.poll() == [2, 3]
    owner.told(event("gone", 1, reason="gone"))
    assert owner.retrieved() == [2, 3]


def test_state_of_more_messages_than_there_are(owner):
    """The number of messages that the last session left tells nothing."""
    owner.deliver(3)
    owner.retrieve(1, 2, 3)
    owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                       "uid", "2,3")
    owner.host.sql("UPDATE pop3.maildrop SET messages = 1 "
                   "WHERE username = %s", (owner.name,))
    assert owner.poll() == [1]
    owner.told(event("gone", 2, 3, reason="gone"))
    assert owner.retrieved() == [1]
    assert owner.maildrop()["tracked"] == 1


def test_state_of_a_message_that_would_be_removed(owner):
    """It has state twice, and is not asked after at each login."""
    owner.set(enforcement="observe", on_retrieve="delete")
    owner.deliver(1)
    owner.retrieve(1)
    assert owner.would_remove() == {1: "retrieved"}
    assert owner.poll() == [1]
    owner.told([])
    assert owner.retrieved() == [1]


def test_all_at_once(owner, background):
    owner.set(on_retrieve="delete")
    owner.deliver(10)

    def download():
        with owner.pop3() as pop:
            uids = shown(pop)
            assert len(uids) == pop.stat()[0]
            for number in range(1, len(uids) + 1):
                with contextlib.suppress(Exception):
                    pop.retr(number)
        return uids

    sessions = [background(download) for _ in range(4)]
    assert list(range(1, 11)) in [done.result() for done in sessions]
    assert owner.uids() == []
    assert owner.poll() == []
    wait_until(lambda: owner.state() == {})
    told = [row["uid"] for row in owner.audit() if row["event"] == "intent"]
    assert set(told) == set(range(1, 11))


# --- an open intent ---

def test_others_go_on_while_an_intent_is_written(owner, background):
    owner.set(on_retrieve="delete")
    owner.deliver(3)
    first, second = owner.pop3(), owner.pop3()
    first.retr(1)
    second.dele(3)
    with chain_locked(owner.host):
        quits = background(first.quit)
        wait_service_blocked(owner.host)
        assert shown(second) == [1, 2]
        assert b"Subject: Message 2" in second.retr(2)[1]
        assert b"Subject: Message 1" in second.retr(1)[1]
        # nothing is removed before the intent is durable
        assert owner.uids() == [1, 2, 3]
        assert owner.story() == []
        assert not quits.done()
    assert quits.result().startswith(b"+OK")
    assert owner.ended(dele=0)["removed"] == {1}
    assert second.quit().startswith(b"+OK")
    assert owner.ended(dele=1)["removed"] == {2, 3}
    assert owner.uids() == []
    owner.told(intent("expunge", "retrieved", 1) + COMMITTED +
               [("intent", "expunge", "retrieved", 2),
                ("intent", "expunge", "dele", 3)] + COMMITTED)


def test_login_waits_for_an_intent_that_is_written(owner, background):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    pop = owner.pop3()
    pop.retr(1)
    with chain_locked(owner.host):
        quits = background(pop.quit)
        wait_service_blocked(owner.host)
        login = background(owner.pop3)
    assert quits.result().startswith(b"+OK")
    second = login.result()
    # it may have logged in before or after the removal
    assert shown(second) in ([1, 2], [2])
    second.quit()
    assert owner.poll() == [2]
    owner.told(intent("expunge", "retrieved", 1) + COMMITTED)


def test_others_go_on_while_an_intent_is_open(owner, background):
    owner.set(on_retrieve="delete")
    owner.deliver(3)
    first = owner.pop3()
    first.retr(1)
    with open_intent(owner, first, background) as answer:
        # what is still there is still shown
        owner.check_view([1, 2, 3])
        assert owner.retrieve(2)["removed"] == {2}
        assert owner.poll() == [1, 3]
        assert not answer.done()
    assert answer.result().startswith(b"+OK")
    assert owner.ended(fetched="{[1,2)}")["removed"] == {1}
    assert owner.uids() == [3]
    owner.told(intent("expunge", "retrieved", 1) +
               intent("expunge", "retrieved", 2) + COMMITTED + COMMITTED)


def test_open_intent_hides_nothing_yet(owner, background):
    owner.set(on_retrieve="hide")
    owner.deliver(2)
    first = owner.pop3()
    first.retr(1)
    with open_intent(owner, first, background) as answer:
        owner.check_view([1, 2])
    answer.result()
    assert owner.poll() == [2]
    owner.told(intent("hide", "retrieved", 1) + COMMITTED)


def test_retrieved_messages_of_an_open_intent_are_left_to_it(owner,
                                                            background):
    owner.set(expire_retrieved="1d")
    owner.deliver(3)
    owner.retrieve(1, 2)
    first = owner.pop3()
    first.dele(1)
    owner.age("1 day")
    with open_intent(owner, first, background) as answer:
        assert owner.poll() == [1, 3]
    answer.result()
    assert owner.poll() == [3]
    owner.told(intent("expunge", "dele", 1) +
               intent("expunge", "expired-retrieved", 2) +
               COMMITTED + COMMITTED)


def test_unretrieved_messages_of_an_open_intent_are_left_to_it(owner,
                                                              background):
    owner.set(expire_unretrieved="60d")
    owner.deliver(2)
    owner.poll()
    first = owner.pop3()
    first.dele(1)
    owner.age("60 days")
    with open_intent(owner, first, background) as answer:
        assert owner.poll() == [1]
    answer.result()
    assert owner.poll() == []
    owner.told(intent("expunge", "dele", 1) +
               intent("expunge", "expired-unretrieved", 2) +
               COMMITTED + COMMITTED)


def test_login_sees_what_ended_before_it(owner, background):
    """Even if the service has not read yet that it did."""
    owner.set(expire_retrieved="0")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        owner.host.pause_service()
        try:
            assert pop.quit().startswith(b"+OK")
            login = background(owner.pop3)
        finally:
            owner.host.resume_service()
    with login.result() as pop:
        assert shown(pop) == [2]
