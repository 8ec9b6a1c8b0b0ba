# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""on_dele: what becomes of a client's DELE at QUIT."""

from owner import COMMITTED, intent, refusal


def test_delete(owner):
    owner.deliver(3)
    session = owner.delete(2)
    assert session["removed"] == {2}
    assert (session["messages"], session["dele"]) == (2, 1)
    assert session["retrieved"] == set()
    assert owner.uids() == [1, 3]
    assert owner.state() == {}
    owner.told(intent("expunge", "dele", 2) + COMMITTED)
    owner.check_view([1, 3])


def test_deleted_message_was_retrieved(owner):
    owner.deliver(1)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.dele(1)
    session = owner.ended(dele=1)
    assert session["retrieved"] == session["removed"] == {1}
    assert owner.state() == {}
    owner.told(intent("expunge", "dele", 1) + COMMITTED)


def test_hide(owner):
    owner.set(on_dele="hide")
    owner.deliver(4)
    owner.check_view([1, 2, 3, 4])
    session = owner.delete(1, 3)
    assert session["removed"] == set()
    assert (session["messages"], session["dele"]) == (4, 2)
    owner.check_view([2, 4])
    state = owner.state()
    assert list(state) == [1, 3]
    assert {row["reason"] for row in state.values()} == {"dele"}
    assert state[1]["retrieved_at"] is None
    owner.told(intent("hide", "dele", 1, 3) + COMMITTED)


def test_marked_message_is_gone_at_once_and_numbers_stay(owner):
    owner.set(on_dele="hide")
    owner.deliver(3)
    with owner.pop3() as pop:
        size = int(pop.list(2).split()[2])
        total = pop.stat()[1]
        pop.dele(2)
        assert pop.stat() == (2, total - size)
        assert list(pop.uids()) == [1, 3]
        assert [line.split()[0] for line in pop.list()[1]] == [b"1", b"3"]
        for command in ("RETR 2", "TOP 2 0", "LIST 2", "UIDL 2", "DELE 2"):
            assert refusal(pop, command) == "-ERR Message is deleted."
        assert b"Subject: Message 3" in pop.retr(3)[1]


def test_uidls_of_the_others_stay(owner):
    owner.set(on_dele="hide")
    owner.deliver(3)
    with owner.pop3() as pop:
        before = pop.uids()
        pop.dele(1)
    with owner.pop3() as pop:
        assert pop.uids() == {1: before[2], 2: before[3]}


def test_all_hidden(owner):
    owner.set(on_dele="hide")
    owner.deliver(2)
    owner.delete(1, 2)
    owner.check_view([])
    owner.deliver(1)
    owner.check_view([3])


def test_imap_sees_hidden_messages(owner):
    owner.set(on_dele="hide")
    owner.deliver(2)
    owner.delete(1)
    assert owner.host.imap_uids(owner.name) == [1, 2]
    imap = owner.host.imap(owner.name)
    assert b"Subject: Message 1" in \
        imap.uid("FETCH", "1", "BODY.PEEK[]")[1][0][1]
    assert imap.uid("FETCH", "1", "FLAGS")[1] == [b"1 (UID 1 FLAGS ())"]
    imap.logout()


def test_hidden_message_expires(owner):
    owner.set(on_dele="hide", expire_hidden="2 days")
    owner.deliver(2)
    owner.delete(1)
    owner.age("1 day")
    assert owner.poll() == [2]
    assert owner.uids() == [1, 2]
    owner.age("1 day")
    assert owner.poll() == [2]
    assert owner.uids() == [2]
    owner.told(intent("hide", "dele", 1) + COMMITTED +
               intent("expunge", "expired-hidden", 1) + COMMITTED)
    assert owner.state() == {}


def test_rset_takes_dele_back(owner):
    owner.set(on_dele="hide")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.dele(1)
        pop.rset()
        assert pop.stat()[0] == 2
        pop.dele(2)
    owner.ended(dele=1)
    assert owner.poll() == [1]
    owner.told(intent("hide", "dele", 2) + COMMITTED)


def test_dropped_session_hides_nothing(owner):
    owner.set(on_dele="hide")
    owner.deliver(2)
    pop = owner.pop3()
    pop.dele(1)
    pop.drop()
    assert owner.ended(ended_by="drop")["dele"] == 1
    assert owner.poll() == [1, 2]
    assert owner.story() == []


def test_hidden_stays_hidden_while_others_are_deleted(owner):
    owner.set(on_dele="hide")
    owner.deliver(4)
    owner.delete(2)
    owner.set(on_dele="delete")
    owner.delete(3)
    owner.check_view([1, 4])
    assert owner.uids() == [1, 2, 4]
    owner.told(intent("hide", "dele", 2) + COMMITTED +
               intent("expunge", "dele", 3) + COMMITTED)


def test_restored_message_is_back(owner):
    owner.set(on_dele="hide", expire_hidden="1 day")
    owner.deliver(2)
    owner.delete(1, 2)
    owner.restore(1)
    owner.check_view([1])
    owner.age("1 day")
    assert owner.poll() == [1]
    assert owner.uids() == [1]
