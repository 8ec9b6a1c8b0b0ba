# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""No session repairs an intent while the session that has it goes on: leases are
much longer than a run, so that only the end of a session lets others repair."""

import re


def violations(drop, found):
    """Returns texts."""
    if drop.clock_ahead:
        # leases run out
        return []
    wrong = []
    names = {str(row["session_id"]): row["dovecot_session"]
             for row in found.sessions}
    sessions = {session.name: session for session in drop.sessions}
    for row in found.audit:
        repairer = re.match(r"repaired by session (\S+)", row["detail"] or "")
        if not repairer:
            continue
        by = sessions.get(names.get(repairer[1]))
        owner = sessions.get(names.get(str(row["session_id"])))
        if by and owner and by.listing is not None and \
           owner.ended > by.listed:
            wrong.append("session %s repaired intent %s of session %s, which "
                         "went on (UID %s)" % (by.name, row["intent_no"],
                                               owner.name, row["uid"]))
    return wrong
