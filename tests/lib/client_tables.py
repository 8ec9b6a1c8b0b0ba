# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The tables in doc/clients.md. Their lines are what is observed; as a program
this writes them anew:

    POP3_POLICY_BUILDDIR=build python3 tests/lib/client_tables.py
"""

import os
import re
import shutil
import tempfile

from client_refusals import HOST_OPTIONS, REFUSALS, REFUSED_WAYS, refused
from client_sessions import POLICIES, WAYS, observe
from dovecot import TOP
from host import PrivateHost

PAGE = os.path.join(TOP, "doc", "clients.md")
SESSIONS_HEAD = ("client", "it sent", "downloaded", "again",
                 "retrieved, left, listed",
                 "connections, commands", "status")
# where a client has something to tell
REFUSED_HEAD = SESSIONS_HEAD + ("it tells",)
REFUSALS_HEAD = ("client", "status", "it tells")


def line(cells):
    return "| " + " | ".join(cells) + " |"


def parts():
    """[(heading, its text)] of the page, headings being those of ##; the
    first has none."""
    with open(PAGE) as file:
        found = re.split(r"^## (.*)\n", file.read(), flags=re.M)
    return [("", found[0])] + list(zip(found[1::2], found[2::2]))


def documented(heading):
    """{client: cells} of the table below a heading."""
    (text,) = [text for name, text in parts() if name == heading]
    rows = [[cell.strip() for cell in row.strip("|").split(" | ")]
            for row in re.findall(r"^\|.*\|$", text, re.M)[2:]]
    return {row[0]: tuple(cell for cell in row[1:] if cell) for row in rows}


def heading_of(policy_or_code):
    return policy_or_code if policy_or_code in POLICIES else \
        "login refused with [%s]" % policy_or_code


def with_table(text, head, rows):
    """A part of the page with its table replaced."""
    table = [line(head), line(["---"] * len(head))] + rows
    lines = text.split("\n")
    old = [i for i, row in enumerate(lines) if row.startswith("|")]
    if not old:
        return text.rstrip("\n") + "\n\n" + "\n".join(table) + "\n\n"
    lines[old[0]:old[-1] + 1] = table
    return "\n".join(lines)


def write():
    tables = {}
    directory = tempfile.mkdtemp()
    host = PrivateHost(**HOST_OPTIONS)
    try:
        host.start()
        for number, policy in enumerate(POLICIES):
            rows = [(way,) + observe(
                host, "u%d_%d@example.org" % (number, i), directory, way,
                policy).row() for i, way in enumerate(WAYS)]
            width = max(map(len, rows))
            tables[policy] = (
                REFUSED_HEAD[:width],
                [line(row + ("",) * (width - len(row))) for row in rows])
        for number, code in enumerate(REFUSALS):
            users = {way: "r%d_%d@example.org" % (number, i)
                     for i, way in enumerate(REFUSED_WAYS)}
            seen = refused(host, directory, code, users)
            tables[heading_of(code)] = (REFUSALS_HEAD, [
                line((way,) + seen[way].row()) for way in REFUSED_WAYS])
    finally:
        host.cleanup()
        shutil.rmtree(directory)
    with open(PAGE) as file:
        text = file.read()
    for heading, (head, rows) in tables.items():
        for name, part in parts():
            if name == heading:
                text = text.replace("## %s\n%s" % (name, part),
                                    "## %s\n%s" % (name, with_table(
                                        part, head, rows)))
    with open(PAGE, "w") as file:
        file.write(text.rstrip("\n") + "\n")


if __name__ == "__main__":
    write()
