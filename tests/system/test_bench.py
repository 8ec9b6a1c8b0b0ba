# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The benchmark measures what it says."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from dovecot import BUILD, TOP, wait_until

sys.path.insert(0, os.path.join(TOP, "bench"))
# pylint: disable=wrong-import-position
from arms import Arm  # noqa: E402
from cpu import TICKS, cpu_seconds  # noqa: E402
from kinds import KINDS, MODES  # noqa: E402
from report import interval, markdown, of_pairs, row  # noqa: E402


@pytest.fixture(scope="module")
def load_program():
    directory = os.open(os.path.join(BUILD, "bench"), os.O_RDONLY)
    try:
        # one make at a time, whoever else runs a test of this file
        fcntl.flock(directory, fcntl.LOCK_EX)
        subprocess.run(
            ["make", "-C", os.path.join(BUILD, "bench"), "pop3-load"],
            check=True, stdout=subprocess.DEVNULL)
    finally:
        os.close(directory)
    return os.path.join(BUILD, "bench", "pop3-load")


def run_kind(name, load_program, sessions):
    kind = next(kind for kind in KINDS if kind.name == name)
    runs = []
    for policy in (False, True):
        arm = Arm("arm", load_program, MODES["processes-reused"],
                  policy=policy)
        try:
            arm.start()
            for item in kind.policy.items() if policy else ():
                arm.host.set_policy("*", *item)
            home = arm.make_template(kind)
            first = arm.make_users(kind, home, sessions // kind.per_user)
            runs.append((arm.run(kind, first, sessions), arm.host.pg and
                         arm.host.pg.query(
                             "SELECT sum(polls), sum(retr), sum(dele) "
                             "FROM pop3.session WHERE username ~ '^user'",
                             dbname=arm.host.dbname)))
        finally:
            arm.cleanup()
    return runs


def test_a_run_does_what_the_kind_says(load_program):
    """The host's own records tell."""
    (plain, _), (policy, records) = run_kind("download-and-delete",
                                             load_program, 12)
    assert plain.load["failed"] == policy.load["failed"] == 0
    # USER, PASS, STAT, UIDL, QUIT; ten of RETR, and of DELE on the plain host
    assert plain.load["commands"] == 12 * 25
    assert policy.load["commands"] == 12 * 15
    # a poll of each user before
    assert records == [(12 + 4, 12 * 10, 0)]
    assert plain.load["bytes"] > 12 * 10 * 10_000
    assert plain.cpu["dovecot"] > 0
    assert plain.cpu["service"] == plain.cpu["postgres"] == 0
    figures = of_pairs([plain], [policy])
    assert figures["ratio"]["median"] == policy.total / plain.total
    table = markdown([row("a kind", figures)]).splitlines()
    assert len({line.count("|") for line in table}) == 1
    json.dumps(figures)


def test_a_wrong_answer_fails_a_run(load_program):
    """A message that is not there."""
    arm = Arm("plain", load_program, MODES["processes-reused"])
    try:
        arm.start()
        with pytest.raises(subprocess.CalledProcessError):
            arm.load("stat,retr*1", 2, 0, 2)
    finally:
        arm.cleanup()


def test_processes_that_ended_count(load_program):
    """Each session has a process, which is gone when CPU time is taken."""
    arm = Arm("plain", load_program, MODES["process-per-session"])
    try:
        arm.start()
        before = cpu_seconds(arm.host)["dovecot"]
        assert arm.load("stat", 50, 0, 50)["failed"] == 0
        wait_until(lambda: not arm.host.pids("pop3"))
        alive = 0
        for pid in arm.host.pids():
            with open("/proc/%d/stat" % pid) as file:
                fields = file.read().rpartition(")")[2].split()
            alive += (int(fields[11]) + int(fields[12])) / TICKS
        assert cpu_seconds(arm.host)["dovecot"] > max(before, alive)
    finally:
        arm.cleanup()


@pytest.mark.parametrize("count, low, high", [
    (1, 1, 1), (5, 1, 5), (6, 1, 6), (9, 2, 8), (20, 6, 15), (25, 8, 18)])
def test_interval_of_the_median(count, low, high):
    """The ranks of tables of order statistics."""
    assert interval(list(range(count, 0, -1))) == (low, high)
