# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A listing shows every message that must be seen: a fault makes no listing
shorter. A login that cannot have a whole one is refused for the time being."""

# what a client is told to do; the last is Dovecot's own word
PASSING = ["wait", "Internal error occurred"]


def may_be_missing(drop, message, session):
    """May a session not list a message?"""
    if message.delivered is None or message.delivered > session.begun or \
       message.had_another:
        return True
    uid, until = message.uid, session.listed
    if drop.expunged.get(uid, until + 1) <= until:
        return True
    return bool(drop.may_be_hidden(uid, until) or
                drop.may_be_removed(uid, until))


def violations(drop, found):
    """Returns texts."""
    wrong = []
    for session in drop.sessions:
        wrong += ["session %s: %s" % (session.name, text)
                  for text in session.wrong]
        if session.refusal is not None and not any(
                session.refusal.startswith("-ERR [SYS/TEMP]") and
                text in session.refusal for text in PASSING):
            wrong.append("session %s was refused by %r" % (
                session.name, session.refusal))
        if session.listing is None:
            continue
        missing = [message.uid for message in drop.messages
                   if message.uid not in session.listing and
                   not may_be_missing(drop, message, session)]
        if missing:
            wrong.append("session %s lists %r, without %r" % (
                session.name, session.listing, missing))
    lost = [message.message_id for message in drop.messages
            if message.delivered is not None and message.uid is None]
    if lost:
        wrong.append("delivered, and nowhere to be found: %r" % lost)
    return wrong
