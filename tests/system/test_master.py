# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A master user's session is not its owner's: nothing counts as retrieved,
and no policy removes anything."""

from owner import COMMITTED, intent, shown


def test_nothing_is_retrieved(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    with owner.pop3(master="boss") as pop:
        pop.retr(1)
        pop.top(2, 99999999)
    session = owner.ended(retr=1)
    assert (session["username"], session["auth_user"]) == (owner.name, "boss")
    assert session["fetched"] == {1, 2}
    assert session["retrieved"] == set()
    assert owner.state() == {}
    assert owner.uids() == [1, 2]
    assert owner.story() == []


def test_owner_retrieves_afterwards(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(1)
    with owner.pop3(master="boss") as pop:
        pop.retr(1)
    with owner.pop3() as pop:
        pop.retr(1)
    assert owner.ended(retr=1, auth_user=None)["retrieved"] == {1}
    assert owner.uids() == []
    assert [row["auth_user"] for row in owner.audit()] == [None, None]


def test_due_messages_stay(owner):
    owner.set(expire_retrieved="1 day", expire_unretrieved="1 day",
              on_dele="hide", expire_hidden="1 day")
    owner.deliver(3)
    owner.retrieve(1)
    owner.delete(2)
    owner.age("2 days")
    with owner.pop3(master="boss") as pop:
        assert shown(pop) == [1, 3]
        pop.retr(1)
    owner.ended(auth_user="boss")
    assert owner.uids() == [1, 2, 3]
    assert owner.poll() == []
    assert owner.uids() == []
    assert {row["auth_user"] for row in owner.audit()} == {None}


def test_dele_is_honoured_and_the_audit_names_both(owner):
    owner.deliver(2)
    with owner.pop3(master="boss") as pop:
        pop.retr(1)
        pop.dele(1)
    session = owner.ended(dele=1)
    assert session["removed"] == {1}
    assert session["retrieved"] == set()
    owner.told(intent("expunge", "dele", 1) + COMMITTED)
    assert {(row["username"], row["auth_user"]) for row in owner.audit()} == \
        {(owner.name, "boss")}


def test_hidden_messages_are_hidden_from_the_master(owner):
    owner.set(on_retrieve="hide")
    owner.deliver(2)
    owner.retrieve(1)
    with owner.pop3(master="boss") as pop:
        assert shown(pop) == [2]
        pop.retr(1)
    owner.ended(auth_user="boss")
    assert owner.hidden() == [1]
    assert owner.retrieved() == [1]


def test_observe_mode_says_nothing_of_a_master(owner):
    owner.set(enforcement="observe", on_retrieve="delete")
    owner.deliver(1)
    with owner.pop3(master="boss") as pop:
        pop.retr(1)
    owner.ended(auth_user="boss")
    assert owner.would_remove() == {}
