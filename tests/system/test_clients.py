# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Real clients while time passes, and several clients of one mailbox. Their
sessions one after the other are in test_client_sessions.py."""

import pytest

from client_sessions import WAYS, ClientRuns

KEEPING = ("fetchmail keep", "fetchmail keep, fastuidl", "mpop keep on",
           "poplib, RETR of new")


@pytest.fixture
def start(host, user, tmp_path):
    """start(way): a client of the user, with files of its own."""
    clients = []

    def make(way):
        directory = tmp_path / str(len(clients))
        directory.mkdir()
        clients.append(ClientRuns(host, user, str(directory), way))
        return clients[-1]
    yield make
    for client in clients:
        client.__exit__()


def once(count):
    """Messages 1 to count, each downloaded once."""
    return {"mail%d" % number: 1 for number in range(1, count + 1)}


@pytest.mark.parametrize("way", KEEPING)
def test_mail_expires_on_the_server(host, user, start, way):
    """What goes at a login disturbs no client, fastuidl's search included."""
    host.set_policy(user, "expire_retrieved", "14d")
    client = start(way)
    client.deliver(9)
    client.run()
    client.drop.age("13 days")
    client.deliver(9)
    client.run()
    assert client.received() == once(18)
    client.drop.age("1 day")
    client.run()
    assert client.drop.uids() == list(range(10, 19))
    client.deliver(2)
    client.run()
    assert client.received() == once(20)
    assert client.drop.uids() == list(range(10, 21))


@pytest.mark.parametrize("way", KEEPING)
def test_mail_is_hidden_in_the_middle(host, user, start, way):
    """A client deletes some messages, which hides them from another one."""
    host.set_policy(user, "on_dele", "hide")
    client = start(way)
    client.deliver(12)
    client.run()
    client.drop.session(dele=[2, 6, 7])
    client.deliver(3)
    client.run()
    client.run()
    assert client.received() == once(15)
    assert client.drop.uids() == list(range(1, 16))


@pytest.mark.parametrize("way", KEEPING)
def test_restored_mail(host, user, start, way):
    """It comes back with its UIDL, but most clients have forgotten that when
    the message was not listed, and download it again, once."""
    host.set_policies(user, on_retrieve="hide", on_dele="hide")
    client = start(way)
    client.deliver(3)
    client.run()
    client.deliver(1)
    client.run()
    host.sql("SELECT pop3.restore(%s, '{[2,2]}'::int8multirange)", (user,))
    client.run()
    client.run()
    remembers = way == "poplib, RETR of new"
    assert client.received() == {**once(4), "mail2": 1 if remembers else 2}


@pytest.mark.parametrize("way", KEEPING)
def test_fastuidl_and_view_limit(host, user, start, way):
    """As many new messages as are shown come with each run, and none is
    overlooked. A client that searches by halves finds where they begin."""
    host.set_policy(user, "view_limit", "5")
    client = start(way)
    client.deliver(12)
    for count in (5, 10, 12):
        assert client.run().status == 0
        assert client.received() == once(count)
    client.deliver(1)
    client.run()
    client.run()
    assert client.received() == once(13)


@pytest.mark.parametrize("way", [
    way for way in WAYS if "fetchmail" in way])
def test_top_lines(host, user, start, way):
    """fetchmail's TOP of all lines is no look at the first ones: a message
    without its body would be lost with its DELE."""
    host.set_policies(user, preset="download-and-delete")
    client = start(way)
    client.deliver(3)
    assert client.run().status == 0
    assert client.received() == once(3)
    assert client.drop.uids() == []


def test_two_clients_leave(start):
    """Each downloads everything."""
    first, second = start("mpop keep on"), start("fetchmail keep")
    first.deliver(3)
    second.sent = first.sent
    first.run()
    second.run()
    first.deliver(2)
    second.run()
    first.run()
    assert first.received() == second.received() == once(5)


def test_two_clients_hide(host, user, start):
    """What one has downloaded is not shown to the other: together they have
    each message once."""
    host.set_policy(user, "on_retrieve", "hide")
    first, second = start("mpop keep on"), start("fetchmail keep")
    first.deliver(3)
    second.sent = first.sent
    first.run()
    second.run()
    first.deliver(2)
    second.run()
    first.run()
    assert first.received() == once(3)
    assert second.received() == {"mail4": 1, "mail5": 1}
