# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""CPU and time of POP3 sessions with policies, against plain Dovecot: both run
side by side and take turns, on copies of the same maildrops.

    bench.py --load PROGRAM [--kinds a,b] [--modes a,b] [--pairs N]
             [--scale F] [--noop MODULE] [--rate R] [--json FILE]

Every run's CPU time is that of all processes of the host: Dovecot's, the
service's and PostgreSQL's, those that have ended included. With --noop the
other host is not one with policies, but has a plugin that does nothing: how far
two hosts that should be the same are apart.
"""

import argparse
import json
import os
import platform
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "tests", "lib"))

# pylint: disable=wrong-import-position
from arms import Arm  # noqa: E402
from dovecot import dovecot_version  # noqa: E402
from kinds import KINDS, MODES  # noqa: E402
from report import markdown, of_pairs, row  # noqa: E402


def measure(kind, mode, arguments):
    """Runs in turns. Returns figures."""
    plain = Arm("plain", arguments.load, MODES[mode])
    other = Arm("other", arguments.load, MODES[mode],
                policy=not arguments.noop, noop=arguments.noop,
                poll_interval=kind.poll_interval)
    sessions = max(kind.per_user * 4, int(kind.sessions * arguments.scale))
    sessions -= sessions % kind.per_user
    users = sessions // kind.per_user
    runs = {plain: [], other: []}
    try:
        for arm in runs:
            arm.start()
        if other.host.policy:
            for parameter, value in kind.policy.items():
                other.host.set_policy("*", parameter, value)
        home = plain.make_template(kind)
        first = {arm: arm.make_users(kind, home, users) for arm in runs}
        for number in range(arguments.pairs + 1):
            order = [plain, other] if number % 2 else [other, plain]
            for arm in order:
                if kind.fresh and number > 0:
                    first[arm] = arm.make_users(kind, home, users)
            for arm in order:
                run = arm.run(kind, first[arm], sessions, arguments.rate)
                # the first pair warms caches
                if number > 0:
                    runs[arm].append(run)
            if number > 0:
                print("%s, %s: pair %d: %.0f us, %.0f us, ratio %.3f" % (
                    kind.name, mode, number, runs[plain][-1].total,
                    runs[other][-1].total, runs[other][-1].total /
                    runs[plain][-1].total), file=sys.stderr, flush=True)
    finally:
        for arm in runs:
            arm.cleanup()
    return of_pairs(runs[plain], runs[other])


def names(text, known):
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            raise argparse.ArgumentTypeError("%s is none of %s" % (
                name, ", ".join(known)))
    return chosen


def main():
    kinds = {kind.name: kind for kind in KINDS}
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--load", required=True)
    parser.add_argument("--kinds", default=",".join(kinds),
                        type=lambda text: names(text, kinds))
    parser.add_argument("--modes", default=",".join(MODES),
                        type=lambda text: names(text, MODES))
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0,
                        help="times the sessions of each run")
    parser.add_argument("--rate", type=float,
                        help="sessions begun a second; else as fast as can be")
    parser.add_argument("--noop")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    results = {}
    for mode in arguments.modes:
        for name in arguments.kinds:
            results["%s, %s" % (name, mode)] = measure(kinds[name], mode,
                                                       arguments)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"dovecot": dovecot_version(),
                       "machine": "%s, %d cores" % (
                           platform.release(), os.cpu_count()),
                       "results": results}, file, indent=1)
    print("Dovecot %s, %d cores" % (dovecot_version(), os.cpu_count()))
    print(markdown([row(name, figures)
                    for name, figures in results.items()]))


if __name__ == "__main__":
    main()
