# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""One run of the fault tests on a host that serves many: users, what their
clients do, a fault at a random moment, and what became of it all. A seed decides
everything but the timing."""

import json
import poplib
import random
import threading
import time

import invariant_answers
import invariant_chains
import invariant_intents
import invariant_kept
import invariant_listings
import invariant_polls
import invariant_records
import invariant_repairs
import invariant_seals
import invariant_uids
from dovecot import wait_until
from fault_client import (
    Deliveries, Moments, Pop3Plan, Removal, poll_plan)
from fault_kinds import KINDS, ClockJumped, CommitHeld
from fault_story import Drop, Found, Message

DAY = 86400
# what administrators set, and how often
POLICIES = {
    "on_retrieve": ["keep", "keep", "hide", "move", "delete", "delete"],
    "on_dele": ["delete"] * 5 + ["hide", "move", "refuse"],
    "expire_hidden": [-1, -1, -1, 0, DAY],
    "expire_retrieved": [-1, -1, -1, -1, 0, DAY],
    "leave_max_messages": [-1, -1, -1, -1, 0, 1],
    "pop3_hold": ["no"] * 11 + ["yes"],
}
# for how long all has to be well again after a fault
HEALING = 60
# How long before its end a service may have been too busy to read what it was
# told: behind that it is in its log.
ON_ITS_WAY = 0.3
# for how long an outcome may take to be written when all is well
OUTCOMES = 0.5
# for how long polls may be counted before that is written (poll_interval), and
# for how long we wait for it
COUNTED = 3.5
WRITTEN = 10

# what Dovecot says where a commit was not made as a whole
UNCLEAR = ["Internal error occurred", "Message was expunged"]

FOUND = {
    "audit": "SELECT * FROM pop3.audit WHERE username = ANY(%s) "
             "ORDER BY chain_id, seq",
    "sessions": "SELECT * FROM pop3.session WHERE username = ANY(%s) "
                "AND ended_by <> 'poll'",
    "state": "SELECT s.*, d.username FROM pop3.message s "
             "JOIN pop3.maildrop d USING (maildrop_id) "
             "WHERE d.username = ANY(%s)",
    "intents": "SELECT username FROM pop3.intent WHERE username = ANY(%s) "
               "AND state <> 'closed' AND "
               "(state <> 'stale' OR result IS DISTINCT FROM 'failed')",
    "tracked": "SELECT username, sum(tracked)::int AS tracked "
               "FROM pop3.maildrop WHERE username = ANY(%s) "
               "GROUP BY username",
    "polls": "SELECT username, sum(polls)::int AS polls FROM pop3.session "
             "WHERE username = ANY(%s) AND ended_by = 'poll' "
             "GROUP BY username",
}
# what chains have beyond the numbers that were looked at before
NUMBERS = """
WITH chain AS (
    SELECT c.chain_id, coalesce((%s::jsonb ->> c.chain_id::text)::bigint, 0)
           AS after
      FROM pop3.chain c)
SELECT c.chain_id::text AS chain, a.seq AS number
  FROM chain c JOIN pop3.audit a
       ON a.chain_id = c.chain_id AND a.seq > c.after
UNION ALL
SELECT c.chain_id::text, s.seq
  FROM chain c JOIN pop3.session s
       ON s.chain_id = c.chain_id AND s.seq > c.after"""

# columns that a description of a run has
SHOWN = ["seq", "at", "session_id", "intent_no", "dovecot_session", "event",
         "action", "reason", "uid", "detail", "ended_by", "retrieved",
         "removed"]


def spell(name, value):
    """A value as pop3.set_policy() takes it."""
    if name in ("expire_hidden", "expire_retrieved"):
        return "never" if value == -1 else "%ds" % value
    return "unlimited" if value == -1 else str(value)


class Run:
    """seed: any text without spaces. kind: a class of KINDS, else the seed
    decides."""

    def __init__(self, host, seed, kind=None):
        self.host = host
        self.seed = seed
        self.rng = random.Random(seed)
        kinds = list(KINDS)
        drawn = self.rng.choices(kinds, KINDS.values())[0]
        self.kind = kind or drawn
        self.fault = self.kind(host, self.rng, seed + "-")
        self._in_commit = issubclass(self.kind, CommitHeld)
        self.moments = self.fault.moments = Moments()
        self.drops = []
        self._fault_at = self._healed_at = 0.0
        self.hit = None                 # did the fault find what it is for
        self.removed = 0                # messages that left mailboxes
        self.unasked = 0                # logins about which nobody was asked
        self.wrong = []
        self._other = 0
        self._rows = {}
        self._highest = {}              # UIDs before the fault, by user

    # --- the plan ---

    def _make_drops(self):
        for number in range(self.rng.choice([1, 1, 2, 3])):
            user = "%s-%d@%s.example.org" % (self.seed, number, self.seed)
            policy = {name: self.rng.choice(values)
                      for name, values in POLICIES.items()}
            if self._in_commit:
                # sessions that have something to commit
                policy["on_retrieve"] = self.rng.choice(
                    ["delete", "hide", "move"])
            drop = Drop(user, policy)
            if isinstance(self.fault, ClockJumped):
                drop.clock_ahead = max(0, self.fault.seconds)
            count = self.rng.randint(2, 7)
            if self.rng.random() < 0.3:
                policy["quota_action"] = "evict"
                policy["quota_messages"] = count
            self.drops.append(drop)
            deliveries = Deliveries(drop, count)
            self._query("SELECT pop3.set_policy(%s, p.name, p.value) "
                        "FROM unnest(%s, %s) p (name, value)",
                        user, list(policy),
                        [spell(*item) for item in policy.items()])
            deliveries.run(self.host, Moments())
            self._identify(drop)
            if self.rng.random() < 0.5 or self.fault.users_are_known:
                plan = Pop3Plan("%s-before-%d" % (self.seed, number),
                                self.rng)
                self._run_session(drop, plan)
                self.host.wait_sessions(user, 1)
            if self.host.from_memory:
                # the first of them is what the next ones are told again
                self._run_polls(drop, self._polls(drop, 2), 0)

    def _run_session(self, drop, plan):
        drop.sessions.append(plan.session)
        plan.run(self.host, drop.user, self.moments)

    def _polls(self, drop, count):
        self._other += count
        return [poll_plan("%s-poll-%d" % (self.seed, self._other - number))
                for number in range(count)]

    def _run_polls(self, drop, plans, pause):
        """Sessions that do nothing, one after the other."""
        for plan in plans:
            self._run_session(drop, plan)
            time.sleep(pause)

    def _plan(self):
        """Functions to run at the same time, the fault besides."""
        rng, jobs = self.rng, []
        for number in range(rng.choice([1, 2, 3, 4, 6])):
            drop = rng.choice(self.drops)
            plan = Pop3Plan("%s-%d" % (self.seed, number), rng)
            if self._in_commit:
                plan.steps.append(("RETR", rng.random(), 0.03))
                plan.end = "QUIT"
            jobs.append((self._run_session, drop, plan))
        for drop in self.drops:
            chance = 0.9 if self.kind.__name__.startswith(
                ("Lmtp", "Mail")) else 0.3
            if rng.random() < chance:
                jobs.append((Deliveries(
                    drop, rng.randint(1, 4), rng.choice([0, 0.01]),
                    rng.choice([0, 0.02])).run, self.host, self.moments))
            if rng.random() < 0.1:
                known = sorted(drop.by_uid())
                uids = rng.sample(known, rng.randint(1, len(known)))
                jobs.append((Removal(
                    drop, uids, rng.choice(["doveadm", "imap", "imap"]),
                    rng.choice([0, 0.02])).run, self.host, self.moments))
        if self.host.from_memory:
            for drop in self.drops:
                jobs.append((self._run_polls, drop, self._polls(
                    drop, rng.randint(2, 8)), rng.choice([0, 0.02, 0.1])))
        when = rng.choice(["time", "login", "quit", "quit", "quit"])
        if self.kind.__name__.startswith("Lmtp"):
            when = "delivery"
        elif self._in_commit:
            # the fault waits for the commit itself
            when = "login"
        sessions = sum(job[0] == self._run_session for job in jobs)
        fault = (self._fault, when, rng.randint(1, sessions),
                 rng.uniform(0, 0.15 if when == "time" else 0.015))
        return jobs, fault

    def _fault(self, when, count, delay):
        if when != "time":
            self.moments.wait(when, count, 0.5)
        time.sleep(delay)
        self._fault_at = time.monotonic()
        self.hit = self.fault.begin()

    # --- the host ---

    def _query(self, query, *args):
        return self.host.sql(query, args)

    def _identify(self, drop):
        """Find the UIDs of what was delivered."""
        by_id = {message.message_id: message for message in drop.messages}
        for uid, guid, message_id in self.host.fetch(
                drop.user, "uid guid hdr.message-id"):
            message = by_id.get(message_id)
            if message is None:
                continue
            if message.uid is None:
                message.uid, message.guid = int(uid), guid
            elif message.uid != int(uid):
                drop.renumbered[message.uid] = int(uid), guid

    def _heal(self):
        self.fault.end()
        self._healed_at = time.monotonic()
        wait_until(lambda: not self.host.pids("pop3") or self._idle(),
                   HEALING, "the sessions to end")
        users = [drop.user for drop in self.drops]
        end = time.monotonic() + OUTCOMES
        while self._open(users) and time.monotonic() < end:
            time.sleep(0.02)
        # Their sessions are over, and what became of them is not known.
        self._query("UPDATE pop3.intent SET lease_until = now() "
                    "WHERE username = ANY(%s) AND state IN "
                    "('open', 'claimed') AND lease_until > now()", users)

    def _idle(self):
        """Processes that serve one session after the other may stay."""
        return self.host.pop3_service_count != 1

    def _open(self, users):
        return self._query("SELECT 1 FROM pop3.intent WHERE state <> 'closed' "
                           "AND username = ANY(%s) LIMIT 1", users)

    def _last_session(self, drop):
        """A session after the run, which repairs. Returns its listing."""
        def attempt():
            self._other += 1
            plan = poll_plan("%s-after-%d" % (self.seed, self._other))
            self._run_session(drop, plan)
            return plan.session.updated() and (plan.session.listing,)
        return wait_until(attempt, HEALING, "a login of " + drop.user,
                          interval=0.05)[0]

    def _settle(self):
        """Wait until all that was done is recorded. A user whom the service
        does not know is let in as soon as the database is asked again, and what
        is done is written in the order of arrival."""
        def attempt():
            self._other += 1
            name = "settle%d@%s.example.org" % (self._other, self.seed)
            try:
                self.host.pop3(name).quit()
            except (poplib.error_proto, OSError):
                return None
            return name
        name = wait_until(attempt, HEALING, "a login of somebody new",
                          interval=0.05)
        self.host.wait_sessions(name, 1)

    # --- what became of it ---

    def _find(self, drop, rows):
        user = drop.user
        self._identify(drop)
        mailbox = {int(uid): guid for uid, guid in
                   self.host.fetch(user, "uid guid")}
        self._find_renumbered(drop, mailbox)
        own = {name: [row for row in rows[name] if row["username"] == user]
               for name in rows}
        # what left meanwhile is known by its intents
        by_id = {message.message_id: message for message in drop.messages}
        for row in own["audit"]:
            message = by_id.get(row["message_id"])
            if message is not None and message.uid is None:
                message.uid = row["uid"]
                message.guid = row["message_guid"].replace("-", "")
        found = Found(mailbox, own["audit"], own["sessions"],
                      {row["uid"]: row for row in own["state"]},
                      len(own["intents"]),
                      own["tracked"][0]["tracked"] if own["tracked"] else 0,
                      None if not self.host.from_memory else
                      own["polls"][0]["polls"] if own["polls"] else 0)
        uidlist = self._uidlist(drop)
        if uidlist is not None:
            invariant_uids.find_unseen(drop, found, uidlist,
                                       self._highest[user], self._fault_at)
        return found

    def _uidlist(self, drop):
        """None where no UID may be forgotten."""
        if not self.fault.loses_uidlist:
            return None
        return self.host.uidlist(drop.user)

    def _find_renumbered(self, drop, mailbox):
        """Messages that Dovecot gave a new UID are others from then on."""
        if not drop.renumbered:
            return
        wrong = invariant_uids.violations(
            drop, mailbox, self._uidlist(drop), self._highest.get(drop.user))
        self.wrong += ["%s: %s" % (drop.user, text) for text in wrong]
        names = {message.uid: message.message_id for message in drop.messages}
        for old, (new, guid) in drop.renumbered.items():
            drop.expunged.setdefault(old, self._fault_at)
            drop.messages.append(Message(names[old], self._fault_at, None,
                                         new, guid))

    def _lost(self):
        """From when on what the service was told may be lost."""
        if not self.fault.takes_records:
            return float("inf")
        # what was on its way to a service that was killed
        return (self.fault.lost_at or self._fault_at) - ON_ITS_WAY

    def _lost_polls(self):
        """Between which moments polls may be lost."""
        if not self.fault.takes_records:
            return None, None
        return self._lost() - COUNTED, self._healed_at

    def _wait_polls(self, users):
        """Until those that must be counted are."""
        def counted():
            rows = {name: self.host.rows(FOUND[name], (users,))
                    for name in ("sessions", "polls")}
            recorded = {row["dovecot_session"] for row in rows["sessions"]}
            polls = {row["username"]: row["polls"] for row in rows["polls"]}
            return all(polls.get(drop.user, 0) >= invariant_polls.uncounted(
                drop, recorded, *self._lost_polls())[1]
                for drop in self.drops)
        end = time.monotonic() + WRITTEN
        while not counted() and time.monotonic() < end:
            time.sleep(0.1)

    def _check(self, listings):
        users = [drop.user for drop in self.drops]
        if self.host.from_memory:
            self._wait_polls(users)
        self._rows = {name: self.host.rows(query, (users,))
                      for name, query in FOUND.items()}
        lost = self._lost()
        for drop in self.drops:
            found = self._find(drop, self._rows)
            self.removed += len(set(drop.by_uid()) - set(found.mailbox))
            for texts in (
                    invariant_intents.violations(drop, found),
                    invariant_kept.violations(drop, found),
                    invariant_listings.violations(drop, found),
                    invariant_repairs.violations(drop, found),
                    invariant_answers.violations(
                        drop, found, listings[drop.user], lost),
                    invariant_records.violations(drop, found, lost),
                    invariant_polls.violations(drop, found,
                                               *self._lost_polls())):
                self.wrong += ["%s: %s" % (drop.user, text) for text in texts]

    def check_chains(self, checked):
        """checked: {chain: number} of what was checked before, which is
        brought forward."""
        heads = dict(self.host.sql(
            "SELECT chain_id::text, last_seq FROM pop3.chain"))
        first = {chain: number + 1 for chain, number in checked.items()}
        numbers = [(row["chain"], row["number"]) for row in
                   self.host.rows(NUMBERS, (json.dumps(checked),))]
        self.wrong += invariant_chains.violations(heads, numbers, first)
        checked.update(heads)
        done = self.host.verify()
        self.wrong += invariant_seals.violations(
            done.returncode, done.stdout + done.stderr)

    def run(self):
        """Returns the violations."""
        asked = self.host.proxy.logins
        self._make_drops()
        self._highest = {drop.user: max(drop.by_uid(), default=0)
                         for drop in self.drops}
        jobs, fault = self._plan()
        threads = [threading.Thread(target=self._guarded, args=job,
                                    daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        # not in a thread: a PostgreSQL that it starts ends with that
        self._guarded(*fault)
        for thread in threads:
            thread.join(HEALING)
            if thread.is_alive():
                self.wrong.append("a client does not end")
        self._heal()
        if self.fault.breaks_updates:
            self._find_unclear()
        self._settle()
        listings = {drop.user: self._last_session(drop)
                    for drop in self.drops}
        self._settle()
        self._check(listings)
        self.wrong += self.host.crashes()
        self.unasked = max(0, sum(
            session.accepted for drop in self.drops
            for session in drop.sessions) - (self.host.proxy.logins - asked))
        return self.wrong

    def _find_unclear(self):
        """QUITs that Dovecot itself answered, whose commit did not come to its
        end."""
        for drop in self.drops:
            for session in drop.sessions:
                answer = session.answer or ""
                if answer.startswith("-ERR") and any(
                        text in answer for text in UNCLEAR):
                    session.unclear = True
                    session.wrong = [text for text in session.wrong
                                     if text != "QUIT: " + answer]

    def _guarded(self, function, *args):
        try:
            function(*args)
        except Exception as error:      # any is a failure of the run
            self.wrong.append("%s: %s: %s" % (
                function.__qualname__, type(error).__name__, error))

    def describe(self):
        """What was done and recorded, for people."""
        lines = ["%s, polls %s, fault %s %s" % (
            self.seed, "counted" if self.host.from_memory else "recorded",
            self.kind.__name__, {
                name: value for name, value in vars(self.fault).items()
                if name not in ("host", "rng")})]
        lines += ["!!! " + text for text in self.wrong]
        for drop in self.drops:
            lines.append("%s %r" % (drop.user, drop.policy))
            lines += ["  %s" % (item,) for item in
                      (*drop.messages, *drop.sessions)]
            if drop.expunged:
                lines.append("  expunged by others: %r" % drop.expunged)
            for name in ("audit", "sessions"):
                lines += ["  %s: %s" % (name, " ".join(
                    "%s=%s" % (column, row[column]) for column in SHOWN
                    if row.get(column) is not None))
                    for row in self._rows.get(name, ())
                    if row["username"] == drop.user]
        return "\n".join(lines)
