# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Many runs of the fault tests (fault_run.py) on one host, counted."""

import collections
import time
import traceback
import zlib

from fault_host import FaultHost
from fault_run import Run

# Run number N is made on a host of the kind N modulo their count.
HOSTS = [
    {"mail_format": "sdbox"},
    {"mail_format": "maildir", "pop3_service_count": 100},
    {"mail_format": "mdbox"},
]
QUOTA = {"mail_plugins": "quota",
         "plugin_settings": {"quota": "count:User quota",
                             "quota_vsizes": "yes"}}
# How many numbers in a row share hosts, as far as they are of the same kind. New
# hosts come after that: disks fill, and looking at long chains takes its time.
SHARED = 600
# after so many failures nothing new is to be learned
MAX_FAILURES = 5


def host_of(seed, number):
    """Runs for which this is the same can share a host: (block of numbers,
    place in HOSTS, are logins answered from memory). In each block, one kind of
    host does that, which the seed decides, and in the next one another."""
    block, place = number // SHARED, number % len(HOSTS)
    first = zlib.crc32(seed.encode())
    return block, place, (first + block) % len(HOSTS) == place


def make_host(place, from_memory):
    return FaultHost(from_memory=from_memory, **QUOTA, **HOSTS[place])


class Count:
    """What became of the runs with a kind of fault."""

    def __init__(self):
        self.runs = self.counting = self.hits = 0
        self.kills = collections.Counter()
        self.sessions = self.unasked = self.refused = 0
        self.removed = self.violations = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def add_run(self, run):
        sessions = [session for drop in run.drops
                    for session in drop.sessions]
        self.runs += 1
        self.counting += run.host.from_memory
        self.hits += bool(run.hit)
        self.kills.update(run.fault.kills)
        self.sessions += len(sessions)
        if run.host.from_memory:
            self.unasked += run.unasked
        self.refused += sum(session.refusal is not None
                            for session in sessions)
        self.removed += run.removed
        self.violations += len(run.wrong)


class Series:
    """numbers: of the runs. kind: a fault for all of them, from_memory: whether
    logins are answered from memory; the seed decides what is None. Results are
    .counts, by kind, and .failures, texts."""

    def __init__(self, seed, numbers, kind=None, report=lambda text: None,
                 from_memory=None):
        self.seed = seed
        self.numbers = list(numbers)
        self.kind = kind
        self.from_memory = from_memory
        self.report = report
        self.counts = collections.defaultdict(Count)
        self.failures = []

    def _host_of(self, number):
        block, place, from_memory = host_of(self.seed, number)
        if self.from_memory is not None:
            from_memory = self.from_memory
        return block, place, from_memory

    def run(self):
        while self.numbers and len(self.failures) < MAX_FAILURES:
            kind = self._host_of(self.numbers[0])
            host = make_host(*kind[1:])
            checked, had = {}, set()
            try:
                host.start()
                # a run that is made again has the same users
                while self.numbers and self.numbers[0] not in had and \
                        self._host_of(self.numbers[0]) == kind and \
                        len(self.failures) < MAX_FAILURES:
                    had.add(self.numbers[0])
                    if not self._one(host, self.numbers.pop(0), checked):
                        # it may be the worse for it
                        break
            finally:
                host.cleanup()
        return self

    def _one(self, host, number, checked):
        run = Run(host, "f%s-%d" % (self.seed, number), self.kind)
        begun, offset = time.monotonic(), host.log_position()
        broken = None
        try:
            run.run()
            run.check_chains(checked)
        except Exception:       # whatever it is, the host does not do its work
            broken = traceback.format_exc()
            run.wrong.append("the run did not come to its end")
        self.counts[run.kind.__name__].add_run(run)
        if run.wrong:
            text = "run %d, %.1f s, %s" % (
                number, time.monotonic() - begun, run.describe())
            if broken:
                text += "%s\n%s" % (broken, _ends(host.log_text(offset)))
            self.failures.append(text)
            self.report(text)
        return broken is None


# counting: runs with polls that are counted; unasked: logins in those that were
# answered from memory
COLUMNS = ["runs", "counting", "hits", "kills", "sessions", "unasked", "refused",
           "removed", "violations"]


def table(counts):
    """The counts of all kinds as lines of text."""
    line = "%-26s" + " %10s" * len(COLUMNS)
    total = Count()
    lines = [line % ("fault", *COLUMNS)]
    for name in sorted(counts):
        total.add(counts[name])
        lines.append(line % (name, *_columns(counts[name])))
    lines.append(line % ("all", *_columns(total)))
    lines.append("killed: " + (", ".join(
        "%d %s" % (count, name)
        for name, count in total.kills.most_common()) or "nothing"))
    return "\n".join(lines)


def _ends(text, lines=60):
    """The beginning and the end of a log."""
    found = text.splitlines(True)
    if len(found) > 2 * lines:
        found[lines:-lines] = ["...\n"]
    return "".join(found)


def _columns(count):
    return [sum(count.kills.values()) if column == "kills" else
            getattr(count, column) for column in COLUMNS]
