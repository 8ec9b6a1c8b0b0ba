# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The life of a random user: deliveries, sessions, changes of policy and time,
one after the other, each compared with the model.

A life is a list of numbers, each the seed of one step. So a life can be lived
again, and shortened: what a step does follows from its number and from what
the model says at that moment.
"""

import datetime
import random
import time

from dovecot import wait_until
from model import NEVER, SPAN, Message, Model
from random_check import check_database, check_mailbox, check_others
from random_dialogue import Dialogue, Difference, clock

HOUR = 3600
DAY = 86400
# Longer than that the times of a life are not minutes away from its limits.
MAX_SECONDS = 240

LIMITS = [HOUR, 6 * HOUR, DAY, 3 * DAY, 10 * DAY]
VALUES = {
    "enforcement": ["enforce"] * 10 + ["observe", "observe", "off"],
    "pop3_access": ["on"] * 19 + ["off"],
    "view_since": None,
    "view_window": [NEVER] * 3 + LIMITS,
    "view_limit": [NEVER, 1, 2, 3, 5, 25],
    "on_retrieve": ["keep", "keep", "hide", "move", "delete"],
    "on_dele": ["delete", "delete", "hide", "move", "refuse"],
    "move_mailbox": ["Trash", "POP", "Old mail"],
    "mark_seen": ["yes", "no", "as-configured"],
    "expire_retrieved": [NEVER, NEVER, 0] + LIMITS,
    "expire_unretrieved": [NEVER] * 3 + LIMITS,
    "expire_hidden": [NEVER, NEVER, 0] + LIMITS,
    "leave_max_messages": [NEVER, NEVER, 0, 1, 2, 5],
    "leave_max_bytes": [NEVER, NEVER, 0, 500, 2000, 10000],
    "login_delay": [0] * 10 + [SPAN, HOUR],
    "download_daily": [NEVER, NEVER, 1, 1000, 5000, 20000, 200000],
    "top_lines": [NEVER, 0, 1, 3, 10],
    "mass_delete_percent": [NEVER, 1, 20, 50, 100],
    "mass_delete_hold": [NEVER, 0, DAY, 3 * DAY],
    "pop3_hold": ["no"] * 9 + ["yes"],
}
# as people write them
TIMES = {"view_window", "expire_retrieved", "expire_unretrieved",
         "expire_hidden", "login_delay", "mass_delete_hold"}
UNLIMITED = {"view_window", "view_limit", "leave_max_messages",
             "leave_max_bytes", "download_daily", "top_lines",
             "mass_delete_hold"}
MASS = ["mass_delete_percent", "mass_delete_hold"]
GROUPS = [["on_retrieve", "on_dele"], ["on_retrieve", "expire_hidden"],
          ["on_dele", "expire_hidden"],
          ["view_limit", "view_window", "on_retrieve"],
          ["leave_max_messages", "leave_max_bytes"],
          ["expire_retrieved", "expire_unretrieved"],
          ["view_since", "view_window"], ["download_daily", "top_lines"]]


class Life:
    """tools: see run_random.py."""

    def __init__(self, host, tools, user, site):
        self.host = host
        self.tools = tools
        self.user = user
        self.domain = "@" + user.split("@")[1]
        self.model = Model(user, site)
        self.uidvalidity = None
        self.steps = []                 # what happened, for people
        self.rng = None
        self.sessions = 0
        self.taken = 0                  # steps of the plan
        self.doubts = 0                 # QUITs that raced with a flush
        self._born = time.monotonic()
        self._imap_used = False
        self._settled = 0               # of the sessions that ended
        self.bulk = False              # many small messages
        self._scopes = ["user"] * 5 + ["domain"] * 2

    # --- the story ---

    def tell(self, text, *arguments):
        self.steps.append(text % arguments if arguments else text)

    def differs(self, text, *arguments):
        raise Difference(text % arguments if arguments else text)

    def live(self, plan):
        """Returns how many steps were taken."""
        for done, seed in enumerate(plan):
            if time.monotonic() - self._born > MAX_SECONDS:
                return done
            self.rng = random.Random(seed)
            self.taken = done + 1
            step = self._set_policies if not self.sessions and \
                not self.steps else self._random_step()
            step()
        self.settle()
        self._check()
        return len(plan)

    def _random_step(self):
        return self.rng.choices(
            [self._session, self._deliver, self._set_policies, self._age,
             self._pair, self._external, self._restore],
            [46, 22, 10, 16, 7, 6, 4])[0]

    # --- what happens to the mailbox ---

    def _random_mail(self):
        rng = self.rng
        head = b"Subject: Message %d\r\nMessage-ID: <%d.%s>\r\n" % (
            self.model.uidnext, self.model.uidnext, self.user.encode())
        kind = rng.random()
        if kind < 0.06:
            return head, False
        body = []
        for _ in range(rng.choice([0, 1, 2, 5, 20, 60])):
            line = rng.choice([
                b"", b".", b"..", b".dot", b"Hello.", b"From me", b"x" * 76,
                bytes(rng.choices(b"abc .-", k=30)).rstrip(),
                b"\xc3\xa9\xff 8 bits", b"y" * 998, b"\t", b"+OK", b"-ERR"])
            body.append(line)
        data = head + b"\r\n" + b"".join(line + b"\r\n" for line in body)
        if kind > 0.97:
            data += b"z" * 75 + b"\r\n"
            data += (b"z" * 75 + b"\r\n") * rng.choice([300, 3000])
        if kind < 0.16 and body and body[-1]:
            return data[:-2], True
        return data, False

    def _deliver(self):
        count = self.rng.choice([1, 1, 2, 3, 6])
        bulk = self.bulk and self.rng.random() < 0.5
        if bulk:
            count = self.rng.choice([20, 30, 45])
        first = self.model.uidnext
        mails = []
        for _ in range(count):
            data, chunk = self._random_mail()
            if bulk:
                data, chunk = b"Subject: Bulk\r\n\r\n.\r\n", False
            self.tools.lmtp.deliver(self.user, data, chunk)
            mails.append(data)
        self._learn(first, mails)
        self.tell("deliver %s", ", ".join(
            "UID %d (%d octets)" % (uid, self.model.messages[uid].size)
            for uid in range(first, first + count)))

    def _learn(self, first, mails):
        """The model learns UIDs, GUIDs and what LMTP added."""
        found = self.tools.doveadm.mailbox(self.user, first=first)
        if [row[0] for row in found] != list(range(first, first + len(mails))):
            self.differs("%d deliveries got the UIDs %r", len(mails),
                         [row[0] for row in found])
        for (uid, guid, size, flags), data in zip(found, mails):
            if size < len(data):
                self.differs("UID %d has %d octets of %d", uid, size,
                             len(data))
            self.model.delivered(Message(uid, guid, size, data, flags))
        if self.uidvalidity is None:
            self.uidvalidity = self.tools.doveadm.uidvalidity(self.user)

    def _external(self, during=False):
        """Others use the mailbox."""
        model, rng = self.model, self.rng
        if not model.messages:
            return
        uids = sorted(rng.sample(sorted(model.messages),
                                 min(len(model.messages),
                                     rng.choice([1, 1, 2, 4]))))
        what = rng.choice(["expunge", "expunge", "move", "flag", "unflag"])
        if what == "unflag" and during:
            what = "flag"
        # of a maildrop that nobody knows yet its use may be told too early
        if what == "expunge" and not self._imap_used and \
           rng.random() < 0.3 and model.record.known:
            what = "imap"
        self.tell("others: %s %r", what, uids)
        change = self.tools.doveadm.change
        if what == "expunge":
            change("expunge", self.user, uids)
        elif what == "move":
            change("move", self.user, uids, destinationMailbox="Trash")
        elif what == "imap":
            self._imap_used = True
            now = clock()
            imap = self.host.imap(self.user)
            imap.uid("STORE", ",".join(map(str, uids)), "+FLAGS", "\\Deleted")
            imap.expunge()
            imap.logout()
            model.imap_used(now)
            wait_until(lambda: self.tools.sql(
                "SELECT 1 FROM pop3.maildrop WHERE username = %s "
                "AND imap_used_at IS NOT NULL", self.user),
                what="the use of IMAP to be recorded")
        else:
            flag = rng.choice(["\\Seen", "\\Flagged", "\\Answered"])
            add = what == "flag"
            change("flagsAdd" if add else "flagsRemove", self.user, uids,
                   flag=[flag])
            for uid in uids:
                flags = model.messages[uid].flags
                (flags.add if add else flags.discard)(flag)
        if what == "move":
            model.move(uids, "Trash")
        elif what in ("expunge", "imap"):
            model.expunge(uids)
        if rng.random() < 0.3:
            check_mailbox(self)

    # --- policy and time ---

    def _random_value(self, name):
        rng = self.rng
        if name == "view_since":
            back = rng.choice([None, None, -HOUR] + LIMITS)
            if back is None:
                return NEVER
            # between the times that age() makes of the present
            return int(clock()) - back - SPAN // 2
        return rng.choice(VALUES[name])

    def _set_policies(self):
        rng = self.rng
        first = not self.steps
        if first:
            self.bulk = rng.random() < 0.25
            if rng.random() < 0.3:
                self._take_presets()
            # some parameters only matter together
            names = rng.sample(sorted(VALUES), 8) + (
                MASS if self.bulk else rng.choice(GROUPS))
        else:
            names = rng.sample(sorted(VALUES), rng.choice([1, 1, 2]))
        for name in names:
            scope = rng.choice(self._scopes)
            if rng.random() < 0.15:
                self._set(scope, name, None)
            else:
                self._set(scope, name, self._random_value(name))

    def _take_presets(self):
        """User and domain build on presets of their own."""
        for scope, where in (("user", self.user), ("domain", self.domain)):
            name = scope + "." + self.user.split("@")[0]
            self.tools.put("INSERT INTO pop3.preset (name, description) "
                           "VALUES (%s, 'random')", name)
            self.tools.put("SELECT pop3.set_policy(%s, 'preset', %s)", where,
                           name)
            self._scopes += [scope + "'s preset"] * 2
        self.model.version += 1

    def _set(self, scope, name, value):
        self.tell("policy of the %s: %s=%s", scope, name, value)
        where = self.user if scope == "user" else self.domain
        if scope.endswith("preset"):
            # in the form that the columns hold
            placeholder = "%s"
            if name == "view_since" and value is not None:
                placeholder = "'-infinity'" if value == NEVER else \
                    "to_timestamp(%s)"
            self.tools.put("UPDATE pop3.preset SET %s = %s WHERE name = '%s'" %
                           (name, placeholder, "%s.%s" % (
                               scope.split("'")[0], self.user.split("@")[0])),
                           *[value] * placeholder.count("%s"))
        elif value is None:
            self.tools.put("SELECT pop3.unset_policy(%s, %s)", where, name)
        else:
            self.tools.put("SELECT pop3.set_policy(%s, %s, %s)", where, name,
                           self._text(name, value))
        self.model.set(scope, name, value)

    @staticmethod
    def _text(name, value):
        if value == NEVER:
            return "unlimited" if name in UNLIMITED else "never"
        if name == "view_since":
            return datetime.datetime.fromtimestamp(
                value, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
        return "%d%s" % (value, "s" if name in TIMES else "") \
            if isinstance(value, int) else value

    def _age(self):
        by = self.rng.choice([SPAN] + LIMITS) + \
            self.rng.choice([0, 0, -SPAN, SPAN])
        self._pass(by if by > 0 else SPAN)

    def _pass(self, by):
        self.settle()
        if self.rng.random() < 0.3:
            self._check()
        self.tell("%s pass", datetime.timedelta(seconds=by))
        self.tools.put("SELECT pop3_test.age(%s, make_interval(secs => %s))",
                       self.user, by)
        self.model.age(by)

    def _restore(self):
        self.settle()
        hidden = sorted(self.model.record.hidden())
        uids = None
        if hidden and self.rng.random() < 0.7:
            uids = self.rng.sample(hidden, self.rng.randint(1, len(hidden)))
        self.tell("restore %s", uids or "all")
        ((count,),) = self.tools.put(
            "SELECT pop3.restore(%s, %s::int8multirange)", self.user,
            None if uids is None else "{%s}" % ",".join(
                "[%d,%d]" % (uid, uid) for uid in uids))
        wanted = self.model.restore(uids, clock())
        if count != wanted:
            self.differs("restored %d messages, not %d", count, wanted)

    # --- records ---

    def recorded(self):
        """The sessions that must have a row of their own."""
        return [session for session in self.model.ended
                if not session.is_poll()]

    def settle(self):
        """Wait until all that the sessions did is in the database."""
        while self._settled < len(self.model.ended):
            session = self.model.ended[self._settled]
            if not session.is_poll():
                self.wait_for("session", session)
            elif session.audit:
                # it has no row
                self.wait_for("audit", session, len(session.audit))
            self._settled += 1

    def wait_for(self, table, session, count=1):
        """Wait for rows of a session; the first one."""
        return wait_until(lambda: self.tools.sql(
            "SELECT s.* FROM pop3." + table + " s WHERE s.username = %s "
            "AND s.dovecot_session = %s OFFSET %s LIMIT 1", self.user,
            session.name, count - 1),
            what="session %s to be recorded" % session.name)[0]

    def _check(self):
        check_mailbox(self)
        check_others(self)
        check_database(self)

    # --- sessions ---

    def _open(self):
        """Log in. None if the login was refused, as it had to be."""
        self.sessions += 1
        name = "%s/%d" % (self.user.split("@")[0], self.sessions)
        master = "boss" if self.rng.random() < 0.03 else None
        address = "192.0.2.%d" % self.rng.randint(1, 250)
        self.tell("session %d%s: log in", self.sessions,
                  " of a master user" if master else "")
        if self.uidvalidity is None:
            # the mailbox does not exist yet
            self._deliver()
        if self.model.record.downloads.unsure(time.time()):
            self._pass(SPAN)
        dialogue = Dialogue(self, name, address, master)
        return dialogue if dialogue.session.refusal is None else None

    def _session(self):
        dialogue = self._open()
        if dialogue is not None:
            for _ in range(self.rng.choice([1, 2, 3, 6])):
                if dialogue.open:
                    dialogue.batch()
                    self._meanwhile()
            if dialogue.open:
                dialogue.end()
        self._after()

    def _pair(self):
        """Two sessions at once."""
        dialogues = [self._open()]
        if dialogues[0]:
            dialogues[0].batch()
            self._meanwhile()
        dialogues.append(self._open())
        dialogues = [one for one in dialogues if one]
        for _ in range(self.rng.choice([1, 2, 4])):
            dialogues = [one for one in dialogues if one.open]
            if dialogues:
                self.rng.choice(dialogues).batch()
                self._meanwhile()
        self.rng.shuffle(dialogues)
        for one in dialogues:
            if one.open:
                one.end()
                if self.model.policy()["download_daily"] != NEVER:
                    # what a session has sent counts when it is recorded
                    self.settle()
        # what ended at nearly the same time may be recorded as one
        self.settle()
        self._check()

    def _meanwhile(self):
        """Something happens during a session."""
        chance = self.rng.random()
        if chance < 0.05:
            self._deliver()
        elif chance < 0.08:
            self._external(during=True)
        elif chance < 0.12:
            self._set_policies()

    def _after(self):
        chance = self.rng.random()
        if chance < 0.5:
            self.settle()
            self._check()
        elif chance < 0.75:
            check_mailbox(self)
