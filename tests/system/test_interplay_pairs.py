# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Pairs of rules that meet in no other table of doc/interplay.md, which names
each test of this file."""

import re

import pytest

from host import message
from interplay import PAGE
from owner import COMMITTED, event, intent, refusal, shown


@pytest.fixture
def aged(owner):
    """Messages 1 to 3 arrived 2 days ago, 4 to 6 are new."""
    owner.deliver(3)
    assert owner.poll() == [1, 2, 3]
    owner.age("2 days")
    owner.deliver(3)
    return owner


def test_view_window_and_view_limit(aged):
    aged.retrieve(1, 5)
    aged.set(view_window="1d", view_limit="1")
    aged.check_view([4, 5])
    aged.retrieve(4)
    aged.check_view([4, 5, 6])


def test_view_limit_and_hidden(owner):
    owner.set(view_limit="2", on_dele="hide")
    owner.deliver(5)
    owner.check_view([1, 2])
    owner.delete(1)
    owner.check_view([2, 3])
    owner.restore(1)
    # what was restored is not retrieved, and the oldest
    owner.check_view([1, 2])


def test_view_since_and_view_window(aged):
    """The narrower one counts."""
    aged.set(view_window="1d", view_since="2000-01-01")
    aged.check_view([4, 5, 6])
    aged.set(view_window="100d", view_since="2100-01-01")
    aged.check_view([])


def test_view_window_and_restored(aged):
    aged.set(on_dele="hide", view_window="10d")
    aged.delete(2)
    aged.set(view_window="1d")
    aged.restore(2)
    # it came back, but arrived when it did
    aged.check_view([4, 5, 6])
    aged.set(view_window="unlimited")
    aged.check_view([1, 2, 3, 4, 5, 6])


def test_expiry_and_view_window(aged):
    aged.set(view_window="1d", expire_unretrieved="2d")
    aged.check_view([4, 5, 6])
    assert aged.uids() == [4, 5, 6]


def test_expiry_and_view_limit(owner):
    owner.set(view_limit="2", expire_unretrieved="2d")
    owner.deliver(3)
    owner.check_view([1, 2])
    assert owner.poll() == [1, 2]
    owner.age("2 days")
    owner.deliver(1)
    owner.check_view([4])
    assert owner.uids() == [4]


def test_leave_limit_and_view_limit(owner):
    owner.set(view_limit="1", leave_max_messages="2")
    owner.deliver(5)
    for uid in range(1, 5):
        owner.retrieve(uid)
    assert owner.uids() == [3, 4, 5]
    owner.check_view([3, 4, 5])


def test_leave_limit_and_hide(owner):
    owner.set(on_retrieve="hide", leave_max_messages="0")
    owner.deliver(2)
    owner.retrieve(1)
    assert owner.poll() == [2]
    assert owner.uids() == [1, 2]
    owner.told(intent("hide", "retrieved", 1) + COMMITTED)


def test_leave_limit_and_dele(owner):
    owner.set(on_dele="hide", leave_max_messages="1")
    owner.deliver(3)
    owner.retrieve(1)
    with owner.pop3() as pop:
        pop.retr(2)
        pop.dele(1)
    owner.ended(dele=1)
    # 1 is hidden, so that 2 is the only one left
    owner.told(intent("hide", "dele", 1) + COMMITTED)
    assert owner.uids() == [1, 2, 3]


def test_leave_limit_and_restored(owner):
    owner.set(on_retrieve="hide")
    owner.deliver(2)
    owner.retrieve(1)
    owner.restore(1)
    owner.set(on_retrieve="keep", leave_max_messages="0")
    owner.poll()
    assert owner.uids() == [1, 2]


def test_leave_limit_and_expiry(owner):
    """What is due goes first, and makes room."""
    owner.deliver(3)
    owner.retrieve(1)
    owner.age("2 days")
    owner.retrieve(2)
    owner.set(expire_retrieved="1d", leave_max_messages="2")
    owner.retrieve(3)
    assert owner.uids() == [2, 3]
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED)


def test_refuse_and_on_retrieve(owner):
    owner.set(on_dele="refuse", on_retrieve="hide")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        assert refusal(pop, "DELE 1").startswith("-ERR Mail cannot be deleted")
        assert refusal(pop, "DELE 2").startswith("-ERR Mail cannot be deleted")
    owner.ended(retr=1)
    owner.check_view([2])
    assert owner.uids() == [1, 2]
    assert [row for row in owner.story() if row[0] == "refused"] == \
        event("refused", 1, 2, reason="dele")


def test_refuse_and_mass_deletion(owner):
    owner.set(on_dele="refuse", mass_delete_percent="50%")
    owner.deliver(21)
    with owner.pop3() as pop:
        for number in range(1, 22):
            refusal(pop, "DELE %d" % number)
    owner.host.wait_audit(owner.name, "refused")
    owner.check_view(range(1, 22))
    assert "mass-delete" not in [row[0] for row in owner.story()]


def test_mass_deletion_and_move(owner):
    owner.set(on_dele="move", mass_delete_percent="50%")
    owner.deliver(21)
    owner.delete(*range(1, 22))
    owner.host.wait_audit(owner.name, "mass-delete")
    assert owner.uids() == list(range(1, 22))
    assert {row["reason"] for row in owner.state().values()} == \
        {"mass-delete"}


def test_mass_deletion_and_on_retrieve(owner):
    """What was fetched in the session goes its own way."""
    owner.set(on_retrieve="delete", mass_delete_percent="50%")
    owner.deliver(25)
    with owner.pop3() as pop:
        pop.retr(1)
        for number in range(1, 25):
            pop.dele(number)
    owner.ended(dele=24)
    assert owner.uids() == list(range(2, 26))
    owner.check_view([25])


def test_mass_deletion_and_view_limit(owner):
    """The share is one of what the client sees."""
    owner.set(view_limit="20", mass_delete_percent="90%")
    owner.deliver(60)
    owner.delete(*range(1, 21))
    owner.host.wait_audit(owner.name, "mass-delete")
    assert owner.uids() == list(range(1, 61))
    assert owner.poll() == list(range(21, 41))


def test_mass_deletion_and_hide(owner):
    """Where DELE hides, the hold's time counts, not that of hidden mail."""
    owner.set(on_dele="hide", expire_hidden="1d", mass_delete_percent="50%",
              mass_delete_hold="3d")
    owner.deliver(21)
    owner.delete(*range(1, 22))
    owner.age("2 days")
    assert owner.poll() == []
    assert owner.uids() == list(range(1, 22))
    owner.age("1 day")
    owner.poll()
    assert owner.uids() == []
    assert {row[2] for row in owner.story() if row[:2] ==
            ("intent", "expunge")} == {"mass-delete"}


def test_mass_deletion_and_hold(owner):
    owner.set(pop3_hold="yes", mass_delete_percent="50%")
    owner.deliver(21)
    owner.delete(*range(1, 22))
    assert owner.hidden() == list(range(1, 22))
    # the hold is the reason, and it has no end
    assert {row["reason"] for row in owner.state().values()} == {"dele"}


def test_move_and_hold(owner):
    owner.set(on_retrieve="move", pop3_hold="yes")
    owner.deliver(2)
    owner.retrieve(1)
    owner.told(intent("hide", "retrieved", 1) + COMMITTED)
    owner.set(pop3_hold="no")
    owner.poll()
    # what was held stays where it is
    assert owner.uids() == [1, 2]
    owner.check_view([2])


def test_expire_hidden_after_hold(owner):
    owner.set(pop3_hold="yes", expire_hidden="1d")
    owner.deliver(2)
    owner.delete(1)
    owner.age("2 days")
    owner.poll()
    assert owner.uids() == [1, 2]
    owner.set(pop3_hold="no")
    owner.poll()
    assert owner.uids() == [2]


def test_download_daily_and_top(owner):
    """TOP counts, and is refused, too."""
    owner.set(download_daily="1")
    owner.deliver(2)
    with owner.pop3() as pop:
        assert b"Subject: Message 1" in pop.top(1, 0)[1]
        for command in ("RETR 1", "TOP 2 0"):
            assert refusal(pop, command).startswith(
                "-ERR The daily download limit of 1 byte is reached.")


def test_download_daily_and_on_retrieve(owner):
    """A refused message is not retrieved."""
    owner.set(download_daily="1", on_retrieve="delete")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        refusal(pop, "RETR 2")
    owner.ended(retr=1)
    assert owner.uids() == [2]


def test_download_daily_and_dele(owner):
    """A DELE of what was refused is the client's own will."""
    owner.set(download_daily="1")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        refusal(pop, "RETR 2")
        pop.dele(2)
    owner.ended(dele=1)
    assert owner.uids() == [1]


def test_top_lines_and_download_daily(owner):
    """What was cut off is not counted."""
    owner.set(top_lines="0", download_daily="4k")
    owner.deliver(*[b"Subject: Message %d\r\n\r\n" % uid +
                    (b"x" * 70 + b"\r\n") * 100 for uid in (1, 2)])
    with owner.pop3() as pop:
        for _ in range(3):
            assert b"x" * 70 not in pop.top(1, 90)[1]
        assert pop.retr(2)[1].count(b"x" * 70) == 100


def test_top_lines_and_on_retrieve(owner):
    owner.set(top_lines="0", on_retrieve="delete")
    owner.deliver(message("Message 1", "Line\n" * 20), message("Message 2"))
    with owner.pop3() as pop:
        assert b"Line" not in pop.top(1, 10)[1]
        assert b"Hello." in pop.top(2, 99999999)[1]
    owner.ended(top=2)
    assert owner.uids() == [1]


def test_login_delay_and_expiry(owner):
    """A refused login does nothing that is due."""
    owner.deliver(1)
    owner.retrieve(1)
    owner.set(login_delay="1h")
    with owner.pop3() as pop:
        assert shown(pop) == [1]
    owner.set(expire_retrieved="0")
    assert owner.host.login_refusal(owner.name).startswith(
        "-ERR [LOGIN-DELAY]")
    assert owner.uids() == [1]


def test_login_delay_and_access(owner):
    """A login without access is no login."""
    owner.set(login_delay="1h", pop3_access="off")
    assert owner.host.login_refusal(owner.name).startswith("-ERR [AUTH]")
    owner.set(pop3_access="on")
    owner.pop3().quit()
    assert owner.host.login_refusal(owner.name).startswith(
        "-ERR [LOGIN-DELAY]")


def test_mark_seen_and_move(owner):
    owner.set(mark_seen="yes", on_retrieve="move")
    owner.deliver(1)
    owner.retrieve(1)
    assert owner.host.doveadm(
        "fetch", "-u", owner.name, "flags", "mailbox", "Trash").split(
            "flags:")[1].split()[:1] == ["\\Seen"]


def test_restored_and_on_retrieve(owner):
    """Spared once, whatever on_retrieve says by then."""
    owner.set(on_retrieve="hide")
    owner.deliver(1)
    owner.retrieve(1)
    owner.restore(1)
    owner.set(on_retrieve="delete")
    owner.retrieve(1)
    assert owner.uids() == [1]
    owner.retrieve(1)
    assert owner.uids() == []


def test_restored_and_dele(owner):
    """A client that deletes it is obeyed."""
    owner.set(on_retrieve="hide")
    owner.deliver(1)
    owner.retrieve(1)
    owner.restore(1)
    owner.delete(1)
    assert owner.uids() == []


def test_page_names_each_test():
    with open(PAGE) as file:
        named = re.findall(r"\| `(test_\w+)` \|$", file.read(), re.M)
    assert named == [name for name in globals() if name.startswith("test_")
                     and name != "test_page_names_each_test"]
