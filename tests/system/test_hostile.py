# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Hostile and careless clients get the answers that Dovecot gives without the
plugin, byte for byte, and nothing crashes."""

import re

import pytest

from dovecot import wait_until
from host import message
from maildrop import Maildrop
from raw import RawPop3

MESSAGES = 3


@pytest.fixture(scope="module")
def pair(make_module_host):
    """The same maildrop on a host with the plugin and on one without."""
    return make_module_host(), make_module_host(policy=False)


def talk(host, user, data):
    """Everything that the server sends after the login until it closes the
    connection, or until it has answered the STAT and QUIT that end `data'."""
    raw = RawPop3(host, user)
    try:
        raw.sock.sendall(data)
        raw.sock.shutdown(1)
    except OSError:
        # the server has had enough already
        pass
    answer = b""
    try:
        while True:
            part = raw.sock.recv(1 << 16)
            if not part:
                break
            answer += part
    except ConnectionResetError:
        pass
    # what makefile() had read with the login's answer
    raw.drop()
    return answer


def both(pair, user, data, messages=MESSAGES):
    """The answer, which must be the same from both hosts. UIDLs differ in
    their UIDVALIDITY, and CAPA tells of a policy."""
    answers = []
    for host in pair:
        drop = Maildrop(host, user)
        if messages:
            host.deliver(user, *(message("Message", "line\n.dot\n" * 20,
                                         X_Number=str(number))
                                 for number in range(messages)))
        answer = talk(host, user, data)
        assert drop.uids() is not None
        answers.append(re.sub(
            rb"(?m)^((?:\+OK )?\d+ [0-9a-f]{8})[0-9a-f]{8}\r$", rb"\1\r",
            answer))
    # Message-ID and Received differ
    answers = [re.sub(rb"(?m)^(Message-ID|Received|\tby|\t\(|\tfor|\t;|\tid|"
                      rb"Delivered-To|\tMon|\tTue|\tWed|\tThu|\tFri|\tSat|"
                      rb"\tSun|\twith).*\r\n", b"", answer)
               for answer in answers]
    answers = [re.sub(rb"(?m)^(\+OK \d+ octets|\+OK \d+ \d+|\d \d+)\r$",
                      rb"+OK size\r", answer) for answer in answers]
    # what CAPA says besides
    answers = [answer.replace(b"EXPIRE NEVER\r\n", b"") for answer in answers]
    assert answers[0] == answers[1]
    return answers[0]


NUMBERS = ["0", "-1", "4", "00000000001", "4294967295", "4294967296",
           "18446744073709551616", "99999999999999999999999999", "1 1", "1x",
           "", " 1", "1 ", "+1", "0x1", "\x01", "é"]


@pytest.mark.parametrize("command", ["RETR", "DELE", "LIST", "UIDL"])
def test_numbers(pair, user, command):
    for start in range(0, len(NUMBERS), 10):
        data = "".join("%s %s\r\nNOOP\r\n" % (command, number)
                       for number in NUMBERS[start:start + 10])
        both(pair, user + str(start), (data + "RSET\r\nQUIT\r\n").encode())


def test_numbers_of_top(pair, user):
    for start in range(0, len(NUMBERS), 10):
        data = "".join("TOP 1 %s\r\nNOOP\r\nTOP %s 1\r\nNOOP\r\n" %
                       (number, number)
                       for number in NUMBERS[start:start + 10])
        both(pair, user + str(start), (data + "QUIT\r\n").encode())


@pytest.mark.parametrize("data", [
    b"", b"\r\n", b"\n\n\nQUIT\n", b"QUIT", b"quit\n", b"Quit \r\n",
    b"QUIT QUIT\r\n", b"\0", b"\0\r\n\0\0QUIT\r\nQUIT\r\n",
    b"RETR 1\0\r\nQUIT\r\n", b"DELE 1\0 2\r\nQUIT\r\n",
    b"NOOP\0\r\nST\0AT\r\nSTAT\r\nQUIT\r\n", b"\xff\xfe\xfd\r\nQUIT\r\n",
    b"USER x\r\nPASS y\r\nAUTH PLAIN\r\nSTLS\r\nQUIT\r\n",
    b"XTND XMIT\r\nLAST\r\nAPOP a b\r\nCAPA x\r\nQUIT\r\n",
    b"RSET x\r\nNOOP x\r\nSTAT x\r\nQUIT x\r\n",
    b"A" * 4096, b"A" * 100000 + b"\r\nQUIT\r\n",
    b"RETR " + b"1" * 3000 + b"\r\nQUIT\r\n",
    b"NOOP\r\n" * 3 + b"B" * 2100 + b"\r\nDELE 1\r\nQUIT\r\n",
    b"\r\n" * 1000 + b"QUIT\r\n", b"FOO\r\n" * 100,
    b"DELE 1\r\nDELE 1\r\nDELE 2\r\nRSET\r\nDELE 2\r\nSTAT\r\nLIST\r\n"
    b"UIDL\r\nRETR 2\r\nTOP 2 1\r\nQUIT\r\n",
    b"DELE 1\r\nDELE 2\r\nDELE 3\r\nSTAT\r\nLIST\r\nUIDL\r\nRETR 1\r\n"
    b"QUIT\r\n",
    b"RETR 1\r\nTOP 2 0\r\nTOP 3 5\r\nTOP 1 99999999\r\nQUIT\r\n",
], ids=repr)
def test_lines(pair, user, data):
    both(pair, user, data)


def test_nothing_after_quit(pair, user):
    answer = both(pair, user, b"QUIT\r\nDELE 1\r\nRETR 1\r\nQUIT\r\n")
    assert answer == b"+OK Logging out.\r\n"


def test_empty_maildrop(pair, user):
    both(pair, user, b"STAT\r\nLIST\r\nUIDL\r\nRETR 1\r\nDELE 1\r\nRSET\r\n"
         b"TOP 1 1\r\nLIST 1\r\nUIDL 1\r\nCAPA\r\nQUIT\r\n", messages=0)


def test_hundreds_of_dele_and_rset(pair, user):
    data = b"DELE 1\r\nRETR 2\r\nDELE 3\r\nRSET\r\n" * 300
    both(pair, user, data + b"STAT\r\nDELE 2\r\nQUIT\r\n")
    drop = Maildrop(pair[0], user)
    assert drop.uids() == [1, 3]
    (session,) = pair[0].wait_sessions(user, 1)
    assert (session["retr"], session["dele"]) == (300, 1)
    # RSET took every RETR back
    assert drop.state() == {}
    assert drop.events("intent") == [("intent", 2, "dele")]


def test_same_message_a_thousand_times(pair, user):
    both(pair, user, b"RETR 1\r\n" * 1000 + b"QUIT\r\n")
    host = pair[0]
    (session,) = host.wait_sessions(user, 1)
    assert session["retr"] == 1000
    assert str(session["fetched"]) == "{[1,2)}"


def test_pipelined_by_the_100_kb(pair, user):
    block = (b"NOOP\r\nSTAT\r\nTOP 1 0\r\nLIST 1\r\nUIDL 2\r\nRETR 3\r\n"
             b"DELE 2\r\nRSET\r\nLIST\r\nUIDL\r\n")
    both(pair, user, block * (200 * 1024 // len(block)) +
         b"DELE 1\r\nSTAT\r\nQUIT\r\n")
    drop = Maildrop(pair[0], user)
    assert drop.uids() == [2, 3]


def test_client_that_does_not_read(pair, user):
    """It sends and never reads: Dovecot stops reading, and its end is no
    UPDATE."""
    host = pair[0]
    drop = Maildrop(host, user)
    host.deliver(user, message("Big", "x" * 70 + "\n" * 1, attachments=[
        ("big.bin", b"\0" * 500000)]))
    raw = RawPop3(host, user, rcvbuf=4096)
    raw.sock.setblocking(False)
    data = b"RETR 1\r\n" * 200 + b"DELE 1\r\nQUIT\r\n"
    sent = 0
    try:
        while sent < len(data):
            sent += raw.sock.send(data[sent:])
    except BlockingIOError:
        pass
    raw.sock.setblocking(True)
    raw.reset()
    wait_until(lambda: not host.pids("pop3"))
    (session,) = host.wait_sessions(user, 1)
    assert session["ended_by"] == "drop"
    assert drop.uids() == [1]
    assert drop.state() == {}
    assert drop.events("intent") == []


def test_hostile_messages(pair, user):
    """What a mail says reaches the audit as text, and the client as it
    is."""
    host = pair[0]
    drop = Maildrop(host, user)
    host.deliver(user, *(
        b"From: a@example.org\r\nMessage-ID: %s\r\n\r\n+OK\r\n..\r\n"
        b"-ERR [SYS/TEMP]\r\n" % value for value in (
            b"<tab\tand'quote\"\\001>", b"<\xff\xfe\xc0\x80>",
            b"<" + b"x" * 900 + b">", b"", b"<nul\x01\x02\x7f>",
            b"<\xf0\x9f\x93\xa7@example.org>")))
    count = len(drop.uids())
    assert count == 6
    drop.session(retr=range(1, 7), dele=range(1, 7))
    assert drop.uids() == []
    ids = {row["uid"]: row["message_id"] for row in host.audit(user)
           if row["event"] == "intent"}
    assert ids[1] == "<tab\tand'quote\"\\001>"
    assert ids[3] == "<" + "x" * 900 + ">"
    assert not ids[4]
    assert ids[6] == "<\U0001f4e7@example.org>"
    assert sorted(ids) == [1, 2, 3, 4, 5, 6]
    assert host.value("SELECT count(*) FROM pop3.quarantine") == 0


def test_sudden_ends(pair, user):
    """Connections that are cut at any moment leave everything there."""
    host = pair[0]
    drop = Maildrop(host, user)
    drop.deliver(3)
    before = drop.stored()
    for data in (b"", b"RETR 1\r\n", b"RETR 1\r\nDELE 1\r\n",
                 b"DELE 1\r\nDELE 2\r\nQUI", b"RETR 1\r\nDELE 2\r\nRSE"):
        for end in ("drop", "reset"):
            raw = RawPop3(host, user)
            raw.sock.sendall(data)
            getattr(raw, end)()
    drop.wait_idle()
    drop.check_nothing_lost(before, removed=[])
    assert drop.view() == [1, 2, 3]
    assert drop.state() == {}
