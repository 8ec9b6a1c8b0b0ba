# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""view_since and view_window: what arrived too early is not in the view, and
all commands agree about that."""

import pytest

from dovecot import wait_until
from owner import Owner, intent, shown


def since(owner, when):
    """Set view_since to a time of the database's clock: an SQL expression."""
    owner.set(view_since=owner.host.value(
        "SELECT to_char((%s) AT TIME ZONE 'UTC', "
        "'YYYY-MM-DD HH24:MI:SS')" % when))


@pytest.fixture
def arrived(owner):
    """An owner whose messages 1 and 2 arrived ten days ago, 3 and 4 five days
    ago, and 5 was not seen yet."""
    owner.deliver(2)
    assert owner.poll() == [1, 2]
    owner.age("5 days")
    owner.deliver(2)
    assert owner.poll() == [1, 2, 3, 4]
    owner.age("5 days")
    owner.deliver(1)
    return owner


@pytest.mark.parametrize("days, view", [
    (11, [1, 2, 3, 4, 5]), (9, [3, 4, 5]), (4, [5])])
def test_since(arrived, days, view):
    since(arrived, "now() - interval '%d days'" % days)
    arrived.check_view(view)
    assert arrived.uids() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("window, view", [
    ("11d", [1, 2, 3, 4, 5]), ("9d", [3, 4, 5]), ("4d", [5])])
def test_window(arrived, window, view):
    arrived.set(view_window=window)
    arrived.check_view(view)
    assert arrived.uids() == [1, 2, 3, 4, 5]


def test_window_moves(arrived):
    arrived.set(view_window="9d")
    assert arrived.poll() == [3, 4, 5]
    arrived.age("4 days")
    assert arrived.poll() == [5]
    arrived.age("5 days")
    assert arrived.poll() == []
    assert arrived.uids() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("window, since_days, view", [
    ("9d", 4, [5]), ("4d", 9, [5]), ("9d", 11, [3, 4, 5])])
def test_both_limits_hold(arrived, window, since_days, view):
    arrived.set(view_window=window)
    since(arrived, "now() - interval '%d days'" % since_days)
    arrived.check_view(view)


def test_unset_limits(arrived):
    arrived.set(view_window="4d")
    since(arrived, "now() - interval '4 days'")
    assert arrived.poll() == [5]
    arrived.set(view_window="unlimited", view_since="never")
    arrived.check_view([1, 2, 3, 4, 5])


def test_new_maildrop_is_shown_whole(owner):
    owner.set(view_window="1d")
    owner.append(3, date="01-Jan-2020 12:00:00 +0000")
    owner.check_view([1, 2, 3])


def test_limits_and_hidden_messages(arrived):
    arrived.set(on_dele="hide")
    arrived.delete(1, 3)
    since(arrived, "now() - interval '9 days'")
    arrived.check_view([4, 5])
    arrived.delete(5)
    arrived.check_view([4])
    since(arrived, "now() - interval '11 days'")
    arrived.check_view([2, 4])


def test_message_out_of_view_is_not_touched(arrived):
    arrived.set(view_window="9d", on_retrieve="delete")
    with arrived.pop3() as pop:
        for number in range(1, 4):
            pop.retr(number)
            pop.dele(number)
    arrived.ended(retr=3)
    assert arrived.uids() == [1, 2]


def test_message_out_of_view_expires(arrived):
    arrived.set(view_window="4d", expire_unretrieved="6d")
    arrived.check_view([5])
    arrived.ended(removed="{[1,3)}")
    assert arrived.uids() == [3, 4, 5]


def test_since_is_stable_within_the_day(owner):
    """Later looks at the maildrop on the same day do not bring back what the
    first one left out."""
    owner.deliver(1)
    owner.poll()
    # the next whole second
    wait_until(lambda: owner.host.value(
        "SELECT date_trunc('second', now()) > max(at) FROM pop3.watermark "
        "JOIN pop3.maildrop USING (maildrop_id) WHERE username = %s",
        (owner.name,)), interval=0.1)
    since(owner, "now()")
    assert owner.poll() == []
    for uid in range(2, 5):
        owner.deliver(1)
        assert owner.poll() == list(range(2, uid + 1))
        assert owner.poll() == list(range(2, uid + 1))


def test_since_is_not_reached_yet(owner):
    """No mail has arrived at or after a time that is still to come; none is
    shown once and taken away again."""
    owner.deliver(1)
    assert owner.poll() == [1]
    since(owner, "now() + interval '1 day'")
    for _ in range(2):
        owner.deliver(1)
        assert owner.poll() == []
        assert owner.poll() == []


def test_since_is_stable_when_read_late(arrived):
    """The same after days, and with hidden messages."""
    arrived.set(on_retrieve="hide")
    since(arrived, "now() - interval '9 days'")
    assert arrived.poll() == [3, 4, 5]
    arrived.retrieve(4)
    arrived.deliver(1)
    assert arrived.poll() == [3, 5, 6]
    arrived.age("1 day")
    arrived.deliver(1)
    assert arrived.poll() == [3, 5, 6, 7]


def test_window_is_stable_within_the_day(arrived):
    arrived.set(view_window="9d", on_retrieve="hide")
    for uid in range(6, 9):
        with arrived.pop3() as pop:
            assert shown(pop) == list(range(3, uid))
        arrived.deliver(1)
    arrived.retrieve(3)
    assert arrived.poll() == list(range(4, 9))
    assert arrived.poll() == list(range(4, 9))


def test_short_window_does_not_bring_mail_back(owner):
    owner.set(view_window="1min")
    owner.deliver(1)
    assert owner.poll() == [1]
    owner.age("2 minutes")
    assert owner.poll() == []
    owner.deliver(1)
    assert owner.poll() == [2]
    assert owner.poll() == [2]


def test_view_is_fixed_for_the_session(owner):
    owner.deliver(2)
    with owner.pop3() as pop:
        assert shown(pop) == [1, 2]
        owner.deliver(1)
        owner.set(view_window="1s")
        owner.age("1 day")
        assert shown(pop) == [1, 2]
        assert pop.stat()[0] == 2
        assert b"Subject: Message 1" in pop.retr(1)[1]


def test_last(make_host, user):
    owner = Owner(make_host(settings={"pop3_enable_last": "yes"}), user)
    owner.set(on_dele="hide")
    owner.deliver(4)
    with owner.pop3() as pop:
        assert pop._shortcmd("LAST") == b"+OK 0"
        pop.retr(3)
        assert pop._shortcmd("LAST") == b"+OK 3"
        pop.dele(1)
    owner.told(intent("hide", "dele", 1) + [("committed", None, None, None)])
    with owner.pop3() as pop:
        # message 3 is number 2 now
        assert shown(pop) == [2, 3, 4]
        assert pop._shortcmd("LAST") == b"+OK 2"
        pop.retr(3)
        assert pop._shortcmd("LAST") == b"+OK 3"
        pop.rset()
        assert pop._shortcmd("LAST") == b"+OK 0"
    owner.ended(retr=1)
    assert owner.retrieved() == [3]


def test_last_and_rset(make_host, user):
    """With pop3_enable_last RSET commits in mid-session."""
    owner = Owner(make_host(settings={"pop3_enable_last": "yes"}), user)
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.dele(2)
        pop.rset()
    assert owner.ended(retr=1)["retrieved"] == set()
    assert owner.uids() == [1, 2]
    assert owner.story() == []
