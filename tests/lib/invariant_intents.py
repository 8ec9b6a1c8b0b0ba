# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Every message that left the mailbox has exactly one durable intent that says
why and was carried out, or was taken by IMAP or doveadm; and what has such an
intent did leave.

Sessions that take the same message away at the same time have one intent each:
nobody can tell which of them it was. What others took is told once, and not where
there is such an intent."""

import collections
import itertools

from maildrop import guid128

ACTIONS = ("expunge", "move")


def carried_out(audit):
    """{(UID, GUID): [intent]} of the intents to take messages away that were
    carried out, as far as the audit knows. An intent is (session, number)."""
    committed, presumed = set(), set()
    for row in audit:
        intent = (row["session_id"], row["intent_no"])
        if row["event"] in ("committed", "committed-late"):
            committed.add(intent)
        elif row["event"] == "presumed":
            presumed.add((intent, row["uid"]))
    found = collections.defaultdict(set)
    for row in audit:
        intent = (row["session_id"], row["intent_no"])
        if row["event"] == "intent" and row["action"] in ACTIONS and (
                intent in committed or (intent, row["uid"]) in presumed):
            found[row["uid"], str(row["message_guid"])].add(intent)
    return found


def at_once(drop, found, uid, intents):
    """Were all who took a message away at work at the same time? Of deliveries
    and removals by others nothing is known but that they were at work."""
    names = {row["dovecot_session"] for row in found.audit
             if row["event"] == "intent" and row["uid"] == uid and
             (row["session_id"], row["intent_no"]) in intents}
    sessions = [session for session in drop.sessions if session.name in names]
    return len(intents) == len({session for session, _ in intents}) and all(
        one.overlaps(other)
        for one, other in itertools.combinations(sessions, 2))


def violations(drop, found):
    """Returns texts."""
    wrong = []
    seen = collections.Counter(
        (row["session_id"], row["intent_no"], row["uid"])
        for row in found.audit if row["event"] == "intent")
    for key, count in seen.items():
        if count != 1:
            wrong.append("UID %s stands %d times in intent %s %s" % (
                key[2], count, key[0], key[1]))
    done = carried_out(found.audit)
    gone = collections.Counter(row["uid"] for row in found.audit
                               if row["event"] == "gone")
    for uid, message in drop.by_uid().items():
        intents = done.get((uid, guid128(message.guid)), ())
        if found.mailbox.get(uid) == message.guid:
            if intents:
                wrong.append("UID %d is there, and was removed by %r" % (
                    uid, sorted(map(str, intents))))
            if gone[uid]:
                wrong.append("UID %d is there, and was told as gone" % uid)
            continue
        told = len(intents) + gone[uid]
        if told == 0 and uid not in drop.expunged:
            # what others take is told only of messages that have state
            wrong.append("UID %d left, and no intent says why" % uid)
        elif told > 1 and (gone[uid] or
                           not at_once(drop, found, uid, intents)):
            wrong.append("UID %d left once, and is told %d times: %s%s" % (
                uid, told, sorted(map(str, intents)),
                " and gone" if gone[uid] else ""))
        elif gone[uid] and uid not in drop.expunged:
            wrong.append("UID %d is told as gone, and nobody else took it" %
                         uid)
    if found.open_intents:
        wrong.append("%d intents are open after repair" % found.open_intents)
    return wrong
