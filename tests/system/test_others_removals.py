# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What IMAP, doveadm or autoexpunge take out of the mailbox is told to the
audit, once, and its state goes."""

import poplib

import pytest

from dovecot import wait_until
from maildrop import Maildrop, guid128


@pytest.fixture
def drop(host, user):
    """Five messages, 1 to 3 of them retrieved."""
    drop = Maildrop(host, user)
    drop.deliver(5)
    drop.session(retr=[1, 2, 3])
    assert drop.retrieved() == [1, 2, 3]
    return drop


def imap_expunge(drop, *uids):
    with drop.host.imap(drop.user) as imap:
        imap.uid("STORE", ",".join(map(str, uids)), "+FLAGS", r"(\Deleted)")
        imap.expunge()


def imap_move(drop, *uids):
    with drop.host.imap(drop.user) as imap:
        assert imap.uid("MOVE", ",".join(map(str, uids)), "Trash")[0] == "OK"


def doveadm_expunge(drop, *uids):
    drop.expunge(*uids)


@pytest.mark.parametrize("remove", [imap_expunge, imap_move, doveadm_expunge])
def test_gone(host, user, drop, remove):
    guids, sizes = drop.stored(), {uid: row["size"]
                                   for uid, row in drop.state().items()}
    remove(drop, 1, 3, 4)
    assert drop.view() == [2, 5]
    rows = host.wait_audit(user, "gone", 2)
    # 4 had no state: nobody can tell that it was there
    assert [(row["uid"], str(row["message_guid"]), row["size"],
             row["reason"]) for row in rows] == [
        (uid, guid128(guids[uid]), sizes[uid], "gone") for uid in (1, 3)]
    assert drop.retrieved() == [2]
    assert drop.tracked() == 1
    assert drop.intended() == {}

    # told once
    drop.session(retr=[5])
    assert drop.view() == [2, 5]
    assert len(drop.events("gone")) == 2
    assert drop.retrieved() == [2, 5]
    assert drop.tracked() == 2


def test_as_many_new_messages(host, user, drop):
    """The number of messages alone does not tell."""
    drop.expunge(2, 3)
    drop.deliver(2)
    assert drop.view() == [1, 4, 5, 6, 7]
    assert sorted(drop.wait_events("gone", 2)) == [2, 3]
    assert drop.retrieved() == [1]


def test_new_messages_go_too(host, user, drop):
    """Messages that came and went between two sessions had no state."""
    drop.deliver(3)
    drop.expunge(6, 7)
    drop.session(retr=[8])
    assert drop.events("gone") == []
    assert drop.retrieved() == [1, 2, 3, 8]
    drop.expunge(1)
    assert drop.view() == [2, 3, 4, 5, 8]
    assert drop.wait_events("gone") == [1]


def test_hidden_message_goes(host, user, drop):
    host.set_policy(user, "on_dele", "hide")
    drop.session(dele=[1, 4])
    assert drop.hidden() == [1, 4]
    imap_expunge(drop, 4)
    assert drop.view() == [2, 3, 5]
    assert drop.wait_events("gone") == [4]
    assert drop.hidden() == [1]
    assert drop.view() == [2, 3, 5]
    assert drop.uids() == [1, 2, 3, 5]
    assert drop.tracked() == 3


def test_everything_goes(host, user, drop):
    drop.expunge(1, 2, 3, 4, 5)
    assert drop.view() == []
    assert sorted(drop.wait_events("gone", 3)) == [1, 2, 3]
    assert drop.state() == {}
    assert drop.tracked() == 0
    drop.deliver(1)
    drop.session(retr=[6])
    assert drop.retrieved() == [6]


def test_due_message_is_gone(host, user, drop):
    """It is not removed twice, and expiry goes on with the others."""
    host.set_policy(user, "expire_retrieved", "14d")
    drop.age("14 days")
    drop.expunge(2)
    assert drop.view() == [4, 5]
    assert drop.wait_events("gone") == [2]
    assert sorted(drop.intended()) == [1, 3]
    assert drop.state() == {}


def test_own_removals_are_not_gone(host, user, drop):
    drop.session(dele=[1, 4])
    drop.session(retr=[5])
    assert drop.events("gone") == []
    assert sorted(drop.intended()) == [1, 4]
    assert drop.retrieved() == [2, 3, 5]
    assert drop.tracked() == 3


def test_during_a_session(host, user, drop):
    """IMAP takes messages that a POP3 session is about to delete."""
    pop = host.pop3(user)
    numbers = drop.numbers(pop)
    pop.dele(numbers[1])
    pop.dele(numbers[4])
    imap_expunge(drop, 1, 2)
    with pytest.raises(poplib.error_proto, match="expunged"):
        pop.retr(numbers[2])
    assert pop.stat()[0] == 3
    assert pop.quit().startswith(b"+OK")
    assert drop.view() == [3, 5]
    drop.session(retr=[5])
    assert drop.view() == [3, 5]
    # 1 was taken by one of the two, and is told once
    removed = sorted(drop.intended())
    gone = sorted(uid for _, uid, _ in drop.events("gone"))
    assert sorted(removed + gone) in ([1, 2, 4], [2, 4])
    assert 4 in removed and 2 in gone
    assert drop.retrieved() == [3, 5]
    assert drop.tracked() == 2


def test_autoexpunge(make_host, user):
    """Dovecot runs it in the POP3 process, after the session."""
    host = make_host(mail_format="maildir", extra="""
namespace inbox {
  mailbox INBOX {
    autoexpunge = 365d
    autoexpunge_max_mails = 3
  }
}
""")
    drop = Maildrop(host, user)
    # LMTP, IMAP and doveadm would run it as well
    drop.fill(5)
    pop = host.pop3(user)
    assert list(drop.numbers(pop)) == [1, 2, 3, 4, 5]
    for number in (1, 2, 3):
        pop.retr(number)
    pop.quit()
    host.wait_sessions(user, 1)
    wait_until(lambda: len(drop.mail_files()) == 3,
               what="autoexpunge to run")
    assert drop.events("gone", "intent") == []
    assert drop.view() == [3, 4, 5]
    assert sorted(drop.wait_events("gone", 2)) == [1, 2]
    assert drop.retrieved() == [3]
    assert drop.intended() == {}
    assert drop.view() == [3, 4, 5]
    assert len(drop.events("gone")) == 2
