# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""One user's maildrop on a private host: what POP3 shows of it, what is
stored behind it, what the database knows, and what happens to it behind
Dovecot's back.

    drop = Maildrop(host, "jane@example.org")
    drop.deliver(3)
    drop.session(retr=[1, 2], dele=[2])
    assert drop.view() == [1, 3]

Messages are called by their UID everywhere. With the default UIDL format,
which names the UID, no other knowledge is needed.
"""

import contextlib
import fcntl
import glob
import hashlib
import itertools
import os
import poplib
import shutil
import signal
import subprocess
import threading
import time

from dovecot import MAIL_GROUP, MAIL_USER, Failure, wait_until
from host import simple_message

MAIL_PROCESSES = ("pop3", "imap")
_numbers = itertools.count(1)


def guid128(guid):
    """The 128 bits that Dovecot makes of a storage's GUID, as PostgreSQL
    shows them."""
    if len(guid) != 32 or set(guid) - set("0123456789abcdef"):
        guid = hashlib.sha1(guid.encode()).hexdigest()[8:]
    return "-".join((guid[:8], guid[8:12], guid[12:16], guid[16:20],
                     guid[20:]))


def listing(pop):
    """{message number: UIDL} of a session. STAT, LIST and UIDL must agree,
    each with and without a number."""
    count, size = pop.stat()
    sizes = [tuple(map(int, line.split())) for line in pop.list()[1]]
    uidls = pop.uids()
    numbers = list(range(1, count + 1))
    if [number for number, _ in sizes] != numbers or \
       list(uidls) != numbers or sum(octets for _, octets in sizes) != size:
        raise Failure("STAT %d %d, LIST %r, UIDL %r do not agree" % (
            count, size, sizes, uidls))
    for number, octets in sizes[:3] + sizes[-3:]:
        if pop.list(number).split()[1:] != [b"%d" % number, b"%d" % octets]:
            raise Failure("LIST %d differs from LIST" % number)
        if pop.uidl(number).decode().split(" ", 2)[1:] != [
                str(number), uidls[number]]:
            raise Failure("UIDL %d differs from UIDL" % number)
    return uidls


def uid_of(uidl):
    """The UID in a UIDL of the default format, %08Xu%08Xv."""
    return int(uidl[:8], 16)


def subject(lines):
    """The Subject of what poplib's retr() or top() returned."""
    for line in lines[1]:
        if line.startswith(b"Subject: "):
            return line[9:].decode()
        if line == b"":
            break
    raise Failure("no Subject in %r" % (lines[1][:20],))


class Maildrop:
    def __init__(self, host, user):
        self.host = host
        self.user = user
        # a session may still have to be recorded
        self._unsettled = False

    # --- mail ---

    def deliver(self, count=1, subject="Message %d", body="Hello.\n"):
        """Deliver messages. %d in their Subject is the UID they will get if
        the mailbox had none before."""
        first = max(self.stored(), default=0) + 1
        self.host.deliver(self.user, *(
            simple_message(subject % number if "%d" in subject else subject,
                           body)
            for number in range(first, first + count)))

    def session(self, retr=(), dele=(), end="quit", recorded=True):
        """A session that RETRs and DELEs messages, and ends by "quit" or
        "drop". Waits until what it did is recorded."""
        self._settle_if_needed()
        before = len(self.host.sessions(self.user)) if recorded else 0
        pop = self.host.pop3(self.user)
        numbers = self.numbers(pop)
        for uid in retr:
            pop.retr(numbers[uid])
        for uid in dele:
            pop.dele(numbers[uid])
        if end == "quit":
            pop.quit()
        else:
            pop.drop()
        if recorded:
            self.host.wait_sessions(self.user, before + 1)
        else:
            self._unsettled = True
        self.wait_idle()

    @staticmethod
    def numbers(pop):
        """{UID: message number} of a session."""
        return {uid_of(uidl): number
                for number, uidl in listing(pop).items()}

    def view(self):
        """The UIDs that POP3 lists, in its order, as a new session sees
        them."""
        with self.host.pop3(self.user) as pop:
            self._unsettled = True
            return list(self.numbers(pop))

    def view_when_accepted(self, timeout=30):
        """What view() returns, as soon as a login is accepted. A refusal must
        be a passing one, and ask to wait."""
        def attempt():
            try:
                return (self.view(),)
            except poplib.error_proto as error:
                text = error.args[0].decode()
                if not text.startswith("-ERR [SYS/TEMP]") or \
                   "wait" not in text:
                    raise Failure("refused by: " + text) from error
                return None
        return wait_until(attempt, timeout, "a login that is accepted")[0]

    def stored(self, mailbox="INBOX"):
        """{UID: GUID} of what is in the mailbox. Looks by doveadm, which is
        no use by IMAP."""
        return {int(uid): guid for uid, guid in
                self.host.fetch(self.user, "uid guid", mailbox)}

    def uids(self, mailbox="INBOX"):
        """The UIDs that are in the mailbox, hidden ones too."""
        return list(self.stored(mailbox))

    def expunge(self, *uids):
        """Take messages away by doveadm."""
        self.host.doveadm("expunge", "-u", self.user, "mailbox", "INBOX",
                          "uid", ",".join(map(str, uids)))

    def killed_before_commit(self, retr=(), dele=()):
        """A session whose QUIT made its intent durable, and whose process was
        killed then. Returns once the service knows that it is over."""
        self.wait_idle()
        pop = self.host.pop3(self.user)
        numbers = self.numbers(pop)
        for uid in retr:
            pop.retr(numbers[uid])
        for uid in dele:
            pop.dele(numbers[uid])
        pid = pop3_pid(self.host)
        known = len(self.open_intents())
        with self.locked_log():
            quit_ = Quit(pop)
            wait_until(lambda: len(self.open_intents()) > known,
                       what="the intent")
            if not quit_.waiting():
                raise Failure("QUIT was answered: " + quit_.answer)
            kill_process(self.host, pid)
        quit_.wait()
        wait_until(lambda: all(intent["state"] == "abandoned"
                               for intent in self.open_intents()),
                   what="the intent to be given up")

    # --- database ---

    def settle(self):
        """Wait until everything that sessions did until now is in the
        database. The service writes in the order of arrival, so that the
        first session of a user whom it does not know tells."""
        self.wait_idle()
        other = "settle%d@example.org" % next(_numbers)
        self.host.pop3(other).quit()
        self.host.wait_sessions(other, 1)
        self.wait_idle()
        self._unsettled = False

    def settle_when_accepted(self, timeout=30):
        """The same, as soon as logins of anybody are accepted."""
        def attempt():
            try:
                self.settle()
            except poplib.error_proto:
                return False
            return True
        wait_until(attempt, timeout, "a login that is accepted")

    def _settle_if_needed(self):
        if self._unsettled:
            self.settle()

    def age(self, interval):
        """Let time pass, as host.age(), for what was done until now."""
        self.settle()
        self.host.age(self.user, interval)

    def state(self):
        """{UID: row of pop3.message} of the user."""
        self._settle_if_needed()
        return {row["uid"]: row for row in self.host.rows(
            "SELECT s.* FROM pop3.message s JOIN pop3.maildrop d "
            "USING (maildrop_id) WHERE d.username = %s ORDER BY uid",
            (self.user,))}

    def tracked(self):
        """Number of messages with state, as the maildrop's row says."""
        self._settle_if_needed()
        return self.host.value("SELECT sum(tracked)::int FROM pop3.maildrop "
                               "WHERE username = %s", (self.user,))

    def hidden(self):
        return [uid for uid, row in self.state().items()
                if row["hidden_at"] is not None]

    def retrieved(self):
        return [uid for uid, row in self.state().items()
                if row["retrieved_at"] is not None]

    def events(self, *names):
        """The audit as (event, uid, reason), of these events if given, in the
        order of recording."""
        self._settle_if_needed()
        return [(row["event"], row["uid"], row["reason"])
                for row in self.host.audit(self.user)
                if not names or row["event"] in names]

    def wait_events(self, name, count=1):
        """Wait for audit rows of an event; returns their UIDs."""
        return [row["uid"] for row in
                self.host.wait_audit(self.user, name, count)]

    def open_intents(self):
        return self.host.rows(
            "SELECT * FROM pop3.intent WHERE username = %s "
            "AND state <> 'closed' ORDER BY created_at, intent_no",
            (self.user,))

    def intended(self):
        """{UID: GUID} of every message for which an intent to expunge or
        move is durable."""
        return {row["uid"]: row["message_guid"]
                for row in self.host.audit(self.user)
                if row["event"] == "intent" and
                row["action"] in ("expunge", "move")}

    def check_nothing_lost(self, before, removed=()):
        """Compare with stored() of an earlier moment: what is missing must
        have a durable intent for the same message. `removed', if not None,
        are the UIDs that must be missing."""
        now = self.stored()
        missing = {uid: guid128(guid) for uid, guid in before.items()
                   if now.get(uid) != guid}
        intended = self.intended()
        for uid, guid in missing.items():
            if str(intended.get(uid)) != guid:
                raise Failure("UID %d was removed without an intent" % uid)
        if removed is not None and sorted(missing) != sorted(removed):
            raise Failure("UIDs %r were removed, not %r" % (
                sorted(missing), sorted(removed)))

    # --- files ---

    @property
    def home(self):
        return self.host.path("mail", self.user)

    def files(self, name):
        """Paths of files below the home directory with this name; it may
        have wildcards."""
        return sorted(glob.glob(os.path.join(self.home, "**", name),
                                recursive=True))

    def file(self, name):
        (path,) = self.files(name)
        return path

    def fill(self, count):
        """Put `count' small messages into the new/ of a maildir, as a
        delivery agent does. Message N says "Hello N.". In an empty mailbox
        their UIDs will be 1 to `count'."""
        new = os.path.join(self.home, "Maildir", "new")
        os.makedirs(new, exist_ok=True)
        for name in ("cur", "tmp"):
            os.makedirs(os.path.join(self.home, "Maildir", name),
                        exist_ok=True)
        # Dovecot gives UIDs in the order of the names
        base = int(time.time())
        for number in range(1, count + 1):
            with open(os.path.join(new, "%d.M%06dP1.host" % (base, number)),
                      "wb") as file:
                file.write(b"Subject: Message %d\n\nHello %d.\n" % (
                    number, number))
        subprocess.run(["chown", "-R", "%s:%s" % (MAIL_USER, MAIL_GROUP),
                        self.home], check=True)

    def mail_files(self):
        """A maildir's messages."""
        return self.files("new/*") + self.files("cur/*")

    def inbox_log(self):
        """INBOX's transaction log."""
        paths = [path for path in self.files("dovecot.index.log")
                 if "/mailboxes/" not in path or "/INBOX/" in path]
        if len(paths) != 1:
            raise Failure("INBOX's log is one of %r" % paths)
        return paths[0]

    def wait_idle(self):
        """Wait until no session has the mailbox open any more."""
        wait_until(lambda: not self.host.pids(*MAIL_PROCESSES),
                   what="the sessions' processes to end")

    def copy(self, name="copy"):
        """Copy the home directory, as a backup does. Returns the copy."""
        self.wait_idle()
        target = "%s.%s" % (self.home, name)
        subprocess.run(["cp", "-a", self.home, target], check=True)
        return target

    def put_back(self, copy):
        """Put a copy in the place of the home directory."""
        self.wait_idle()
        shutil.rmtree(self.home)
        subprocess.run(["cp", "-a", copy, self.home], check=True)

    @contextlib.contextmanager
    def locked_log(self):
        """Hold the lock of INBOX's transaction log: commits wait for it."""
        with open(self.inbox_log(), "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def locked_map(self):
        """mdbox: hold the lock of the map of messages. A session's commit
        passes, the sync behind it, which removes messages, waits."""
        with open(self.file("dovecot.map.index.log"), "r+b") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield


class Quit:
    """A QUIT whose answer is awaited in the background."""

    def __init__(self, pop):
        self.pop = pop
        self.answer = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.pop._putcmd("QUIT")
            line = self.pop.file.readline()
        except OSError as error:
            line = str(error).encode()
        self.answer = line.decode(errors="replace").rstrip("\r\n")

    def waiting(self):
        return self.answer is None

    def wait(self, timeout=60):
        """The line that answered QUIT, '' if the connection ended."""
        self._thread.join(timeout)
        if self.answer is None:
            raise Failure("QUIT was not answered")
        self.pop.close()
        return self.answer


def pop3_pid(host):
    """The process of the only POP3 session."""
    (pid,) = wait_until(lambda: list(host.pids("pop3")),
                        what="a pop3 process")
    return pid


def waits_for_lock(pid):
    """Does the process wait for a lock on a file?"""
    with open("/proc/locks") as file:
        return any("->" in line and line.split()[5] == str(pid)
                   for line in file)


def kill_process(host, pid):
    """Kill a mail process and wait for its end."""
    host.expect_log(r"child %d killed with signal 9" % pid)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in host.pids(), what="the process to end")


@contextlib.contextmanager
def database_lock(host, statement, args=None):
    """Hold what a statement locks until the end of the block."""
    conn = host.pg.connect(dbname=host.dbname, autocommit=False)
    try:
        with conn.cursor() as cur:
            cur.execute(statement, args)
        yield conn
    finally:
        with contextlib.suppress(Exception):
            conn.rollback()
        conn.close()


def intents_held(host):
    """Let the service record nothing, as a slow database does: intents wait,
    questions are answered."""
    return database_lock(host, "LOCK TABLE pop3.chain IN EXCLUSIVE MODE")


@contextlib.contextmanager
def intents_refused(host, user):
    """The database refuses the intents of a user."""
    name = "refuse%d" % next(_numbers)
    host.sql("CREATE FUNCTION public.%s() RETURNS trigger LANGUAGE plpgsql "
             "AS $f$ BEGIN IF NEW.username = '%s' THEN "
             "RAISE EXCEPTION 'no intents today'; END IF; RETURN NEW; "
             "END $f$; CREATE TRIGGER %s BEFORE INSERT ON pop3.intent "
             "FOR EACH ROW EXECUTE FUNCTION public.%s()" % (
                 name, user, name, name))
    try:
        yield
    finally:
        host.sql("DROP TRIGGER %s ON pop3.intent; DROP FUNCTION public.%s()" %
                 (name, name))


def wait_blocked(host):
    """Wait until a statement in this host's database waits for a lock."""
    wait_until(lambda: host.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s "
        "AND wait_event_type = 'Lock'", (host.dbname,)),
        what="a statement to wait for a lock")
