# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""No message left the mailbox that the policy kept, and the reason that the
audit tells is one that there was."""

from invariant_intents import carried_out
from maildrop import guid128


def violations(drop, found):
    """Returns texts."""
    wrong = []
    done = carried_out(found.audit)
    for uid, message in drop.by_uid().items():
        if found.mailbox.get(uid) == message.guid:
            continue
        reasons = drop.may_be_removed(uid)
        if not reasons and uid not in drop.expunged:
            wrong.append("UID %d left, and the policy keeps it: %r" % (
                uid, drop.policy))
        intents = done.get((uid, guid128(message.guid)), ())
        for row in found.audit:
            if row["event"] == "intent" and row["uid"] == uid and \
               (row["session_id"], row["intent_no"]) in intents and \
               row["action"] not in reasons.get(row["reason"], ()):
                wrong.append("UID %d left by %s (%s), for which there was no "
                             "reason" % (uid, row["action"], row["reason"]))
    return wrong
