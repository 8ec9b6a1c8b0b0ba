# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Notices as the owner of a mailbox gets them."""

import email
import email.policy

# In every notice's Message-ID.
TAG = ".pop3-policy@"


class Notice:
    """A notice that a POP3 client has downloaded: `raw', the bytes of the
    message, and what a person sees of it."""

    def __init__(self, raw):
        self.raw = raw
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        self.mail = mail
        self.subject = mail["Subject"]
        self.text = mail.get_content()
        self.message_id = mail["Message-ID"]

    def __repr__(self):
        return "<%s: %s>" % (self.subject, self.text)

    @property
    def words(self):
        """The text without its line breaks."""
        return " ".join(self.text.split())


def in_session(pop):
    """The notices in a session's view, oldest first. They are looked at by
    TOP, which leaves them unretrieved."""
    found = []
    for number in pop.uids():
        head = b"\r\n".join(pop.top(number, 0)[1])
        if TAG.encode() in head:
            # all but the last line: a TOP of all lines is a download
            lines = pop.retr(number)[1]
            found.append(Notice(b"\r\n".join(lines) + b"\r\n"))
    return found


def in_mailbox(owner):
    """The notices in an owner's mailbox, as IMAP shows them."""
    imap = owner.host.imap(owner.name)
    found = []
    _, (numbers,) = imap.search(None, "HEADER", "Message-ID", TAG)
    for number in numbers.split():
        _, data = imap.fetch(number.decode(), "(BODY.PEEK[])")
        found.append(Notice(data[0][1]))
    imap.logout()
    return found
