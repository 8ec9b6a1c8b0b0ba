# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm pop3-policy pause, resume, breaker, confirm."""

import json

import pytest

from host import message


@pytest.fixture
def doveadm(make_host):
    host = make_host()

    def run(*args):
        """The row that a command prints, as a dict."""
        rows = json.loads(host.doveadm("-f", "json", "pop3-policy", *args))
        assert len(rows) == 1
        return rows[0]
    run.host = host
    return run


def events(host):
    return host.sql("SELECT event, detail FROM pop3.audit WHERE username IS "
                    "NULL AND event <> 'unused' ORDER BY at")


def test_pause_and_resume(doveadm):
    before = doveadm("breaker")
    paused = doveadm("pause", "Looking into a wrong policy")
    assert paused["stopped"] != before["stopped"]
    assert paused["reason"] == "Looking into a wrong policy"
    assert paused["since"] != ""
    assert paused["by"].startswith("pop3_admin for ")
    assert paused["by"].endswith(" (uid 0)")
    assert doveadm("breaker") == paused
    assert doveadm("resume")["stopped"] == before["stopped"]
    assert [event for event, _ in events(doveadm.host)] == [
        "paused", "resumed"]


def test_pause_stops_removals(doveadm):
    host = doveadm.host
    user = "jane@example.org"
    host.set_policies("*", expire_retrieved="1d")
    host.deliver(user, message("Due"))
    with host.pop3(user) as pop:
        pop.retr(1)
    host.wait_sessions(user)
    host.age(user, "2 days")
    doveadm("pause")
    with host.pop3(user) as pop:
        assert pop.stat()[0] == 1
    doveadm("resume")
    with host.pop3(user) as pop:
        assert pop.stat()[0] == 0


def test_breaker(doveadm):
    changed = doveadm("breaker", "--percent", "2", "--min", "1007")
    assert changed["breaker_limit"] == "1007"
    assert doveadm("breaker", "--min", "5")["breaker_limit"] == "5"
    # any number
    assert doveadm("breaker", "--percent", "100")["breaker_limit"] == ""
    assert [event for event, _ in events(doveadm.host)] == ["breaker-set"] * 3


def test_confirm(doveadm):
    assert doveadm("breaker")["confirmed_until"] == ""
    assert doveadm("confirm")["confirmed_until"] != ""


@pytest.mark.parametrize("args", [
    ["--percent", "many"], ["--percent", "-1"], ["--min", "-5"]])
def test_wrong_numbers(doveadm, args):
    done = doveadm.host.run("doveadm", "pop3-policy", "breaker", *args)
    assert done.returncode == 64
    assert done.stderr.startswith("Error: pop3-policy: ")
