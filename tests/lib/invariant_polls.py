# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Where polls are counted, each session is counted once, or recorded: what is not
recorded did nothing, and is counted."""


def violations(drop, found, lost_from=None, lost_until=None):
    """What was counted between these two moments may be lost, if they are given.
    Returns texts."""
    if found.polls is None:
        return []
    recorded = {row["dovecot_session"] for row in found.sessions}
    most, least = uncounted(drop, recorded, lost_from, lost_until)
    if least <= found.polls <= most:
        return []
    return ["%d to %d polls were made, and %d are counted" % (
        least, most, found.polls)]


def uncounted(drop, recorded, lost_from=None, lost_until=None):
    """Returns how many of the sessions that have no row may be, and must be
    among the polls. recorded: names of those that have one."""
    polls = [session for session in drop.sessions
             if session.may_be_poll() and session.name not in recorded]
    return len(polls), sum(
        session.updated() and not (
            lost_from is not None and session.ended >= lost_from and
            session.begun <= lost_until) for session in polls)
