# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Clients that do not speak the protocol."""

import os
import random
import socket

import pytest

from servicehost import Client, Fail

USER = "jane@example.org"
HELLO = b"VERSION\tpop3-policy\t1\t0\n"


@pytest.mark.parametrize("data", [
    b"HELO there\n",
    b"VERSION\tauth\t1\t0\n",
    b"VERSION\tpop3-policy\t2\t0\n",
    HELLO + b"LOGIN\n",
    HELLO + b"LOGIN\tx\tuser=a\n",
    HELLO + b"LOGIN\t1\tno-equals-sign\n",
    HELLO + b"LOGIN\t1\tuser=a\tuser\x01\n",
    HELLO + b"ITEM\tmessage\tuid=1\n",
    HELLO + b"INTENT\t1\titems=2\nITEM\tmessage\tuid=1\nLOGIN\t2\n",
    HELLO + b"INTENT\t1\titems=99999999\n",
    HELLO + b"LOGIN\t1\tuser=jane\0@example.org\n",
    HELLO + b"LOGIN\t1\tuser=jane\r\n",
    HELLO + b"x" * (2 * 1024 * 1024) + b"\n",
], ids=lambda data: repr(data[:60]))
def test_malformed_input(service, data, new_session):
    service.expect("client.*, disconnecting")
    client = Client(service.socket_path, handshake=False)
    try:
        client.send_raw(data)
    except (BrokenPipeError, ConnectionResetError):
        pass
    client.sock.shutdown(socket.SHUT_WR)
    while not client.is_closed():
        pass
    client.close()
    service.wait_log(r"client\(pid=%d,uid=0\): .*, disconnecting" %
                     os.getpid())
    # nobody else is disturbed
    service.client().login(USER, new_session())


def test_unknown_verb(service, client, new_session):
    service.expect("Request refused: there is no EXPLODE")
    with pytest.raises(Fail) as fail:
        client.ask("EXPLODE")
    assert fail.value.code == "invalid"
    client.login(USER, new_session())


def test_question_without_id(service, client, new_session):
    service.expect("LOGIN without an ID cannot be answered")
    client.tell("LOGIN", user=USER, session=new_session())
    client.login(USER, new_session())


@pytest.mark.parametrize("fields", [
    {"ended_by": "boredom"}, {"started": "yesterday"}, {"started": "1e10"},
    {"retr": "-1"}, {"fetched": "3:1"}, {"fetched": "0"}, {"bytes": "x"},
    {"uidnext": "5000000000"}, {"anchor_guid": "zz"}], ids=str)
def test_invalid_session(service, client, new_session, fields):
    service.expect("Request refused: SESSION: field")
    values = {"started": "1700000000", "ended_by": "quit", **fields}
    client.tell("SESSION", user=USER, session=new_session(), **values)
    client.login(USER, new_session())
    service.wait_log("Request refused: SESSION: field %s" % list(fields)[0])
    assert service.value("SELECT count(*) FROM pop3.session") == 0


def test_request_flood(service, new_session):
    service.expect("Too many requests without waiting for answers")
    client = service.client()
    line = "LOGIN\t1\tuser=%s\tsession=%s\n" % (USER, new_session())
    try:
        client.send_raw(line * 50000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    service.wait_log("Too many requests without waiting for answers")
    service.client().login(USER, new_session())


def test_client_that_does_not_read(service, new_session):
    """It goes away with answers under way, and is forgotten."""
    for _ in range(20):
        client = service.client()
        for number in range(200):
            client.send("LOGIN", user="user%d@example.org" % number,
                        session=new_session())
        client.close()
    service.client().login(USER, new_session())


def test_random_bytes(service, new_session):
    service.expect("disconnecting", "Request refused")
    random.seed(20260101)
    words = [b"LOGIN", b"INTENT", b"SESSION", b"EVENT", b"ITEM", b"\t", b"\t",
             b"1", b"user=", b"jane@example.org", b"session=" + b"0" * 32,
             b"items=1", b"uids=1:5", b"event=gone", b"\x01", b"\xff", b"=",
             b"no=1", b"ended_by=quit", b"started=1", b"message", b"\n"]
    for _ in range(300):
        client = Client(service.socket_path)
        data = b"".join(random.choice(words) for _ in range(40)) + b"\n"
        try:
            client.send_raw(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        client.close()
    service.client().login(USER, new_session())


@pytest.mark.parametrize("released,presumed", [
    # 2^32 together, which is nothing in 32 bits
    ("1:4294967295", "7"),
    ("1:4294967295", "1:4294967295"),
    ("1:3", "3:4"),
    ("1:100001", None),
    (None, None),
])
def test_wrong_sets_of_a_repair(service, client, new_session, released,
                                presumed):
    service.expect("REPAIR of")
    session = new_session()
    with pytest.raises(Fail) as fail:
        client.ask("REPAIR", user=USER, session=session,
                   intent_session=new_session(), no=1, released=released,
                   presumed=presumed)
    assert fail.value.code == "invalid"
    client.login(USER, session)
