# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Hostile clients that send much: cycles by the thousand, commands by the
megabyte, ends at any byte. Memory stays bounded, mail stays or has an
intent."""

import random
import re
import threading

import pytest

from dovecot import ASAN, wait_until
from host import message
from maildrop import Maildrop, pop3_pid
from raw import RawPop3

pytestmark = pytest.mark.skipif(
    ASAN, reason="sanitizers keep freed memory: it cannot be measured")

MESSAGES = 3
# What a session may take more than it took in its beginning, in kB.
MEMORY_KB = 3000
CYCLES = 5000
MEGABYTES = 2


@pytest.fixture(scope="module")
def loaded(make_module_host):
    """A host on which only one session at a time is looked at."""
    return make_module_host()


@pytest.fixture
def drop(loaded, user):
    drop = Maildrop(loaded, user)
    loaded.deliver(user, *(message("Message %d" % number)
                           for number in range(1, MESSAGES + 1)))
    drop.wait_idle()
    return drop


class Flood:
    """A session that is sent bytes without waiting for answers. Counts the
    first words of the lines that come back."""

    def __init__(self, host, user):
        self.raw = RawPop3(host, user)
        self.pid = pop3_pid(host)

    def peak(self):
        """The most memory that the process has had, in kB."""
        with open("/proc/%d/status" % self.pid) as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1))

    def send(self, data, last):
        """Send all, and read until a line begins with `last', which NOOP's
        answer does not. Returns {word: how often}."""
        sender = threading.Thread(target=self.raw.sock.sendall, args=(data,),
                                  daemon=True)
        sender.start()
        words = {}
        while True:
            line = self.raw.file.readline()
            assert line, "the connection ended"
            word = line.split()[0] if line.split() else b""
            words[word] = words.get(word, 0) + 1
            if line.startswith(last):
                break
        sender.join()
        return words

    def quit(self):
        assert self.raw.command("QUIT").startswith("+OK")
        self.raw.drop()


def check_bounded(flood, block, times, last):
    """Memory does not grow with how often a block is sent. Returns what was
    answered."""
    flood.send(block * 50 + b"STAT\r\n", last)
    before = flood.peak()
    words = flood.send(block * times + b"STAT\r\n", last)
    assert flood.peak() - before < MEMORY_KB
    return words


def test_thousands_of_dele_and_rset(drop):
    flood = Flood(drop.host, drop.user)
    words = check_bounded(
        flood, b"DELE 1\r\nRETR 2\r\nDELE 3\r\nDELE 2\r\nRSET\r\n", CYCLES,
        b"+OK %d " % MESSAGES)
    assert words[b"+OK"] == CYCLES * 5 + 1
    flood.raw.command("DELE 2")
    flood.quit()
    assert drop.uids() == [1, 3]
    # RSET took every RETR back
    assert drop.state() == {}
    assert drop.events("intent") == [("intent", 2, "dele")]


def test_pipelined_by_the_megabyte(drop):
    flood = Flood(drop.host, drop.user)
    block = (b"NOOP\r\nTOP 1 0\r\nLIST 1\r\nUIDL 2\r\nRETR 3\r\nDELE 2\r\n"
             b"LIST\r\nUIDL\r\nFOO\r\n\r\n\0\0\r\nRETR 99999999999\r\nRSET\r\n" +
             b"NOOP\r\n" * 50)
    times = (MEGABYTES << 20) // len(block)
    words = check_bounded(flood, block, times, b"+OK %d " % MESSAGES)
    # the -ERR are of FOO and the three lines behind it; STAT is the last
    assert words[b"+OK"] == times * (block.count(b"\n") - 4) + 1
    assert words[b"-ERR"] == times * 4
    flood.raw.command("DELE 1")
    flood.quit()
    assert drop.uids() == [2, 3]
    assert drop.events("intent") == [("intent", 1, "dele")]


def test_refusals_by_the_thousand(drop):
    """What the policy answers is no bad command, and costs no memory."""
    host = drop.host
    host.set_policies(drop.user, on_dele="refuse", download_daily="1",
                      top_lines="0")
    with host.pop3(drop.user) as pop:
        pop.retr(1)
    flood = Flood(host, drop.user)
    words = check_bounded(
        flood, b"DELE 1\r\nDELE 2\r\nRETR 2\r\nTOP 3 1\r\n" + b"DELE 3\r\n" *
        20, CYCLES // 20, b"+OK %d " % MESSAGES)
    assert words == {b"-ERR": CYCLES // 20 * 24, b"+OK": 1}
    flood.quit()
    drop.wait_idle()
    assert drop.uids() == [1, 2, 3]
    assert drop.events("intent") == []
    # each is told once
    assert drop.wait_events("refused", 5) == [1, 2, 3, 2, 3]


@pytest.mark.parametrize("policy", [
    {}, {"on_dele": "hide", "on_retrieve": "delete"},
    {"on_dele": "move", "on_retrieve": "hide"}])
def test_ends_at_any_byte(loaded, user, policy):
    """A stream of commands with QUITs in it is cut at random bytes. UPDATE is
    done wholly or not at all, and each removal has its intent."""
    drop = Maildrop(loaded, user)
    loaded.set_policies(user, **policy)
    rng = random.Random(str(policy))
    known = {}
    for _ in range(5 if ASAN else 12):
        if len(drop.uids()) < 6:
            loaded.deliver(user, *(
                message("Cut", "line\n" * rng.choice([1, 10, 20000]))
                for _ in range(6)))
        known.update(drop.stored())
        stream = b"".join(rng.choices(
            [b"RETR 1\r\n", b"RETR 2\r\n", b"DELE 1\r\n", b"DELE 3\r\n",
             b"RSET\r\n", b"UIDL\r\n", b"TOP 2 9999\r\n", b"x" * 50 + b"\r\n",
             b"\0\xff\r\n"], k=rng.randint(1, 12)))
        if rng.random() < 0.7:
            stream += b"DELE 2\r\nQUIT\r\n"
        raw = RawPop3(loaded, user)
        stream = stream[:rng.randint(1, len(stream))]
        raw.sock.sendall(stream)
        if b"\n" in stream and rng.random() < 0.3:
            raw.sock.recv(rng.choice([1, 10, 5000]))
        getattr(raw, rng.choice(["drop", "reset"]))()
        drop.wait_idle()
    drop.settle()
    drop.check_nothing_lost(known, removed=None)
    assert drop.open_intents() == []
    # an intent that was committed is for a message that went
    gone = {row["uid"] for row in loaded.rows(
        "SELECT i.uid FROM pop3.audit i WHERE i.username = %s "
        "AND i.event = 'intent' AND i.action IN ('expunge', 'move') "
        "AND EXISTS (SELECT FROM pop3.audit c WHERE c.username = i.username "
        "AND c.session_id = i.session_id AND c.intent_no = i.intent_no "
        "AND c.event = 'committed')", (user,))}
    assert gone == set(known) - set(drop.uids())


def test_connections_that_do_nothing(loaded, user):
    """Logged in, half a command, no end: nobody else has to wait."""
    drop = Maildrop(loaded, user)
    drop.deliver(2)
    idle = [RawPop3(loaded, user) for _ in range(30)]
    for number, raw in enumerate(idle):
        raw.sock.sendall(b"DELE 1\r\nRETR 1\r\nQUIT"[:number % 23])
    with loaded.pop3(user) as pop:
        pop.dele(2)
    for raw in idle:
        raw.reset()
    wait_until(lambda: not loaded.pids("pop3"))
    assert drop.uids() == [1]
    drop.settle()
    assert drop.events("intent") == [("intent", 2, "dele")]
