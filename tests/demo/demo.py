# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A story with real deliveries, real POP3 clients and three policies, for a
person to read. Called by ./quickstart demo. What it tells it also checks: a
demonstration that shows something else than it says ends with an error."""

import os
import shlex
import subprocess
import sys
import tempfile
import textwrap

from clients import Clients
from dovecot import Failure
from host import PrivateHost, message

MEGABYTE = 1024 * 1024


def chapter(title):
    print("\n\033[1m== %s\033[0m\n" % title if sys.stdout.isatty() else
          "\n== %s\n" % title, flush=True)


def say(text):
    print(textwrap.fill(" ".join(text.split()), 78), flush=True)


def show(text):
    print(textwrap.indent(text.rstrip("\n"), "    "), flush=True)


def expect(found, wanted, what):
    if found != wanted:
        raise Failure("the demonstration fails here: %s should be %r, "
                      "but is %r" % (what, wanted, found))


def mails():
    """A few kinds of mail: (what it is, message) pairs."""
    return [
        ("plain text", message("Welcome", "Hello,\n\nnice to meet you.\n")),
        ("MIME with an attachment", message(
            "The report", "See the attachment.\n",
            attachments=[("report.bin", bytes(range(256)) * 64)])),
        ("8-bit text", message(
            "Grüße aus Köln", "Schöne Grüße! Καλημέρα. こんにちは。\n" * 3,
            cte="8bit")),
        ("lines that begin with dots", message(
            "Dots", ".\n..\n.one dot\n..two dots\nthe end\n")),
        ("several megabytes", message(
            "Holiday pictures", "Here they are.\n",
            attachments=[("pictures.bin", os.urandom(3 * MEGABYTE))])),
    ]


class Story:
    def __init__(self, host, clients):
        self.host = host
        self.clients = clients

    def run_client(self, argv):
        """Show a client's command line and what it prints."""
        show("$ " + shlex.join(argv))
        shown = self.clients.run(argv)
        if shown:
            show(shown)

    def table(self, query, *args):
        """Show a query and its result as psql does."""
        query = " ".join(query.split())
        for arg in args:
            query = query.replace("%s", "'%s'" % arg, 1)
        show("=> " + query)
        show(subprocess.run(
            [os.path.join(self.host.pg.bindir, "psql"), "-X", "-P",
             "footer=off", "-c", query, self.host.pguri()],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
            text=True).stdout)

    def deliver(self, user):
        kinds = mails()
        say("%d messages for %s by LMTP: %s." % (
            len(kinds), user, ", ".join(kind for kind, _ in kinds)))
        self.host.deliver(user, *(mail for _, mail in kinds))
        return len(kinds)

    def listed(self, user):
        """How many messages POP3 lists."""
        with self.host.pop3(user) as pop:
            return pop.stat()[0]

    def stored(self, user):
        """How many messages are in the mailbox, hidden ones too."""
        return len(self.host.imap_uids(user))

    def expect_counts(self, user, listed, stored):
        expect(self.listed(user), listed, "messages that POP3 lists")
        expect(self.stored(user), stored, "messages in the mailbox")
        say("Now POP3 lists %d messages, and the mailbox holds %d." %
            (listed, stored))

    # --- chapters ---

    def leave_on_server(self):
        user = "anna@example.org"
        chapter("Anna leaves mail on the server, for 14 days at most")
        self.host.set_policy(user, "preset", "leave-14-days")
        count = self.deliver(user)
        say("fetchmail downloads everything and deletes nothing:")
        self.run_client(self.clients.fetchmail(user, keep=True))
        self.host.wait_sessions(user, 1)
        self.expect_counts(user, count, count)
        say("13 days pass. (The recorded times move into the past; no "
            "clock is touched.)")
        self.host.age(user, "13 days")
        self.host.deliver(user, message("News of today"))
        self.expect_counts(user, count + 1, count + 1)
        say("One more day, and the 14 days since the retrieval are over. The "
            "message that Anna did not retrieve yet stays:")
        self.host.age(user, "1 day")
        self.expect_counts(user, 1, 1)

    def download_and_delete(self):
        user = "ben@example.org"
        chapter("Ben's mail is deleted once he has downloaded it")
        self.host.set_policy(user, "preset", "download-and-delete")
        count = self.deliver(user)
        say("First his line is cut, after he has downloaded all of it but "
            "before QUIT. RFC 1939 forbids to delete anything then:")
        pop = self.host.pop3(user)
        for number in range(1, count + 1):
            pop.retr(number)
        pop.drop()
        self.host.wait_sessions(user, 1)
        self.expect_counts(user, count, count)
        say("Then curl downloads them and ends the session with QUIT. It "
            "deletes nothing itself:")
        self.run_client(self.clients.curl(user, count))
        with open(self.clients.path(user, "curl.4"), "rb") as file:
            expect(file.read().endswith(
                b"\r\n.\r\n..\r\n.one dot\r\n..two dots\r\nthe end\r\n"),
                True, "the dots that curl got being those that were sent")
        self.expect_counts(user, 0, 0)

    def hide_for_a_day(self):
        user = "carol@example.org"
        chapter("Carol's downloaded mail is hidden, and deleted a day later")
        self.host.set_policy(user, "preset", "download-once-day")
        count = self.deliver(user)
        say("mpop downloads everything and leaves it on the server:")
        self.run_client(self.clients.mpop(user, keep=True))
        self.expect_counts(user, 0, count)
        say("Should her disk have failed, support has a day to help. After "
            "it:")
        self.host.age(user, "1 day")
        expect(self.listed(user), 0, "messages that POP3 lists")
        self.expect_counts(user, 0, 0)

    def reports(self):
        chapter("Who deleted this mail, when, from where, by which rule?")
        self.table("SELECT username, reason, event, count(*), "
                   "min(at)::timestamp(0) AS first "
                   "FROM pop3.report_deletion GROUP BY 1, 2, 3 ORDER BY 1, 2")
        say("Every message of Ben's has its own rows; the intent is durable "
            "before the message goes:")
        self.table("SELECT at::timestamp(0), event, action, reason, uid, "
                   "size, remote_address, message_id FROM pop3.audit "
                   "WHERE username = %s AND event = 'intent' ORDER BY seq",
                   "ben@example.org")
        say("The sessions that did something, and how they ended:")
        self.table("SELECT username, ended_by, retr_count, dele_count, "
                   "fetched, retrieved, removed FROM pop3.session "
                   "WHERE ended_by <> 'poll' ORDER BY started_at, seq")
        say("A summary by user, and what is in force for one of them:")
        self.table("SELECT * FROM pop3.report_user")
        self.table("SELECT * FROM pop3.report_policy WHERE username = %s "
                   "AND source <> 'built-in'", "anna@example.org")

    def tell(self):
        chapter("A private mail host")
        say("Dovecot with the pop3_policy plugin and its service, and "
            "PostgreSQL, in %s. Sessions below are real ones." %
            self.host.directory)
        self.leave_on_server()
        self.download_and_delete()
        self.hide_for_a_day()
        self.reports()
        chapter("The end")
        say("The private host is stopped and removed. ./quickstart start "
            "gives you one that stays, for your own client.")


def main():
    with tempfile.TemporaryDirectory(prefix="pop3-demo-") as directory:
        host = PrivateHost()
        try:
            host.start()
            Story(host, Clients(host, directory)).tell()
            host.stop()
            crashes = host.crashes()
            if crashes:
                raise Failure("in Dovecot's log:\n" + "\n".join(crashes))
        except Exception as error:
            print("\n%s: %s\n\nThe end of Dovecot's log:\n%s" % (
                type(error).__name__, error, host.log(40)))
            if host.pg is not None:
                print("The end of PostgreSQL's log:\n" + host.pg.log(20))
            sys.exit(1)
        finally:
            host.cleanup()


if __name__ == "__main__":
    main()
