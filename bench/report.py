# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Medians, their spread, and the table."""

import math
import statistics


def interval(values):
    """The 95 % confidence interval of the median, from order statistics; all
    that was seen where there are too few values for one."""
    ordered = sorted(values)
    count = len(ordered)
    covered, rank = 0, 0
    while rank < count // 2:
        # less than rank + 1 values are below the median: so likely
        covered += math.comb(count, rank) / 2 ** count
        if 2 * covered > 0.05:
            break
        rank += 1
    rank = max(rank - 1, 0)
    return ordered[rank], ordered[count - 1 - rank]


def summary(values):
    low, high = interval(values)
    return {"median": statistics.median(values), "low": low, "high": high}


def of_pairs(plain, other):
    """Figures of one kind, from its pairs of runs."""
    return {
        "pairs": len(plain),
        "sessions": plain[0].sessions,
        "ratio": summary([b.total / a.total for a, b in zip(plain, other)]),
        "plain_us": summary([run.total for run in plain]),
        "policy_us": summary([run.total for run in other]),
        "parts_us": {part: statistics.median(run.cpu[part] for run in other)
                     for part in other[0].cpu},
        "plain_per_second": summary([run.rate for run in plain]),
        "policy_per_second": summary([run.rate for run in other]),
        "commits_per_session": statistics.median(
            run.commits for run in other),
        **{"%s_%s_%s_ms" % (arm, what, point): statistics.median(
            run.load["%s_%s" % (what, point)] * 1000 for run in runs)
           for arm, runs in (("plain", plain), ("policy", other))
           for what in ("login", "quit") for point in ("p50", "p99")},
    }


COLUMNS = ("kind", "pairs x sessions", "CPU ratio", "95 % interval",
           "plain us", "with us", "Dovecot", "service", "PostgreSQL",
           "sessions/s", "PASS p50/p99 ms", "QUIT p50/p99 ms", "commits")


def row(name, figures):
    parts = figures["parts_us"]
    return (
        name, "%d x %d" % (figures["pairs"], figures["sessions"]),
        "%.3f" % figures["ratio"]["median"],
        "%.3f to %.3f" % (figures["ratio"]["low"], figures["ratio"]["high"]),
        "%.0f" % figures["plain_us"]["median"],
        "%.0f" % figures["policy_us"]["median"],
        "%.0f" % parts["dovecot"], "%.0f" % parts["service"],
        "%.0f" % parts["postgres"],
        "%.0f -> %.0f" % (figures["plain_per_second"]["median"],
                          figures["policy_per_second"]["median"]),
        *("%.2f/%.2f -> %.2f/%.2f" % tuple(
            figures["%s_%s_%s_ms" % (arm, what, point)]
            for arm in ("plain", "policy") for point in ("p50", "p99"))
          for what in ("login", "quit")),
        "%.2f" % figures["commits_per_session"])


def markdown(rows):
    lines = ["| %s |" % " | ".join(COLUMNS),
             "|%s" % (" --- |" * len(COLUMNS))]
    return "\n".join(lines + ["| %s |" % " | ".join(r) for r in rows])
