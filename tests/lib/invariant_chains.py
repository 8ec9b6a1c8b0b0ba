# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The numbers of each chain have no hole, and none is given twice."""

import collections


def violations(heads, numbers, first):
    """heads: {chain: last number}. numbers: [(chain, number)] of all rows from
    the number on that `first' ({chain: number}) says, 1 where it says none.
    Returns texts."""
    wrong = []
    seen = collections.defaultdict(collections.Counter)
    for chain, number in numbers:
        seen[chain][number] += 1
    for chain in sorted(set(seen) | set(heads), key=str):
        counts = seen[chain]
        expected = range(first.get(chain, 1), heads.get(chain, 0) + 1)
        doubled = sorted(number for number, count in counts.items()
                         if count > 1)
        missing = [number for number in expected if number not in counts]
        beyond = sorted(number for number in counts
                        if number not in expected)
        for what, found in (("twice", doubled), ("missing", missing),
                            ("beyond the head", beyond)):
            if found:
                wrong.append("chain %s: %d numbers are %s: %r" % (
                    chain, len(found), what, found[:20]))
    return wrong
