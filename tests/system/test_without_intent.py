# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What sessions leave in the records where removals have no intent, or where
sessions overlap: later sessions must still notice what others remove."""

import pytest

from owner import event, intent, COMMITTED


def expunge_by_others(owner, uid):
    owner.host.doveadm("expunge", "-u", owner.name, "mailbox", "INBOX",
                       "uid", str(uid))


def would_rows(owner):
    return owner.host.sql(
        "SELECT w.uid, w.reason FROM pop3.would_remove w "
        "JOIN pop3.maildrop USING (maildrop_id) WHERE username = %s "
        "ORDER BY 1", (owner.name,))


def test_others_removals_are_not_the_sessions(owner):
    """A DELE under enforcement=off comes too late for a message."""
    owner.set(enforcement="off")
    owner.deliver(3)
    owner.poll()
    with owner.pop3() as pop:
        for number in (1, 2):
            pop.dele(number)
        expunge_by_others(owner, 1)
    session = owner.ended(dele=2)
    assert session["removed"] == {2}
    assert owner.maildrop()["messages"] == 2
    assert owner.uids() == [3]


def test_state_of_what_is_removed_without_intent_goes(owner):
    owner.set(enforcement="off")
    owner.deliver(3)
    owner.retrieve(1, 2)
    assert owner.retrieved() == [1, 2]
    owner.delete(1)
    assert owner.retrieved() == [2]
    assert owner.maildrop()["tracked"] == 1
    # what others remove is noticed all the same
    expunge_by_others(owner, 2)
    owner.poll()
    owner.told(event("gone", 2, reason="gone"))
    assert owner.state() == {}


def test_others_removals_behind_overlapping_sessions(owner):
    """The session that ends last saw less than one that ended before."""
    owner.deliver(2)
    owner.retrieve(1)
    pop = owner.pop3()
    pop.noop()
    owner.deliver(3)
    owner.retrieve(4)
    pop.retr(2)
    pop.quit()
    owner.ended(retr=1)
    assert owner.maildrop()["messages"] == 5
    expunge_by_others(owner, 1)
    owner.poll()
    owner.told(event("gone", 1, reason="gone"))


@pytest.mark.parametrize("hold", [False, True])
def test_due_under_observe(owner, hold):
    """A hold would keep what is due: nothing would be removed."""
    owner.set(enforcement="observe", expire_retrieved="7d",
              pop3_hold="yes" if hold else "no")
    owner.deliver(1)
    owner.retrieve(1)
    owner.age("8 days")
    with owner.pop3() as pop:
        pop.retr(1)
    owner.ended(retr=1)
    assert would_rows(owner) == ([] if hold else [(1, "expired-retrieved")])


def test_due_message_that_observe_lets_the_client_delete(owner):
    """It is gone by the client's DELE, and nobody would remove it again."""
    owner.set(enforcement="observe", expire_retrieved="7d")
    owner.deliver(2)
    owner.retrieve(1)
    owner.age("8 days")
    owner.delete(1)
    assert would_rows(owner) == []
    owner.poll()
    owner.deliver(1)
    owner.retrieve(2)
    owner.told(intent("expunge", "dele", 1) + COMMITTED)
