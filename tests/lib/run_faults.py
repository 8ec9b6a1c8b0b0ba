# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Break private hosts at random moments, and look whether what they record and
show is still true:

    run_faults.py --seed 7 --runs 2000

At the end stands how often each kind of fault was tried (runs), on hosts that
count polls and answer logins from memory (counting), did something (hits), how many
processes it killed, how many logins were answered from memory (unasked), and what
was wrong afterwards (violations). The same run again, as far as the seed decides it
(the timing it does not, so try a few times):

    run_faults.py --seed 7 --run 123 --times 20
"""

import argparse
import multiprocessing
import os
import sys
import time

import fault_kinds
from fault_series import HOSTS, Count, Series, table


def work(arguments):
    """One host's share, in a process of its own: a PostgreSQL ends with the
    thread that started it. Returns counts and failures."""
    seed, numbers, kind, from_memory = arguments
    series = Series(seed, numbers, kind, lambda text: print(text, flush=True),
                    from_memory).run()
    return dict(series.counts), series.failures, len(series.numbers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--runs", type=int, default=300)
    parser.add_argument("--run", type=int, help="only the run of this number")
    parser.add_argument("--times", type=int, default=1,
                        help="how often that one is made")
    parser.add_argument("--kind", choices=sorted(
        kind.__name__ for kind in fault_kinds.KINDS),
        help="the same fault in all runs")
    parser.add_argument("--polls", choices=["recorded", "counted"],
                        help="in all runs; logins are answered from memory "
                             "where polls are counted")
    parser.add_argument("--hosts", type=int,
                        default=len(os.sched_getaffinity(0)) * len(HOSTS),
                        help="at the same time, a multiple of %d" % len(HOSTS))
    options = parser.parse_args()
    if options.hosts % len(HOSTS) != 0:
        parser.error("--hosts is no multiple of %d" % len(HOSTS))
    kind = getattr(fault_kinds, options.kind) if options.kind else None
    from_memory = options.polls and options.polls == "counted"
    if options.run is not None:
        shares = [[options.run] * options.times]
    else:
        shares = [range(first, options.runs + 1, options.hosts)
                  for first in range(1, options.hosts + 1)]
    begun = time.monotonic()
    counts, failures, left = {}, [], 0
    context = multiprocessing.get_context("fork")
    with context.Pool(len(shares)) as pool:
        for found, texts, more in pool.imap_unordered(
                work, [(options.seed, share, kind, from_memory)
                       for share in shares]):
            failures += texts
            left += more
            for name, count in found.items():
                counts.setdefault(name, Count()).add(count)
    print(table(counts))
    print("seed %s: %d seconds, %d runs with violations%s" % (
        options.seed, time.monotonic() - begun, len(failures),
        ", %d runs were not made" % left if left else ""))
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
