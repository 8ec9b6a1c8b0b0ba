# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A model of one maildrop in memory: what POP3 with a policy has to show, what
it has to remove, and what the database has to know of it. model_session.py
adds the commands of a session.

It is written from doc/parameters.md and doc/session.md, and knows nothing of
the code. Times are seconds on the clock of this machine, which is the
database's too; age() moves what is recorded into the past, as
pop3_test.age() does. A time limit is only compared with times that are minutes
away from it, or past it, see SPAN.
"""

import datetime
import os
import re

from model_policy import BUILTIN, HIDE, MOVE, NEVER
from model_record import Record

# All spans of time are multiples of it; a model lives much shorter.
SPAN = 600


def day(time):
    """The day (UTC) of a time."""
    return datetime.datetime.fromtimestamp(time, datetime.timezone.utc).date()


class Message:
    """data: what the client gets, without what stands before it: LMTP adds
    header lines, whose length follows from the size and whose text is learned
    when it is first seen. size: octets, as LIST says. flags: names of
    flags."""

    def __init__(self, uid, guid, size, data, flags=()):
        self.uid = uid
        self.guid = guid
        self.size = size
        self.data = data
        self.flags = set(flags)
        # nobody can say whether it has \Seen
        self.unsure = False
        self.prefix = b"" if size == len(data) else None

    def part(self, lines=None):
        """What of `data' RETR sends, or TOP with so many lines of the body,
        before dot-stuffing, and whether this is all of it."""
        if lines is None:
            return self.data, True
        end = (b"\r\n" + self.data).find(b"\r\n\r\n")
        if end < 0:
            return self.data, True
        end += 2
        for _ in range(lines):
            found = self.data.find(b"\r\n", end)
            if found < 0:
                return self.data, True
            end = found + 2
        return self.data[:end], end == len(self.data)

    def sent(self, lines=None):
        """Octets that the reply has behind its first line, without the final
        dot."""
        data, _ = self.part(lines)
        if not data.endswith(b"\r\n"):
            data += b"\r\n"
        stuffed = data.count(b"\r\n.") + data.startswith(b".")
        return self.size - len(self.data) + len(data) + stuffed

    def problem(self, got, lines=None):
        """What is wrong with what the client got, dot-stuffing undone. None
        if nothing is."""
        wanted, _ = self.part(lines)
        if not wanted.endswith(b"\r\n"):
            wanted += b"\r\n"
        length = self.size - len(self.data)
        prefix, rest = got[:length], got[length:]
        if rest != wanted:
            at = len(os.path.commonprefix([rest, wanted]))
            return "UID %d, %d octets instead of %d, from %d on %r, not %r" % (
                self.uid, len(rest), len(wanted), at, rest[at:at + 80],
                wanted[at:at + 80])
        if self.prefix is None:
            if not re.fullmatch(rb"(?:(?:Return-Path|Delivered-To|Received): "
                                rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*)*",
                                prefix):
                return "UID %d begins with %r" % (self.uid, prefix)
            self.prefix = prefix
        if prefix != self.prefix:
            return "UID %d begins with %r, not with %r" % (
                self.uid, prefix, self.prefix)
        return None


class Model:
    """user: name. site: the site's values."""

    def __init__(self, user, site):
        self.user = user
        self.messages = {}              # UID: Message
        self.uidnext = 1
        self.removed = {}               # UID: Message that is gone
        self.sizes = {}                 # UID: octets
        self.others = {}                # other mailbox: {GUID: its flags}
        self.unsure_moves = set()       # GUIDs, see Message.unsure
        self.gone_by_policy = {}        # UID: reason, where an intent is due
        self.record = Record()
        # values by scope, the most specific one last
        self.scopes = {"site": dict(site), "domain's preset": {},
                       "domain": {}, "user's preset": {}, "user": {}}
        self.version = 0
        self.sessions = []              # model_session.Session, by login
        self.ended = []                 # the same, by their ends
        self.restored = []              # rows of the audit without a session

    # --- policy ---

    def set(self, scope, name, value):
        """Set a parameter, or unset it (None). Time is in seconds."""
        old = dict(self.scopes[scope])
        if value is None:
            self.scopes[scope].pop(name, None)
        else:
            self.scopes[scope][name] = value
        if old != self.scopes[scope]:
            self.version += 1

    def policy(self):
        """The effective policy."""
        values = dict(BUILTIN)
        for scope in self.scopes.values():
            values.update(scope)
        if any(scope.get("pop3_hold") == "yes"
               for scope in self.scopes.values()):
            values["pop3_hold"] = "yes"
        values["own_unretrieved"] = "expire_unretrieved" in self.scopes["user"]
        return values

    # --- the mailbox ---

    def delivered(self, message):
        self.messages[message.uid] = message
        self.sizes[message.uid] = message.size
        self.uidnext = message.uid + 1

    def expunge(self, uids):
        """Messages leave INBOX, by whomever."""
        for uid in uids:
            self.removed[uid] = self.messages.pop(uid)

    def move(self, uids, mailbox, seen=()):
        """Messages go to another mailbox. seen: those that get \\Seen."""
        if not uids:
            return
        target = self.others.setdefault(mailbox, {})
        for uid in uids:
            message = self.messages[uid]
            if message.unsure:
                self.unsure_moves.add(message.guid)
            if message.guid not in target:
                target[message.guid] = set(message.flags) | (
                    {"\\Seen"} if uid in seen else set())
        self.expunge(uids)

    def imap_used(self, now):
        record = self.record
        if record.known and (record.imap_used_at is None or
                             record.imap_used_at < now - 3600):
            record.imap_used_at = now

    def age(self, by):
        self.record.age(by)

    def restore(self, uids, now):
        """pop3.restore(): returns how many messages it has to restore."""
        found = [uid for uid in sorted(self.record.hidden())
                 if uids is None or uid in uids]
        for uid in found:
            row = self.record.rows[uid]
            row.restored_at = now
            row.retrieved_at = row.hidden_at = row.reason = None
            self.restored.append(("restored", None, "admin", uid))
        self.record.ever_retrieved.difference_update(found)
        return len(found)

    # --- due work ---

    def due(self, policy, now):
        """{UID: reason} of what the database says is due at a login."""
        found = {}
        for uid, row in self.record.rows.items():
            if row.reason == "mass-delete":
                if reached(row.hidden_at, policy["mass_delete_hold"], now):
                    found[uid] = "mass-delete"
            elif reached(row.hidden_at, policy["expire_hidden"], now):
                found[uid] = "expired-hidden"
            elif reached(row.retrieved_at, policy["expire_retrieved"], now):
                found[uid] = "expired-retrieved"
        return found

    def arrived_before(self, policy, now):
        """UIDs below it arrived before expire_unretrieved's limit."""
        record, limit = self.record, policy["expire_unretrieved"]
        if limit == NEVER:
            return 1
        if record.imap_used_at is not None and \
           record.imap_used_at > now - limit and \
           not policy["own_unretrieved"]:
            return 1
        return record.uidnext_at(now - limit) or 1

    def trusted(self, before):
        """That UID, but not above the highest message that is known to be the
        same one as before."""
        record = self.record
        if before <= 1 or not any(uid < before for uid in self.messages):
            return before
        if record.anchor in self.messages:
            return min(before, record.anchor + 1)
        hidden = record.hidden()
        proven = 0
        if hidden and max(hidden) not in self.messages:
            proven = max(hidden & set(self.messages), default=0)
        if not proven:
            proven = max(set(self.messages) & (set(record.rows) |
                                               set(record.would)), default=0)
        return min(before, proven + 1)

    def due_unretrieved(self, policy, now, before):
        """UIDs that are due because they were never retrieved."""
        limit = policy["expire_unretrieved"]
        fresh = {uid for uid, row in self.record.rows.items()
                 if row.restored_at is not None and
                 row.restored_at > now - limit or
                 row.reason == "mass-delete"}
        return [uid for uid in self.messages if uid < before and
                uid not in self.record.ever_retrieved and uid not in fresh]

    def view_from(self, policy, now):
        """The lowest UID that view_since and view_window show."""
        record = self.record
        window, since = policy["view_window"], policy["view_since"]
        lowest = [1]
        if window != NEVER:
            lowest.append(record.uidnext_at(now - window) or 1)
            if record.view_window and window <= record.view_window[0]:
                lowest.append(record.view_window[1])
        if since != NEVER:
            if since > now:
                lowest.append(1 << 32)
            elif record.view_since and record.view_since[0] == since:
                lowest.append(record.view_since[1])
            else:
                lowest.append(record.uidnext_at(since) or 1)
        return max(lowest)

    # --- a session's record ---

    def record_session(self, session, now):
        """What the end of a session changes, beside what its intents did."""
        record = self.record
        record.known = True
        for uid, action in session.retrieved:
            record.ever_retrieved.add(uid)
            if action < MOVE:
                row = record.row(uid)
                if row.retrieved_at is None:
                    row.retrieved_at = now
                row.count += 1
                row.size = self.sizes[uid]
                row.restored_at = None
        for uid in session.removed:
            record.rows.pop(uid, None)
            record.would.pop(uid, None)
        for uid, reason in session.would.items():
            if uid not in session.removed:
                record.would[uid] = reason
        policy = session.policy
        since, window = policy["view_since"], policy["view_window"]
        if since != NEVER and since <= now and \
           (record.view_since is None or record.view_since[0] != since):
            record.view_since = (since, record.uidnext_at(since) or 1)
        if window == NEVER:
            record.view_window = None
        else:
            uid = record.uidnext_at(session.started - window) or 1
            if record.view_window and window <= record.view_window[0]:
                uid = max(uid, record.view_window[1])
            record.view_window = (window, uid)
        self._watermark(session)
        if session.uidnext >= record.uidnext:
            # of overlapping sessions the one that saw more knows
            count = session.count_at_end()
            if record.quit_at is not None and \
               record.quit_at > session.started:
                count = max(count, record.messages or 0)
            record.messages = count
        if session.ended_by == "quit" and not session.is_poll():
            record.quit_at = max(now, record.quit_at or now)
        record.uidnext = max(record.uidnext, session.uidnext)
        if session.anchor:
            record.anchor = session.anchor

    def _watermark(self, session):
        marks = self.record.watermarks
        if marks and marks[-1][1] >= session.uidnext:
            return
        at = session.started
        if marks:
            at = max(at, marks[-1][0])
            if day(marks[-1][0]) == day(at):
                marks.pop()
        marks.append((at, session.uidnext))

    def commit(self, removals, now):
        """The database hears that removals [(UID, action, reason)] were
        done."""
        record = self.record
        for uid, action, reason in removals:
            if action == HIDE:
                row = record.row(uid)
                held = row.reason == "mass-delete"
                if row.hidden_at is None or \
                   reason == "mass-delete" and not held:
                    row.hidden_at = now
                row.size = self.sizes[uid]
                row.restored_at = None
                if not held:
                    row.reason = reason
            else:
                record.rows.pop(uid, None)
                record.would.pop(uid, None)


def reached(time, limit, now):
    """Was it so long ago?"""
    return time is not None and limit != NEVER and now - time >= limit
