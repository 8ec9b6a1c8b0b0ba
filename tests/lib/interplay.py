# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What the tables of doc/interplay.md are about: one message, under several
rules at once, and the word for what became of it."""

import os
import re

from dovecot import TOP
from maildrop import Maildrop
from owner import Owner, shown

PAGE = os.path.join(TOP, "doc", "interplay.md")

# The columns of the first table: how a policy is in force.
MODES = {
    "enforce": {},
    "hold": {"pop3_hold": "yes"},
    "observe": {"enforcement": "observe"},
    "observe, hold": {"enforcement": "observe", "pop3_hold": "yes"},
    "off": {"enforcement": "off"},
    "master user": {},
}


def documented(heading):
    """{(row, column): cell} of the table below a ## heading."""
    with open(PAGE) as file:
        parts = re.split(r"^## (.*)\n", file.read(), flags=re.M)
    text = dict(zip(parts[1::2], parts[2::2]))[heading]
    head, _, *rows = [[cell.strip().replace("`", "")
                       for cell in line.strip("|").split("|")]
                      for line in re.findall(r"^\|.*\|$", text, re.M)]
    return {(row[0], column): cell for row in rows
            for column, cell in zip(head[1:], row[1:])}


class Scene(Owner):
    """An owner whose sessions from act() on are those of a mode."""

    def __init__(self, host, name, mode="enforce"):
        super().__init__(host, name)
        self._mode = mode
        self._acting = False
        self.drop = Maildrop(host, name)

    def act(self, **values):
        """From now on these values hold, and the mode."""
        self.set(**values, **MODES[self._mode])
        self._acting = True
        self.drop.settle()

    def pop3(self, **options):
        if self._acting and self._mode == "master user":
            options["master"] = "master"
        return super().pop3(**options)

    def session(self, retr=(), dele=()):
        """RETR and DELE of UIDs, QUIT. Returns when it is recorded."""
        with self.pop3() as pop:
            numbers = {uid: n for n, uid in enumerate(shown(pop), 1)}
            for uid in retr:
                pop.retr(numbers[uid])
            for uid in dele:
                pop.dele(numbers[uid])
        self.drop.settle()

    def fate(self, uid):
        """What became of a message. The session that looks at the listing
        does what is due at its login, and what is too much at its QUIT."""
        if uid in self.uids():
            with self.pop3() as pop:
                word = "stays" if uid in shown(pop) else "hidden"
            if uid not in self.uids():
                word = "removed by the next session"
        else:
            word = next(("moved" if name == "Trash" else "moved to " + name
                         for name in ("Trash", "POP")
                         if self.drop.stored(name)), "removed")
        return word + self.told(uid)

    def told(self, uid=None):
        """", told" if what `observe' did not do is on record."""
        self.drop.settle()
        events = [row["event"] for row in self.audit()]
        return ", told" if uid in self.would_remove() or any(
            event.startswith("would-") for event in events) else ""
