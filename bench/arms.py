# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The hosts that are compared, and runs of sessions on them."""

import json
import os
import shutil
import subprocess
import time

from cpu import PARTS, cpu_seconds
from dovecot import wait_until
from host import PrivateHost
from maildrops import copy_to_users, make_template, note_retrieved

TEMPLATE = "template@example.org"
CONNECTIONS = 16


class Run:
    """Figures of one run."""

    def __init__(self, load, cpu, commits):
        self.sessions = load["sessions"]
        self.load = load
        self.commits = commits / self.sessions
        # microseconds a session
        self.cpu = {part: seconds * 1e6 / self.sessions
                    for part, seconds in cpu.items()}
        self.total = sum(self.cpu.values())
        self.rate = load["sessions"] / load["seconds"]


class Arm:
    """A host, plain or with policies, for one kind of sessions."""

    def __init__(self, name, load_program, mode, policy=False, noop=None,
                 poll_interval=1):
        login, pop3 = mode
        self.name = name
        self.load_program = load_program
        self.users_made = 0
        self.poll_interval = poll_interval
        self.host = PrivateHost(
            policy=policy, pop3_service_count=pop3,
            mail_plugins="pop3_bench_noop" if noop else "",
            pg_settings={"fsync": "on", "max_wal_size": "'4GB'"},
            service_settings={"poll_interval": "%ds" % poll_interval},
            settings={"mail_fsync": "optimized"})
        self.host.extra = "service pop3-login {\n  %s\n%s}\n" % (
            self.host.dialect.service_count(login),
            "  process_min_avail = 0\n" if login else "")
        self.noop = noop

    def start(self):
        if self.noop:
            self._install_noop()
        self.host.start()

    def _install_noop(self):
        os.makedirs(self.host.path("modules"), exist_ok=True)
        shutil.copy(self.noop, self.host.path("modules"))

    def cleanup(self):
        self.host.cleanup()

    def _quiet(self):
        """No session is under way, and what they left is written."""
        host = self.host
        if host.pop3_service_count != 0:
            wait_until(lambda: not host.pids("pop3"),
                       what="the sessions to end")
        if not host.policy:
            return
        wait_until(lambda: host.value(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' "
            "AND usename = 'pop3_service'") == 0, what="the database to idle")

    def _settle(self):
        self._quiet()
        # they are looked for each second
        time.sleep(self.poll_interval + 1)
        self._quiet()

    # --- maildrops ---

    def make_template(self, kind):
        return make_template(self.host, TEMPLATE, kind.messages, kind.size)

    def make_users(self, kind, home, count):
        """New users with copies of a home. Returns the first one's number."""
        first = self.users_made
        self.users_made += count
        names = ["user%d@example.org" % number
                 for number in range(first, first + count)]
        copy_to_users(home, self.host, names)
        # what a first login costs is not measured
        self.load("stat", count, first, count)
        self._settle()
        if self.host.policy and kind.retrieved:
            note_retrieved(self.host, names, names[0])
            self.host.restart()
        return first

    # --- runs ---

    def load(self, steps, sessions, first, users, connections=CONNECTIONS,
             rate=None):
        """Run the load generator. Returns what it measured."""
        argv = [self.load_program, "--port", str(self.host.pop3_port),
                "--users", str(max(users, 2)), "--first", str(first),
                "--sessions", str(sessions), "--steps", steps,
                "--connections", str(max(1, min(connections, users // 2)))]
        if rate:
            argv += ["--rate", str(rate)]
        return json.loads(subprocess.check_output(argv))

    def _commits(self):
        if not self.host.policy:
            return 0
        return self.host.value(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = "
            "current_database()")

    def run(self, kind, first, sessions, rate=None):
        """A measured run."""
        steps = kind.policy_steps if self.host.policy else kind.steps
        self._settle()
        commits = self._commits()
        before = cpu_seconds(self.host)
        load = self.load(steps, sessions, first, sessions // kind.per_user,
                         rate=rate)
        self._settle()
        after = cpu_seconds(self.host)
        return Run(load, {part: after[part] - before[part]
                          for part in PARTS}, self._commits() - commits)
