# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Measures the administrators' commands on a private host with a site of
make_site.py, of whose users some have real mailboxes with mail that is due:
how long each command takes, that expire opens only mailboxes with due mail, what
a typo, the breaker, a kill and a second expire at the same time do, what ready
queries and the dashboard's read, and whether reports keep updates of
pop3.maildrop from being heap-only.

    measure_admin.py [--users N] [--messages N] [--audit N] [--due N]
                     [--runs N] [--plans FILE] [STEP ...]

Prints Markdown. Steps: see STEPS; all without one. It takes some minutes, and a
gigabyte below $TMPDIR.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "sql"))

import dovecot_2_3
import dovecot_2_4
import make_site
import readyqueries
from dovecot import wait_until
from host import PrivateHost, message
from pg import SQL_DIR

DOMAIN = "@d1.example"
EACH = 10
# a query that takes seconds
REPORT = "Bytes to be reclaimed"

USERDB = {
    dovecot_2_3: "userdb {{\n  driver = passwd-file\n"
                 "  args = username_format=%u {path}\n}}\n",
    dovecot_2_4: "userdb passwd-file {{\n  passwd_file_path = {path}\n}}\n",
}


def username(n, domains=3):
    """As make_site.py calls them."""
    return "user%d@d%d.example" % (n, 1 + (n - 1) % domains)


class Site:
    def __init__(self, args):
        self.args = args
        self.host = PrivateHost(pg_settings={"shared_buffers": "'512MB'"})
        self.host.start()
        host = self.host
        with open(host.path("users"), "w") as file:
            file.writelines("%s:::::::\n" % username(n)
                            for n in range(1, args.users + 1))
        os.chmod(host.path("users"), 0o644)
        host.extra += USERDB[host.dialect].format(path=host.path("users"))
        host.restart()
        host.sql("DELETE FROM pop3.policy")
        conn = host.pg.connect(dbname=host.dbname)
        make_site.fill(conn, 3, args.users, args.messages, 30, args.audit)
        conn.close()
        # what an installation begins with
        host.sql("UPDATE pop3.control SET breaker_percent = 1")
        # of the first domain
        step = args.users // args.due // 3 * 3
        self.due = [username(1 + n * step) for n in range(args.due)]
        host.sql("DELETE FROM pop3.message m USING pop3.maildrop d "
                 "WHERE d.maildrop_id = m.maildrop_id "
                 "AND d.username = ANY (%s)", (self.due,))
        host.sql("DELETE FROM pop3.maildrop WHERE username = ANY (%s)",
                 (self.due,))
        # their new rows come where the old ones were, not all in one page
        host.sql("VACUUM pop3.maildrop")

    def make_due(self):
        """Each of the users retrieved EACH messages 40 days ago."""
        for user in self.due:
            self.host.deliver(user, *[message("Mail")] * EACH)
            with self.host.pop3(user) as pop:
                for number in range(1, len(pop.uids()) + 1):
                    pop.retr(number)
        wait_until(lambda: self.host.value(
            "SELECT count(*) FROM pop3.message m JOIN pop3.maildrop d "
            "USING (maildrop_id) WHERE d.username = ANY (%s)",
            (self.due,)) == EACH * len(self.due))
        for user in self.due:
            self.host.age(user, "40 days")

    def start(self, *args):
        return subprocess.Popen(
            [self.host.path("bin", "doveadm"), *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def run(self, *args):
        process = self.start(*args)
        out, error = process.communicate()
        return process.returncode, out, error

    def left(self):
        """How many messages of the due ones are there, by their indexes."""
        return sum(len(self.host.imap_uids(user)) for user in self.due)

    def intents(self):
        """How many messages the audit has for removal by time, and how often
        the one that it has most often."""
        return self.host.sql(
            "SELECT count(*), coalesce(max(n), 0) FROM (SELECT count(*) AS n "
            "FROM pop3.audit WHERE event = 'intent' "
            "AND reason = 'expired-retrieved' AND username = ANY (%s) "
            "AND at > now() - interval '1 hour' "
            "GROUP BY username, uid, uidvalidity) x", (self.due,))[0]


def shown(out, error, lines=6):
    """The end of what a command printed."""
    text = (out.splitlines() + error.splitlines())
    for line in text[:lines]:
        print("    " + line)
    if len(text) > lines:
        print("    ... (%d lines)" % len(text))


def times(values):
    return "%.2f s (%.2f-%.2f)" % (statistics.median(values), min(values),
                                   max(values))


def commands(site):
    host = site.host
    user = site.due[0]
    host.sql("SELECT pop3.maintain()")
    message_id = host.value("SELECT message_id FROM pop3.audit WHERE "
                            "message_id IS NOT NULL ORDER BY at DESC LIMIT 1")
    session = host.value("SELECT session_id FROM pop3.session "
                         "ORDER BY started_at DESC LIMIT 1")
    connect = ("--connect", host.pguri(), "--sql-dir", SQL_DIR)
    names = [
        ("show", "-u", user), ("show", "-u", user, "--explain"),
        ("show", "-u", "user1?@*"), ("show",), ("show", "@d*"),
        ("set", "--dry-run", DOMAIN, "expire_retrieved=30d"),
        ("set", DOMAIN, "leave_max_bytes=1G"),
        ("unset", DOMAIN, "leave_max_bytes"), ("presets",),
        ("status", "-u", user), ("status", "-u", "*" + DOMAIN),
        ("status", "-A"), ("log", "-u", username(2), "--since", "7d"),
        ("log", "--message-id", message_id), ("log", "--session", session),
        ("restore", "-u", user, "--message-id", "nosuch@example.org"),
        ("restore", "-u", user, "--since", "1d"),
        ("restore", "-u", user, "subject", "nothing"),
        ("breaker",), ("pause", "Looking"), ("resume",), ("confirm",),
        ("breaker", "--percent", "1"),
        ("expire", "-u", user, "--dry-run"), ("expire", "-A", "--dry-run"),
        ("uninstall", "--dry-run"),
        ("uninstall", "convert", "-u", user, "--dry-run", "delete"),
        ("schema", *connect)]
    print("\n## commands\n\n| command | median of %d (least-most) | lines |\n| --- | --- | "
          "--- |" % site.args.runs)
    for name in names:
        taken = []
        for _ in range(site.args.runs):
            begun = time.monotonic()
            code, out, error = site.run("pop3-policy", *name)
            taken.append(time.monotonic() - begun)
            assert code == 0, (name, out, error)
        words = ["CONNINFO" if word == host.pguri() else
                 "DIR" if word == SQL_DIR else word for word in name]
        print("| `%s` | %s | %d |" % (" ".join(words), times(taken),
                                      len(out.splitlines())))
    show_all(site)
    # what confirm began would hide the breaker from what follows
    host.sql("UPDATE pop3.control SET confirmed_until = NULL, "
             "confirmed_by = NULL")


def show_all(site):
    begun = time.monotonic()
    code, out, error = site.run("-f", "tab", "pop3-policy", "show", "-A")
    assert code == 0, error
    print("| `show -A` | %.1f s (once) | %d |" % (
        time.monotonic() - begun, len(out.splitlines())))


def opened(error):
    return set(re.findall(r"doveadm\(([^),]+@[^),]+)\)", error))


def expire(site):
    print("\n## expire -A opens only mailboxes with due mail\n")
    taken = []
    for _ in range(3):
        site.host.sql("UPDATE pop3.control SET breaker_percent = 100")
        begun = time.monotonic()
        code, out, error = site.run("-D", "-f", "json", "pop3-policy",
                                    "expire", "-A")
        taken.append(time.monotonic() - begun)
        assert code == 0, error
        print("- users of the userdb: %d; mailboxes opened: %d, those due: %s;"
              " messages removed: %d; left there: %d" % (
                  site.args.users, len(opened(error)),
                  opened(error) == set(site.due),
                  sum(row["messages"] for row in json.loads(out)),
                  site.left()))
        begun = time.monotonic()
        code, out, error = site.run("-D", "pop3-policy", "expire", "-A")
        print("- again at once: %d mailboxes opened, %.2f s" % (
            len(opened(error)), time.monotonic() - begun))
        if len(taken) < 3:
            site.make_due()
    print("- time with %d due messages of %d users: %s" % (
        EACH * len(site.due), len(site.due), times(taken)))


def together(site):
    print("\n## two expire -A at once\n")
    before = site.intents()[0]
    processes = [site.start("-f", "json", "pop3-policy", "expire", "-A")
                 for _ in range(2)]
    users = []
    for process in processes:
        out, error = process.communicate()
        assert process.returncode == 0, error
        rows = json.loads(out)
        users.append({row["username"] for row in rows})
        print("- removed %d messages of %d users" % (
            sum(row["messages"] for row in rows), len(users[-1])))
    print("- users that both were at: %d; messages left: %d; intents: %d, "
          "most for one message: %d" % (
              len(users[0] & users[1]), site.left(),
              site.intents()[0] - before, site.intents()[1]))


def killed(site):
    print("\n## killed in between, and run again\n")
    total = EACH * len(site.due)
    process = site.start("pop3-policy", "expire", "-A")
    wait_until(lambda: site.host.value(
        "SELECT count(*) FROM pop3.message m JOIN pop3.maildrop d "
        "USING (maildrop_id) WHERE d.username = ANY (%s)",
        (site.due,)) < total * 3 // 4)
    process.kill()
    process.communicate()
    time.sleep(1)
    print("- SIGKILL: %d of %d messages left; intents that are open: %d; "
          "claims that are left: %d" % (
              site.left(), total,
              site.host.value("SELECT count(*) FROM pop3.intent "
                              "WHERE state <> 'closed'"),
              site.host.value("SELECT count(*) FROM pop3.sweep")))
    code, out, error = site.run("pop3-policy", "expire", "-A")
    print("- run again: exit code %d, %d messages left" % (code, site.left()))
    site.host.sql("UPDATE pop3.sweep SET lease_until = now()")
    site.host.sql("UPDATE pop3.intent SET lease_until = now() "
                  "WHERE state <> 'closed'")
    code, out, error = site.run("pop3-policy", "expire", "-A")
    print("- once the claim has ended (ten minutes, here at once): exit code "
          "%d, %d messages left, most intents for one message: %d; open: %d" %
          (code, site.left(), site.intents()[1], site.host.value(
              "SELECT count(*) FROM pop3.intent WHERE state <> 'closed'")))


def typo(site):
    print("\n## a typo that would expire a whole domain\n")
    for value in ("14", "14 dyas", "14s"):
        code, out, error = site.run("pop3-policy", "set", DOMAIN,
                                    "expire_retrieved=" + value)
        print("\n`doveadm pop3-policy set %s 'expire_retrieved=%s'`: exit "
              "code %d\n" % (DOMAIN, value, code))
        shown(out, error)
    print("\n- set afterwards: %s" % site.host.value(
        "SELECT count(*) FROM pop3.policy WHERE scope = %s "
        "AND expire_retrieved IS NOT NULL", (DOMAIN,)))


def breaker(site):
    print("\n## the breaker during a sweep\n")
    limit = EACH * len(site.due) * 2 // 5
    site.host.sql("DELETE FROM pop3.removal_count")
    site.host.sql("UPDATE pop3.control SET breaker_percent = 0, "
                  "breaker_min = %s", (limit,))
    offset = site.host.log_position()
    print("`breaker --percent 0 --min %d`, %d messages are due.\n" % (
        limit, site.left()))
    for name in (("expire", "-A"), ("breaker",)):
        code, out, error = site.run("pop3-policy", *name)
        print("\n`doveadm pop3-policy %s`: exit code %d\n" % (
            " ".join(name), code))
        shown("", error if name[0] == "expire" else out, 3)
    print("\n- messages left: %d" % site.left())
    user = site.due[-1]
    before = len(site.host.imap_uids(user))
    with site.host.pop3(user):
        pass
    print("- a login of one of them removes %d" % (
        before - len(site.host.imap_uids(user))))
    for line in wait_until(lambda: site.host.errors(offset)):
        print("    " + line)
    site.run("pop3-policy", "confirm")
    code, out, error = site.run("pop3-policy", "expire", "-A")
    print("- after `confirm`, `expire -A`: exit code %d, messages left: %d" % (
        code, site.left()))
    site.host.sql("UPDATE pop3.control SET breaker_percent = 100")


def total(node, found):
    if "Relation Name" in node and node["Actual Loops"] > 0:
        table = re.sub(r"_(\d{8}|default)$", "", node["Relation Name"])
        entry = found.setdefault(table, [0, set()])
        entry[0] += (node["Actual Rows"] +
                     node.get("Rows Removed by Filter", 0)) * \
            node["Actual Loops"]
        entry[1].add(node["Relation Name"])
    for child in node.get("Plans", ()):
        total(child, found)


def queries(site):
    print("\n## ready queries and the dashboard's\n")
    host = site.host
    user = username(2)
    whole = {table: host.value("SELECT count(*) FROM pop3.%s" % table)
             for table in ("audit", "session", "message")}
    days = host.value("SELECT count(*) FROM pg_inherits "
                      "WHERE inhparent = 'pop3.audit'::regclass")
    print("Rows: %s. Partitions of audit: %d.\n" % (
        ", ".join("%s %d" % item for item in whole.items()), days))
    end = host.value("SELECT now()")
    start = host.value("SELECT now() - interval '7 days'")
    asked = [("doc: " + title, sql.replace("anna@example.org", user))
             for title, sql in readyqueries.documented().items()]
    for title, sqls in readyqueries.panels().items():
        asked += [("dashboard: " + title, readyqueries.expand(
            sql, start, end, user=[user],
            domain=["d1.example", "d2.example", "d3.example"]))
            for sql in sqls]
    print("Rows read, as often as they were, and of how many partitions.\n\n"
          "| query | median of 3 (least-most) | audit | session | message |\n"
          "| --- | --- | --- | --- | --- |")
    conn = host.pg.connect("pop3_report", host.dbname)
    for title, sql in asked:
        taken = []
        with conn.cursor() as cur:
            for _ in range(3):
                begun = time.monotonic()
                cur.execute(sql)
                cur.fetchall()
                taken.append(time.monotonic() - begun)
            cur.execute("EXPLAIN (ANALYZE, FORMAT json) " + sql)
            found = {}
            total(cur.fetchone()[0][0]["Plan"], found)
            if site.args.plans:
                cur.execute("EXPLAIN (ANALYZE, BUFFERS, SUMMARY) " + sql)
                with open(site.args.plans, "a") as file:
                    file.write("=== %s\n%s\n\n%s\n\n" % (
                        title, sql, "\n".join(r[0] for r in cur.fetchall())))
        print("| %s | %.0f ms (%.0f-%.0f) | %s |" % (
            title, 1000 * statistics.median(taken), 1000 * min(taken),
            1000 * max(taken), " | ".join(
                "%d, of %d" % (found[t][0], len(found[t][1]))
                if t in found else "none" for t in whole)))
    conn.close()


def updates(site):
    """(all, heap-only) of pop3.maildrop."""
    time.sleep(1.5)
    site.host.sql("SELECT pg_stat_force_next_flush()")
    return site.host.sql("SELECT n_tup_upd, n_tup_hot_upd FROM "
                         "pg_stat_user_tables WHERE relid = "
                         "'pop3.maildrop'::regclass")[0]


def sessions(site, count):
    taken = []
    for n in range(count):
        user = site.due[n % len(site.due)]
        begun = time.monotonic()
        pop = site.host.pop3(user)
        taken.append(time.monotonic() - begun)
        pop.retr(1)
        pop.quit()
    return taken


def logins(site):
    print("\n## logins beside a long report\n")
    host = site.host
    sql = readyqueries.documented()[REPORT]
    host.set_policy("*", "on_retrieve", "keep")
    host.sql("UPDATE pop3.policy SET expire_retrieved = NULL")
    for user in site.due:
        host.deliver(user, message("Mail"))
    sessions(site, len(site.due))
    print("| sessions with a RETR | login, median (least-most) | updates of "
          "maildrop | heap-only |\n| --- | --- | --- | --- |")
    for report in (False, True):
        stop = threading.Event()
        runs = []

        def ask():
            conn = host.pg.connect("pop3_report", host.dbname)
            while not stop.is_set():
                with conn.cursor() as cur:
                    cur.execute(sql)
                    cur.fetchall()
                runs.append(1)
            conn.close()

        thread = threading.Thread(target=ask)
        before = updates(site)
        if report:
            thread.start()
        taken = sessions(site, 400)
        stop.set()
        if report:
            thread.join()
        after = updates(site)
        changed = [b - a for a, b in zip(before, after)]
        print("| 400, %s | %.1f ms (%.1f-%.1f) | %d | %d (%.1f%%) |" % (
            'beside "%s", run %d times' % (REPORT, len(runs))
            if report else "nothing beside", 1000 * statistics.median(taken),
            1000 * min(taken), 1000 * max(taken), *changed,
            100 * changed[1] / max(changed[0], 1)))


STEPS = [queries, typo, commands, expire, together, killed, breaker, logins]


def main():
    names = [step.__name__ for step in STEPS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--users", type=int, default=10000)
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--audit", type=int, default=300000)
    parser.add_argument("--due", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--plans", help="where to write the queries' plans")
    parser.add_argument("steps", nargs="*", choices=[[], *names],
                        metavar="STEP", help=", ".join(names))
    args = parser.parse_args()
    site = Site(args)
    try:
        sys.stdout.reconfigure(line_buffering=True)
        print("Dovecot %s, PostgreSQL %s, %d processors; %d users, %d "
              "messages with state" % (
                  subprocess.check_output(["dovecot", "--version"],
                                          text=True).split()[0],
                  site.host.value("SHOW server_version"), os.cpu_count(),
                  args.users, site.host.value(
                      "SELECT count(*) FROM pop3.message")))
        for step in STEPS:
            if args.steps and step.__name__ not in args.steps:
                continue
            # records of long ago are in the default partition, which every
            # query would read
            if step is not queries and not site.left():
                site.make_due()
            step(site)
    finally:
        site.host.cleanup()


if __name__ == "__main__":
    main()
