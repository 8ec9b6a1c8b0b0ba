# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A POP3 session in the model: RFC 1939's commands on a fixed view, and what
QUIT makes of them under the policy."""

import re

from model import ACTION_NAMES, EXPUNGE, MOVE, capabilities, dispose

# Dovecot ends the session behind one more in a row.
MAX_BAD_COMMANDS = 20
MAX_NUMBER = (1 << 32) - 1
MAX_LINES = (1 << 64) - 2


class Reply:
    """status: "+OK" or "-ERR". text: what must follow it, behind a space;
    None: anything. lines: the lines of a multi-line reply. message, top: a
    RETR, or a TOP with so many lines. end: the server closes then."""

    def __init__(self, status="+OK", text=None, lines=None, message=None,
                 top=None, end=False):
        self.status = status
        self.text = text
        self.lines = lines
        self.message = message
        self.top = top
        self.end = end

    def problem(self, line, lines):
        """What is wrong with an answer: its first line, and the lines of a
        multi-line one, or None. None if nothing is."""
        status, _, text = line.partition(" ")
        if status != self.status:
            return "%s instead of %s" % (line, self.status)
        if self.text is not None and text != self.text:
            return "%s instead of %s %s" % (line, self.status, self.text)
        if self.message is not None:
            return self.message.problem(
                b"".join(part + b"\r\n" for part in lines), self.top)
        if self.lines is not None:
            got = [part.decode() for part in lines]
            if got != self.lines:
                return "%r instead of %r" % (got, self.lines)
        return None

    def multi(self):
        return self.message is not None or self.lines is not None


def error(end=False):
    return Reply("-ERR", end=end)


class Session:
    """A login of the model's user. name: Dovecot's id of the session. now:
    the time of the login. refusal is the response code of a login that is
    refused, else None."""

    def __init__(self, model, name, now, master=None, uidvalidity=None,
                 last=False):
        self.model = model
        self.name = name
        self.started = now
        self.master = master
        self.uidvalidity = uidvalidity
        self.enable_last = last
        self.policy = model.policy()
        self.version = model.version
        # the audit's rows: (event, action, reason, UID)
        self.audit = []
        self.would = {}
        self._due_would = {}
        self.retrieved = []             # (UID, action)
        self.removed = set()
        self.update_removed = 0
        self.anchor = None
        self.anchor_unsure = False
        self.ended_by = None
        # nobody knows how many of its last commands were executed
        self.blind = False
        self.view = []
        self.deleted = set()            # numbers
        self.fetched = {}               # UID: known to have arrived
        self.seen = set()               # numbers
        self.retr = self.top = self.dele = self.bytes = 0
        self._bad = 0
        self._last = 0
        self._highest_expunged = 0
        # known to the database before
        self.drop_known = model.record.known
        self.spared = {uid for uid, row in model.record.rows.items()
                       if row.restored_at is not None}
        self.refusal = self._refuse()
        if self.refusal is None:
            self._prepare(now)
        else:
            self._end("refused")
        model.sessions.append(self)

    # --- login ---

    def _refuse(self):
        if self.policy["pop3_access"] == "off":
            if self.policy["enforcement"] == "enforce":
                self.audit.append(("refused", None, "pop3-access", None))
                return "AUTH"
            if self.policy["enforcement"] == "observe":
                self.audit.append(("would-refuse", None, "pop3-access", None))
        return None

    def _prepare(self, now):
        model, record, policy = self.model, self.model.record, self.policy
        view_from = 1
        hidden = record.hidden()
        removed = set()
        missing = False
        self._known = (record.uidnext, record.messages)
        if record.known:
            before = model.arrived_before(policy, now)
            due = model.due(policy, now)
            view_from = model.view_from(policy, now)
            # the anchor is looked for only where it matters
            missing = bool(hidden or view_from > 1 or before > 1) and \
                record.anchor not in model.messages
            before = model.trusted(before)
            gone = self._gone()
            for uid in gone:
                due.pop(uid, None)
            unretrieved = model.due_unretrieved(policy, now, before)
            known_would = set(record.would)
            if gone:
                record.forget(gone)
            removed = self._due(due, unretrieved, known_would, now)
        enforce = policy["enforcement"] == "enforce"
        shown = set(model.messages)
        if enforce or policy["pop3_hold"] == "yes":
            shown -= hidden
        if enforce:
            shown = {uid for uid in shown if uid >= view_from}
        self.view = [model.messages[uid] for uid in sorted(shown)]
        self.uidnext = model.uidnext
        self.count = len(model.messages)
        self._uids = set(model.messages)
        self._find_anchor(removed, missing)
        self._seen_before = {number
                             for number, message in enumerate(self.view, 1)
                             if "\\Seen" in message.flags}
        self._last = max(self._seen_before, default=0)

    def _gone(self):
        """Messages with state that somebody else removed, if the number of
        messages tells that there are any."""
        model, record = self.model, self.model.record
        known = set(record.rows) | set(record.would)
        if not known or not record.messages:
            return []
        new = sum(1 for uid in model.messages if uid >= record.uidnext)
        if len(model.messages) - new >= record.messages:
            return []
        gone = sorted(known - set(model.messages))
        self.audit += [("gone", None, "gone", uid) for uid in gone]
        return gone

    def _due(self, due, unretrieved, known_would, now):
        """Remove what is due. Returns its UIDs."""
        model, policy = self.model, self.policy
        observe = policy["enforcement"] == "observe"
        enforce = policy["enforcement"] == "enforce"
        held = policy["pop3_hold"] == "yes"
        if self.master or not (observe or enforce and not held):
            return set()
        removals = dict.fromkeys(unretrieved, "expired-unretrieved")
        removals.update(due)
        if observe:
            removals = {uid: reason for uid, reason in removals.items()
                        if uid not in known_would}
        missing = sorted(uid for uid in removals if uid not in model.messages)
        if missing:
            # else they would be due for ever
            self.audit += [("gone", None, "gone", uid) for uid in missing]
            model.record.forget(missing)
            for uid in missing:
                del removals[uid]
        if observe:
            self._due_would = removals
            self.would = dict(removals)
            return set()
        self._remove([(uid, EXPUNGE, removals[uid])
                      for uid in sorted(removals)], now)
        self.removed.update(removals)
        return set(removals)

    def _find_anchor(self, removed, missing):
        """A message to know the mailbox by: the highest one."""
        record = self.model.record
        highest = max(self.model.messages, default=0)
        if highest and (record.anchor < highest or missing or
                        record.anchor in removed):
            self.anchor = highest

    def _remove(self, removals, now):
        """Do what an intent says that is durable now."""
        self.audit += [("intent", ACTION_NAMES[action], reason, uid)
                       for uid, action, reason in removals]
        if removals:
            self.audit.append(("committed", None, None, None))
        gone = {uid: reason for uid, action, reason in removals
                if action >= MOVE}
        self.model.expunge(gone)
        self.model.gone_by_policy.update(gone)
        self.model.commit(removals, now)

    # --- commands ---

    def uidl(self, message):
        return "%08x%08x" % (message.uid, self.uidvalidity)

    def execute(self, line):
        """What a line must be answered with. QUIT and too many bad commands
        set Reply.end; the caller then says quit() or drop()."""
        name, _, arguments = line.partition(" ")
        arguments = arguments.lstrip(" ")
        command = getattr(self, "_cmd_" + name.lower(), None)
        reply = command(arguments) if command else error()
        if reply is EXPUNGED:
            # no bad command
            return error()
        if reply.status == "+OK":
            self._bad = 0
        else:
            self._bad += 1
            if self._bad > MAX_BAD_COMMANDS:
                return error(end=True)
        return reply

    def _number(self, text, behind=""):
        """(number, rest of the arguments) or None."""
        found = re.match(r"[0-9]+", text)
        if not found or int(found.group()) > MAX_NUMBER:
            return None
        number, rest = int(found.group()), text[found.end():]
        if rest[:1] != behind:
            return None
        if not 1 <= number <= len(self.view) or number in self.deleted:
            return None
        return number, rest.lstrip(" ")

    def _listed(self):
        return [(number, message)
                for number, message in enumerate(self.view, 1)
                if number not in self.deleted]

    def _cmd_stat(self, _):
        listed = self._listed()
        return Reply(text="%d %d" % (
            len(listed), sum(message.size for _, message in listed)))

    def _list(self, arguments, value):
        if arguments == "":
            return Reply(lines=["%d %s" % (number, value(message))
                                for number, message in self._listed()])
        found = self._number(arguments)
        if found is None:
            return error()
        message = self.view[found[0] - 1]
        return Reply(text="%d %s" % (found[0], value(message)))

    def _cmd_list(self, arguments):
        return self._list(arguments, lambda message: str(message.size))

    def _cmd_uidl(self, arguments):
        return self._list(arguments, self.uidl)

    def _cmd_noop(self, _):
        return Reply()

    def _cmd_last(self, _):
        if not self.enable_last:
            return error()
        unsure = any(message.unsure for message in self.view)
        return Reply(text=None if unsure else str(self._last))

    def _cmd_capa(self, _):
        return Reply(lines=["CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING",
                            "AUTH-RESP-CODE"] + capabilities(self.policy))

    def _cmd_dele(self, arguments):
        found = self._number(arguments)
        if found is None:
            return error()
        self.deleted.add(found[0])
        return Reply()

    def _fetch(self, number, top=None):
        message = self.view[number - 1]
        if message.uid not in self.model.messages:
            if number - 1 <= self._highest_expunged:
                return error()
            self._highest_expunged = number - 1
            self._bad = 0
            return EXPUNGED
        if top is None:
            reply = Reply(text="%d octets" % message.size, message=message)
            if number not in self._seen_before or message.unsure:
                self.seen.add(number)
        else:
            reply = Reply(text="", message=message, top=top)
        self.bytes += len("%s %s" % (reply.status, reply.text)) + 2 + \
            message.sent(top) - (top is not None)
        if message.part(top)[1]:
            self.fetched.setdefault(message.uid, True)
        return reply

    def _cmd_retr(self, arguments):
        found = self._number(arguments)
        if found is None:
            return error()
        self.retr += 1
        self._last = max(self._last, found[0])
        return self._fetch(found[0])

    def _cmd_top(self, arguments):
        found = self._number(arguments, " ")
        if found is None or not re.fullmatch(r"[0-9]+", found[1]) or \
           int(found[1]) > MAX_LINES:
            return error()
        self.top += 1
        return self._fetch(found[0], int(found[1]))

    def _cmd_rset(self, _):
        self.deleted.clear()
        self.fetched.clear()
        self.seen.clear()
        self._last = 0
        if self.enable_last:
            # RFC 1460
            self._seen_before.clear()
            for message in self.view:
                message.flags.discard("\\Seen")
        return Reply()

    def _cmd_quit(self, _):
        return Reply(end=True)

    # --- ends ---

    def count_at_end(self):
        """Messages in the mailbox, as far as this session knows."""
        return self.count - self.update_removed

    def _end(self, ended_by):
        self.ended_by = ended_by
        self.dele = len(self.deleted)
        self.model.ended.append(self)

    def _mark_seen(self, numbers):
        for number in numbers:
            self.view[number - 1].flags.add("\\Seen")
            self.view[number - 1].unsure = False

    def quit(self, now, arrived=lambda uid: True):
        """UPDATE. arrived(UID): did the QUIT come behind the message?"""
        model = self.model
        self._end("quit")
        dele = {self.view[number - 1].uid for number in self.deleted}
        unconfirmed = sorted(uid for uid in self.fetched if not arrived(uid))
        self.audit += [("unconfirmed", None, None, uid)
                       for uid in unconfirmed]
        confirmed = [uid for uid in self.fetched if uid not in unconfirmed]
        removals = self._decide(dele, confirmed)
        if removals and self.version != model.version:
            if self._needs_intent():
                self.audit += [("intent", ACTION_NAMES[action], reason, uid)
                               for uid, action, reason in removals]
                self.audit.append(("released", None, None, None))
            self.policy = model.policy()
            self.version = model.version
            removals = self._decide(dele, confirmed)
        self._mark_seen(self.seen - self.deleted)
        going = {uid for uid, action, _ in removals if action >= MOVE}
        if self._needs_intent():
            self._remove(removals, now)
        else:
            model.expunge(going)
            # without an intent nobody looks whether others were faster
            going |= dele - set(model.messages) - set(confirmed)
        self._keep_anchor(going)
        self.removed |= going
        self.update_removed = len(going)
        if not self.is_poll():
            model.record_session(self, now)

    def _needs_intent(self):
        return self.policy["enforcement"] != "off" or \
            self.policy["pop3_hold"] == "yes"

    def _decide(self, dele, confirmed):
        """[(UID, action, reason)] for what is still there. Sets
        self.retrieved and self.would."""
        removals = []
        self.retrieved = []
        self.would = dict(self._due_would)
        for uid in confirmed + sorted(dele - set(confirmed)):
            if uid not in self.model.messages:
                continue
            fetched = uid in confirmed and not self.master
            (action, reason), would = dispose(
                self.policy, uid in dele, fetched, uid in self.spared)
            if action:
                removals.append((uid, action, reason))
            if fetched:
                self.retrieved.append((uid, action))
                if would[0] in (EXPUNGE, MOVE):
                    self.would.setdefault(uid, would[1])
        return sorted(removals)

    def _keep_anchor(self, going):
        """An anchor that goes tells nothing: the highest message that stays,
        as far as this session knows."""
        if (self.anchor or self.model.record.anchor) in going:
            staying = self._uids - going
            self.anchor = max(staying, default=0) or self.anchor
            # others may have removed it meanwhile
            self.anchor_unsure = bool(staying - set(self.model.messages))

    def drop(self, now, ended_by="drop"):
        """Any other end."""
        self._end(ended_by)
        self._mark_seen(self.seen)
        self.model.record_session(self, now)

    # --- what the database has to know ---

    def is_poll(self):
        """A session that may be counted only, not recorded."""
        return (self.ended_by == "quit" and self.drop_known and
                self.master is None and not self.anchor and
                self._known == (self.uidnext, self.count_at_end()) and
                not (self.retr or self.top or self.dele or self.removed or
                     self.would or self.fetched))


# A message that somebody else removed, asked for the first time.
EXPUNGED = error()
