# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What QUIT was answered is what happened: after +OK the messages that the
session was to take out of the view are out of it, after -ERR and without a QUIT
none is removed for what the session asked."""

from fault_story import TAKES
from invariant_intents import carried_out

ASKED = ("dele", "retrieved", "leave-limit")


def violations(drop, found, listing, lost_from=float("inf")):
    """listing: UIDs that a session after the run saw. lost_from: what sessions
    told that ended from then on may be lost. Returns texts."""
    wrong = []
    done = set().union(*carried_out(found.audit).values())
    acted = {}
    for row in found.audit:
        intent = (row["session_id"], row["intent_no"])
        # what another session had asked for while the database was away
        postponed = (row["detail"] or "").startswith("postponed:")
        if row["event"] == "intent" and row["reason"] in ASKED and \
           intent in done and not postponed:
            acted.setdefault(row["dovecot_session"], set()).add(row["uid"])
    for session in drop.sessions:
        if session.updated():
            wrong += _undone(drop, found, session, listing,
                             session.ended >= lost_from)
        elif not session.may_have_updated(float("inf")):
            uids = acted.get(session.name)
            if uids:
                wrong.append("session %s, whose QUIT was answered by %r, "
                             "removed %r" % (session.name, session.answer,
                                             sorted(uids)))
    return wrong


def _undone(drop, found, session, listing, lost):
    for attribute, name in (("deleted", "on_dele"),
                            ("fetched", "on_retrieve")):
        action = drop.value(name)
        if action in ("keep", "refuse"):
            continue
        hides = action not in TAKES or drop.value("pop3_hold") == "yes"
        if hides and lost:
            continue
        left = getattr(session, attribute) & set(listing)
        if left:
            yield "session %s was told +OK, and %s=%s left %r listed" % (
                session.name, name, action, sorted(left))
        left = getattr(session, attribute) & set(found.mailbox)
        if left and not hides:
            yield "session %s was told +OK, and %s=%s left %r" % (
                session.name, name, action, sorted(left))
