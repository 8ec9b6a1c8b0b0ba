# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What counts as retrieved: sent whole, and confirmed by a QUIT that arrived
after the last byte was out. Nothing else starts a clock."""

import re

import pytest

from host import message
from owner import event

FETCHMAIL_LINES = 99999999
# Much more than the kernel buffers for a client that does not read.
BIG = b"Subject: Message 1\r\n\r\n" + (b"x" * 998 + b"\r\n") * 8000
SMALL_BUFFER = 64 * 1024


def test_retr_and_quit(owner):
    owner.deliver(2)
    with owner.pop3() as pop:
        size = int(pop.list(1).split()[2])
        assert pop.retr(1)[2] == size
    session = owner.ended(ended_by="quit")
    assert session["fetched"] == session["retrieved"] == {1}
    assert session["removed"] == set()
    assert (session["retr"], session["top"], session["dele"]) == (1, 0, 0)
    assert (session["uidnext"], session["uidnext_end"],
            session["messages"]) == (3, 3, 2)
    state = owner.state()
    assert list(state) == [1]
    assert str(state[1]["message_guid"]) == owner.guid(1)
    assert state[1]["size"] == size
    assert state[1]["retrieved_count"] == 1
    assert state[1]["retrieved_at"] >= session["started_at"]
    assert state[1]["hidden_at"] is None
    assert owner.story() == []


def test_bytes_are_those_that_dovecot_counts(owner):
    host = owner.host
    offset = host.log_position()
    owner.deliver(message("Message 1", ".\n..\n" * 1000), message("Message 2"))
    with owner.pop3() as pop:
        pop.retr(1)
        pop.top(1, 10)
        pop.top(2, 0)
        pop.retr(2)
    session = owner.ended(ended_by="quit")
    top, retr = re.search(r"Logged out top=2/(\d+), retr=2/(\d+)",
                          host.log_text(offset)).groups()
    assert session["bytes"] == int(top) + int(retr)


def test_first_retrieval_keeps_its_time(owner):
    owner.deliver(1)
    owner.retrieve(1)
    first = owner.state()[1]
    owner.retrieve(1)
    again = owner.state()[1]
    assert again["retrieved_at"] == first["retrieved_at"]
    assert (first["retrieved_count"], again["retrieved_count"]) == (1, 2)


def test_retr_twice_in_a_session_is_one_retrieval(owner):
    owner.deliver(1)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.retr(1)
    assert owner.ended(retr=2)["retrieved"] == {1}
    assert owner.state()[1]["retrieved_count"] == 1


@pytest.mark.parametrize("lines, retrieved", [
    (FETCHMAIL_LINES, True), (4, True), (3, True), (2, False), (0, False)])
def test_top(owner, lines, retrieved):
    owner.deliver(message("Three lines", "one\n.two\nthree\n"))
    with owner.pop3() as pop:
        pop.top(1, lines)
    session = owner.ended(ended_by="quit", top=1)
    assert session["fetched"] == session["retrieved"] == (
        {1} if retrieved else set())
    assert owner.retrieved() == ([1] if retrieved else [])


def test_top_of_a_message_without_body(owner):
    owner.deliver(b"Subject: All is said here\r\n\r\n")
    with owner.pop3() as pop:
        pop.top(1, 0)
    owner.ended(top=1)
    assert owner.retrieved() == [1]


def test_top_of_the_beginning_of_a_big_message(owner):
    owner.deliver(BIG)
    with owner.pop3() as pop:
        pop.top(1, 7999)
    owner.ended(top=1)
    assert owner.retrieved() == []


def test_drop_after_retr(owner):
    owner.deliver(1)
    pop = owner.pop3()
    pop.retr(1)
    pop.drop()
    session = owner.ended(ended_by="drop")
    assert session["retr"] == 1
    assert session["fetched"] == {1}
    assert session["retrieved"] == set()
    assert owner.state() == {}
    # Dovecot sets its own flag all the same
    assert "\\Seen" in owner.flags(1)


def test_drop_in_the_middle_of_a_message(owner):
    owner.deliver(BIG)
    raw = owner.raw(rcvbuf=SMALL_BUFFER)
    assert raw.command("RETR 1").startswith("+OK")
    raw.reset()
    session = owner.ended(ended_by="drop")
    assert session["retr"] == 1
    assert session["fetched"] == session["retrieved"] == set()
    assert owner.state() == {}


def test_drop_with_quit_in_the_middle_of_a_message(owner):
    owner.deliver(BIG)
    raw = owner.raw(rcvbuf=SMALL_BUFFER)
    assert raw.command("RETR 1").startswith("+OK")
    raw.send("QUIT")
    raw.reset()
    assert owner.ended(ended_by="drop")["retrieved"] == set()
    assert owner.state() == {}


def test_kick_after_retr(owner):
    owner.deliver(1)
    pop = owner.pop3()
    pop.retr(1)
    owner.host.doveadm("kick", owner.name)
    assert owner.ended(ended_by="kick")["fetched"] == {1}
    assert owner.state() == {}
    pop.drop()


def test_quit_without_waiting_for_its_answer(owner):
    owner.deliver(1)
    with owner.raw() as raw:
        raw.send("RETR 1")
        raw.line()
        raw.lines()
        raw.send("QUIT")
    assert owner.ended(ended_by="quit")["retrieved"] == {1}
    assert owner.retrieved() == [1]


def test_rset_clears(owner):
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.top(2, FETCHMAIL_LINES)
        pop.rset()
    session = owner.ended(ended_by="quit")
    assert (session["retr"], session["top"]) == (1, 1)
    assert session["fetched"] == session["retrieved"] == set()
    assert owner.state() == {}


def test_retr_after_rset_counts(owner):
    owner.deliver(3)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.retr(2)
        pop.rset()
        pop.retr(2)
        pop.retr(3)
    assert owner.ended(retr=4)["retrieved"] == {2, 3}
    assert owner.retrieved() == [2, 3]


def test_noop_and_others_do_not_clear(owner):
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        pop.noop()
        pop.stat()
        pop.list()
        pop.uidl()
        pop.capa()
        pop.top(2, 0)
        pop.noop()
    assert owner.ended(retr=1)["retrieved"] == {1}


def test_quit_in_the_same_segment(owner):
    owner.deliver(1)
    with owner.raw() as raw:
        raw.send("RETR 1", "QUIT")
        raw.line()
        assert b"Subject: Message 1" in raw.lines()
        assert raw.line().startswith("+OK")
        assert raw.at_end()
    session = owner.ended(ended_by="quit")
    assert session["fetched"] == {1}
    assert session["retrieved"] == set()
    assert owner.state() == {}
    owner.told(event("unconfirmed", 1))
    assert owner.audit()[0]["session_id"] == session["session_id"]


def test_quit_sent_while_the_message_is_sent(owner):
    owner.deliver(BIG)
    with owner.raw(rcvbuf=SMALL_BUFFER) as raw:
        assert raw.command("RETR 1").startswith("+OK")
        raw.send("QUIT")
        assert len(raw.lines()) > 8000
        assert raw.line().startswith("+OK")
    session = owner.ended(ended_by="quit")
    assert session["fetched"] == {1}
    assert session["retrieved"] == set()
    owner.told(event("unconfirmed", 1))


def test_quit_after_the_whole_big_message(owner):
    owner.deliver(BIG)
    with owner.raw(rcvbuf=SMALL_BUFFER) as raw:
        assert raw.command("RETR 1").startswith("+OK")
        assert len(raw.lines()) > 8000
        assert raw.command("QUIT").startswith("+OK")
    assert owner.ended(ended_by="quit")["retrieved"] == {1}
    assert owner.story() == []


def test_quit_half_sent_while_the_message_is_sent(owner):
    owner.deliver(BIG)
    with owner.raw(rcvbuf=SMALL_BUFFER) as raw:
        assert raw.command("RETR 1").startswith("+OK")
        raw.sock.sendall(b"QUI")
        raw.lines()
        assert raw.command("T").startswith("+OK")
    assert owner.ended(ended_by="quit")["retrieved"] == set()
    owner.told(event("unconfirmed", 1))


def test_pipelined_quit_confirms_what_was_out_before(owner):
    owner.deliver(2)
    with owner.raw() as raw:
        raw.send("RETR 1")
        raw.line()
        raw.lines()
        raw.send("RETR 2", "QUIT")
        raw.line()
        raw.lines()
        assert raw.line().startswith("+OK")
    session = owner.ended(ended_by="quit")
    assert session["fetched"] == {1, 2}
    assert session["retrieved"] == {1}
    owner.told(event("unconfirmed", 2))


def test_other_commands_may_be_pipelined(owner):
    owner.deliver(2)
    with owner.raw() as raw:
        raw.send("RETR 1", "RETR 2", "NOOP")
        for _ in range(2):
            raw.line()
            raw.lines()
        raw.line()
        assert raw.command("QUIT").startswith("+OK")
    assert owner.ended(ended_by="quit")["retrieved"] == {1, 2}
    assert owner.story() == []


def test_seen_is_not_retrieved(owner):
    owner.deliver(2)
    imap = owner.host.imap(owner.name)
    imap.store("1", "+FLAGS", "\\Seen")
    imap.logout()
    assert owner.flags(1) == ["\\Seen"]
    owner.retrieve(2)
    assert owner.retrieved() == [2]


def test_ledger_is_kept_with_enforcement_off(owner):
    owner.set(enforcement="off", on_retrieve="delete")
    owner.deliver(1)
    owner.retrieve(1)
    assert owner.retrieved() == [1]
    assert owner.uids() == [1]
