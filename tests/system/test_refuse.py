# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""on_dele=refuse: DELE is answered with -ERR, and nothing else happens."""

import pytest

from owner import COMMITTED, Owner, event, intent, refusal, shown

# Dovecot sends a client away at its 21st bad command in a row.
MANY = 60


@pytest.fixture
def owner(owner):
    owner.set(on_dele="refuse")
    return owner


def test_dele_is_refused(owner):
    owner.deliver(3)
    with owner.pop3() as pop:
        before = (pop.stat(), pop.list(), pop.uidl())
        text = refusal(pop, "DELE 2")
        assert text.startswith("-ERR Mail cannot be deleted by POP3")
        assert (pop.stat(), pop.list(), pop.uidl()) == before
        # not marked: the message can be had
        assert b"Subject: Message 2" in pop.retr(2)[1]
        assert pop.quit() == b"+OK Logging out."
    session = owner.ended(ended_by="quit")
    assert (session["dele"], session["removed"]) == (0, set())
    assert session["retrieved"] == {2}
    assert owner.poll() == [1, 2, 3]
    owner.told(event("refused", 2, reason="dele"))


@pytest.mark.parametrize("values, text", [
    ({}, "This server keeps your mail."),
    ({"on_retrieve": "delete"}, "removes mail by itself once its time"),
    ({"expire_retrieved": "1 day"}, "by itself, after 1 day at the earliest"),
    ({"expire_retrieved": "30 days", "expire_unretrieved": "14 days"},
     "by itself, after 14 days at the earliest"),
    ({"expire_retrieved": "1 day", "pop3_hold": "yes"},
     "This server keeps your mail."),
])
def test_text_tells_what_the_server_does(owner, values, text):
    owner.set(**values)
    owner.deliver(1)
    with owner.pop3() as pop:
        assert text in refusal(pop, "DELE 1")


def test_refusals_are_no_bad_commands(owner):
    owner.deliver(3)
    with owner.raw() as raw:
        raw.send(*["DELE %d" % (1 + n % 3) for n in range(MANY)])
        replies = [raw.line() for _ in range(MANY)]
        assert set(replies) == {replies[0]}
        assert replies[0].startswith("-ERR Mail cannot be deleted")
        assert raw.command("STAT").startswith("+OK 3 ")
        assert raw.command("QUIT") == "+OK Logging out."
    owner.ended(ended_by="quit", dele=0)
    owner.told(event("refused", 1, 2, 3, reason="dele"))


def test_bad_commands_are_still_counted(owner):
    """A refusal is neither good nor bad for what follows: Dovecot's own
    limit holds."""
    owner.deliver(1)
    with owner.raw() as raw:
        assert raw.command("DELE 1").startswith("-ERR Mail cannot")
        raw.send(*["DELE 7"] * MANY)
        lines = []
        while (line := raw.line()):
            lines.append(line)
    assert lines[-1] == "-ERR Too many bad commands."
    assert len(lines) < MANY


def test_dovecots_own_answers_stay(owner):
    owner.deliver(1)
    with owner.pop3() as pop:
        assert refusal(pop, "DELE 2") == "-ERR There's no message 2."
        assert refusal(pop, "DELE x").startswith("-ERR Invalid message")
        assert refusal(pop, "DELE").startswith("-ERR Invalid message")
    owner.ended(ended_by="quit")
    assert owner.story() == []


class Bytes(bytes):
    """A message as it is, for Owner.append()."""

    def as_bytes(self):
        return self


def test_mail_that_looks_like_the_reply(owner):
    """A message that is sent in the very bytes of DELE's reply arrives as it
    is."""
    owner.append(Bytes(b"+OK Marked to be deleted.\r\n"))
    with owner.raw() as raw:
        raw.send("DELE 1", "RETR 1")
        assert raw.line().startswith("-ERR Mail cannot be deleted")
        assert raw.line().startswith("+OK")
        assert raw.lines()[0] == b"+OK Marked to be deleted."


def test_rset_and_the_end_without_quit(owner):
    owner.deliver(2)
    pop = owner.pop3()
    refusal(pop, "DELE 1")
    assert pop.rset() == b"+OK"
    refusal(pop, "DELE 2")
    assert pop.stat()[0] == 2
    pop.drop()
    assert owner.ended(ended_by="drop")["dele"] == 0
    owner.told(event("refused", 1, 2, reason="dele"))
    assert owner.poll() == [1, 2]


def test_numbers_are_not_uids(owner):
    """The audit has the UIDs of the messages, whatever the numbers are."""
    owner.set(on_dele="hide")
    owner.deliver(4)
    owner.delete(1, 3)
    owner.set(on_dele="refuse")
    with owner.pop3() as pop:
        assert shown(pop) == [2, 4]
        refusal(pop, "DELE 2")
    owner.told(intent("hide", "dele", 1, 3) + COMMITTED +
               event("refused", 4, reason="dele"))


def test_on_retrieve_acts_all_the_same(owner):
    owner.set(on_retrieve="delete")
    owner.deliver(2)
    with owner.pop3() as pop:
        pop.retr(1)
        refusal(pop, "DELE 1")
        refusal(pop, "DELE 2")
    assert owner.ended(ended_by="quit")["removed"] == {1}
    assert owner.uids() == [2]


def test_master_users_dele_is_refused(owner):
    owner.deliver(1)
    with owner.pop3(master="boss") as pop:
        assert refusal(pop, "DELE 1").startswith("-ERR Mail cannot")
    owner.ended(ended_by="quit")
    assert owner.uids() == [1]


def test_hold(owner):
    """A refusal stays one."""
    owner.set(pop3_hold="yes")
    owner.deliver(1)
    with owner.pop3() as pop:
        assert refusal(pop, "DELE 1").startswith("-ERR Mail cannot")
    owner.ended(ended_by="quit", dele=0)
    assert owner.poll() == [1]
    assert owner.hidden() == []


def test_observe(owner):
    owner.set(enforcement="observe")
    owner.deliver(3)
    with owner.pop3() as pop:
        pop.dele(1)
        pop.dele(3)
        assert pop.quit() == b"+OK Logging out, messages deleted."
    assert owner.ended(ended_by="quit")["removed"] == {1, 3}
    assert owner.uids() == [2]
    story = [row for row in owner.story() if row[0] == "would-refuse"]
    assert story == event("would-refuse", 1, 3, reason="dele")


def test_off(owner):
    owner.set(enforcement="off")
    owner.deliver(2)
    assert owner.delete(1)["removed"] == {1}
    assert owner.uids() == [2]
    assert owner.story() == []


def test_observe_under_hold(owner):
    """The hold acts, refuse does not: DELE hides."""
    owner.set(enforcement="observe", pop3_hold="yes")
    owner.deliver(2)
    owner.delete(1)
    assert owner.uids() == [1, 2]
    assert owner.poll() == [2]


@pytest.fixture(scope="module")
def flag_host(make_module_host):
    return make_module_host(settings={
        "pop3_delete_type": "flag", "pop3_deleted_flag": '"$POP3Deleted"'})


def test_pop3_delete_type_flag(flag_host, user):
    tenant = Owner(flag_host, user)
    tenant.set(on_dele="refuse")
    tenant.deliver(2)
    with tenant.pop3() as pop:
        assert refusal(pop, "DELE 1").startswith("-ERR Mail cannot")
        assert pop.quit() == b"+OK Logging out."
    assert tenant.ended(ended_by="quit")["dele"] == 0
    assert "$POP3Deleted" not in tenant.flags(1)
    assert tenant.poll() == [1, 2]
