# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Each session is recorded once, with the end that its client saw, what it
retrieved is counted once, and state belongs to messages that are there. Sessions
that did nothing may be counted instead (invariant_polls.py)."""

import collections


def violations(drop, found, lost_from=float("inf")):
    """lost_from: what sessions told that ended from then on may be lost. Returns
    texts."""
    wrong = []
    rows = collections.defaultdict(list)
    for row in found.sessions:
        rows[row["dovecot_session"]].append(row)
    for session in drop.sessions:
        lost = session.ended >= lost_from
        ends = [row["ended_by"] for row in rows.pop(session.name, ())]
        if len(ends) > 1:
            wrong.append("session %s is recorded %d times: %r" % (
                session.name, len(ends), ends))
        elif session.accepted and not ends and not lost and not (
                found.polls is not None and session.may_be_poll()):
            wrong.append("session %s is not recorded" % session.name)
        elif session.updated() and ends not in (
                ["quit"], ["lost"] if lost else ["quit"], []):
            wrong.append("session %s was told +OK, and is recorded with the "
                         "end %s" % (session.name, ends[0]))
        elif (session.answer or "").startswith("-ERR") and "quit" in ends:
            wrong.append("session %s was told %r, and is recorded as if it "
                         "had succeeded" % (session.name, session.answer))
    if rows:
        wrong.append("sessions are recorded that nobody had: %r" %
                     sorted(map(str, rows)))
    wrong += _state(drop, found, lost_from)
    return wrong


def _state(drop, found, lost_from):
    if found.tracked != len(found.state):
        yield "%d messages are tracked, and %d have state" % (
            found.tracked, len(found.state))
    for uid in sorted(set(found.state) - set(found.mailbox)):
        yield "UID %d has state, and is not there" % uid
    for uid in found.mailbox:
        row = found.state.get(uid)
        count = row["retrieved_count"] if row else 0
        most = sum(uid in session.fetched and
                   session.may_have_updated(float("inf"))
                   for session in drop.sessions)
        least = sum(uid in session.fetched and session.updated() and
                    session.ended < lost_from for session in drop.sessions)
        if not least <= count <= most:
            yield "UID %d was retrieved by %d to %d sessions, and is recorded " \
                "%d times" % (uid, least, most, count)
        if row and row["hidden_at"] is not None and \
           not drop.may_be_hidden(uid, float("inf")):
            yield "UID %d is hidden, and the policy shows it" % uid
