# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A PostgreSQL with a standby does what the tests of outages need of it."""

import contextlib
import threading

import psycopg2
import pytest

from dovecot import wait_until
from standby import ReplicatedPostgres


@pytest.fixture(params=[False, True], ids=["asynchronous", "synchronous"])
def pair(request):
    pair = ReplicatedPostgres(request.param)
    try:
        yield pair.start()
    finally:
        pair.cleanup()


def insert(pair, number):
    with contextlib.closing(psycopg2.connect(pair.uri("postgres"))) as conn:
        conn.autocommit = True
        with conn.cursor() as cur:
            cur.execute("INSERT INTO public.t VALUES (%s)", (number,))


class Insert(threading.Thread):
    """insert() in the background."""

    def __init__(self, pair, number):
        super().__init__(daemon=True)
        self.failed = False
        self._arguments = (pair, number)
        self.start()

    def run(self):
        try:
            insert(*self._arguments)
        except psycopg2.OperationalError:
            self.failed = True


def test_fail_over(pair):
    pair.primary.query("CREATE TABLE public.t (n int)")
    insert(pair, 1)
    assert pair.primary.value("SELECT count(*) FROM public.t") == 1
    wait_until(lambda: pair.standby.value(
        "SELECT to_regclass('public.t') IS NOT NULL"), what="the table")
    wait_until(lambda: pair.standby.value("SELECT count(*) FROM public.t"))
    pair.cut_off()
    lost = Insert(pair, 2)
    lost.join(0.5 if pair.synchronous else 20)
    # it is not committed while the standby has not got it
    assert lost.is_alive() == pair.synchronous
    pair.fail_over()
    lost.join(20)
    assert lost.failed == pair.synchronous
    assert pair.current.value("SELECT array_agg(n) FROM public.t") == [1]
    insert(pair, 3)
    assert pair.current.value("SELECT array_agg(n ORDER BY n) "
                              "FROM public.t") == [1, 3]
