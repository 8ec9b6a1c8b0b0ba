# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""CAPA after the login (RFC 2449) is true for the user: EXPIRE and LOGIN-DELAY
say what the policy does, and nothing else changes."""

import os

import pytest

from host import message
from owner import Owner, shown

# What tells of a policy.
POLICY = ("EXPIRE", "LOGIN-DELAY")


def capa(owner, **options):
    """The lines of CAPA in a session of the owner's."""
    with owner.pop3(**options) as pop:
        return [line.decode() for line in pop._longcmd("CAPA")[1]]


def policy_lines(owner, **options):
    return [line for line in capa(owner, **options)
            if line.split()[0] in POLICY]


@pytest.mark.parametrize("values, expire", [
    ({}, "NEVER"),
    ({"expire_retrieved": "30 days"}, "30"),
    ({"expire_retrieved": "30 days", "expire_unretrieved": "14 days"}, "14"),
    ({"expire_retrieved": "36 hours"}, "1"),
    ({"expire_retrieved": "0"}, "0"),
    ({"on_retrieve": "delete", "expire_unretrieved": "9 days"}, "0"),
    ({"on_retrieve": "hide"}, "NEVER"),
    ({"on_retrieve": "hide", "expire_hidden": "3 days"}, "3"),
    ({"leave_max_messages": "1"}, "NEVER"),
    ({"expire_retrieved": "30 days", "pop3_hold": "yes"}, "NEVER"),
    ({"expire_retrieved": "30 days", "enforcement": "observe"}, "NEVER"),
    ({"enforcement": "off", "pop3_hold": "yes"}, "NEVER"),
])
def test_expire(owner, values, expire):
    owner.set(**values)
    assert policy_lines(owner) == ["EXPIRE " + expire]


def test_off_is_dovecots_reply(owner):
    owner.set(enforcement="off", expire_retrieved="1 day",
              login_delay="10 minutes")
    off = capa(owner)
    assert not [line for line in off if line.split()[0] in POLICY]
    owner.set(enforcement="enforce")
    assert [line for line in capa(owner)
            if line.split()[0] not in POLICY] == off
    assert "TOP" in off and "UIDL" in off


def test_login_delay(owner):
    owner.set(login_delay="10 minutes")
    assert policy_lines(owner) == ["EXPIRE NEVER", "LOGIN-DELAY 600"]


@pytest.mark.parametrize("enforcement", ["observe", "off"])
def test_login_delay_that_does_not_act(owner, enforcement):
    owner.set(login_delay="10 minutes", enforcement=enforcement)
    assert not [line for line in policy_lines(owner)
                if line.startswith("LOGIN-DELAY")]


def test_each_user_has_his_own(owner, host, user):
    owner.set(expire_retrieved="7 days")
    assert policy_lines(owner) == ["EXPIRE 7"]
    with host.pop3("other_" + user) as pop:
        assert b"EXPIRE NEVER" in pop._longcmd("CAPA")[1]


def test_any_form_of_the_command(owner):
    owner.set(expire_retrieved="7 days")
    with owner.raw() as raw:
        for command in ("capa", "Capa", "CAPA "):
            assert raw.command(command) == "+OK"
            assert b"EXPIRE 7" in raw.lines()


def test_pipelined(owner):
    """Replies of other lengths than Dovecot's, among others."""
    owner.set(expire_retrieved="7 days")
    owner.deliver(1)
    with owner.raw() as raw:
        raw.send("CAPA", "STAT", "CAPA", "RETR 1", "CAPA", "NOOP")
        for _ in range(2):
            assert raw.line() == "+OK"
            assert raw.lines()[-1] == b"EXPIRE 7"
            reply = raw.line()
        assert reply.endswith("octets")
        assert b"Subject: Message 1" in raw.lines()
        assert raw.line() == "+OK"
        assert raw.lines()[-1] == b"EXPIRE 7"
        assert raw.line() == "+OK"
        assert raw.command("QUIT").startswith("+OK")
    # what went out whole, and when, is known behind them all the same
    assert owner.ended(ended_by="quit")["retrieved"] == {1}


def test_mail_that_looks_like_the_reply(owner, host):
    """A message with the text of CAPA's reply arrives as it is."""
    owner.set(expire_retrieved="7 days")
    with owner.raw() as raw:
        raw.send("CAPA")
        first, lines = raw.line(), raw.lines()
    reply = [first.encode()] + [line for line in lines
                                if line != b"EXPIRE 7"] + [b".", b""]
    body = b"\r\n".join(reply).decode()
    owner.deliver(message("Message 1", body))
    with owner.pop3() as pop:
        assert shown(pop) == [1]
        lines = pop.retr(1)[1]
        top = pop.top(1, 100)[1]
    assert lines[lines.index(b"") + 1:] == reply[:-1] == \
        top[top.index(b"") + 1:]


def test_with_rawlog(make_host, user):
    """Dovecot's rawlog puts itself before the plugin: offsets differ there,
    and nothing else."""
    host = make_host()
    directory = host.path("rawlog")
    os.mkdir(directory)
    os.chmod(directory, 0o777)
    host.extra = "protocol pop3 {\n  rawlog_dir = %s\n}\n" % directory
    host.restart()
    owner = Owner(host, user)
    owner.set(expire_retrieved="7 days")
    owner.deliver(1)
    with owner.raw() as raw:
        raw.send("CAPA")
        raw.line()
        assert b"EXPIRE 7" in raw.lines()
        raw.send("RETR 1")
        raw.line()
        raw.lines()
        assert raw.command("QUIT").startswith("+OK")
    assert owner.ended(ended_by="quit")["retrieved"] == {1}
    assert len(os.listdir(directory)) == 2
