# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""State acts on the message that it was recorded for. Where the mailbox was
put back, or is not the one that was known, it waits, or is dropped."""

import os

import pytest

from dovecot import wait_until
from maildrop import Maildrop

OTHER_UIDVALIDITY = 1234567


@pytest.fixture
def drop(host, user):
    return Maildrop(host, user)


# --- UIDs that were given out again ---

# So many separate ranges of UIDs that no array is large enough from the start.
MANY = 60


def put_back_with_due_state(drop, before=1):
    """A mailbox in which every second message is not the one that was
    retrieved under its UID. Nothing is hidden and nothing limits the view,
    so only the due messages themselves tell. Returns the UIDs."""
    drop.deliver(before)
    drop.session(retr=range(1, before + 1))
    copy = drop.copy()
    drop.deliver(MANY)
    wrong = list(range(before + 2, before + MANY + 1, 2))
    drop.session(retr=wrong)
    drop.put_back(copy)
    drop.deliver(MANY)
    drop.host.set_policy(drop.user, "expire_retrieved", "14d")
    drop.age("14 days")
    return wrong


def test_many_due_messages_are_others(host, user, drop):
    wrong = put_back_with_due_state(drop)
    before = drop.stored()
    offset = host.log_position()
    # what is still the same message goes
    assert drop.view() == list(before)[1:]
    assert sorted(drop.wait_events("mismatch", len(wrong))) == wrong
    assert host.log_contains(
        r"%d due messages are not those whose retrieval was recorded; "
        r"they stay" % len(wrong), offset)
    drop.check_nothing_lost(before, removed=[1])
    assert drop.events("intent", "released", "presumed") == [
        ("intent", 1, "expired-retrieved")]
    assert drop.state() == {}
    assert drop.tracked() == 0


def test_they_are_told_once_and_have_clocks_of_their_own(host, user, drop):
    wrong = put_back_with_due_state(drop)
    assert len(drop.view()) == MANY
    drop.wait_events("mismatch", len(wrong))
    drop.session(retr=wrong)
    assert len(drop.view()) == MANY
    assert len(drop.events("mismatch")) == len(wrong)
    assert drop.retrieved() == wrong
    drop.age("14 days")
    left = drop.view()
    assert len(left) == MANY - len(wrong)
    assert set(left).isdisjoint(wrong)
    assert sorted(drop.intended()) == [1] + wrong


# --- a mailbox with another UIDVALIDITY ---

def renew(drop):
    drop.wait_idle()
    drop.host.doveadm("mailbox", "update", "-u", drop.user, "--uid-validity",
                      str(OTHER_UIDVALIDITY), "INBOX")


def maildrops(drop):
    """Number of maildrops that are on record."""
    return drop.host.value("SELECT count(*) FROM pop3.maildrop "
                           "WHERE username = %s", (drop.user,))


@pytest.mark.parametrize("end", ["quit", "drop"])
def test_real_mailbox_is_not_mounted(host, user, drop, end):
    """Dovecot makes an empty one in its place. Once the real one is back,
    nothing that was hidden appears again, and clocks have gone on."""
    host.set_policies(user, on_dele="hide", expire_retrieved="14d")
    drop.deliver(4)
    drop.session(retr=[3], dele=[2])
    drop.age("13 days")
    state = drop.state()
    drop.wait_idle()
    away = drop.home + ".away"
    os.rename(drop.home, away)

    for _ in range(2):
        pop = host.pop3(user)
        assert pop.stat() == (0, 0)
        if end == "quit":
            pop.quit()
        else:
            pop.drop()
    drop.settle()
    assert drop.state() == state
    assert drop.events("carried", "gone", "rollback") == []

    os.rename(drop.home, drop.home + ".empty")
    os.rename(away, drop.home)
    assert drop.view() == [1, 3, 4]
    assert drop.state() == state
    drop.age("1 day")
    assert drop.view() == [1, 4]
    assert drop.uids() == [1, 2, 4]
    assert drop.events("carried", "gone", "rollback") == []


def test_empty_mailbox_gets_another_uidvalidity(host, user, drop):
    """All mail was deleted before: there is nothing to wait for, and new mail
    is new mail."""
    host.set_policy(user, "on_dele", "delete")
    drop.deliver(2)
    drop.session(retr=[1, 2], dele=[1, 2])
    renew(drop)
    assert drop.view() == []
    drop.settle()
    drop.deliver(2)
    uids = drop.uids()
    assert drop.view() == uids
    drop.session(retr=uids[:1])
    assert drop.retrieved() == uids[:1]
    assert drop.view() == uids


def restored(drop):
    """Two messages that were hidden, one of which was put back."""
    drop.host.set_policy(drop.user, "on_retrieve", "hide")
    drop.deliver(3)
    drop.session(retr=[1, 2])
    assert drop.view() == [3]
    drop.settle()
    assert drop.host.value("SELECT pop3.restore(%s, '{[1,1]}')",
                           (drop.user,)) == 1
    drop.host.set_policy(drop.user, "on_retrieve", "delete")


def test_restored_message_is_spared(host, user, drop):
    """By on_retrieve, once: also in the session that finds another
    UIDVALIDITY."""
    restored(drop)
    renew(drop)
    before = drop.stored()
    drop.session(retr=[1])
    drop.check_nothing_lost(before, removed=[])
    assert drop.view() == [1, 3]
    assert drop.wait_events("carried") == [None]
    assert drop.hidden() == [2]
    drop.session(retr=[1])
    drop.check_nothing_lost(before, removed=[1])
    assert drop.view() == [3]


def test_restored_message_is_spared_in_the_session_after(host, user, drop):
    restored(drop)
    renew(drop)
    before = drop.stored()
    assert drop.view() == [1, 3]
    drop.wait_events("carried")
    drop.session(retr=[1])
    drop.check_nothing_lost(before, removed=[])
    drop.session(retr=[1])
    drop.check_nothing_lost(before, removed=[1])


def test_new_mail_is_not_spared(host, user, drop):
    """Only what had state may have been restored."""
    restored(drop)
    renew(drop)
    before = drop.stored()
    drop.session(retr=[1, 3])
    drop.check_nothing_lost(before, removed=[3])
    wait_until(lambda: maildrops(drop) == 1)


def test_anchor_is_noted_by_a_poll(host, user, drop):
    """The last message expires, and nothing comes: the age of the others is
    still believed."""
    host.set_policies(user, expire_retrieved="1d", expire_unretrieved="60d")
    drop.deliver(2)
    drop.session(retr=[2])
    drop.age("1 day")
    assert drop.view() == [1]
    for _ in range(2):
        drop.settle()
        assert drop.view() == [1]
    drop.age("59 days")
    assert drop.view() == []


def test_anchor_was_removed_by_others(host, user, drop):
    """After the last session that is recorded. A poll finds out, at last."""
    host.set_policy(user, "expire_unretrieved", "60d")
    drop.deliver(2)
    assert drop.view() == [1, 2]
    drop.settle()
    drop.expunge(2)
    assert drop.view() == [1]
    drop.age("60 days")
    drop.view()
    drop.settle()
    assert drop.view() == []
