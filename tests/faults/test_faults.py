# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Hosts are broken at random moments: processes are killed and stopped,
connections cut in the middle of a reply, disks full, clocks wrong. Whatever
happens, nothing is removed without a durable intent or against the policy, no
listing is short, and nothing is recorded twice (tests/lib/invariant_*.py).

POP3_POLICY_FAULT_RUNS  how many runs, else some hundreds
POP3_POLICY_FAULT_SEED  another seed

tests/lib/run_faults.py makes thousands, or one again that failed.
"""

import os

import pytest

from fault_series import HOSTS, Series, table

RUNS = int(os.environ.get("POP3_POLICY_FAULT_RUNS", 200))
SEED = os.environ.get("POP3_POLICY_FAULT_SEED", "1939")
# each with a host of its own
SHARES = 2 * len(HOSTS)


@pytest.mark.parametrize("share", range(1, SHARES + 1))
def test_faults(share):
    series = Series(SEED, range(share, RUNS + 1, SHARES)).run()
    print(table(series.counts))
    assert not series.failures, "seed %s: %s" % (
        SEED, "\n".join(series.failures))
    assert sum(count.runs for count in series.counts.values()) == \
        len(range(share, RUNS + 1, SHARES))
    assert sum(count.removed for count in series.counts.values()) > 0
