# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What PostgreSQL does for a large site: functions of the service, reports,
bytes, upkeep, and how many rows become durable, in a private PostgreSQL with
10,000,000 rows of message state beside one with 10,000.

    scale.py [--dir DIRECTORY] [--keep] [--users N] [--days N] [--audit N]
             [--full-day N] [--jobs N] [--steps a,b] [--json FILE]
             [--print FILE]

It makes both databases in DIRECTORY (a temporary one if there is none), or
takes what it kept there; then figures of steps that are not run stay in --json
FILE. --print FILE only prints the tables of an earlier run.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for part in ("sql", "lib"):
    sys.path.insert(1, os.path.join(os.path.dirname(HERE), "tests", part))

# pylint: disable=wrong-import-position
import scale_calls  # noqa: E402
import scale_records  # noqa: E402
import scale_reports  # noqa: E402
import scale_site  # noqa: E402
import scale_tables  # noqa: E402
import scale_upkeep  # noqa: E402
from pg import PrivatePostgres  # noqa: E402

SMALL = {"users": 100, "days": 90, "audit": 90 * 110, "full_day": 1100,
         "jobs": 1}
STEPS = ("calls", "stored", "log", "rate", "reports", "sweeps", "upkeep")
# as a host for this and nothing else would have them
SETTINGS = {"shared_buffers": "'2GB'", "max_wal_size": "'16GB'",
            "maintenance_work_mem": "'512MB'", "checkpoint_timeout": "'15min'",
            "wal_level": "replica"}
# while the site is made
FILLING = ("fsync = off", "autovacuum = off", "full_page_writes = off")


def say(what, value=None):
    print("%s  %s%s" % (time.strftime("%H:%M:%S"), what, "" if value is None
                        else ": %s" % value), file=sys.stderr, flush=True)


class Host:
    def __init__(self, arguments):
        self.arguments = arguments
        self.directory = arguments.dir or tempfile.mkdtemp(
            prefix="pop3-scale-", dir=os.environ.get("TMPDIR"))
        self.pg = PrivatePostgres(directory=self.directory, fsync=True,
                                  settings=SETTINGS)
        self.marker = os.path.join(self.directory, "filled.json")
        self.made = None

    def _set(self, settings):
        with open(os.path.join(self.pg.datadir, "postgresql.auto.conf"),
                  "w") as file:
            file.writelines(line + "\n" for line in settings)

    def start(self):
        if os.path.exists(self.marker):
            with open(self.marker) as file:
                self.made = json.load(file)
            self._set(())
            self.pg.start()
            return
        self.pg.start()
        self.pg.stop()
        self._set(FILLING)
        self.pg.start()
        self.made = {}
        large = {name: getattr(self.arguments, name) for name in SMALL}
        for dbname, numbers in (("small", SMALL), ("large", large)):
            self._fill(dbname, numbers)
        with open(self.marker, "w") as file:
            json.dump(self.made, file)
        self.pg.stop()
        self._set(())
        self.pg.start()

    def _fill(self, dbname, numbers):
        self.pg.create_database(dbname)
        self.pg.install_schema(test=False, dbname=dbname)
        begun = time.monotonic()
        seconds = scale_site.fill(
            lambda: self.pg.connect(dbname=dbname), day, **numbers,
            tell=lambda step, taken: say("%s: %s" % (dbname, step),
                                         "%.1f s" % taken))
        self.made[dbname] = {
            "numbers": numbers, "seconds": time.monotonic() - begun,
            "steps": seconds, "bytes": self.pg.value(
                "SELECT pg_database_size(%s)", (dbname,)),
            "rows": {table: self.pg.value(
                "SELECT count(*) FROM pop3." + table, dbname=dbname)
                for table in ("maildrop", "message", "audit", "session",
                              "seal", "watermark")}}

    def due_after(self, dbname):
        """Seconds after which some of the first user's messages are due."""
        return self.pg.value(
            "SELECT extract(epoch FROM now() - m.retrieved_at)::bigint "
            "FROM pop3.message m JOIN pop3.maildrop d USING (maildrop_id) "
            "WHERE d.username = %s ORDER BY m.retrieved_at OFFSET 20 LIMIT 1",
            (scale_site.username(1),), dbname=dbname)

    def cleanup(self):
        self.pg.stop()
        if not self.arguments.keep:
            shutil.rmtree(self.directory)


# What a server of this size has in memory: users, and the ends of indexes.
WARM = ("pop3.maildrop", "pop3.maildrop_pkey",
        "pop3.maildrop_username_mailbox_guid_uidvalidity_key",
        "pop3.message_pkey", "pop3.message_retrieved", "pop3.watermark_pkey")


def warm(pg, dbname):
    pg.query("CREATE EXTENSION IF NOT EXISTS pg_prewarm", dbname=dbname)
    for name in WARM:
        pg.query("SELECT public.pg_prewarm(%s)", (name,), dbname=dbname)


def day(ago):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return (today - datetime.timedelta(ago)).strftime("%Y%m%d")


def measure(host, step, save):
    """save is called with the figures so far."""
    pg = host.pg
    users = host.made["large"]["numbers"]["users"]
    begun = int(time.time())
    if step in ("calls", "log", "rate"):
        warm(pg, "large")
    if step == "calls":
        return {dbname: scale_calls.measure(
            pg.uri("pop3_service", dbname),
            host.made[dbname]["numbers"]["users"], host.due_after(dbname),
            begun) for dbname in ("small", "large")}
    if step == "stored":
        full = pg.value("SELECT max(right(c.relname, 8)) FROM pg_class c "
                        "WHERE c.relname ~ '^audit_[0-9]{8}$' "
                        "AND c.reltuples > 0 AND right(c.relname, 8) < %s",
                        (day(0),), dbname="large")
        return scale_records.stored(pg, "large", full)
    if step == "log":
        return scale_records.log_bytes(pg, "large", users, begun)
    if step == "rate":
        return {"rows": scale_records.rate(pg, "large", users, begun),
                "commit_ms": scale_records.commit_ms(pg, "large", users,
                                                     begun)}
    if step == "reports":
        return scale_reports.queries(pg, "large", save)
    if step == "sweeps":
        return scale_reports.sweeps(pg, "large", host.due_after("large"))
    return scale_upkeep.measure(pg, "large", day(-14), save)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--dir")
    parser.add_argument("--keep", action="store_true",
                        help="leave the databases there for another run")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--audit", type=int, default=4_500_000,
                        help="rows of all days")
    parser.add_argument("--full-day", type=int, default=1_111_111,
                        help="rows of yesterday")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--json")
    parser.add_argument("--print", metavar="FILE")
    arguments = parser.parse_args()
    if arguments.print:
        with open(arguments.print) as file:
            print(scale_tables.markdown(json.load(file)))
        return
    steps = arguments.steps.split(",")
    if set(steps) - set(STEPS):
        parser.error("steps are " + ", ".join(STEPS))
    host = Host(arguments)
    results = {}

    def save(step, figures, what=None):
        if what:
            say(what)
        results[step] = figures
        if arguments.json:
            with open(arguments.json, "w") as file:
                json.dump(results, file, indent=1, default=float)

    if arguments.json and os.path.exists(arguments.json) and \
       os.path.exists(host.marker):
        with open(arguments.json) as file:
            results = json.load(file)
    try:
        host.start()
        results.update(machine="%s, %d cores" % (platform.release(),
                                                 os.cpu_count()),
                       postgresql=host.pg.version, made=host.made)
        for step in STEPS:
            if step in steps:
                say(step)
                results[step] = measure(host, step, lambda what, figures: save(
                    step, figures, what))
                save(step, results[step])
    finally:
        host.cleanup()
    print(scale_tables.markdown(json.loads(json.dumps(results,
                                                      default=float))))


if __name__ == "__main__":
    main()
