# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""An outage of PostgreSQL under load:

    run_outage.py --way fail-over --seconds 60 --rate 100

Ways are restart, fail-over (to a standby that had everything),
fail-over-synchronous, and fail-over-lagging (what the last second before it
committed is not on the standby). Without one, all of them."""

import argparse
import sys

from fault_outage import WAYS, Outage


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--way", choices=WAYS)
    parser.add_argument("--seconds", type=float, default=60,
                        help="how long the database is away")
    parser.add_argument("--rate", type=float, default=100,
                        help="sessions a second, if the machine can")
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--polls", choices=["recorded", "counted"],
                        default="recorded",
                        help="logins are answered from memory where polls are "
                             "counted")
    parser.add_argument("--verbose", action="store_true",
                        help="print every violation")
    options = parser.parse_args()
    failed = False
    for way in [options.way] if options.way else WAYS:
        outage = Outage(way, seconds=options.seconds, rate=options.rate,
                        users=options.users,
                        from_memory=options.polls == "counted")
        wrong = outage.run()
        print("%s: %g seconds, %.0f sessions a second\n%s" % (
            way, options.seconds, outage.real_rate, outage.table()))
        for what, count in outage.losses().items():
            print("%s: %d" % (what, count))
        print("violations: %d" % len(wrong), flush=True)
        for text in wrong[:None if options.verbose else 10]:
            print("  " + text)
        failed = failed or bool(wrong)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
