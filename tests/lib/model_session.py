# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A POP3 session in the model: RFC 1939's commands on a fixed view.
model_ends.py has what QUIT makes of them under the policy."""

import re

from model_ends import Ends
from model_policy import EXPUNGE, NEVER, capabilities, mode

# Dovecot ends the session behind one more in a row.
MAX_BAD_COMMANDS = 20
MAX_NUMBER = (1 << 32) - 1
MAX_LINES = (1 << 64) - 2


class Reply:
    """status: "+OK" or "-ERR". text: what must follow it, behind a space;
    None: anything. begins: how the text must begin. lines: the lines of a multi-line reply. message, top: a
    RETR, or a TOP with so many lines. end: the server closes then. good: an
    -ERR that does not count as a bad command."""

    def __init__(self, status="+OK", text=None, lines=None, message=None,
                 top=None, end=False, begins=None, good=False):
        self.status = status
        self.text = text
        self.lines = lines
        self.message = message
        self.top = top
        self.end = end
        self.begins = begins
        self.good = good

    def problem(self, line, lines):
        """What is wrong with an answer: its first line, and the lines of a
        multi-line one, or None. None if nothing is."""
        status, _, text = line.partition(" ")
        if status != self.status:
            return "%s instead of %s" % (line, self.status)
        if self.begins is not None and not text.startswith(self.begins):
            return "%s instead of %s %s" % (line, self.status, self.begins)
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


class Session(Ends):
    """A login of the model's user. name: Dovecot's id of the session. now:
    the time of the login. last: see random_tools.RandomHost. refusal is the response code of a login that is
    refused, else None."""

    def __init__(self, model, name, now, master=None, uidvalidity=None,
                 last="on", clock=None):
        self.model = model
        self.clock = clock or (lambda: now)
        self.name = name
        self.started = now
        self.master = master
        self.uidvalidity = uidvalidity
        self.enable_last = last == "on"
        self.last_off = last == "off"
        self.policy = model.policy()
        self.version = model.version
        # the audit's rows: (event, action, reason, UID)
        self.audit = []
        self.would = {}
        self._due_would = {}
        self.retrieved = []             # (UID, action)
        self._mass = None
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
        self._tracked = bool(model.record.rows or model.record.would)
        self._would_before = set(model.record.would)
        self._anchor_before = model.record.anchor
        # what was ever retrieved is only asked for where it matters
        asks = self.policy["view_limit"] != NEVER or \
            self.policy["mass_delete_percent"] != NEVER
        self._retrieved_known = asks or not model.record.known
        self._ever_retrieved = set(model.record.ever_retrieved) \
            if asks else set()
        self._gone_uids = []
        self.refused_dele, self.refused_fetch = set(), set()
        self.would_refuse_fetch = None
        self.download_asked = False
        self.spared = {uid for uid, row in model.record.rows.items()
                       if row.restored_at is not None}
        self.refusal = self._refuse(now)
        if self.refusal is None:
            self._prepare(now)
        else:
            self._end("refused")
        model.sessions.append(self)

    # --- login ---

    def _refuse(self, now):
        """The response code of a refusal, or None."""
        policy, record = self.policy, self.model.record
        enforcement = policy["enforcement"]
        if enforcement == "off":
            return None
        if policy["pop3_access"] == "off" and \
           self._rule_acts("pop3-access"):
            return "AUTH"
        if policy["login_delay"] and not self.master:
            wait = record.accepted_at is not None and \
                now - record.accepted_at < policy["login_delay"]
            if wait and self._rule_acts("login-delay"):
                return "LOGIN-DELAY"
            record.accepted_at = now
        return None

    def _rule_acts(self, reason):
        acts = self.policy["enforcement"] == "enforce"
        self.audit.append(("refused" if acts else "would-refuse", None,
                           reason, None))
        return acts

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
            missing = bool(hidden or view_from > 1 or before > 1 or
                           self._ever_retrieved) and \
                record.anchor not in model.messages
            before = model.trusted(before)
            gone = self._gone_uids = self._gone()
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
            shown = self._limit({uid for uid in shown if uid >= view_from})
        self.view = [model.messages[uid] for uid in sorted(shown)]
        self.uidnext = model.uidnext
        self.count = len(model.messages)
        self._uids = set(model.messages)
        self._find_anchor(removed, missing)
        self._seen_before = {number
                             for number, message in enumerate(self.view, 1)
                             if "\\Seen" in message.flags}
        self._last = max(self._seen_before, default=0)

    def _limit(self, shown):
        """view_limit: the oldest of those that were never retrieved."""
        limit = self.policy["view_limit"]
        new = sorted(shown - self._ever_retrieved)
        return shown if limit == NEVER else shown - set(new[limit:])

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
        if self.master or mode(policy) == "off":
            return set()
        observe = mode(policy) == "observe"
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
        if reply.status == "+OK":
            self._bad = 0
        elif not reply.good:
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
            if self.last_off:
                self._bad = 0
            return Reply("-ERR", good=self.last_off)
        unsure = any(message.unsure for message in self.view)
        return Reply(text=None if unsure else str(self._last))

    def _cmd_capa(self, _):
        return Reply(lines=["CAPA", "TOP", "UIDL", "RESP-CODES", "PIPELINING",
                            "AUTH-RESP-CODE"] + capabilities(self.policy))

    def _cmd_dele(self, arguments):
        found = self._number(arguments)
        if found is None:
            return error()
        if self.policy["enforcement"] == "enforce" and \
           self.policy["on_dele"] == "refuse":
            self.refused_dele.add(self.view[found[0] - 1].uid)
            self._bad = 0
            return Reply("-ERR", begins="Mail cannot be deleted by POP3 here,",
                         good=True)
        self.deleted.add(found[0])
        return Reply()

    def _may_fetch(self, message, top):
        """download_daily"""
        limit = self.policy["download_daily"]
        if limit == NEVER or self.policy["enforcement"] == "off" or \
           self.master or self.would_refuse_fetch is not None:
            return True
        self.download_asked = True
        if self.model.record.downloads.reserve(
                self, limit, self.bytes, message.size if top is None else 0,
                self.clock()):
            return True
        if self.policy["enforcement"] == "observe":
            self.would_refuse_fetch = message.uid
            return True
        self.refused_fetch.add(message.uid)
        return False

    def _fetch(self, number, top=None):
        message = self.view[number - 1]
        if top is not None and self.policy["enforcement"] == "enforce" and \
           self.policy["top_lines"] != NEVER and not message.part(top)[1]:
            top = min(top, self.policy["top_lines"])
        if not self._may_fetch(message, top):
            return Reply("-ERR", begins="The daily download limit of ",
                         good=True)
        if top is None:
            self.retr += 1
            self._last = max(self._last, number)
        else:
            self.top += 1
        if message.uid not in self.model.messages:
            if number - 1 <= self._highest_expunged:
                return error()
            self._highest_expunged = number - 1
            self._bad = 0
            return Reply("-ERR", good=True)
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
        return self._fetch(found[0]) if found else error()

    def _cmd_top(self, arguments):
        found = self._number(arguments, " ")
        if found is None or not re.fullmatch(r"[0-9]+", found[1]) or \
           int(found[1]) > MAX_LINES:
            return error()
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
