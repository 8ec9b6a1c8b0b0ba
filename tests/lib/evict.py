# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Deliveries over real LMTP into maildrops that are nearly full.

    drop = FullDrop(host, "jane@example.org")
    drop.fill(3)                  # UIDs 1 to 3, of the same size
    drop.hide(2)
    drop.limit()                  # no room but what is hidden or retrieved
    assert drop.put().code == 250
    assert drop.uids() == [1, 3, 4]

Sizes are what Dovecot's quota counts: with CRLF, and with the header fields
that LMTP adds.
"""

import collections
import contextlib
import fcntl
import itertools
import os
import shutil
import socket

from dovecot import MAIL_GROUP, MAIL_USER, wait_until
from maildrop import Maildrop

QUOTA = {"mail_plugins": "quota",
         "plugin_settings": {"quota": "count:User quota",
                             "quota_vsizes": "yes"}}

_numbers = itertools.count(10000)

Reply = collections.namedtuple("Reply", "code enhanced text")


def _reply(file):
    """One reply; of several lines the last one."""
    while True:
        line = file.readline().decode()
        if line[3:4] != "-":
            break
    code, _, rest = line.strip().partition(" ")
    enhanced, _, text = rest.partition(" ")
    if enhanced.count(".") != 2:
        enhanced, text = "", rest
    return Reply(int(code), enhanced, text)


def lmtp(host, recipients, mail, sender="sender@example.org", timeout=120):
    """Deliver a mail, as bytes, to several recipients in one transaction.
    Returns a reply for each, of RCPT where that refused."""
    with socket.create_connection(("127.0.0.1", host.lmtp_port),
                                  timeout) as sock, \
            sock.makefile("rb") as file:
        def command(line):
            sock.sendall(line.encode() + b"\r\n")
            return _reply(file)
        assert _reply(file).code == 220
        assert command("LHLO client.example.org").code == 250
        assert command("MAIL FROM:<%s>" % sender).code == 250
        replies = [command("RCPT TO:<%s>" % name) for name in recipients]
        accepted = [n for n, reply in enumerate(replies) if reply.code == 250]
        if accepted:
            assert command("DATA").code == 354
            sock.sendall(mail + b".\r\n")
            for n in accepted:
                replies[n] = _reply(file)
        with contextlib.suppress(OSError):
            command("QUIT")
    return replies


def mail_of(body=2000, message_id=None):
    """A mail, as bytes, with a body of so many bytes and headers that are as
    long as those of others; and its Message-ID."""
    number = next(_numbers)
    if message_id is None:
        message_id = "<%05d.evict@example.org>" % number
    lines = ["x" * 68] * ((body - 2) // 70)
    lines.append("y" * (body - 2 - 70 * len(lines)))
    headers = ["From: sender@example.org", "To: recipient@example.org",
               "Subject: Mail %05d" % number,
               "Date: Thu, 01 Jan 2026 12:00:00 +0000"]
    if message_id:
        headers.append("Message-ID: " + message_id)
    text = "\r\n".join(headers + [""] + lines) + "\r\n"
    return text.encode(), message_id


class FullDrop(Maildrop):
    """The maildrop of a user with quota_action=evict."""

    # how the quota counts, as doveadm names it
    SIZE = "size.virtual"

    def __init__(self, host, user, **policy):
        super().__init__(host, user)
        host.set_policies(user, **{"quota_action": "evict", **policy})
        # the Message-ID of the last mail that was put()
        self.message_id = None

    # --- mail ---

    def put(self, body=2000, mailbox=None, message_id=None):
        """Deliver a mail by a connection of its own. Returns the reply."""
        mail, self.message_id = mail_of(body, message_id)
        name, domain = self.user.split("@")
        if mailbox is not None:
            name += "+" + mailbox
        (reply,) = lmtp(self.host, ["%s@%s" % (name, domain)], mail)
        return reply

    def fill(self, count, body=2000):
        """Deliver mails of the same size, by a connection each."""
        for _ in range(count):
            reply = self.put(body)
            assert reply.code == 250, reply

    def sizes(self, mailbox="INBOX"):
        """{UID: size} as the quota counts."""
        return {int(uid): int(size) for uid, size in
                self.host.fetch(self.user, "uid " + self.SIZE, mailbox)}

    def used(self):
        return sum(self.sizes().values())

    # --- policy ---

    def limit(self, more=0):
        """quota_storage: what there is, and so many bytes."""
        self.host.set_policies(self.user, quota_storage=str(
            self.used() + more))

    def retrieve(self, *uids):
        """One session for each, so that their order is told."""
        for uid in uids:
            self.session(retr=[uid])

    def hide(self, *uids):
        self.host.set_policies(self.user, on_retrieve="hide")
        self.retrieve(*uids)
        self.host.set_policies(self.user, on_retrieve="keep")

    def restore(self, *uids):
        self.host.sql("SELECT pop3.restore(%s, %s::int8multirange)", (
            self.user, "{%s}" % ",".join("[%d,%d]" % (uid, uid)
                                         for uid in uids)))

    # --- what became of it ---

    def evicted(self):
        """[(UID, detail)] of the audit's intents for quotas, in their
        order."""
        return [(row["uid"], row["detail"])
                for row in self.host.audit(self.user)
                if row["event"] == "intent" and row["reason"] == "quota"]

    def wait_settled(self):
        """Wait until the outcomes of all intents are recorded."""
        wait_until(lambda: not self.open_intents(), what="the outcomes")

    # --- locks ---

    def lock_file(self):
        return os.path.join(os.path.dirname(self.inbox_log()),
                            "pop3-policy-quota.lock")

    @contextlib.contextmanager
    def locked(self):
        """Hold the maildrop's lock, as another delivery does."""
        path = self.lock_file()
        with open(path, "wb") as file:
            shutil.chown(path, MAIL_USER, MAIL_GROUP)
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield
            os.unlink(path)
