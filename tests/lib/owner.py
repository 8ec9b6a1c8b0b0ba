# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The owner of a mailbox on a private host: the sessions that tests have with
one mailbox, and what they look at afterwards.

Messages are named by their UIDs, 1 being the first one delivered. POP3's
message numbers are other numbers as soon as something is hidden or gone.
"""

import poplib
import re

from dovecot import wait_until
from host import message
from raw import RawPop3


def uidset(multirange):
    """An int8multirange as a set of numbers; empty for NULL."""
    numbers = set()
    for first, end in re.findall(r"\[(\d+),(\d+)\)", multirange or ""):
        numbers.update(range(int(first), int(end)))
    return numbers


def shown(pop):
    """UIDs of the messages that a session shows, in its order (with Dovecot's
    default UIDLs)."""
    uidls = pop.uids()
    assert list(uidls) == list(range(1, len(uidls) + 1))
    return [int(uidl[:8], 16) for uidl in uidls.values()]


def refusal(pop, command):
    """The -ERR that a command gets."""
    try:
        reply = pop._shortcmd(command)
    except poplib.error_proto as error:
        return error.args[0].decode()
    raise AssertionError("%s was answered with %r" % (command, reply))


# What the audit tells, in short: (event, action, reason, UID) for each row.

def intent(action, reason, *uids):
    """The rows of an intent."""
    return [("intent", action, reason, uid) for uid in uids]


def event(name, *uids, reason=None):
    """The rows of an event about messages, or about none."""
    return [(name, None, reason, uid) for uid in uids or (None,)]


COMMITTED = [("committed", None, None, None)]


class Owner:
    def __init__(self, host, name):
        self.host = host
        self.name = name
        self._delivered = 0
        self._told = set()

    # --- mail ---

    def _mails(self, messages):
        """Messages from a number of them, or as they are."""
        if len(messages) == 1 and isinstance(messages[0], int):
            first = self._delivered + 1
            messages = [message("Message %d" % uid)
                        for uid in range(first, first + messages[0])]
        self._delivered += len(messages)
        return messages

    def deliver(self, *messages):
        """Deliver messages, or as many messages, "Message 1" having UID 1."""
        self.host.deliver(self.name, *self._mails(messages))

    def append(self, *messages, date=None, flags=""):
        """Save messages, or as many messages, by IMAP, in one command.
        date: INTERNALDATE, as in "01-Jan-2020 12:00:00 +0000"."""
        command = b"x APPEND INBOX"
        for mail in self._mails(messages):
            data = mail.as_bytes()
            command += b" (%s)%s {%d+}\r\n%s" % (
                flags.encode(), b' "%s"' % date.encode() if date else b"",
                len(data), data)
        imap = self.host.imap(self.name)
        imap.send(command + b"\r\n")
        reply = imap.readline()
        while not reply.startswith(b"x "):
            reply = imap.readline()
        assert reply.startswith(b"x OK"), reply
        imap.logout()

    def _fetch(self, fields, query=("ALL",)):
        """What doveadm tells of the mailbox's messages. It neither logs in by
        IMAP nor loads the plugin."""
        return self.host.fetch(self.name, fields, "INBOX", *query)

    def uids(self):
        """UIDs of the messages in the mailbox, hidden ones too."""
        return sorted(int(uid) for (uid,) in self._fetch("uid"))

    def guid(self, uid):
        """The GUID of a message (a dbox has 128 bits for it), as PostgreSQL
        writes it."""
        ((guid,),) = self._fetch("guid", ("uid", str(uid)))
        return re.sub(r"(.{8})(.{4})(.{4})(.{4})(.{12})", r"\1-\2-\3-\4-\5",
                      guid)

    def flags(self, uid):
        ((flags,),) = self._fetch("flags", ("uid", str(uid)))
        return flags.split()

    def uidnext(self):
        return int(self.host.doveadm(
            "-f", "flow", "mailbox", "status", "-u", self.name, "uidnext",
            "INBOX").rpartition("=")[2])

    # --- policy ---

    def set(self, **values):
        """Set parameters for this user."""
        self.host.set_policies(self.name, **values)

    def age(self, interval):
        """Time passes. What was recorded moves into the past."""
        self.host.age(self.name, interval)

    def restore(self, *uids):
        """Put hidden messages back into the view, as an administrator."""
        self.host.sql("SELECT pop3.restore(%s, %s::int8multirange)", (
            self.name, "{%s}" % ",".join("[%d,%d]" % (uid, uid)
                                         for uid in uids)))

    # --- sessions ---

    def pop3(self, **options):
        return self.host.pop3(self.name, **options)

    def raw(self, **options):
        return RawPop3(self.host, self.name, **options)

    def retrieve(self, *uids):
        """RETR and QUIT. Returns the recorded session."""
        with self.pop3() as pop:
            numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
            for uid in uids:
                pop.retr(numbers[uid])
        return self.ended(retr=len(uids))

    def delete(self, *uids):
        """DELE and QUIT. Returns the recorded session."""
        with self.pop3() as pop:
            numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
            for uid in uids:
                pop.dele(numbers[uid])
        return self.ended(dele=len(uids))

    def poll(self):
        """A session that only looks. Returns the UIDs shown, when the records
        know the maildrop as it is."""
        with self.pop3() as pop:
            found = shown(pop)
        uidnext = self.uidnext()
        wait_until(lambda: self.maildrop() and
                   self.maildrop()["uidnext"] >= uidnext,
                   what="the maildrop of %s to be recorded" % self.name)
        return found

    def check_view(self, uids):
        """A session in which all commands agree that these messages are what
        there is. It ends without QUIT."""
        pop = self.pop3()
        assert shown(pop) == list(uids)
        count, total = pop.stat()
        sizes = [int(line.split()[1]) for line in pop.list()[1]]
        assert (count, total) == (len(uids), sum(sizes))
        for number, (uid, size) in enumerate(zip(uids, sizes), 1):
            uidl = pop.uids()[number]
            assert pop.list(number) == b"+OK %d %d" % (number, size)
            assert pop.uidl(number) == b"+OK %d %s" % (number, uidl.encode())
            _, lines, octets = pop.retr(number)
            assert octets == size
            assert b"Subject: Message %d" % uid in lines
            assert b"Subject: Message %d" % uid in pop.top(number, 0)[1]
        for command in ("LIST %d", "UIDL %d", "RETR %d", "TOP %d 0",
                        "DELE %d"):
            assert refusal(pop, command % (len(uids) + 1)).startswith(
                "-ERR There's no message")
        pop.drop()

    # --- records ---

    def ended(self, **fields):
        """Wait for a recorded session with these values that was not told
        yet, and return it, with sets of UIDs for fetched, retrieved and
        removed."""
        def found():
            for row in self.host.sessions(self.name):
                if row["session_id"] not in self._told and all(
                        row[name] == value for name, value in fields.items()):
                    return row
            return None
        row = wait_until(found, what="a session of %s with %r to be recorded" %
                         (self.name, fields))
        self._told.add(row["session_id"])
        for name in ("fetched", "retrieved", "removed"):
            row[name] = uidset(row[name])
        return row

    def maildrop(self):
        """The row of the maildrop, None without one."""
        rows = self.host.rows("SELECT * FROM pop3.maildrop "
                              "WHERE username = %s", (self.name,))
        return rows[0] if rows else None

    def state(self):
        """{UID: row of pop3.message}"""
        rows = self.host.rows(
            "SELECT m.* FROM pop3.message m JOIN pop3.maildrop d "
            "USING (maildrop_id) WHERE d.username = %s ORDER BY m.uid",
            (self.name,))
        return {row["uid"]: row for row in rows}

    def retrieved(self):
        """UIDs of the messages that are on record as retrieved."""
        return [uid for uid, row in self.state().items()
                if row["retrieved_at"] is not None]

    def hidden(self):
        """UIDs of the messages that are on record as hidden."""
        return [uid for uid, row in self.state().items()
                if row["hidden_at"] is not None]

    def would_remove(self):
        """{UID: rule} of what enforcement=observe has left in place."""
        return dict(self.host.sql(
            "SELECT uid, rule FROM pop3.report_would_remove "
            "WHERE username = %s ORDER BY uid", (self.name,)))

    def audit(self):
        return self.host.audit(self.name)

    def story(self):
        """The audit in short."""
        return [(row["event"], row["action"], row["reason"], row["uid"])
                for row in self.audit()]

    def told(self, story):
        """Wait until the audit has as many rows as the story, and compare."""
        wait_until(lambda: len(self.audit()) >= len(story),
                   what="%d rows in the audit of %s" % (
                       len(story), self.name))
        assert self.story() == story
