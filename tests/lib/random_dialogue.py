# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A random POP3 session of a random life (random_life.py)."""

import re
import time

from dovecot import wait_until
from model import SPAN
from model_session import Session
from random_tools import Wire

NUMBERS = ["0", "-1", "+1", "1x", "x", "", "01", "4294967295", "4294967296",
           "18446744073709551616", "1 1", "\xe9"]
NOISE = ["", " ", "FOO", "USER x", "PASS x", "AUTH", "STLS", "XTND XMIT",
         "STAT1", "\x01", "RETR1", " NOOP", "LAST", "DELE", "RETR", "TOP",
         "TOP 1", "TOP 1 ", "QUIT1"]


class Difference(Exception):
    """The host is not as the model says."""


def clock():
    """The time. Not right before a day's border, as far as age() may have
    moved it."""
    left = SPAN - time.time() % SPAN
    if left < 2:
        time.sleep(left + 0.1)
    return time.time()


class Dialogue:
    """One session: what is sent, and what the model says of the answers."""

    def __init__(self, life, name, address, master):
        self.life = life
        self.rng = life.rng
        self.label = name.rpartition("/")[2]
        now = clock()
        # the login of the model takes what the server will answer
        self.session = Session(life.model, name, now, master,
                               life.uidvalidity, life.host.last, time.time)
        self.session.address = address
        self.open = self.session.refusal is None
        self._last_fetch = None
        commands = []
        if self.open and self.rng.random() < 0.3:
            commands = self._commands(3)
        self.wire = Wire(life.host, life.user, name, address, master,
                         self._data(commands))
        wanted = "+OK" if self.open else \
            "-ERR [%s]" % self.session.refusal
        if not self.wire.greeting.startswith(wanted):
            life.differs("session %s: the login was answered with %r instead "
                         "of %s", self.label, self.wire.greeting, wanted)
        if self.session.refusal == "LOGIN-DELAY":
            self._check_delay(now)
        if not self.open and not self.wire.at_end():
            life.differs("session %s: goes on after a refusal", self.label)
        if self.open:
            # the +OK comes before the mailbox is opened
            if not commands:
                commands = ["NOOP"]
                self.wire.send(self._data(commands))
            self._converse(commands)

    def _check_delay(self, now):
        """Is it said for how long to wait?"""
        wanted = self.session.policy["login_delay"] - now + \
            self.life.model.record.accepted_at
        found = re.search(r"wait (\d+) second", self.wire.greeting)
        if not found or not -30 < int(found.group(1)) - wanted < 30:
            self.life.differs("session %s: %s, not %d seconds", self.label,
                              self.wire.greeting, wanted)

    # --- commands ---

    def _argument(self):
        count = len(self.session.view)
        if count == 0 or self.rng.random() < 0.08:
            return self.rng.choice(NUMBERS + [str(count + 1)])
        return str(self.rng.randint(1, count))

    def _command(self):
        rng = self.rng
        name = rng.choices(
            ["STAT", "LIST", "UIDL", "RETR", "TOP", "DELE", "RSET", "NOOP",
             "LAST", "CAPA", "noise"],
            [8, 8, 8, 30, 12, 22, 4, 3, 2, 2, 6])[0]
        if name == "noise":
            return rng.choice(NOISE)
        line = name
        if name in ("RETR", "DELE") or \
           name in ("LIST", "UIDL") and rng.random() < 0.5:
            line += " " + self._argument()
        elif name == "TOP":
            lines = rng.choice(["0", "1", "2", "5", "20", "1000"] +
                               ([rng.choice(NUMBERS)]
                                if rng.random() < 0.1 else []))
            line += " %s %s" % (self._argument(), lines)
        if rng.random() < 0.15:
            line = line.lower()
        if rng.random() < 0.02:
            line = line.replace(" ", "  ") + rng.choice(["", " "])
        return line

    def _commands(self, most=8):
        count = self.rng.randint(1, most)
        if self.session.view and \
           self.rng.random() < (0.25 if self.life.bulk else 0.1):
            # a mail reader's: everything
            count = len(self.session.view)
            name = self.rng.choice(["RETR %d", "DELE %d", "TOP %d 0"])
            return [name % number for number in range(1, count + 1)][:50]
        return [self._command() for _ in range(count)]

    @staticmethod
    def _data(commands):
        return "".join(line + "\r\n" for line in commands).encode()

    def batch(self):
        """Some commands, pipelined or one by one."""
        commands = self._commands()
        if self.rng.random() < 0.6:
            self.wire.send(self._data(commands))
            self._converse(commands)
            return
        for line in commands:
            if self.open:
                self.wire.send(self._data([line]))
                self._converse([line])

    def _converse(self, commands):
        """The model executes commands that were sent, and the answers are
        compared."""
        for line in commands:
            before = set(self.session.fetched)
            reply = self.session.execute(line)
            new = set(self.session.fetched) - before
            self._last_fetch = new.pop() if new else None
            self._compare(line, reply)
            if reply.end:
                self._closed()
                self._dropped()
                return

    def _compare(self, line, reply):
        first = self.wire.line()
        lines = None
        if reply.multi() and first.startswith("+OK"):
            lines = self.wire.lines()
        self.life.tell("%s> %s   %s", self.label, line, first)
        if reply.end and not first.startswith("+OK"):
            # and a second line says why it ends
            first = self.wire.line()
        problem = reply.problem(first, lines)
        if problem:
            self.life.differs("session %s: %s was answered with %s",
                              self.label, line or "an empty line", problem)

    def _closed(self):
        self.open = False
        if not self.wire.at_end():
            self.life.differs("session %s: goes on behind its end",
                              self.label)
        self.wire.close()

    # --- ends ---

    def end(self):
        self.rng.choices(
            [self._quit, self._quit_pipelined, self._drop, self._drop_blind,
             self._drop_in_retr], [60, 14, 10, 10, 6])[0]()

    def _quit(self):
        line = self.rng.choice(["QUIT", "QUIT", "quit", "QUIT now", "Quit "])
        now = clock()
        self.wire.send(self._data([line]))
        early = self._arrived()
        self._compare(line, self.session.execute(line))
        self._closed()
        self._update(now, early)

    def _quit_pipelined(self):
        """QUIT in one write with other commands: what was fetched by these
        cannot have arrived before it."""
        commands = self._commands()
        now = clock()
        self.wire.send(self._data(commands + ["QUIT"]))
        early = self._arrived()
        for line in commands:
            reply = self.session.execute(line)
            early &= set(self.session.fetched)
            self._compare(line, reply)
            if reply.end:
                self._closed()
                self._dropped()
                return
        self._compare("QUIT", self.session.execute("QUIT"))
        self._closed()
        self._update(now, early)

    def _arrived(self):
        """What the client knew that it had before it sent QUIT."""
        return set(self.session.fetched)

    def _update(self, now, early):
        """The session came to its end by QUIT."""
        doubtful = self._last_fetch
        if doubtful in early and self._is_unconfirmed(doubtful):
            # QUIT came so soon that the server could not tell
            self.life.doubts += 1
            early.discard(doubtful)
        self.session.quit(now, lambda uid: uid in early)
        if self.session.anchor_unsure:
            self._row()
            ((anchor,),) = self.life.tools.sql(
                "SELECT anchor_uid FROM pop3.maildrop WHERE username = %s",
                self.life.user)
            self.life.model.record.anchor = anchor or 0

    def _is_unconfirmed(self, uid):
        """Does the audit say that the message may not have arrived before
        QUIT? The session has a row, since it fetched one."""
        self._row()
        return bool(self.life.tools.sql(
            "SELECT 1 FROM pop3.audit WHERE username = %s AND "
            "dovecot_session = %s AND event = 'unconfirmed' AND uid = %s",
            self.life.user, self.session.name, uid))

    def _row(self):
        """Wait until the session is recorded. Returns how it ended."""
        self.life.wait_for("session", self.session)
        ((ended_by,),) = self.life.tools.sql(
            "SELECT ended_by FROM pop3.session WHERE username = %s "
            "AND dovecot_session = %s", self.life.user, self.session.name)
        return ended_by

    def _dropped(self):
        """The session came to another end. The server notices that some
        time."""
        self.open = False
        self._row()
        self.session.drop(clock())

    def _go(self):
        """Close the connection, or cut it."""
        if self.rng.random() < 0.5:
            self.wire.close()
        else:
            self.wire.reset()

    def _drop(self):
        """Go away without a word."""
        self.life.tell("%s> (and gone)", self.label)
        self._go()
        self._dropped()

    def _drop_blind(self):
        """Go away behind commands whose answers nobody reads. It is for the
        server how many of them it still executes, but UPDATE it does wholly
        or not at all."""
        session = self.session
        commands = self._commands(4)
        if session.view and self.rng.random() < 0.5:
            # RETR, so that the session has a row in any case
            commands = ["RSET", "RETR 1"] + commands + ["QUIT"]
        self.life.tell("%s> %s (and gone)", self.label, ", ".join(commands))
        now = clock()
        self.wire.send(self._data(commands))
        self._go()
        self.open = False
        session.blind = True
        quits = self._row() == "quit"
        early = self._arrived()
        flagged = {message.uid for message in session.view
                   if "\\Seen" in message.flags}
        perhaps, surely = set(session.seen), set(session.seen)
        for line in commands:
            reply = session.execute(line)
            early &= set(session.fetched)
            perhaps |= session.seen
            surely &= session.seen
            if reply.end:
                break
        if quits:
            self._update(now, early)
            return
        session.seen = surely
        session.drop(now)
        self._adopt_download()
        perhaps = {session.view[number - 1].uid for number in perhaps}
        for message in session.view:
            # RSET may have taken it away (pop3_enable_last)
            if message.uid in perhaps and "\\Seen" not in message.flags or \
               message.uid in flagged and "\\Seen" not in message.flags:
                message.unsure = True

    def _adopt_download(self):
        """Take the database's word for what was sent."""
        ((size,),) = self.life.tools.sql(
            "SELECT sum(d.bytes)::bigint FROM pop3.download d "
            "JOIN pop3.session s USING (session_id) WHERE s.username = %s "
            "AND s.dovecot_session = %s", self.life.user, self.session.name)
        self.life.model.record.downloads.adopt(self.session, size or 0,
                                               clock())

    def _drop_in_retr(self):
        """Go away while a message is being sent."""
        large = [number for number, message in enumerate(
                     self.session.view, 1)
                 if message.size > 20000 and
                 number not in self.session.deleted and
                 message.uid in self.life.model.messages]
        if not large:
            self._drop()
            return
        line = "RETR %d" % self.rng.choice(large)
        self.wire.send(self._data([line]))
        reply = self.session.execute(line)
        first = self.wire.line()
        if not first.startswith(reply.status):
            self.life.differs("%s was answered with %s", line, first)
        if reply.status == "-ERR":
            # download_daily
            self._drop()
            return
        self.wire.file.read(self.rng.choice([1, 1000, 10000]))
        self.life.tell("%s> %s (and gone in mid-message)", self.label, line)
        self._go()
        self.session.blind = True
        self._dropped()
        self._adopt_download()
