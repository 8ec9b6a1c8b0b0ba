# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Faults that end the whole mail host at once, as a loss of power does: of what
the service wrote to its directory, only what it had brought to the disk is there
afterwards (lost_writes.py). Mailboxes stay as they are: what a crash leaves of
them is up to Dovecot (mail_fsync), and what is looked at here is what the service
promises of its own."""

import time

from fault_base import SHORT, Fault


class HostCrashed(Fault):
    """PostgreSQL is elsewhere, and goes on."""

    takes_records = True

    def prepare(self):
        # nothing is there that need not be; or a part of it is
        self.share = self.rng.choice([0, 0, self.rng.random(), 1])
        self.zeros = self.rng.random() < 0.2
        self.time = self.rng.choice([0, 0, 0.1, 0.4])

    def begin(self):
        self.lost_at = time.monotonic()
        self.host.crash(self.share, self.zeros)
        self.kills["host"] += 1
        time.sleep(self.time)
        self.host.start()
        return True

    def end(self):
        if self.host.process is None:
            self.host.start()


class HostCrashedInOutage(HostCrashed):
    """While PostgreSQL is away, mostly right behind the +OK to a QUIT."""

    users_are_known = takes_database = True
    # for how long sessions may go on without PostgreSQL
    PATIENCE = 3

    def prepare(self):
        super().prepare()
        self.answers = self.rng.choice([1, 1, 1, 2, 3])
        self.delay = self.rng.choice([0, 0, 0, 0.005, 0.02, 0.1])
        # does it come back before the host does?
        self.first = self.rng.random() < 0.5
        self.longer = self.rng.choice(SHORT)

    def begin(self):
        self.host.proxy.refuse()
        answered = self.moments.wait("answer", self.answers, self.PATIENCE)
        time.sleep(self.delay)
        if self.first:
            self.host.proxy.heal()
        super().begin()
        if not self.first:
            time.sleep(self.longer)
            self.host.proxy.heal()
        return answered

    def end(self):
        self.host.proxy.heal()
        super().end()
