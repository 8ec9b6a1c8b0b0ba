# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Many runs of the fault tests (fault_run.py) on one host, counted."""

import collections
import time
import traceback

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
# after so many failures nothing new is to be learned
MAX_FAILURES = 5


def make_host(number):
    return FaultHost(**QUOTA, **HOSTS[number % len(HOSTS)])


class Count:
    """What became of the runs with a kind of fault."""

    def __init__(self):
        self.runs = self.hits = self.sessions = self.refused = 0
        self.removed = self.violations = 0

    def add(self, other):
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def add_run(self, run):
        sessions = [session for drop in run.drops
                    for session in drop.sessions]
        self.runs += 1
        self.hits += bool(run.hit)
        self.sessions += len(sessions)
        self.refused += sum(session.refusal is not None
                            for session in sessions)
        self.removed += run.removed
        self.violations += len(run.wrong)


class Series:
    """numbers: of the runs. kind: a fault for all of them, else each seed
    decides. Results are .counts, by kind, and .failures, texts."""

    def __init__(self, seed, numbers, kind=None, report=lambda text: None):
        self.seed = seed
        self.numbers = list(numbers)
        self.kind = kind
        self.report = report
        self.counts = collections.defaultdict(Count)
        self.failures = []

    def run(self):
        while self.numbers and len(self.failures) < MAX_FAILURES:
            host = make_host(self.numbers[0])
            checked, had = {}, set()
            try:
                host.start()
                # a run that is made again has the same users
                while self.numbers and self.numbers[0] not in had and \
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
        begun = time.monotonic()
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
                text += "%s\n%s" % (broken, host.log(30))
            self.failures.append(text)
            self.report(text)
        return broken is None


def table(counts):
    """The counts of all kinds as lines of text."""
    columns = ["runs", "hits", "sessions", "refused", "removed", "violations"]
    line = "%-26s" + " %10s" * len(columns)
    total = Count()
    lines = [line % ("fault", *columns)]
    for name in sorted(counts):
        total.add(counts[name])
        lines.append(line % (name, *(getattr(counts[name], column)
                                     for column in columns)))
    lines.append(line % ("all", *(getattr(total, column)
                                  for column in columns)))
    return "\n".join(lines)
