# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The private host does without the plugin what Dovecot does: what other
tests see that differs is the plugin's."""

import os
import poplib
import signal

import pytest

from dovecot import Failure, wait_until
from host import message
from raw import RawPop3


@pytest.mark.parametrize("mail_format", ["sdbox", "mdbox", "maildir", "mbox"])
def test_plain_dovecot(make_host, user, mail_format):
    host = make_host(policy=False, mail_format=mail_format)
    host.deliver(user, message("One"), message("Two"))
    with host.pop3(user) as pop:
        assert pop.stat()[0] == 2
        assert b"Subject: Two" in pop.retr(2)[1]
        pop.dele(1)
    assert len(host.imap_uids(user)) == 1
    with host.pop3(user, master="admin") as pop:
        assert pop.stat()[0] == 1


def test_drop_is_no_update(make_host, user):
    host = make_host(policy=False)
    host.deliver(user, message("One"))
    pop = host.pop3(user)
    pop.dele(1)
    pop.drop()
    with host.pop3(user) as pop:
        assert pop.stat()[0] == 1


def test_raw_pipelining(make_host, user):
    host = make_host(policy=False)
    host.deliver(user, message("One", "a line\n.a dot\n"))
    with RawPop3(host, user) as raw:
        raw.send("STAT", "RETR 1", "QUIT")
        assert raw.line().startswith("+OK 1 ")
        assert raw.line().startswith("+OK")
        assert raw.lines()[-1] == b".a dot"
        assert raw.line().startswith("+OK")
        assert raw.at_end()


def test_refusal_and_settings(make_host, user):
    host = make_host(policy=False, settings={
        "pop3_logout_format": '"bytes=%o"'})
    assert host.login_refusal(user, password="wrong").startswith("-ERR [AUTH]")
    with pytest.raises(Failure):
        host.login_refusal(user)
    offset = host.log_position()
    with host.pop3(user) as pop:
        with pytest.raises(poplib.error_proto):
            pop.retr(1)
    wait_until(lambda: host.log_contains("Logged out bytes=", offset))


def test_killed_process_is_noticed(make_host, user):
    host = make_host(policy=False)
    pop = host.pop3(user)
    (pid,) = host.pids("pop3")
    assert host.crashes() == []
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: host.log_contains("killed with signal 9"))
    assert len(host.crashes()) == 1
    assert host.crashes() == []
    pop.close()
