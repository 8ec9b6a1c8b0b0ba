# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A service that answers later than pop3_policy_timeout, or not at all."""

import contextlib
import re

import pytest

from dovecot import wait_until
from maildrop import Maildrop, Quit
from owner import uidset

NOT_REMOVED = "-ERR [SYS/TEMP] No message was removed: "


@pytest.fixture(scope="module")
def hasty_host(make_module_host):
    return make_module_host(plugin_settings={"pop3_policy_timeout": "1s"})


@pytest.fixture
def drop(hasty_host, user):
    drop = Maildrop(hasty_host, user)
    drop.deliver(4)
    drop.settle()
    return drop


@contextlib.contextmanager
def paused(host):
    host.pause_service()
    try:
        yield
    finally:
        host.resume_service()


@pytest.mark.parametrize("on_dele", ["delete", "hide"])
def test_intent_is_answered_late(hasty_host, user, drop, on_dele):
    """The session ends by -ERR, and is recorded as what it was."""
    host = hasty_host
    host.set_policies(user, on_retrieve="delete", on_dele=on_dele)
    before = drop.stored()
    pop = host.pop3(user)
    octets = pop.retr(1)[2] + pop.retr(2)[2]
    pop.top(4, 0)
    pop.dele(3)
    with paused(host):
        answer = Quit(pop).wait()
    assert answer.startswith(NOT_REMOVED) and "wait" in answer

    (session,) = host.wait_sessions(user, 1)
    assert session["ended_by"] == "update-failed"
    assert uidset(session["fetched"]) == {1, 2}
    assert uidset(session["retrieved"]) == uidset(session["removed"]) == set()
    assert (session["retr"], session["top"], session["dele"]) == (2, 1, 1)
    assert session["bytes"] >= octets
    assert session["messages"] == 4
    drop.settle()
    drop.check_nothing_lost(before, removed=[])
    assert drop.state() == {}
    # what came late was not acted upon, and is settled by the session itself
    assert drop.events() == [
        ("intent", 1, "retrieved"), ("intent", 2, "retrieved"),
        ("intent", 3, "dele"), ("released", None, None)]
    assert drop.open_intents() == []
    assert len(host.sessions(user)) == 1

    assert drop.view() == [1, 2, 3, 4]
    drop.session(retr=[1], dele=[3])
    assert drop.view() == [2, 4]
    assert 1 not in drop.stored()


def test_slow_for_some_users_only(hasty_host, user, drop):
    """Each session has a record of its own end, none is lost with others'."""
    host = hasty_host
    users = [Maildrop(host, "%s_%s" % (name, user)) for name in "abc"]
    for other in users:
        other.deliver(2)
    pops = [host.pop3(other.user) for other in users]
    for pop in pops:
        pop.retr(1)
        pop.dele(2)
    with paused(host):
        quits = [Quit(pop) for pop in pops]
        for quit_ in quits:
            assert quit_.wait().startswith(NOT_REMOVED)
    for other in users:
        (session,) = host.wait_sessions(other.user, 1)
        assert session["ended_by"] == "update-failed"
        assert uidset(session["fetched"]) == {1}
        assert other.uids() == [1, 2]
    drop.settle()
    # what had to wait behind others was given up before it was sent
    told = [other.events() for other in users]
    released = [("intent", 2, "dele"), ("released", None, None)]
    assert released in told
    assert all(events in ([], released) for events in told)


def test_answer_to_a_login_comes_late(hasty_host, user, drop):
    """The login is refused; the session after it is not confused."""
    host = hasty_host
    with paused(host):
        refusal = host.login_refusal(user)
    assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
    drop.session(retr=[1], dele=[2])
    assert drop.view() == [1, 3, 4]
    assert drop.retrieved() == [1]
    sessions = host.sessions(user)
    assert [row["ended_by"] for row in sessions
            if row["ended_by"] != "refused"] == ["quit"]


@pytest.fixture(scope="module")
def one_process_host(make_module_host):
    """A pop3 process keeps its connection from session to session."""
    return make_module_host(
        plugin_settings={"pop3_policy_timeout": "1s"}, pop3_service_count=0,
        extra="service pop3 {\n  process_limit = 1\n}\n")


def test_late_answers_are_not_taken_for_others(one_process_host, user):
    """The next session of the same process, of another user, begins behind
    answers that nobody waits for any more."""
    host = one_process_host
    first, second = (Maildrop(host, name + user) for name in ("1", "2"))
    first.deliver(3)
    second.deliver(3)
    host.set_policy(second.user, "on_dele", "hide")
    pop = host.pop3(first.user)
    pop.dele(1)
    (pid,) = host.pids("pop3")
    with paused(host):
        assert Quit(pop).wait().startswith(NOT_REMOVED)
    host.wait_sessions(first.user, 1)
    for dele, view in ((2, [1, 3]), (3, [1])):
        with host.pop3(second.user) as pop:
            pop.dele(Maildrop.numbers(pop)[dele])
        with host.pop3(second.user) as pop:
            assert list(Maildrop.numbers(pop)) == view
    assert list(host.pids("pop3")) == [pid]
    assert second.uids() == [1, 2, 3]
    assert first.uids() == [1, 2, 3]
    assert [row["ended_by"] for row in host.sessions(first.user)] == [
        "update-failed"]


# --- IMAP, which only tells that it was there ---

def check_imap(host, user):
    """Log in by IMAP and work."""
    imap = host.imap(user)
    imap.uid("STORE", "1", "+FLAGS", r"(\Deleted)")
    assert imap.expunge()[0] == "OK"
    assert imap.uid("SEARCH", "ALL")[1] == [b"2"]
    imap.logout()
    wait_until(lambda: not host.pids("imap"))


def test_imap_while_the_service_is_down(make_host, user):
    """One line of a warning, and nothing else."""
    host = make_host(plugin_settings={"pop3_policy_socket": "down",
                                      "pop3_policy_timeout": "30s"})
    drop = Maildrop(host, user)
    drop.deliver(2)
    offset = host.log_position()
    check_imap(host, user)
    (line,) = host.errors(offset)
    assert re.search(
        r"imap\(%s\).* Warning: pop3-policy: The use of IMAP was not "
        r"recorded: connect\(%s\) failed: No such file" % (
            re.escape(user), host.path("run", "down")), line)
