# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The tools that break hosts do break them."""

import contextlib
import errno
import os
import shutil
import socket
import tempfile
import time

import psycopg2
import pytest

from dovecot import wait_until
from fault_host import FaultHost, FaultyPostgres
from fault_proxy import FaultProxy
from fault_series import HOSTS, SHARED, host_of


@pytest.fixture(scope="module")
def pg():
    directory = tempfile.mkdtemp(prefix="pop3-faulty-")
    pg = FaultyPostgres(directory)
    try:
        yield pg.start()
    finally:
        pg.cleanup()
        shutil.rmtree(directory)


@pytest.fixture
def proxy(pg):
    proxy = FaultProxy(pg.directory)
    yield proxy
    proxy.close()


@pytest.fixture
def conn(pg, proxy):
    """A connection through the proxy."""
    conn = psycopg2.connect(proxy.uri(pg.uri()))
    conn.autocommit = True
    yield conn
    conn.close()


def ask(conn, query="SELECT repeat('x', 1000)"):
    with conn.cursor() as cur:
        cur.execute(query)
        return cur.fetchone()[0]


def test_clock_of_the_database_jumps(pg, conn):
    def ahead():
        return float(ask(conn, "SELECT extract(epoch FROM now())")) - \
            time.time()
    assert abs(ahead()) < 10
    pg.set_clock(86400)
    assert abs(ahead() - 86400) < 10
    assert abs(float(pg.value(
        "SELECT extract(epoch FROM clock_timestamp())")) -
        time.time() - 86400) < 10
    pg.set_clock(-3600)
    assert abs(ahead() + 3600) < 10
    pg.set_clock(0)
    assert abs(ahead()) < 10


@pytest.mark.parametrize("share, answered", [(0, False), (0.5, False),
                                             (1, True)])
def test_cut_in_a_reply(proxy, conn, share, answered):
    ask(conn)
    proxy.cut_at("reply", 2, share)
    assert ask(conn) == "x" * 1000
    if answered:
        assert ask(conn) == "x" * 1000
    with pytest.raises(psycopg2.OperationalError):
        ask(conn)
    assert proxy.cuts == 1


def test_cut_in_a_request(pg, proxy, conn):
    pg.query("CREATE TABLE public.cut (n int)")
    proxy.cut_at("request", 1, 0.9)
    with pytest.raises(psycopg2.OperationalError), conn.cursor() as cur:
        cur.execute("INSERT INTO public.cut VALUES (1)")
    assert pg.value("SELECT count(*) FROM public.cut") == 0


def test_slow(proxy, conn):
    proxy.slow(0.3)
    begun = time.monotonic()
    assert ask(conn) == "x" * 1000
    assert time.monotonic() - begun >= 0.3
    proxy.heal()
    begun = time.monotonic()
    ask(conn)
    assert time.monotonic() - begun < 0.3


def test_late_requests(pg, proxy, conn):
    """They arrive when who sent them is gone, and others are not late."""
    pg.query("CREATE TABLE public.late (n int)")
    proxy.slow_requests(0.5)
    with socket.fromfd(conn.fileno(), socket.AF_UNIX,
                       socket.SOCK_STREAM) as sock:
        query = b"INSERT INTO public.late VALUES (1)\0"
        sock.sendall(b"Q" + (len(query) + 4).to_bytes(4, "big") + query)
    conn.close()
    with contextlib.closing(psycopg2.connect(proxy.uri(pg.uri()))) as other:
        assert ask(other, "SELECT count(*) FROM public.late") == 0
    wait_until(lambda: pg.value("SELECT count(*) FROM public.late") == 1)


def test_refused(pg, proxy, conn):
    proxy.refuse()
    with pytest.raises(psycopg2.OperationalError):
        ask(conn)
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(proxy.uri(pg.uri()))
    proxy.heal()
    psycopg2.connect(proxy.uri(pg.uri())).close()


def test_killed_with_children(pg):
    with contextlib.closing(psycopg2.connect(pg.uri())):
        pids = pg._pids()
        assert pg.backends("postgres")
        pg.kill()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            # signal 0 asks whether it is there
            os.kill(pid, 0)
    pg.start()
    assert pg.value("SELECT 1") == 1


def test_disk_full():
    host = FaultHost()
    try:
        host.start()
        for name in ("policy", "mail"):
            assert host.fill(name)
            with pytest.raises(OSError) as raised, \
                    open(host.path(name, "more"), "wb", 0) as file:
                file.write(bytes(8192))
            assert raised.value.errno == errno.ENOSPC
            host.make_room(name)
            with open(host.path(name, "more"), "wb", 0) as file:
                file.write(bytes(8192))
    finally:
        host.cleanup()
    assert not os.path.exists(host.directory)


def test_hosts_of_runs():
    """In each block of runs one kind of host answers from memory, and in three
    blocks each does once; whoever makes a run again has the same."""
    for seed in ("1939", "7"):
        found = {host_of(seed, number) for number in range(3 * SHARED)}
        assert len(found) == 3 * len(HOSTS)
        for chosen in (0, 1):
            assert {kind[chosen] for kind in found if kind[2]} == {0, 1, 2}
        assert sum(kind[2] for kind in found) == 3
    assert len({tuple(host_of(str(seed), number)[2] for number in range(3))
                for seed in range(20)}) == 3


def test_logins_from_memory():
    """They ask nobody, and are counted."""
    host = FaultHost(from_memory=True)
    user = "jane@example.org"
    try:
        host.start()
        host.pop3(user).quit()
        host.wait_sessions(user, 1)
        host.pop3(user).quit()
        asked = host.proxy.logins
        assert asked > 0
        for _ in range(5):
            host.pop3(user).quit()
        assert host.proxy.logins < asked + 5
        wait_until(lambda: host.value(
            "SELECT sum(polls) FROM pop3.session WHERE username = %s "
            "AND ended_by = 'poll'", (user,)) == 6, what="the polls")
    finally:
        host.cleanup()
