# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Real clients: no message lost, none downloaded twice, and they end as they
do when all is well."""

import os
import re

import pytest

from clients import Clients
from host import message
from maildrop import Maildrop

# fetchmail's status when there was no new mail
NO_MAIL = 1


@pytest.fixture
def clients(host, tmp_path):
    return Clients(host, str(tmp_path))


@pytest.fixture
def drop(host, user):
    return Maildrop(host, user)


def deliver(drop, *names):
    drop.host.deliver(drop.user, *(
        message("Subject of " + name, "Text of %s.\n" % name,
                attachments=[(name, name.encode() * 3000)])
        for name in names))


def received(clients, user):
    """The names of all messages that the client stored, sorted."""
    found = []
    for directory, _, files in os.walk(clients.path(user, "")):
        for file in files:
            with open(os.path.join(directory, file), "rb") as mail:
                text = mail.read()
            names = re.findall(rb"(?m)^Subject: Subject of (\w+)", text)
            assert len(names) == \
                len(re.findall(rb"(?m)^Text of (\w+)\.", text))
            found += [name.decode() for name in names]
    return sorted(found)


def fetchmail(clients, user, keep, accepted):
    clients.run(clients.fetchmail(user, keep=keep), accepted)


def fetchmail_retr(clients, user, keep, accepted):
    """fetchall has it use RETR."""
    argv = clients.fetchmail(user, keep=keep)
    clients.run(argv + ["--fetchall"] if not keep else argv, accepted)


def mpop(clients, user, keep, accepted):
    clients.run(clients.mpop(user, keep=keep), (0,))


all_clients = pytest.mark.parametrize("client", [fetchmail, fetchmail_retr,
                                                 mpop])


@all_clients
def test_leave_on_server(host, user, drop, clients, client):
    host.set_policy(user, "expire_retrieved", "14d")
    deliver(drop, "one", "two")
    client(clients, user, True, (0,))
    host.wait_sessions(user, 1)
    assert drop.retrieved() == [1, 2]
    drop.age("13 days")
    deliver(drop, "three")
    client(clients, user, True, (0,))
    assert received(clients, user) == ["one", "three", "two"]
    drop.age("1 day")
    client(clients, user, True, (NO_MAIL, 0))
    assert received(clients, user) == ["one", "three", "two"]
    assert drop.uids() == [3]
    deliver(drop, "four")
    client(clients, user, True, (0,))
    assert received(clients, user) == ["four", "one", "three", "two"]


@all_clients
def test_download_and_delete(host, user, drop, clients, client):
    """The client leaves everything on the server; the policy does not."""
    host.set_policy(user, "on_retrieve", "delete")
    deliver(drop, "one", "two")
    client(clients, user, True, (0,))
    assert drop.uids() == []
    assert received(clients, user) == ["one", "two"]
    client(clients, user, True, (NO_MAIL, 0))
    deliver(drop, "three")
    client(clients, user, True, (0,))
    assert received(clients, user) == ["one", "three", "two"]
    assert drop.uids() == []
    assert [reason for _, _, reason in drop.events("intent")] == \
        ["retrieved"] * 3


@all_clients
def test_hide(host, user, drop, clients, client):
    """The client deletes; the messages stay, hidden."""
    host.set_policies(user, on_retrieve="hide", on_dele="hide")
    deliver(drop, "one", "two")
    client(clients, user, False, (0,))
    assert drop.view() == []
    assert drop.uids() == [1, 2]
    deliver(drop, "three")
    client(clients, user, False, (0,))
    client(clients, user, False, (NO_MAIL, 0))
    assert received(clients, user) == ["one", "three", "two"]
    assert drop.hidden() == [1, 2, 3]
    assert drop.uids() == [1, 2, 3]


@all_clients
def test_their_own_deletion(host, user, drop, clients, client):
    deliver(drop, "one", "two", "three")
    client(clients, user, False, (0,))
    assert received(clients, user) == ["one", "three", "two"]
    assert drop.uids() == []
    assert drop.events("intent") == [
        ("intent", uid, "dele") for uid in (1, 2, 3)]


def test_curl(host, user, drop, clients):
    """It sends no DELE, and QUIT at its end."""
    host.set_policy(user, "on_retrieve", "hide")
    deliver(drop, "one", "two", "three")
    clients.run(clients.curl(user, 2))
    assert received(clients, user) == ["one", "two"]
    assert drop.view() == [3]
    clients.run(clients.curl(user, 1))
    assert drop.view() == []
    assert drop.uids() == [1, 2, 3]


def test_fetchmail_waits_for_the_service(make_host, user, tmp_path):
    """The refusal of a host whose service is down is no wrong password."""
    host = make_host(plugin_settings={"pop3_policy_timeout": "300ms"})
    clients, drop = Clients(host, str(tmp_path)), Maildrop(host, user)
    deliver(drop, "one")
    host.pause_service()
    try:
        text = clients.run(clients.fetchmail(user, keep=True), (3, 9))
        assert "SYS/TEMP" in text
        assert "Authorization failure" not in text
    finally:
        host.resume_service()
    clients.run(clients.fetchmail(user, keep=True))
    assert received(clients, user) == ["one"]
