# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private mail host: Dovecot (dovecot.py) with the policy service and a
database of its own in a private PostgreSQL (pg.py).

    host = PrivateHost()
    host.start()
    host.deliver("jane@example.org", message("Hello"))
    with host.pop3("jane@example.org") as pop:
        pop.retr(1)
    host.wait_sessions("jane@example.org", 1)
    host.cleanup()

Any user name works, with the password `test'. The site's policy is
enforcement=enforce.
"""

import email.message
import email.policy
import contextlib
import functools
import imaplib
import itertools
import poplib
import re
import shutil
import smtplib

from dovecot import PASSWORD, Failure, PrivateDovecot, wait_until
from pg import PrivatePostgres

# Replies of TOP and RETR may have lines of any length (RFC 5322 recommends
# 998 bytes, attachments in 8 bits do not care).
poplib._MAXLINE = 1 << 20

TEMPLATE = "pop3_template"
_numbers = itertools.count(1)


def message(subject="Test", body="Hello.\n", sender="sender@example.org",
            attachments=(), cte=None, **headers):
    """An email.message.EmailMessage. attachments: (name, bytes) pairs. cte:
    the body's Content-Transfer-Encoding."""
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    mail["From"] = sender
    mail["To"] = "recipient@example.org"
    mail["Subject"] = subject
    mail["Message-ID"] = "<%d.test@example.org>" % next(_numbers)
    mail["Date"] = "Thu, 01 Jan 2026 12:00:00 +0000"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(body, cte=cte)
    for name, data in attachments:
        mail.add_attachment(data, maintype="application",
                            subtype="octet-stream", filename=name)
    return mail


@functools.lru_cache
def _around_subject(body):
    """What a simple message has before and behind its Subject."""
    data = re.sub(rb"(?m)^Message-ID: .*\r\n", b"",
                  message("@", body).as_bytes(), count=1)
    return data.split(b"Subject: @\r\n", 1)


def simple_message(subject="Test", body="Hello.\n"):
    """message(subject, body) as bytes, at a fraction of the cost, for tests
    that deliver thousands."""
    if not re.fullmatch(r"[\w .,-]{1,60}", subject, re.ASCII):
        return message(subject, body).as_bytes()
    before, behind = _around_subject(body)
    return b"%sSubject: %s\r\nMessage-ID: <%d.test@example.org>\r\n%s" % (
        before, subject.encode(), next(_numbers), behind)


class Pop3(poplib.POP3):
    """poplib's client, usable as a context manager: QUITs at the end of the
    block, and only closes the socket when the block raised."""

    def __enter__(self):
        return self

    def __exit__(self, kind, *rest):
        if self.sock is None:
            return
        if kind is None:
            self.quit()
        else:
            self.close()

    def drop(self):
        """Go away without QUIT."""
        self.close()

    def uids(self):
        """{message number: UIDL}"""
        return dict((int(number), uidl) for number, uidl in (
            line.decode().split(" ", 1) for line in self.uidl()[1]))


class PrivateHost(PrivateDovecot):
    """Options of PrivateDovecot, and

    pg         a running PrivatePostgres with the schema in its database
               TEMPLATE (see template_postgres()) to make this host's database
               in; else the host has a PostgreSQL of its own
    pg_settings  for its own PostgreSQL
    """

    def __init__(self, directory=None, mail_format="sdbox", pg=None,
                 pg_settings=None, **options):
        super().__init__(directory, mail_format, **options)
        self._shared_pg = pg is not None
        self.pg = pg
        self.pg_settings = pg_settings
        self.dbname = "pop3"

    # --- life ---

    def start(self):
        """Start PostgreSQL (if it is our own) and Dovecot."""
        if self.policy:
            if self.pg is None:
                self.pg = PrivatePostgres(self.path("pg"),
                                          settings=self.pg_settings)
            if self._shared_pg:
                if self.dbname == "pop3":
                    self.dbname = "host%d" % next(_numbers)
                    self.pg.create_database(self.dbname, TEMPLATE)
            elif self.pg.process is None:
                self.pg.start()
                if self.value("SELECT to_regnamespace('pop3')") is None:
                    self.pg.install_schema(test=True)
            if self.value("SELECT 1 FROM pop3.policy WHERE scope = '*' "
                          "AND enforcement IS NOT NULL") is None:
                self.set_policy("*", "enforcement", "enforce")
            self.service_settings.setdefault(
                "connect", self.pg.uri("pop3_service", self.dbname))
        return super().start()

    def cleanup(self):
        try:
            self.stop()
        finally:
            if self.pg is not None and not self._shared_pg:
                self.pg.stop("immediate")
            elif self.dbname != "pop3":
                self.pg.drop_database(self.dbname)
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    # --- mail ---

    def deliver(self, user, *messages, sender="sender@example.org"):
        """Deliver messages (bytes, or message objects) to a user by LMTP, in
        their order."""
        with smtplib.LMTP("127.0.0.1", self.lmtp_port, timeout=120) as lmtp:
            for mail in messages:
                data = mail if isinstance(mail, bytes) else mail.as_bytes()
                lmtp.sendmail(sender, [user], data,
                              mail_options=["BODY=8BITMIME"])

    def pop3(self, user, master=None, password=PASSWORD, timeout=60):
        """A session of the user, logged in. poplib.error_proto if it was
        refused. master: name of the master user who logs in."""
        pop = Pop3("127.0.0.1", self.pop3_port, timeout=timeout)
        self.add_client(pop)
        try:
            pop.user(user if master is None else "%s*%s" % (user, master))
            pop.pass_(password)
        except BaseException:
            pop.close()
            raise
        return pop

    def imap(self, user, mailbox="INBOX", master=None):
        """An IMAP session of the user, with the mailbox selected."""
        imap = imaplib.IMAP4("127.0.0.1", self.imap_port, timeout=60)
        self.add_client(imap.sock)
        imap.login(user if master is None else "%s*%s" % (user, master),
                   PASSWORD)
        status, text = imap.select(mailbox)
        if status != "OK":
            raise Failure("SELECT %s: %s" % (mailbox, text))
        return imap

    def imap_uids(self, user, mailbox="INBOX"):
        """UIDs that are in a mailbox, hidden ones too."""
        with contextlib.closing(self.imap(user, mailbox)) as imap:
            return [int(uid) for uid in
                    imap.uid("SEARCH", "ALL")[1][0].split()]

    def login_refusal(self, user, **options):
        """The text of the -ERR that a login gets."""
        try:
            pop = self.pop3(user, **options)
        except poplib.error_proto as error:
            return error.args[0].decode()
        pop.close()
        raise Failure("%s was let in" % user)

    def check_refused(self, user, pattern):
        """The plugin refuses a login for the time being, and one line in the
        log, which the pattern matches, says why."""
        offset = self.log_position()
        refusal = self.login_refusal(user)
        wait_until(lambda: not self.pids("pop3"))
        # deliveries and IMAP before it may complain, and go on
        lines = wait_until(lambda: [
            line for line in self.errors(offset)
            if "Dovecot's own quota holds" not in line], what="the log")
        if not refusal.startswith("-ERR [SYS/TEMP]") or \
           "wait" not in refusal or len(lines) != 1 or \
           "pop3(%s)" % user not in lines[0] or \
           not re.search(pattern, lines[0]):
            raise Failure("%s\n%s" % (refusal, "\n".join(lines)))

    # --- database ---

    def sql(self, query, args=None, role="postgres"):
        """Run a statement in this host's database. Returns its rows."""
        return self.pg.query(query, args, role=role, dbname=self.dbname)

    def value(self, query, args=None, role="postgres"):
        """The first column of the first row, None without rows."""
        rows = self.sql(query, args, role)
        return rows[0][0] if rows else None

    def pguri(self, role="postgres"):
        return self.pg.uri(role, self.dbname)

    def set_policy(self, scope, parameter, value):
        self.sql("SELECT pop3.set_policy(%s, %s, %s)",
                 (scope, parameter, value))

    def set_policies(self, scope, **values):
        for parameter, value in values.items():
            self.set_policy(scope, parameter, value)

    def unset_policy(self, scope, parameter):
        self.sql("SELECT pop3.unset_policy(%s, %s)", (scope, parameter))

    def age(self, user, interval):
        """Move all that is recorded of a user into the past: `14 days'."""
        self.sql("SELECT pop3_test.age(%s, %s::interval)", (user, interval))

    def sessions(self, user):
        """The user's recorded sessions without mere polls, oldest first, as
        dicts."""
        return self.rows("SELECT * FROM pop3.session WHERE username = %s "
                         "AND ended_by <> 'poll' ORDER BY started_at, seq",
                         (user,))

    def audit(self, user):
        """The user's audit rows in the order of recording, as dicts."""
        return self.rows("SELECT * FROM pop3.audit WHERE username = %s "
                         "ORDER BY chain_id, seq", (user,))

    def rows(self, query, args=None):
        """The rows of a query as dicts."""
        return self.pg.rows(query, args, dbname=self.dbname)

    def wait_sessions(self, user, count=1, timeout=30):
        """Wait until `count' sessions of the user are recorded, and return
        them."""
        def recorded():
            found = self.sessions(user)
            return found if len(found) >= count else None
        return wait_until(recorded, timeout,
                          "%d sessions of %s to be recorded" % (count, user))

    def wait_audit(self, user, event, count=1, timeout=30):
        """Wait until the user has `count' audit rows of an event, and return
        them."""
        def recorded():
            found = [row for row in self.audit(user) if row["event"] == event]
            return found if len(found) >= count else None
        return wait_until(recorded, timeout, "%d audit rows %s of %s" % (
            count, event, user))


def template_postgres():
    """A running PostgreSQL with the schema in the database TEMPLATE, for
    several PrivateHosts. End it by cleanup()."""
    pg = PrivatePostgres()
    try:
        pg.start()
        pg.create_database(TEMPLATE)
        pg.install_schema(test=True, dbname=TEMPLATE)
    except BaseException:
        pg.cleanup()
        raise
    return pg
