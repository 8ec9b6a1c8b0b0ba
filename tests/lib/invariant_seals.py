# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""pop3-policy-verify finds nothing wrong with the chains (doc/verify.md)."""

import re

WELL = re.compile(r"chain [0-9a-f-]{36}: \d+ rows verified|in no chain yet")


def violations(status, output):
    """status: the program's exit status. output: what it printed. Returns
    texts."""
    wrong = [line for line in output.splitlines()
             if status != 0 and not WELL.match(line)]
    if status == 0 and "rows verified" not in output:
        wrong.append("no chain was verified: %r" % output)
    elif status not in (0, 1) or (status == 1 and not wrong):
        wrong.append("exit status %d: %r" % (status, output))
    return wrong
