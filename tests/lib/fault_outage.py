# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""An outage of PostgreSQL under load: sessions of many users at a rate, a
database that goes away and comes back, or whose standby takes its place, and
what was lost."""

import collections
import random
import threading
import time

from fault_client import Deliveries, Moments, Pop3Plan, poll_plan
from fault_host import FaultHost
from fault_kinds import NoFault
from fault_run import COUNTED, Run
from fault_story import Drop
from standby import ReplicatedPostgres

# How the database goes away: it is stopped and started again; it dies, and a
# standby is promoted that had everything, or that lagged and lacks the last
# moments.
WAYS = ["restart", "fail-over", "fail-over-synchronous", "fail-over-lagging"]
LAG = 1.0
SITE = {"on_dele": "delete", "on_retrieve": "keep"}


class Load:
    """Sessions of random users at a rate, by so many threads."""

    def __init__(self, host, drops, rng, rate, threads=40):
        self.host = host
        self.drops = drops
        self.rng = rng
        self.rate = rate
        self._lock = threading.Lock()
        self._number = 0
        self._ending = False
        self._begun = time.monotonic()
        self._threads = [threading.Thread(target=self._run, daemon=True)
                         for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _next(self):
        with self._lock:
            if self._ending:
                return None
            self._number += 1
            drop = self.rng.choice(self.drops)
            plan = Pop3Plan("load-%d" % self._number, self.rng)
            plan.delay = 0
            plan.steps = [(verb, pick, 0) for verb, pick, _ in plan.steps
                          if pick != "all"]
            if self.host.from_memory and self.rng.random() < 0.5:
                plan = poll_plan(plan.session.name)
            drop.sessions.append(plan.session)
            return plan, drop, self._begun + self._number / self.rate

    def _run(self):
        while (found := self._next()) is not None:
            plan, drop, when = found
            time.sleep(max(0, when - time.monotonic()))
            plan.run(self.host, drop.user, Moments())

    def end(self):
        """Returns how many sessions a second there were."""
        with self._lock:
            self._ending = True
            begun, number = self._begun, self._number
        for thread in self._threads:
            thread.join(120)
        return number / (time.monotonic() - begun)


class Outage(Run):
    """way: one of WAYS. Times are seconds, rate sessions a second. from_memory:
    as FaultHost has it; half of the sessions are polls then."""

    def __init__(self, way, seed="outage", seconds=60, before=5, after=5,
                 rate=100, users=100, messages=10, from_memory=False):
        self.way = way
        self.seconds, self.before, self.after = seconds, before, after
        self.rate, self.users, self.messages = rate, users, messages
        self.pair = ReplicatedPostgres(way == "fail-over-synchronous")
        # during the outage, and around it
        self.phases = collections.defaultdict(collections.Counter)
        self.real_rate = 0
        # when what is written may not be on the standby
        self._lag = None, None
        host = FaultHost(full_disks=False, from_memory=from_memory,
                         pop3_service_count=100)
        super().__init__(host, seed, NoFault)

    def run(self):
        """Returns the violations."""
        try:
            self.pair.start()
            self.host.pg = self.pair.primary
            self.host.service_settings["connect"] = self.pair.uri(
                "pop3_service")
            self.host.start()
            self._outage()
        finally:
            self.host.cleanup()
            self.pair.cleanup()
        return self.wrong

    def _make_users(self):
        for name, value in SITE.items():
            self.host.set_policy("*", name, value)
        for number in range(self.users):
            drop = Drop("u%d@%s.example.org" % (number, self.seed),
                        dict(SITE))
            Deliveries(drop, self.messages).run(self.host, Moments())
            self._identify(drop)
            self.drops.append(drop)
            # users whom this host knows
            self._last_session(drop)

    def _break(self):
        """Returns when it begun and when the database was back."""
        if self.way == "fail-over-lagging":
            cut_off = time.monotonic()
            self.pair.cut_off()
            time.sleep(LAG)
            self._lag = cut_off - COUNTED, time.monotonic()
        begun = time.monotonic()
        if self.way == "restart":
            self.pair.primary.stop("immediate")
            time.sleep(self.seconds)
            self.pair.primary.start()
        else:
            self.pair.primary.stop("immediate")
            time.sleep(self.seconds)
            self.pair.fail_over()
            self.host.pg = self.pair.current
        return begun, time.monotonic()

    def _lost_polls(self):
        """Counts are not in the log from which what is missing is written
        again."""
        return self._lag

    def _outage(self):
        self._make_users()
        self._settle()
        load = Load(self.host, self.drops, random.Random(self.seed),
                    self.rate)
        time.sleep(self.before)
        begun, back = self._break()
        time.sleep(self.after)
        self.real_rate = load.end()
        self._heal()
        self._settle()
        listings = {drop.user: self._last_session(drop)
                    for drop in self.drops}
        self._settle()
        for drop in self.drops:
            for session in drop.sessions:
                self._count(session, begun, back)
        self._check(listings)
        self.check_chains({})
        self.wrong += self.host.crashes()

    def _count(self, session, begun, back):
        phase = "before" if session.begun < begun else \
            "outage" if session.begun < back else "after"
        if session.refusal is not None:
            what = "refused"
        elif session.answer is None:
            what = "without QUIT"
        elif session.updated():
            what = "ended by QUIT"
        else:
            what = "QUIT failed" if session.answer else "connection lost"
        self.phases[phase][what] += 1

    def table(self):
        """Lines of text."""
        columns = ["ended by QUIT", "without QUIT", "QUIT failed", "refused",
                   "connection lost"]
        line = "%-10s" + " %16s" * len(columns)
        lines = [line % ("sessions", *columns)]
        for phase in ("before", "outage", "after"):
            lines.append(line % (phase, *(self.phases[phase][column]
                                          for column in columns)))
        return "\n".join(lines)

    def losses(self):
        """{what: how often} of the violations."""
        return {what: sum(text in wrong for wrong in self.wrong)
                for what, text in LOSSES.items()}


# how the invariants call what must not be
LOSSES = {
    "sessions not recorded": "is not recorded",
    "sessions recorded twice": "times: [",
    "removed messages without an audit row": "no intent says why",
    "polls lost or counted twice": "polls were made",
    "retrievals lost or counted twice": "and is recorded",
    "chains with numbers that are missing": "are missing",
    "chains with numbers that are there twice": "are twice",
    "listings that were too short": ", without [",
}
