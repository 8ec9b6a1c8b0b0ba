# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What the service knows of maildrops while the database is away is what the
database says: after random sessions of many users, offline answers are compared
with those of the database."""

import os
import random
import time

import pytest

from pgproxy import Proxy
from servicehost import Fail, guid, message, wait_until

AWAY = "The database cannot be used"
USERS = 15
SEED = int(os.environ.get("POP3_POLICY_SEED", "0")) or \
    random.SystemRandom().randrange(1, 1 << 32)
# of a maildrop, what offline answers tell
FIELDS = ("guid", "uidvalidity", "uidnext", "messages", "anchor_uid",
          "anchor_guid", "hidden", "view_from", "spared", "retrieved",
          "postponed")


def uidset(uids):
    """As the protocol has it: "1:5,9"."""
    ranges = []
    for uid in sorted(uids):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join("%d" % first if first == last else
                    "%d:%d" % (first, last) for first, last in ranges)


def uids_of(text):
    """Of "1:3,5"."""
    for part in (text or "").split(","):
        first, _, last = part.partition(":")
        if first:
            yield from range(int(first), int(last or first) + 1)


class Life:
    """What happens to a user's maildrop on this host."""

    def __init__(self, service, client, user, rng):
        self.service = service
        self.client = client
        self.user = user
        self.random = rng
        self.uidnext = rng.randrange(2, 30)
        # what the cache must not claim to know until the next login
        self.forgotten = False
        # messages that are not there any more: nobody does anything to them
        self.gone = set()
        self.log = []

    def uids(self, most=6):
        there = sorted(set(range(1, self.uidnext)) - self.gone)
        return sorted(self.random.sample(
            there, min(len(there), self.random.randrange(1, most))))

    def login(self):
        session = os.urandom(16).hex()
        reply = self.client.login(self.user, session)
        if "offline" not in reply:
            self.forgotten = False
        return session, reply

    def intent(self, session, reply, no, offline):
        actions = ["expunge", "expunge", "hide", "move", "flag"]
        items = []
        for uid in self.uids():
            action = self.random.choice(actions)
            reason = self.random.choice(["dele", "retrieved"])
            if action == "hide" and self.random.random() < 0.3:
                reason = "mass-delete"
            items.append(("message", message(
                self.user, uid, action=action, reason=reason,
                mailbox="Trash" if action == "move" else None)))
        if not items:
            return
        self.log.append(("intent", [(i["uid"], i["action"], i["reason"])
                                    for _, i in items]))
        answer = self.client.ask(
            "INTENT", items, user=self.user, session=session, no=no,
            version=reply["version"], guid=guid(self.user), uidvalidity=1,
            postpone="must" if offline else "may")
        postponed = "offline" in answer
        result = self.random.choice(["committed", "committed", "failed"])
        if not postponed and self.random.random() < 0.15:
            result = "unknown"
        self.log.append(("outcome", result))
        if result == "committed" and not postponed:
            self.gone.update(item["uid"] for _, item in items
                             if item["action"] in ("expunge", "move"))
        self.client.outcome(self.user, session, result, no,
                            postponed=1 if postponed else None)

    def event(self, session, offline):
        # an offline session finds nothing out
        kinds = ["gone", "mismatch", "kept"]
        rollback = not offline and self.random.random() < 0.2
        event = "rollback" if rollback else self.random.choice(kinds)
        uids = self.uids()
        if not uids:
            return
        self.forgotten = self.forgotten or rollback
        self.log.append((event, uids))
        if event == "gone":
            self.gone.update(uids)
        self.client.tell("EVENT", user=self.user, session=session,
                         event=event, guid=guid(self.user), uidvalidity=1,
                         uidnext=max(1, self.uidnext - 2)
                         if event == "rollback" else None,
                         uids=None if event == "rollback" else uidset(uids))

    def repair(self, session, reply):
        for intent in reply.items_of("intent"):
            try:
                claimed = self.client.ask(
                    "CLAIM", user=self.user, session=session,
                    intent_session=intent["session"], no=intent["no"])
            except Fail:
                continue
            sets = {"released": [], "presumed": []}
            for item in claimed.items_of("message"):
                sets[self.random.choice(list(sets))].append(int(item["uid"]))
            self.log.append(("repair", sets))
            self.gone.update(sets["presumed"])
            self.client.tell("REPAIR", user=self.user, session=session,
                             intent_session=intent["session"],
                             no=intent["no"], **{
                                 name: uidset(uids)
                                 for name, uids in sets.items()})

    def end(self, session, reply):
        start = self.uidnext
        self.uidnext += self.random.choice([0, 0, 1, 3])
        retrieved = [(uid, self.random.choice(["none", "none", "hide",
                                               "expunge"]))
                     for uid in self.uids() if self.random.random() < 0.6]
        removed = [uid for uid, action in retrieved if action == "expunge"]
        anchor = {} if self.random.random() < 0.5 else {
            "anchor_uid": self.uidnext - 1,
            "anchor_guid": guid(("anchor", self.uidnext))}
        values = dict(
            ended_by=self.random.choice(["quit", "quit", "quit", "drop"]),
            uidnext=start, uidnext_end=self.random.choice(
                [start, self.uidnext]),
            messages=self.random.randrange(50), removed=uidset(removed)
            or None, **anchor)
        self.log.append(("session", retrieved, values))
        self.gone.update(removed)
        self.client.session(self.user, session, reply["now"], retrieved,
                            **values)

    def act(self, offline=False):
        """Up to three sessions at a time."""
        sessions = [self.login() for _ in range(self.random.randrange(1, 4))]
        for session, reply in sessions:
            if not offline and self.random.random() < 0.5:
                self.repair(session, reply)
            for no in range(1, self.random.randrange(1, 4)):
                if self.random.random() < 0.6:
                    self.intent(session, reply, no, offline)
                if self.random.random() < 0.3:
                    self.event(session, offline)
            self.end(session, reply)


def told(reply):
    """{guid: fields}"""
    return {drop["guid"]: {name: drop.get(name) for name in FIELDS
                           if drop.get(name) or name == "retrieved"}
            for drop in reply.items_of("maildrop")}


def compare(life, offline, online):
    cached, real = told(offline), told(online)
    # of sessions that overlap the database keeps the highest number, so that an
    # online login looks what is missing
    for name, drop in cached.items():
        if name in real and "messages" in drop:
            assert int(drop.pop("messages")) <= \
                int(real[name].pop("messages"))
    # and what is gone may have kept its state, as long as an intent decides
    for drop in [*cached.values(), *real.values()]:
        for name in "hidden", "spared", "postponed", "retrieved":
            drop[name] = set(uids_of(drop.get(name))) - life.gone
    assert cached == real, "%s:\n%s\n%s\n%s" % (
        life.user, "\n".join(map(str, life.log)), cached, real)
    for drop, truth in zip(offline.items_of("maildrop"),
                           online.items_of("maildrop")):
        assert drop["id"] in ("0", truth["id"])
        if drop.get("hidden_uid") and not life.gone & {
                int(drop["hidden_uid"]), int(truth.get("hidden_uid") or 0)}:
            assert drop["hidden_uid"] == truth["hidden_uid"]
            assert drop["hidden_guid"] == truth["hidden_guid"]


@pytest.fixture
def proxy(postgres):
    proxy = Proxy(postgres.directory)
    yield proxy
    proxy.close()


@pytest.fixture
def site(proxy, postgres, make_service):
    dbname = "cached%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    service = make_service(pg=postgres, dbname=dbname, settings={
        "connect": proxy.uri(postgres.uri("pop3_service", dbname)),
        "login_cache": "yes"})
    service.expect(AWAY, r"pop3\.maintain\(\) failed")
    service.sql("SELECT pop3.set_policies('*', ARRAY['enforcement', "
                "'view_limit', 'view_window', 'mass_delete_percent'], "
                "ARRAY['enforce', '1000', '30 days', '90%'])")
    return service, proxy


def go_away(service, proxy):
    count = len(service.log_lines(AWAY))
    proxy.refuse()
    wait_until(lambda: len(service.log_lines(AWAY)) > count, "the outage")
    time.sleep(1.1)


def come_back(service, proxy):
    count = len(service.log_lines("used again"))
    proxy.refuse(False)
    wait_until(lambda: len(service.log_lines("used again")) > count,
               "the database")


def written(service, client, new_session):
    """All that was told is in the database."""
    session = new_session()
    user = "last-%s@example.org" % session
    client.session(user, session, "%.3f" % time.time(), fetched="1", retr=1,
                   retrieved=[(1, "none")])
    service.wait_sessions(user, 1)


def test_random_sessions(site, new_session):
    print("seed", SEED)
    service, proxy = site
    client = service.client()
    rng = random.Random(SEED)
    lives = [Life(service, client, "user%d@example.org" % n, rng)
             for n in range(USERS)]
    for _ in range(3):
        for life in lives:
            for _ in range(2):
                life.act()
            if rng.random() < 0.3:
                # what an administrator restores is known by the next login
                written(service, client, new_session)
                service.sql("SELECT pop3.restore(%s)", (life.user,))
                service.wait_policies()
                life.log.append(("restored",))
                life.act()
        written(service, client, new_session)
        go_away(service, proxy)
        known = []
        for life in lives:
            if life.forgotten:
                with pytest.raises(Fail):
                    client.login(life.user, new_session())
                continue
            known.append((life, client.login(life.user, new_session())))
            assert known[-1][1]["offline"] == "1"
        come_back(service, proxy)
        assert len(known) > USERS / 3
        for life, reply in known:
            compare(life, reply, client.login(life.user, new_session()))

        # and what happens during an outage
        go_away(service, proxy)
        for life, _ in known:
            life.act(offline=True)
        known = [(life, client.login(life.user, new_session()))
                 for life, _ in known]
        come_back(service, proxy)
        for life, reply in known:
            compare(life, reply, client.login(life.user, new_session()))


def test_new_users(site, new_session):
    """A maildrop that the database has not numbered when it goes away."""
    service, proxy = site
    client = service.client()
    lives = [Life(service, client, "new%d@example.org" % n,
                  random.Random(SEED + n)) for n in range(10)]
    for life in lives:
        life.login()
    go_away(service, proxy)
    for life in lives:
        life.act(offline=True)
        life.act(offline=True)
    replies = [(life, client.login(life.user, new_session()))
               for life in lives]
    come_back(service, proxy)
    for life, reply in replies:
        compare(life, reply, client.login(life.user, new_session()))


def test_bounds(proxy, make_service, postgres, new_session):
    """Users who did not come for long are forgotten, and so is what was learned
    too long ago."""
    dbname = "bounds%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    service = make_service(pg=postgres, dbname=dbname, settings={
        "connect": proxy.uri(postgres.uri("pop3_service", dbname)),
        "offline_users": "3", "offline_time": "4 s"})
    service.expect(AWAY, r"pop3\.maintain\(\) failed")
    client = service.client()
    users = ["user%d@example.org" % n for n in range(5)]

    def known():
        found = []
        for user in users:
            try:
                client.login(user, new_session())
            except Fail:
                continue
            found.append(user)
        return found
    for user in users + [users[2]]:
        client.login(user, new_session())
    go_away(service, proxy)
    assert known() == users[2:]
    time.sleep(4)
    assert known() == []
    come_back(service, proxy)
    assert known() == users
