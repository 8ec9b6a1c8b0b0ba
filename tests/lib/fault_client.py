# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What clients do during a run of the fault tests: POP3 sessions, deliveries,
removals by IMAP and doveadm. Each does what it has planned, as far as the server
goes along, and notes what it saw (fault_story.py)."""

import contextlib
import random
import smtplib
import socket
import threading
import time

from dovecot import PASSWORD, Failure
from fault_story import Message, Session
from maildrop import uid_of

PATIENCE = 30
PAUSES = [0, 0, 0, 0.002, 0.01, 0.03]


class Moments:
    """Lets others wait for the n-th time that something happens: a "login", a
    "quit", the "answer" +OK to one, a "delivery"."""

    def __init__(self):
        self._changed = threading.Condition()
        self._counts = {}

    def tell(self, name):
        with self._changed:
            self._counts[name] = self._counts.get(name, 0) + 1
            self._changed.notify_all()

    def wait(self, name, count, timeout):
        """Returns whether it has happened so often."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._counts.get(name, 0) >= count, timeout)


class Pop3Plan:
    """What a session is going to do, and the doing. Messages are picked from
    the listing by numbers between 0 and 1, since nobody knows it yet."""

    def __init__(self, name, rng):
        self.session = Session(name)
        self.delay = rng.choice([0, 0, 0.005, 0.02, 0.05])
        self.steps = []
        for _ in range(rng.choice([0, 1, 2, 3, 5])):
            self.steps.append((rng.choice(["RETR", "RETR", "DELE"]),
                               rng.random(), rng.choice(PAUSES)))
        if rng.random() < 0.1:
            self.steps.insert(rng.randint(0, len(self.steps)),
                              ("RSET", 0, rng.choice(PAUSES)))
        # what makes a client that leaves nothing on the server
        if rng.random() < 0.15:
            self.steps = [("RETR", "all", 0), ("DELE", "all", 0)]
        self.end = rng.choices(["QUIT", "drop", "reset"], [8, 1, 1])[0]

    def run(self, host, user, moments):
        time.sleep(self.delay)
        session = self.session
        session.begun = time.monotonic()
        moments.tell("login")
        try:
            with contextlib.closing(socket.create_connection(
                    ("127.0.0.1", host.pop3_port), PATIENCE)) as sock, \
                    sock.makefile("rb") as file:
                self._talk(sock, file, user, moments)
        except socket.timeout:
            session.wrong.append("no answer within %d seconds" % PATIENCE)
        except OSError:
            # the connection was lost
            pass
        session.ended = time.monotonic()
        if session.quit_sent is not None and session.answer is None:
            session.answer = ""

    def _talk(self, sock, file, user, moments):
        session = self.session

        def line():
            found = file.readline()
            if not found.endswith(b"\r\n"):
                raise ConnectionError("the end")
            return found.decode(errors="replace").rstrip("\r\n")

        def send(text):
            sock.sendall(text.encode() + b"\r\n")

        line()
        send("XCLIENT SESSION=%s" % session.name)
        line()
        send("USER " + user)
        line()
        send("PASS " + PASSWORD)
        answer = line()
        if not answer.startswith("+OK"):
            session.refusal = answer
            return
        session.accepted = True
        send("UIDL")
        answer = line()
        if not answer.startswith("+OK"):
            # the mailbox is opened behind the +OK of PASS
            session.refusal = answer
            return
        uids = []
        while (answer := line()) != ".":
            uids.append(uid_of(answer.split(" ", 1)[1]))
        session.listing = uids
        session.listed = time.monotonic()
        for verb, pick, pause in self.steps:
            numbers = range(1, len(uids) + 1)
            if verb == "RSET":
                numbers = [None]
            elif pick != "all":
                numbers = [int(pick * len(uids)) + 1] if uids else []
            for number in numbers:
                self._command(send, line, verb, number)
            time.sleep(pause)
        if self.end == "QUIT":
            session.quit_sent = time.monotonic()
            moments.tell("quit")
            send("QUIT")
            session.answer = line()
            if session.updated():
                moments.tell("answer")
            if not session.answer.startswith(("+OK", "-ERR [SYS/TEMP]")):
                session.wrong.append("QUIT: " + session.answer)
        elif self.end == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                            (1).to_bytes(4, "little") + bytes(4))

    def _command(self, send, line, verb, number):
        session = self.session
        if verb == "RSET":
            send("RSET")
            if line().startswith("+OK"):
                session.fetched.clear()
                session.deleted.clear()
            return
        uid = session.listing[number - 1]
        if uid in session.deleted:
            return
        send("%s %d" % (verb, number))
        answer = line()
        if verb == "DELE":
            if answer.startswith("+OK"):
                session.deleted.add(uid)
        elif answer.startswith("+OK"):
            session.sent += 1
            while line() != ".":
                pass
            session.fetched.add(uid)


def poll_plan(name):
    """A session that looks whether there is something, and does nothing."""
    plan = Pop3Plan(name, random.Random(0))
    plan.delay, plan.steps, plan.end = 0, [], "QUIT"
    return plan


class Deliveries:
    """Messages that come by LMTP, one after the other in one connection."""

    def __init__(self, drop, count, pause=0.0, delay=0.0):
        first = len(drop.messages)
        self.drop = drop
        self.pause = pause
        self.delay = delay
        self.wanted = ["<%d.%s>" % (first + number, drop.user)
                       for number in range(1, count + 1)]

    def run(self, host, moments):
        time.sleep(self.delay)
        try:
            with smtplib.LMTP("127.0.0.1", host.lmtp_port,
                              timeout=PATIENCE) as lmtp:
                for message_id in self.wanted:
                    message = Message(message_id, time.monotonic())
                    self.drop.messages.append(message)
                    moments.tell("delivery")
                    lmtp.sendmail(
                        "sender@example.org", [self.drop.user],
                        "Message-ID: %s\r\nSubject: Test\r\n\r\n%s\r\n" % (
                            message_id, "Hello. " * 40))
                    message.delivered = time.monotonic()
                    time.sleep(self.pause)
        except (OSError, smtplib.SMTPException):
            # told apart by Message.delivered
            pass


class Removal:
    """Somebody else takes messages away."""

    def __init__(self, drop, uids, way, delay):
        self.drop = drop
        self.uids = uids
        self.way = way
        self.delay = delay

    def run(self, host, moments):
        time.sleep(self.delay)
        begun = time.monotonic()
        for uid in self.uids:
            self.drop.expunged[uid] = begun
        uids = ",".join(map(str, self.uids))
        with contextlib.suppress(OSError, Failure, Exception):
            if self.way == "doveadm":
                host.doveadm("expunge", "-u", self.drop.user, "mailbox",
                             "INBOX", "uid", uids, check=False)
            else:
                imap = host.imap(self.drop.user)
                imap.uid("STORE", uids, "+FLAGS", "(\\Deleted)")
                imap.uid("EXPUNGE", uids)
                imap.logout()
