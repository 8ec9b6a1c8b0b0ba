#!/usr/bin/python3
# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""How long verify takes, and how much memory.

    POP3_POLICY_BUILDDIR=... tests/lib/verify_figures.py [ROWS]

A service of its own writes ROWS rows (1,000,000) with their seals: nine tenths
of them intents of 900 messages, the others sessions. Then verify runs on a tenth
of them and on all, five times each. Prints seconds (least, median, most) and the
most memory, in MB."""

import os
import resource
import statistics
import subprocess
import sys
import time

_TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(_TESTS, "service"), os.path.join(_TESTS, "lib")]

from pg import PrivatePostgres
from servicehost import ServiceHost
from tamper import Copy

MESSAGES = 900
SESSIONS = 100                      # for each intent
RUNS = 5


def write(host, rounds):
    client = host.client()
    started = "%.3f" % time.time()
    for number in range(rounds):
        user = "user%d@example.org" % (number % 500)
        session = os.urandom(16).hex()
        login = client.login(user, session)
        client.intent(user, session, login["version"],
                      range(1, MESSAGES + 1), uidvalidity=number + 1)
        for _ in range(SESSIONS):
            client.session(user, os.urandom(16).hex(), started, retr=1,
                           uidvalidity=number + 1)
        # it is sent faster than it is written
        client.login(user, os.urandom(16).hex())


def rows(copy):
    return copy.value("SELECT sum(last_seq)::bigint FROM pop3.chain")


def measure(copy):
    """(seconds, memory in MB) of a run that finds nothing."""
    before = time.monotonic()
    with subprocess.Popen([copy.program, "-c", copy.config],
                          stdout=subprocess.PIPE, text=True) as process:
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, text
    return time.monotonic() - before, usage.ru_maxrss / 1024


def figures(copy):
    runs = [measure(copy) for _ in range(RUNS)]
    seconds = [run[0] for run in runs]
    print("%d rows in %d batches: %.1f s (%.1f to %.1f), %.1f MB" % (
        rows(copy), copy.value("SELECT count(*) FROM pop3.seal"),
        statistics.median(seconds), min(seconds), max(seconds),
        max(run[1] for run in runs)), flush=True)


def main():
    rounds = int(sys.argv[1] if sys.argv[1:] else 1000000) // (
        MESSAGES + SESSIONS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with PrivatePostgres(settings={"shared_buffers": "'256MB'",
                                   "max_wal_size": "'4GB'"}) as pg:
        pg.install_schema()
        host = ServiceHost(pg, pg.dbname)
        try:
            host.start()
            state = host.path("state", "pop3-policy")
            for part in (rounds // 10, rounds - rounds // 10):
                before = time.monotonic()
                write(host, part)
                host.stop()
                print("written in %.0f s" % (time.monotonic() - before),
                      flush=True)
                pg.query("VACUUM ANALYZE")
                copy = Copy(pg, pg.dbname, files=state)
                figures(copy)
                # it is waited for by what it logs
                os.unlink(host.path("dovecot.log"))
                host.start()
        finally:
            host.cleanup()


if __name__ == "__main__":
    main()
