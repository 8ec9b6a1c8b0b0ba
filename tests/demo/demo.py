# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A story with real deliveries, real POP3 clients and three policies, for a
person to read. Called by ./quickstart demo. What it tells it also checks: a
demonstration that shows something else than it says ends with an error."""

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import textwrap

from clients import Clients
from dovecot import Failure
from host import PrivateHost, message

MEGABYTE = 1024 * 1024

# fetchmail's good advice: not to run as root, and to give the machine a name
BESIDE_THE_POINT = re.compile(
    r".*Running as root is discouraged|getaddrinfo failed for|"
    r"Cannot find my own host|Trying to continue with unqualified hostname|"
    r"DO NOT report broken|DO repair your /etc/hosts")

ANNA = "anna@example.org"
BEN = "ben@example.org"
CAROL = "carol@example.org"
DORA = "dora@example.org"


def chapter(title):
    print("\n\033[1m== %s\033[0m\n" % title if sys.stdout.isatty() else
          "\n== %s\n" % title, flush=True)


def say(text):
    print(textwrap.fill(" ".join(text.split()), 78) + "\n", flush=True)


def show(text):
    for line in text.strip("\n").splitlines():
        print(("    " + line).rstrip())
    print(flush=True)


def expect(found, wanted, what):
    if found != wanted:
        raise Failure("the demonstration fails here: %s should be %r, "
                      "but is %r" % (what, wanted, found))


def mail(subject, name, body, **options):
    """A message with a Message-ID that a reader of the reports recognises."""
    made = message(subject, body, **options)
    del made["Message-ID"]
    made["Message-ID"] = "<%s@sender.example>" % name
    return made


def mails():
    """A few kinds of mail: (what is special, message) pairs."""
    return [
        ("plain text", mail("Welcome", "welcome", "Nice to meet you.\n")),
        ("MIME with an attachment", mail(
            "The report", "report", "See the attachment.\n",
            attachments=[("report.bin", bytes(range(256)) * 64)])),
        ("8-bit text", mail(
            "Grüße", "greetings", "Schöne Grüße! Καλημέρα. こんにちは。\n" * 3,
            cte="8bit")),
        ("lines that begin with dots", mail(
            "Dots", "dots", ".\n..\n.one dot\n..two dots\nthe end\n")),
        ("four megabytes", mail(
            "Pictures", "pictures", "Here they are.\n",
            attachments=[("pictures.bin", os.urandom(3 * MEGABYTE))])),
    ]


class Story:
    def __init__(self, host, clients):
        self.host = host
        self.clients = clients
        self.subjects = {}              # of each user, by UID
        self.sessions = {}              # recorded so far, by user

    # --- what is done is shown ---

    def client(self, argv, user):
        """Run a client, and show its command line and what it prints. Its
        session is recorded when this returns."""
        show("$ " + shlex.join(argv).replace(
            self.clients.directory + "/", ""))
        said = [line for line in self.clients.run(
                    argv, cwd=self.clients.directory).splitlines()
                if not BESIDE_THE_POINT.match(line)]
        if said:
            show("\n".join(said))
        self.session_ended(user)

    def session_ended(self, user):
        self.sessions[user] = self.sessions.get(user, 0) + 1
        self.host.wait_sessions(user, self.sessions[user])

    def sql(self, query, *rest):
        """Show a query and its result as psql does, without a result if it
        has none. Returns how many rows it has."""
        show("=> %s;" % query.replace("\n", "\n   "))
        # psql takes its query from an argument, so there is none to quote
        argv = [os.path.join(self.host.pg.bindir, "psql"), "-X", "-P",
                "footer=off", "-P", "null=-", "-v", "ON_ERROR_STOP=1",
                *rest, "-c", query, self.host.pguri()]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise Failure("psql: " + done.stdout)
        if done.stdout.strip():
            show(done.stdout)
        return len(done.stdout.strip("\n").splitlines()) - 2

    def set(self, scope, parameter, value):
        self.sql("SELECT pop3.set_policy('%s', '%s', '%s')" % (
            scope, parameter, value), "-t", "-A")

    def wait_days(self, user, days):
        """Time passes."""
        self.sql("SELECT pop3_test.age('%s', '%s')" % (user, days),
                 "-t", "-A")

    def deliver(self, user, *kinds):
        self.host.deliver(user, *(made for _, made in kinds))
        known = self.subjects.setdefault(user, {})
        for _, made in kinds:
            known[len(known) + 1] = made["Subject"]
        say("LMTP delivers to %s: %s." % (user, ", ".join(
            "\"%s\" (%s)" % (made["Subject"], what) for what, made in kinds)))

    def listed(self, user):
        """UIDs of the messages that POP3 lists."""
        with self.host.pop3(user) as pop:
            # Dovecot's UIDLs begin with the UID
            return [int(uidl[:8], 16) for uidl in pop.uids().values()]

    def look(self, user, listed, stored=None):
        """Show what POP3 lists and what is in the mailbox, UIDs that have to
        be the given ones. Without `stored' both are the same."""
        stored = listed if stored is None else stored
        expect(self.listed(user), list(listed), "what POP3 lists")
        expect(self.host.imap_uids(user), list(stored),
               "what is in the mailbox")

        def names(uids):
            return ", ".join(self.subjects[user][uid] for uid in uids) or \
                "nothing"
        show("POP3 lists:      %s\nthe mailbox has: %s" % (
            names(listed), names(stored)))

    # --- chapters ---

    def beginning(self):
        chapter("A mail host of its own")
        say("""Dovecot with the pop3_policy plugin and the pop3-policy
            service, and PostgreSQL, run in %s and touch nothing outside of
            it. Four people have a mailbox here, each with another policy.
            What is indented was really run: by a shell ($), or as SQL
            (=>).""" % self.host.directory)
        say("""A fresh installation only watches. This host is told to act
            right away ('*' is the whole site):""")
        self.set("*", "enforcement", "enforce")

    def leave_on_server(self):
        chapter("Anna leaves her mail on the server - for 14 days")
        say("""A preset is a named set of parameters. This one removes what
            was retrieved 14 days ago:""")
        self.set(ANNA, "preset", "leave-14-days")
        kinds = mails()
        self.deliver(ANNA, *kinds)
        say("""fetchmail downloads everything and deletes nothing ("not
            flushed", as it says):""")
        self.client(self.clients.fetchmail(ANNA, keep=True), ANNA)
        every = range(1, len(kinds) + 1)
        self.look(ANNA, every)
        say("""13 days pass: what is recorded of Anna moves 13 days into the
            past. (No clock is touched. Only test hosts have this
            function.)""")
        self.wait_days(ANNA, "13 days")
        self.deliver(ANNA, ("today's", mail("News", "news", "No news.\n")))
        news = len(kinds) + 1
        self.look(ANNA, [*every, news])
        # that she was shown new mail is recorded
        self.session_ended(ANNA)
        say("""One day more, and her next login removes what she retrieved 14
            days ago. What she has not retrieved yet stays:""")
        self.wait_days(ANNA, "1 day")
        self.look(ANNA, [news])
        self.session_ended(ANNA)
        self.removed(ANNA, "expired-retrieved", len(every))
        say("She downloads the news, too. Its own 14 days begin:")
        self.client(self.clients.fetchmail(ANNA, keep=True), ANNA)
        expect(self.sql(
            "SELECT username, uid, rule, retrieved_at::timestamp(0),"
            " expires_at::timestamp(0)\n  FROM pop3.report_expiring"), 1,
            "messages whose time runs")

    def download_and_delete(self):
        chapter("Ben's mail is deleted once he has downloaded it")
        self.set(BEN, "preset", "download-and-delete")
        kinds = mails()
        self.deliver(BEN, *kinds)
        every = range(1, len(kinds) + 1)
        say("""His train enters a tunnel: all five messages have gone out,
            but the line is cut before the QUIT. RFC 1939 wants nothing to be
            removed then:""")
        pop = self.host.pop3(BEN)
        for number in every:
            pop.retr(number)
        pop.drop()
        self.session_ended(BEN)
        self.look(BEN, every)
        say("On record is a user who downloads, and never says goodbye:")
        expect(self.sql(
            "SELECT username, sessions, retr, bytes, last_ended_by,"
            " last_remote_address\n  FROM pop3.report_never_quit"), 1,
            "users who never quit")
        say("Now curl downloads them, and it ends its session with QUIT:")
        self.client(self.clients.curl(BEN, len(kinds)), BEN)
        for number, (_, sent) in zip(every, kinds):
            with open(self.clients.path(BEN, "curl.%d" % number),
                      "rb") as file:
                expect(file.read().endswith(sent.as_bytes()), True,
                       "that message %d is as it was sent" % number)
        say("""All five came out byte for byte as they were sent (this was
            compared). curl never sends DELE. It was the policy that removed
            them:""")
        self.look(BEN, [])
        self.removed(BEN, "retrieved", len(kinds))

    def hide_for_a_day(self):
        chapter("Carol's mail is hidden once downloaded, and kept for a day")
        say("""QUIT proves that a client took the mail, not that it stored it
            well. So this policy leaves a day to come back. It is set without
            a preset:""")
        self.set(CAROL, "on_retrieve", "hide")
        self.set(CAROL, "expire_hidden", "1 day")
        kinds = mails()
        self.deliver(CAROL, *kinds)
        every = range(1, len(kinds) + 1)
        say("mpop downloads everything, told to leave it on the server:")
        self.client(self.clients.mpop(CAROL, keep=True), CAROL)
        self.look(CAROL, [], every)
        say("""An hour later Carol's disk fails, with the report on it.
            Support looks it up by its Message-ID, and gives it back by its
            UID. She downloads it again. (What was given back is spared once:
            this QUIT does not hide it.)""")
        self.wait_days(CAROL, "1 hour")
        report = 2
        expect(self.sql(
            "SELECT at::timestamp(0), event, action, reason, uid, size\n"
            "  FROM pop3.audit\n"
            " WHERE username = '%s' AND message_id = "
            "'<report@sender.example>'" % CAROL), 1,
            "rows about the report")
        expect(self.sql("SELECT pop3.restore('%s', '{[%d,%d]}') AS restored" %
                        (CAROL, report, report)), 1, "restored messages")
        self.look(CAROL, [report], every)
        self.client(self.clients.curl(CAROL, 1), CAROL)
        say("A day after they were hidden, the next login removes the others:")
        self.wait_days(CAROL, "23 hours")
        self.look(CAROL, [report])
        self.session_ended(CAROL)
        self.removed(CAROL, "expired-hidden", len(kinds) - 1)

    def only_watch(self):
        chapter("Dora's policy is only tried out")
        say("""The same as Ben's, but enforcement=observe: nothing is hidden
            or removed, and a report says what would have been.""")
        self.set(DORA, "preset", "download-and-delete")
        self.set(DORA, "enforcement", "observe")
        kinds = mails()
        self.deliver(DORA, *kinds)
        self.client(self.clients.curl(DORA, len(kinds)), DORA)
        self.look(DORA, range(1, len(kinds) + 1))
        expect(self.sql(
            "SELECT username, rule, count(*) AS messages, sum(size) AS bytes\n"
            "  FROM pop3.report_would_remove GROUP BY username, rule"), 1,
            "what would be removed")

    def removed(self, user, rule, count):
        """Show what was removed and by which rule."""
        self.host.wait_audit(user, "committed", 1)
        shown = self.sql(
            "SELECT at::timestamp(0), rule, status, uid, size, message_id\n"
            "  FROM pop3.report_deletion WHERE username = '%s'\n"
            " ORDER BY at, uid" % user)
        expect(shown, count, "messages that were removed")
        expect(self.host.value(
            "SELECT count(*) FROM pop3.report_deletion WHERE username = %s "
            "AND rule = %s AND status = 'committed'", (user, rule)), count,
            "messages that this rule removed")

    def reports(self):
        chapter("Support asks: what became of the pictures?")
        say("""One query, by Message-ID. Each message has its row before it is
            removed, and no message is removed without one:""")
        expect(self.sql(
            "SELECT username, at::timestamp(0), rule, status, remote_address\n"
            "  FROM pop3.report_deletion\n"
            " WHERE message_id = '<pictures@sender.example>'"
            " ORDER BY username"), 3, "removals of the pictures")
        chapter("The other reports")
        say("""Who uses POP3, and what lies in the mailboxes? (When this story
            only looked, and found nothing new, that was a poll. Polls are
            counted by the hour, and not among these sessions. The days are
            those to which the sessions were moved.)""")
        expect(self.sql(
            "SELECT username, enforcement, messages, retrieved, hidden,"
            " sessions,\n       retrievals, removals,"
            " pg_size_pretty(bytes) AS sent\n"
            "  FROM pop3.report_user ORDER BY username"), 4, "users")
        self.sql("SELECT day, users, sessions, quits, broken, retr, top,"
                 " fetched, retrieved, removed\n"
                 "  FROM pop3.report_session_daily ORDER BY day")
        say("Who leaves downloaded mail on the server? (A dash: for ever.)")
        self.sql("SELECT username, messages, bytes,"
                 " oldest_retrieved_at::timestamp(0),\n"
                 "       expire_retrieved / 86400 AS removed_after_days\n"
                 "  FROM pop3.report_leave_on_server ORDER BY username")
        say("Which policy is Carol's, and who says so?")
        expect(self.sql("SELECT parameter, human, level, scope\n"
                        "  FROM pop3.report_policy\n"
                        " WHERE username = '%s' AND level <> 'built-in'" %
                        CAROL), 3, "parameters of Carol's")
        say("The same in sentences, with what is known of her maildrop:")
        self.sql("SELECT pop3.explain('%s')" % CAROL, "-t", "-A")

    def tell(self):
        self.beginning()
        self.leave_on_server()
        self.download_and_delete()
        self.hide_for_a_day()
        self.only_watch()
        self.reports()


def ended(*_):
    raise KeyboardInterrupt


def main():
    signal.signal(signal.SIGTERM, ended)
    with tempfile.TemporaryDirectory(prefix="pop3-demo-") as directory:
        host = PrivateHost()
        try:
            host.start()
            Story(host, Clients(host, directory)).tell()
            host.stop()
            crashes = host.crashes()
            if crashes:
                raise Failure("in Dovecot's log:\n" + "\n".join(crashes))
        except KeyboardInterrupt:
            sys.exit("\nInterrupted. The host is removed.")
        except Exception as error:
            print("\n%s: %s\n\nThe end of Dovecot's log:\n%s" % (
                type(error).__name__, error, host.log(40)))
            if host.pg is not None:
                print("The end of PostgreSQL's log:\n" + host.pg.log(20))
            sys.exit(1)
        finally:
            host.cleanup()
    chapter("The end")
    say("""The host is stopped and removed. `./quickstart start' gives you one
        that stays up, for your own client; README.md says how to install and
        configure.""")


if __name__ == "__main__":
    main()
