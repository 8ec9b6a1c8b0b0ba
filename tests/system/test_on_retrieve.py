# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""on_retrieve: what becomes of a retrieved message at QUIT."""

from owner import COMMITTED, event, intent


def test_keep(owner):
    owner.deliver(2)
    owner.retrieve(1, 2)
    assert owner.poll() == [1, 2]
    assert owner.retrieved() == [1, 2]
    assert owner.hidden() == []
    assert owner.story() == []


def test_hide(owner):
    owner.set(on_retrieve="hide")
    owner.deliver(3)
    session = owner.retrieve(2)
    assert session["retrieved"] == {2}
    assert session["removed"] == set()
    assert owner.poll() == [1, 3]
    assert owner.uids() == [1, 2, 3]
    state = owner.state()
    assert list(state) == [2]
    assert state[2]["reason"] == "retrieved"
    assert state[2]["hidden_at"] >= session["started_at"]
    assert state[2]["retrieved_at"] >= session["started_at"]
    owner.told(intent("hide", "retrieved", 2) + COMMITTED)


def test_hidden_message_cannot_be_had_again(owner):
    owner.set(on_retrieve="hide")
    owner.deliver(2)
    owner.retrieve(1)
    owner.retrieve(2)
    owner.check_view([])
    assert owner.hidden() == [1, 2]


def test_delete(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(3)
    session = owner.retrieve(1, 3)
    assert session["retrieved"] == session["removed"] == {1, 3}
    assert (session["messages"], session["dele"]) == (1, 0)
    assert owner.uids() == [2]
    assert owner.state() == {}
    owner.told(intent("expunge", "retrieved", 1, 3) + COMMITTED)
    owner.check_view([2])


def test_audit_identifies_the_deleted_message(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(1)
    guid = owner.guid(1)
    with owner.pop3() as pop:
        uidl = pop.uids()[1]
        _, lines, size = pop.retr(1)
    (message_id,) = [line.split()[1].decode() for line in lines
                     if line.startswith(b"Message-ID: ")]
    session = owner.ended(retr=1)
    row = owner.audit()[0]
    assert (row["event"], row["uid"], str(row["message_guid"])) == \
        ("intent", 1, guid)
    assert (row["uidl"], row["size"], row["message_id"]) == \
        (uidl, size, message_id)
    assert row["uidvalidity"] == int(uidl[8:], 16)
    assert row["remote_address"] == "127.0.0.1"
    for row in owner.audit():
        assert row["session_id"] == session["session_id"]
        assert row["dovecot_session"] == session["dovecot_session"]
        assert row["intent_no"] == 1
        assert row["chain_id"] is not None
    assert [row["seq"] for row in owner.audit()] == \
        list(range(session["seq"] - 2, session["seq"]))


def test_delete_leaves_what_was_only_looked_at(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(3)
    with owner.pop3() as pop:
        pop.top(1, 0)
        pop.top(2, 99999999)
    owner.ended(top=2)
    assert owner.uids() == [1, 3]
    owner.told(intent("expunge", "retrieved", 2) + COMMITTED)


def test_dropped_session_deletes_nothing(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    pop = owner.pop3()
    pop.retr(1)
    pop.retr(2)
    pop.dele(1)
    pop.drop()
    assert owner.ended(ended_by="drop")["removed"] == set()
    assert owner.uids() == [1, 2]
    assert owner.story() == []
    # the next session that ends well does
    owner.retrieve(1, 2)
    assert owner.uids() == []
    owner.told(intent("expunge", "retrieved", 1, 2) + COMMITTED)


def test_rset_deletes_nothing(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.retr(2)
        pop.rset()
    assert owner.ended(retr=2)["removed"] == set()
    assert owner.uids() == [1, 2]
    assert owner.story() == []


def test_unconfirmed_message_is_not_deleted(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(1)
    with owner.raw() as raw:
        raw.send("RETR 1", "QUIT")
        raw.line()
        raw.lines()
        assert raw.line().startswith("+OK")
    assert owner.ended(ended_by="quit")["removed"] == set()
    assert owner.uids() == [1]
    owner.told(event("unconfirmed", 1))


def test_message_that_was_deleted_and_retrieved_has_one_row(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(1)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.dele(1)
    owner.ended(dele=1)
    owner.told(intent("expunge", "dele", 1) + COMMITTED)


def test_the_stronger_rule_wins(owner):
    owner.set(on_retrieve="delete", on_dele="hide")
    owner.deliver(3)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.dele(1)
        pop.dele(2)
        pop.retr(3)
    owner.ended(dele=2)
    assert owner.uids() == [2]
    owner.told([("intent", "expunge", "retrieved", 1),
                ("intent", "hide", "dele", 2),
                ("intent", "expunge", "retrieved", 3)] + COMMITTED)


def test_restored_message_is_spared_once(owner):
    owner.set(on_retrieve="hide")
    owner.deliver(1)
    owner.retrieve(1)
    assert owner.poll() == []
    owner.restore(1)
    assert owner.poll() == [1]
    owner.retrieve(1)
    assert owner.poll() == [1]
    owner.retrieve(1)
    assert owner.poll() == []


def test_answer_of_quit_comes_after_the_deletion(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    pop = owner.pop3()
    pop.retr(1)
    assert pop.quit().startswith(b"+OK")
    assert owner.uids() == [2]
    with owner.pop3() as pop:
        assert pop.stat()[0] == 1
