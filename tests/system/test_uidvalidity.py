# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A mailbox with a new UIDVALIDITY or a new GUID takes its state over, by the
GUIDs of the messages."""

import datetime
import os

import pytest

from maildrop import Maildrop, listing, subject


def renew_uidvalidity(drop):
    """The UIDs stay, the UIDVALIDITY is another."""
    drop.wait_idle()
    drop.host.doveadm("mailbox", "update", "-u", drop.user,
                      "--uid-validity", "1234567", "INBOX")


def rebuild_maildir(drop):
    """All indexes are lost: UIDVALIDITY and mailbox GUID are others, UIDs
    are given out again."""
    drop.wait_idle()
    for path in drop.files("dovecot*"):
        os.unlink(path)


def carried(drop):
    """The only audit row of event carried, once it is there."""
    (row,) = drop.host.wait_audit(drop.user, "carried")
    return row


def maildrops(drop):
    return drop.host.sql("SELECT uidvalidity, uidnext FROM pop3.maildrop "
                         "WHERE username = %s", (drop.user,))


@pytest.mark.parametrize("mail_format", ["sdbox", "maildir", "mdbox"])
def test_new_uidvalidity(make_host, user, mail_format):
    host = make_host(mail_format=mail_format)
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", expire_retrieved="14d",
                      expire_hidden="30d")
    drop.deliver(5)
    drop.session(retr=[3, 4], dele=[2])
    drop.age("13 days")
    before = drop.state()
    ((old, _),) = maildrops(drop)
    assert old != 1234567

    renew_uidvalidity(drop)
    with host.pop3(user) as pop:
        uidls = listing(pop)
        assert [uidl[8:] for uidl in uidls.values()] == ["0012d687"] * 4
        assert [subject(pop.top(number, 0)) for number in uidls] == [
            "Message 1", "Message 3", "Message 4", "Message 5"]
    row = carried(drop)
    assert row["uidvalidity"] == 1234567
    assert "state of 3 messages carried over" in row["detail"]
    assert "UIDVALIDITY %d" % old in row["detail"]
    assert maildrops(drop) == [(1234567, 6)]

    # clocks go on
    after = drop.state()
    assert list(after) == [2, 3, 4]
    for uid in after:
        for column in ("message_guid", "size", "retrieved_at", "hidden_at",
                       "retrieved_count", "reason"):
            assert after[uid][column] == before[uid][column]
    assert drop.tracked() == 3
    drop.age("1 day")
    assert drop.view() == [1, 5]
    assert drop.uids() == [1, 2, 5]
    assert drop.wait_events("carried") == [None]


def test_new_uids(make_host, user):
    """Maildir without its indexes: everything gets another UID."""
    host = make_host(mail_format="maildir")
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", expire_retrieved="14d")
    drop.deliver(5)
    drop.expunge(1)
    drop.session(retr=[4], dele=[3])
    drop.age("13 days")
    drop.wait_idle()
    rebuild_maildir(drop)
    with host.pop3(user) as pop:
        assert [subject(pop.top(number, 0)) for number in listing(pop)] == [
            "Message 2", "Message 4", "Message 5"]
    assert drop.uids() == [1, 2, 3, 4]
    assert drop.hidden() == [2]
    assert drop.retrieved() == [3]
    drop.age("1 day")
    assert drop.view() == [1, 4]
    assert drop.uids() == [1, 2, 4]
    assert sorted(drop.intended()) == [3]
    assert len(drop.events("carried")) == 1


def test_arrival_begins_anew(host, user):
    """Watermarks speak of the old UIDs."""
    drop = Maildrop(host, user)
    host.set_policy(user, "expire_unretrieved", "60d")
    drop.deliver(2)
    drop.session(retr=[1])
    drop.age("59 days")
    renew_uidvalidity(drop)
    assert drop.view() == [1, 2]
    carried(drop)
    drop.age("59 days")
    assert drop.view() == [1, 2]
    drop.age("1 day")
    # 1 was retrieved: not this rule's
    assert drop.view() == [1]
    assert drop.events("intent") == [("intent", 2, "expired-unretrieved")]


def copies(drop, uid, count=1):
    """Make copies with the same GUID. Returns their number."""
    guids = drop.stored()
    for _ in range(count):
        drop.host.doveadm("copy", "-u", drop.user, "INBOX",
                          "mailbox", "INBOX", "uid", str(uid))
    now = drop.stored()
    assert list(now.values()).count(guids[uid]) == count + 1
    return now


def test_duplicates_are_left_out(host, user):
    """Which of the two was hidden cannot be known: both are shown."""
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(3)
    copies(drop, 2)
    drop.session(dele=[2, 3])
    assert drop.view() == [1, 4]
    renew_uidvalidity(drop)
    assert drop.view() == [1, 2, 4]
    assert "state of 1 messages carried over, of 1 dropped" in \
        carried(drop)["detail"]
    assert drop.hidden() == [3]


def test_duplicate_states(host, user):
    """Two messages with one GUID had state, one is left."""
    drop = Maildrop(host, user)
    host.set_policies(user, on_dele="hide", on_retrieve="keep")
    drop.deliver(2)
    copies(drop, 1)
    drop.session(retr=[3], dele=[1])
    assert list(drop.state()) == [1, 3]
    drop.expunge(1)
    renew_uidvalidity(drop)
    # 3 was shown before. A hidden one that is shown again is fetched twice
    # at worst; a shown one that vanishes is lost.
    assert drop.view() == [2, 3]
    carried(drop)
    drop.session(retr=[3])
    assert drop.view() == [2, 3]


def test_nothing_to_carry(host, user):
    drop = Maildrop(host, user)
    drop.deliver(2)
    drop.session(retr=[1], dele=[1])
    renew_uidvalidity(drop)
    assert drop.view() == [2]
    assert "state of 0 messages carried over" in carried(drop)["detail"]
    drop.session(retr=[2])
    assert drop.retrieved() == [2]
    assert maildrops(drop) == [(1234567, 3)]


def test_open_intent(host, user):
    """An intent of the old UIDs is left undecided, and stands in nobody's
    way."""
    drop = Maildrop(host, user)
    drop.deliver(2)
    drop.session(retr=[1, 2])
    drop.killed_before_commit(dele=[1])
    renew_uidvalidity(drop)
    assert drop.view() == [1, 2]
    assert carried(drop)["detail"].endswith("; 1 intents left undecided")
    assert drop.open_intents() == []
    assert host.value("SELECT result FROM pop3.intent WHERE username = %s",
                      (user,)) == "undecided"
    assert drop.events("released", "presumed") == []


def test_two_states_of_one_mailbox(host, user):
    """The mailbox gets its old UIDVALIDITY back: state follows it."""
    drop = Maildrop(host, user)
    host.set_policy(user, "on_dele", "hide")
    drop.deliver(3)
    drop.session(dele=[2])
    ((old, _),) = maildrops(drop)
    renew_uidvalidity(drop)
    drop.session(dele=[1])
    assert drop.hidden() == [1, 2]
    host.doveadm("mailbox", "update", "-u", user, "--uid-validity", str(old),
                 "INBOX")
    assert drop.view() == [3]
    assert len(host.wait_audit(user, "carried", 2)) == 2
    assert drop.hidden() == [1, 2]
    assert maildrops(drop) == [(old, 4)]


def test_clock_of_a_carried_message_is_the_retrieval(host, user):
    """Not the time of carrying, nor of delivery."""
    drop = Maildrop(host, user)
    drop.deliver(1)
    drop.age("30 days")
    drop.session(retr=[1])
    retrieved = drop.state()[1]["retrieved_at"]
    renew_uidvalidity(drop)
    assert drop.view() == [1]
    carried(drop)
    assert drop.state()[1]["retrieved_at"] == retrieved
    assert host.value("SELECT now()") - retrieved < \
        datetime.timedelta(minutes=5)
