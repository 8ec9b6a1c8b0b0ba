# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Random sessions against a private host, compared with a model:

    run_random.py --seed 7 --sessions 20000

A difference is printed with the seed of the user who found it, and how that
came about, as short as could be found. The same again:

    run_random.py --seed 7 --user 123
"""

import argparse
import random
import sys
import threading
import time
import traceback

from dovecot import wait_until
from random_dialogue import Difference
from random_life import Life
from random_tools import Doveadm, Lmtp, RandomHost

STEPS = 40
# How often a failing life is tried again, to shorten it.
MAX_TRIES = 60
# How much of a story is printed.
FIRST, LAST = 30, 170
SITE = {"enforcement": "enforce"}
# The service asks what was changed on a connection of its own.
LOOKED = """
    SELECT bool_and(state = 'idle' AND query_start > %s)
      FROM pg_stat_activity
     WHERE datname = current_database()
       AND application_name = 'pop3-policy policies'"""


class Tools:
    """The connections of one thread."""

    def __init__(self, host):
        self.doveadm = Doveadm(host)
        self.lmtp = Lmtp(host)
        self._conn = host.pg.connect(dbname=host.dbname)

    def sql(self, query, *args):
        with self._conn.cursor() as cur:
            cur.execute(query, args)
            return cur.fetchall() if cur.description else None

    def put(self, query, *args):
        """The same, of what sessions have to see: wait until the service has
        looked."""
        rows = self.sql(query, *args)
        ((now,),) = self.sql("SELECT clock_timestamp()")
        wait_until(lambda: self.sql(LOOKED, now) == [(True,)],
                   what="the service to look at what was changed")
        return rows


class Result:
    """What a run has done, and the first difference it found."""

    def __init__(self):
        self.sessions = self.users = self.doubts = 0
        self.polls = {}
        self.failure = self.failed_user = None


class Run:
    """Random lives on a host, in so many threads at once."""

    def __init__(self, host, seed, sessions, threads=8, only=None,
                 report=lambda text: None):
        self.host = host
        self.seed = seed
        self.wanted = sessions
        self.threads = threads
        self.only = only
        self.report = report
        self.result = Result()
        self._lock = threading.Lock()
        self._next = only or 1
        self._stop = False

    def plan(self, number):
        """The steps of a user."""
        rng = random.Random("%s %d" % (self.seed, number))
        return [rng.getrandbits(48) for _ in range(STEPS)]

    def _take(self):
        with self._lock:
            if self._stop or self.result.sessions >= self.wanted:
                return None
            if self.only is not None and self._next != self.only:
                return None
            self._next += 1
            return self._next - 1

    def _live(self, tools, name, plan):
        """Returns the life and, if it differed, the difference."""
        life = Life(self.host, tools, "%s@%s.example.org" % (name, name),
                    SITE)
        try:
            life.live(plan)
        except Difference as error:
            return life, error
        except Exception as error:
            life.tell(traceback.format_exc())
            return life, error
        return life, None

    def _thread(self):
        tools = Tools(self.host)
        while True:
            number = self._take()
            if number is None:
                return
            life, error = self._live(tools, "u%d" % number,
                                     self.plan(number))
            with self._lock:
                self.result.sessions += life.sessions
                self.result.users += 1
                self.result.doubts += life.doubts
                if error is None or self._stop:
                    self.result.polls[life.user] = sum(
                        session.is_poll() for session in life.model.sessions)
                    continue
                self._stop = True
                sessions = self.result.sessions
                self.result.failed_user = number
            self.result.failure = self._describe(number, life, error,
                                                 sessions)

    def _describe(self, number, life, error, sessions):
        found = "Found after about %d sessions, seed %s, user %d:\n%s" % (
            sessions, self.seed, number, story(life, error))
        self.report(found)
        if not isinstance(error, Difference):
            return found
        life, error = self._shorten(number, life, error)
        return "%s\nThe shortest that was found:\n%s" % (
            found, story(life, error))

    def _shorten(self, number, life, error):
        """Leave steps out as long as there is a difference."""
        plan = self.plan(number)[:life.taken]
        tries, size = 0, max(1, len(plan) // 2)
        while size and tries < MAX_TRIES:
            start = 1
            while start < len(plan) and tries < MAX_TRIES:
                shorter = plan[:start] + plan[start + size:]
                tries += 1
                other, other_error = self._live(
                    Tools(self.host), "u%dt%d" % (number, tries), shorter)
                if isinstance(other_error, Difference):
                    plan, life, error = (shorter[:other.taken], other,
                                         other_error)
                else:
                    start += size
            size //= 2
        return life, error

    def run(self):
        threads = [threading.Thread(target=self._thread, daemon=True)
                   for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.result.failure is None:
            self._check_polls()
        return self.result

    def _check_polls(self):
        """What was not recorded was counted."""
        wanted = {user: count for user, count in self.result.polls.items()
                  if count}
        end = time.monotonic() + 30
        while True:
            found = {row["username"]: row["polls"] for row in self.host.rows(
                "SELECT username, sum(polls)::int AS polls FROM pop3.session "
                "WHERE ended_by = 'poll' GROUP BY username")}
            if found == wanted:
                return
            if time.monotonic() > end:
                self.result.failure = "Polls counted: %r, not %r" % (
                    sorted(set(found.items()) - set(wanted.items())),
                    sorted(set(wanted.items()) - set(found.items())))
                return
            time.sleep(0.05)


def story(life, error):
    """What happened, for people. Of a long story the middle is left out."""
    steps = life.steps
    if len(steps) > FIRST + LAST:
        steps = steps[:FIRST] + ["(%d more)" % (len(steps) - FIRST - LAST)] + \
            steps[-LAST:]
    return "  %s\n%s: %s" % ("\n  ".join(step[:200] for step in steps),
                             type(error).__name__, error)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--user", type=int,
                        help="only the user of this number")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--format", choices=["sdbox", "maildir"],
                        default="sdbox")
    parser.add_argument("--last", action="store_true",
                        help="with pop3_enable_last")
    options = parser.parse_args()
    host = RandomHost(
        mail_format=options.format,
        settings={"pop3_enable_last": "yes"} if options.last else None)
    begun = time.monotonic()
    try:
        host.start()
        run = Run(host, options.seed, options.sessions, options.threads,
                  options.user, lambda text: print(text, flush=True))
        result = run.run()
        problems = host.problems()
    finally:
        host.cleanup()
    if result.failure:
        print(result.failure)
    print("".join(line + "\n" for line in problems[:20]), end="")
    print("seed %s: %d sessions of %d users in %d seconds, %d doubtful "
          "QUITs" % (options.seed, result.sessions, result.users,
                     time.monotonic() - begun, result.doubts))
    if result.failed_user:
        print("again: --seed %s --user %d" % (options.seed,
                                              result.failed_user))
    sys.exit(1 if result.failure or problems else 0)


if __name__ == "__main__":
    main()
