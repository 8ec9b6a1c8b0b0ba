# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What the database has to know of the model's maildrop (model.py)."""

from model_policy import DAY


class State:
    """A row of pop3.message."""

    def __init__(self):
        self.retrieved_at = self.hidden_at = self.restored_at = None
        self.count = 0
        self.size = 0
        self.reason = None


class Downloads:
    """What RETR and TOP have sent in 24 hours. The database counts in steps of
    five minutes, so that bytes are over 24 hours and up to five minutes
    later."""

    SLACK = 60
    STEP = 300

    def __init__(self):
        self._rows = []                 # [time, bytes, session], oldest first
        self._totals = {}               # what was counted of a session

    def age(self, by):
        for row in self._rows:
            row[0] -= by

    def used(self, now):
        return sum(size for time, size, _ in self._rows
                   if now - time < DAY + self.STEP / 2)

    def unsure(self, now):
        """Is it a matter of seconds whether something counts?"""
        return any(-self.SLACK <= now - time - DAY <= self.STEP + self.SLACK
                   for time, _, _ in self._rows)

    def settle(self, session, size, now):
        """It turned out that a session has sent so much until now."""
        more = size - self._totals.get(session, 0)
        own = [row for row in self._rows if row[2] is session]
        if more < 0 and own:
            own[-1][1] = max(0, own[-1][1] + more)
        elif more > 0:
            self._rows.append([now, more, session])
        if more:
            self._totals[session] = size

    def reserve(self, session, limit, size, more, now):
        """A session that has sent `size' wants to send more. May it?"""
        self.settle(session, size, now)
        if self.used(now) >= limit:
            return False
        self._rows.append([now, more, session])
        self._totals[session] = size + more
        return True

    def adopt(self, session, size, now):
        """What the database says of a session that nobody knows better of."""
        self._rows = [row for row in self._rows if row[2] is not session]
        self._rows.append([now, size, session])


class Record:
    """What the database knows of the maildrop."""

    def __init__(self):
        self.known = False
        self.uidnext = 1
        self.messages = None
        self.quit_at = None             # of the last QUIT that was recorded
        self.anchor = 0
        self.rows = {}
        self.would = {}
        self.watermarks = []            # (time, UIDNEXT), oldest first
        self.view_since = None          # (value, UID)
        self.view_window = None         # (value, UID)
        self.imap_used_at = None
        self.accepted_at = None         # of the last login, for login_delay
        self.downloads = Downloads()
        self.ever_retrieved = set()

    def hidden(self):
        return {uid for uid, row in self.rows.items()
                if row.hidden_at is not None}

    def uidnext_at(self, time):
        """UIDs below it arrived before that time; None if nothing did."""
        found = [uidnext for at, uidnext in self.watermarks if at <= time]
        return found[-1] if found else None

    def age(self, by):
        def earlier(time):
            return None if time is None else time - by
        for row in self.rows.values():
            row.retrieved_at = earlier(row.retrieved_at)
            row.hidden_at = earlier(row.hidden_at)
            row.restored_at = earlier(row.restored_at)
        self.watermarks = [(at - by, uidnext)
                           for at, uidnext in self.watermarks]
        self.imap_used_at = earlier(self.imap_used_at)
        self.accepted_at = earlier(self.accepted_at)
        self.quit_at = earlier(self.quit_at)
        self.downloads.age(by)
        self.view_since = None

    def excess(self, policy, known, items, outside):
        """UIDs that leave_max_messages and leave_max_bytes do not let stay.
        known: the database has state of the maildrop. items: (UID, size) of
        what a session has retrieved. outside: UIDs that do not count."""
        counted = []
        for uid, row in self.rows.items():
            if known and uid not in outside and \
               row.retrieved_at is not None and row.hidden_at is None:
                counted.append((row.retrieved_at, 0, uid, row.size))
        for number, (uid, size) in enumerate(items, 1):
            row = self.rows.get(uid) if known else None
            if uid not in outside and (row is None or not (
                    row.retrieved_at or row.hidden_at or row.restored_at)):
                counted.append((float("inf"), number, uid, size))
        found, octets = [], 0
        for count, (_, _, uid, size) in enumerate(
                sorted(counted, reverse=True), 1):
            octets += size
            if 0 <= policy["leave_max_messages"] < count or \
               0 <= policy["leave_max_bytes"] < octets:
                found.append(uid)
        return found

    def row(self, uid):
        return self.rows.setdefault(uid, State())

    def forget(self, uids):
        """Messages that somebody else removed."""
        for uid in uids:
            self.rows.pop(uid, None)
            self.would.pop(uid, None)
        self.ever_retrieved.difference_update(uids)
