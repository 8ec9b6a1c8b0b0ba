# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Sessions that found and changed nothing are counted, hour by hour, instead
of leaving a row each."""

import pytest

from dovecot import wait_until
from owner import Owner


@pytest.fixture
def owner(make_host, user):
    """An owner of whom everything is recorded soon, with a message that the
    records know."""
    owner = Owner(make_host(service_settings={"poll_interval": "1s"}), user)
    owner.deliver(1)
    owner.retrieve(1)
    return owner


def poll_rows(owner):
    return owner.host.rows(
        "SELECT *, date_trunc('hour', started_at, 'UTC') AS hour "
        "FROM pop3.session WHERE username = %s AND ended_by = 'poll' "
        "ORDER BY started_at", (owner.name,))


def polls(owner):
    return sum(row["polls"] for row in poll_rows(owner))


def wait_polls(owner, count):
    wait_until(lambda: polls(owner) >= count, what="%d polls" % count)
    assert polls(owner) == count


def test_polls_are_one_row(owner):
    for _ in range(3):
        assert owner.poll() == [1]
    wait_polls(owner, 3)
    # of one hour, or of two if it struck meanwhile
    assert len(poll_rows(owner)) == len(
        {row["hour"] for row in poll_rows(owner)}) <= 2
    for row in poll_rows(owner):
        assert row["started_at"] == row["hour"]
        assert row["remote_address"] == "127.0.0.1"
        assert row["ended_at"] >= row["started_at"]
    assert len(owner.host.sessions(owner.name)) == 1


def test_later_polls_are_added(owner):
    owner.poll()
    wait_polls(owner, 1)
    owner.poll()
    owner.poll()
    wait_polls(owner, 3)
    assert len(poll_rows(owner)) <= 2


def test_polls_are_logins(owner):
    before = owner.maildrop()
    owner.poll()
    wait_polls(owner, 1)
    after = owner.maildrop()
    assert after["last_login_at"] > before["last_login_at"]
    assert after["last_quit_at"] > before["last_quit_at"]
    assert after["sessions"] == before["sessions"] == 1


def test_users_have_rows_of_their_own(owner):
    other = Owner(owner.host, "other." + owner.name)
    other.deliver(1)
    other.retrieve(1)
    owner.poll()
    other.poll()
    other.poll()
    wait_polls(owner, 1)
    wait_polls(other, 2)


def test_new_mail_is_no_poll(owner):
    owner.deliver(1)
    assert owner.poll() == [1, 2]
    session = owner.ended(retr=0)
    assert (session["uidnext"], session["messages"]) == (3, 2)
    assert owner.poll() == [1, 2]
    wait_polls(owner, 1)
    assert len(owner.host.sessions(owner.name)) == 2


def test_loss_of_mail_is_no_poll(owner):
    owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                       "uid", "1")
    assert owner.poll() == []
    assert owner.ended(retr=0)["messages"] == 0
    owner.poll()
    wait_polls(owner, 1)


def test_other_mail_is_no_poll(owner):
    owner.deliver(1)
    owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                       "uid", "1")
    assert owner.poll() == [2]
    session = owner.ended(retr=0)
    assert (session["uidnext"], session["messages"]) == (3, 1)


def test_what_does_something_is_no_poll(owner):
    with owner.pop3() as pop:
        pop.top(1, 0)
    owner.ended(top=1)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.rset()
    owner.ended(retr=1, top=0)
    pop = owner.pop3()
    pop.dele(1)
    pop.drop()
    owner.ended(dele=1)
    owner.poll()
    wait_polls(owner, 1)
    assert len(owner.host.sessions(owner.name)) == 4


def test_session_without_quit_is_no_poll(owner):
    """Clients that never QUIT are known by such rows."""
    pop = owner.pop3()
    assert pop.stat()[0] == 1
    pop.drop()
    assert owner.ended(ended_by="drop")["retr"] == 0


def test_expiry_is_no_poll(owner):
    owner.set(expire_retrieved="1d")
    owner.age("1 day")
    assert owner.poll() == []
    assert owner.ended(retr=0)["removed"] == {1}
    owner.poll()
    wait_polls(owner, 1)


def test_observed_poll_is_a_poll(owner):
    """What would be removed is told once, not at each poll."""
    owner.set(enforcement="observe", expire_retrieved="1d")
    owner.age("1 day")
    assert owner.poll() == [1]
    owner.ended(retr=0)
    for _ in range(3):
        owner.poll()
    wait_polls(owner, 3)


def test_polls_are_written_when_the_service_ends(make_host, user):
    owner = Owner(make_host(), user)        # they wait for a minute there
    owner.deliver(1)
    owner.retrieve(1)
    owner.poll()
    owner.poll()
    owner.host.stop()
    assert polls(owner) == 2


def test_all_polls_may_be_recorded(make_host, user):
    owner = Owner(make_host(service_settings={"record_polls": "yes"}), user)
    owner.deliver(1)
    owner.retrieve(1)
    for _ in range(2):
        owner.poll()
        session = owner.ended(retr=0)
        assert (session["ended_by"], session["polls"]) == ("quit", 1)
        assert session["messages"] == 1
    assert poll_rows(owner) == []
