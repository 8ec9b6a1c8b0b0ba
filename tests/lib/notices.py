# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Notices as the owner of a mailbox gets them."""

import datetime
import email
import email.policy
import email.utils
import json
import re

# In every notice's Message-ID.
TAG = ".pop3-policy@"

# What a notice says in which language is up to its template; these are of the
# shipped ones.
KINDS = {
    "policy": r"The rules of your mailbox have changed",
    "expiry": r"\d+ messages? will be deleted (on|from) .*",
    "quota": r"Your mailbox is \d+% full",
}


class Notice:
    """A notice that a client has downloaded: `raw', the bytes of the message,
    and what a person sees of it."""

    def __init__(self, raw):
        self.raw = raw
        self.mail = email.message_from_bytes(raw,
                                             policy=email.policy.default)
        self.subject = self.mail["Subject"]
        self.text = self.mail.get_content().replace("\r\n", "\n")
        self.message_id = self.mail["Message-ID"]

    def __repr__(self):
        return "<%s: %s>" % (self.subject, self.text)

    @property
    def kind(self):
        (kind,) = [kind for kind, regex in KINDS.items()
                   if re.fullmatch(regex, self.subject)]
        return kind

    @property
    def words(self):
        """The text without its line breaks."""
        return " ".join(self.text.split())

    def letter(self):
        """The message as it is, but for what is different each time, which is
        checked: DATE and ID stand in its place."""
        sent = email.utils.parsedate_to_datetime(self.mail["Date"])
        now = datetime.datetime.now(datetime.timezone.utc)
        assert abs((now - sent).total_seconds()) < 600
        text = self.raw.decode("ascii")
        text, count = re.subn(r"(?m)^Date: [^\r]+", "Date: DATE", text)
        assert count == 1
        text, count = re.subn(
            r"(?m)^Message-ID: <[0-9a-f]{32}\.pop3-policy@mail\.example\.org>",
            "Message-ID: ID", text)
        assert count == 1
        lines = text.split("\r\n")
        assert "\n" not in "".join(lines) and max(map(len, lines)) <= 998
        return "\n".join(lines)


# The header of a notice, before and behind its subject.
HEAD = """\
From: <postmaster@example.org>
To: <%s>
Subject: %s
Date: DATE
Message-ID: ID
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

"""


def in_session(pop):
    """The notices in a session's view, oldest first. Downloads them."""
    found = []
    for number in pop.uids():
        head = b"\r\n".join(pop.top(number, 0)[1])
        if TAG.encode() in head:
            lines = pop.retr(number)[1]
            found.append(Notice(b"\r\n".join(lines) + b"\r\n"))
    return found


def in_mailbox(owner):
    """The notices in an owner's mailbox, oldest first. Neither a session nor a
    use of IMAP."""
    rows = json.loads(owner.host.doveadm(
        "-f", "json", "fetch", "-u", owner.name, "text", "mailbox", "INBOX",
        "header", "message-id", TAG))
    return [Notice(row["text"].encode()) for row in rows]


def told(owner, *kinds):
    """Look by POP3, which lets notices of policy and expiry be written, and
    compare the kinds of all that is in the session. Returns the notices."""
    with owner.pop3() as pop:
        found = in_session(pop)
    if found:
        owner.ended(retr=len(found))
    assert [notice.kind for notice in found] == list(kinds)
    return found


def on_record(owner):
    """(kind, Message-ID, what was told) of the notices in the audit."""
    return [(row["reason"], row["message_id"], row["detail"])
            for row in owner.audit() if row["event"] == "notice"]
