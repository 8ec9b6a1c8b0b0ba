# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Processes that are killed or stopped at any moment of a session: no message
is removed without a durable intent, and no listing is shorter than it should
be. What cannot be answered is answered by -ERR [SYS/TEMP]."""

import contextlib
import itertools
import os
import poplib
import signal
import threading
import time

import pytest

from dovecot import wait_until
from maildrop import (Maildrop, Quit, database_lock, guid128, intents_held,
                      kill_process, pop3_pid, wait_blocked,
                      waits_for_lock)

# The last command of the client before the accident.
POINTS = ["login", "stat", "retr", "dele"]
at_each_point = pytest.mark.parametrize("point", POINTS)

BEFORE = [1, 2, 3, 4]
AFTER = [2, 4]

strangers = itertools.count(1)


class Story:
    """Five messages, the last one hidden. A session retrieves 3, which the
    policy deletes, and deletes 1, which has been retrieved before."""

    def __init__(self, host, user):
        self.host = host
        self.drop = Maildrop(host, user)
        self.drop.deliver(5)
        host.set_policies(user, on_dele="hide")
        self.drop.session(retr=[1], dele=[5])
        host.set_policies(user, on_dele="delete", on_retrieve="delete")
        self.stored = self.drop.stored()
        self.sessions = len(host.sessions(user))
        assert self.drop.view() == BEFORE
        self.drop.wait_idle()

    def begin(self, until=None):
        """A session up to a point, or up to QUIT."""
        pop = self.host.pop3(self.drop.user)
        for point in POINTS:
            if point == "stat":
                assert list(self.drop.numbers(pop)) == BEFORE
            elif point == "retr":
                pop.retr(3)
            elif point == "dele":
                pop.dele(1)
            if point == until:
                return pop
        return pop

    @staticmethod
    def go_on(pop, point):
        """The rest of a session after a point. Returns the answer to its
        QUIT; the first answer that is no +OK, if there is one; "" if the
        connection ended."""
        steps = {"login": pop.stat, "stat": lambda: pop.retr(3),
                 "retr": lambda: pop.dele(1)}
        with contextlib.suppress(OSError):
            for step in POINTS[POINTS.index(point):]:
                if step in steps:
                    try:
                        steps[step]()
                    except poplib.error_proto as error:
                        return error.args[0].decode()
        return Quit(pop).wait()

    def check(self, answer):
        """After the accident is over."""
        listing = self.drop.view_when_accepted()
        # a known user's login does not show that the database is there
        self.drop.settle_when_accepted()
        self.drop.wait_idle()
        stored = [uid for uid in self.drop.uids() if uid != 5]
        if answer.startswith("+OK"):
            assert listing == AFTER
            self.drop.check_nothing_lost(self.stored, removed=[1, 3])
        elif answer == "":
            # killed in the middle: either
            assert listing in (BEFORE, AFTER)
            self.drop.check_nothing_lost(self.stored, removed=None)
        else:
            assert answer.startswith("-ERR [SYS/TEMP]"), answer
            assert listing == BEFORE
            self.drop.check_nothing_lost(self.stored, removed=[])
        assert stored == listing
        assert self.drop.hidden() == [5]
        return listing

    def check_untouched(self):
        assert self.check("-ERR [SYS/TEMP] did not get so far") == BEFORE
        assert self.drop.retrieved() == [1]
        assert self.drop.events("committed", "gone", "presumed") == [
            ("committed", None, None)]

    def check_removed_once(self):
        """1 and 3 are gone, and each is told once."""
        rows = [(row["event"], row["uid"])
                for row in self.host.audit(self.drop.user)
                if row["event"] in ("gone", "presumed")]
        assert [uid for event, uid in rows if event == "gone"] == []
        assert sorted(uid for _, uid in rows) in ([], [1, 3])
        assert self.drop.retrieved() == []
        assert self.drop.tracked() == 1
        assert self.drop.open_intents() == []


@pytest.fixture
def story(make_host, user):
    return Story(make_host(), user)


# --- the service ---

@at_each_point
def test_service_killed(story, point):
    """The master starts another, and the session does not notice."""
    pop = story.begin(point)
    pid = story.host.kill_service()
    answer = story.go_on(pop, point)
    assert answer.startswith("+OK")
    assert story.check(answer) == AFTER
    story.check_removed_once()
    assert pid not in story.host.service_pids()
    # the session is recorded once, by the new service
    sessions = story.host.wait_sessions(story.drop.user, story.sessions + 1)
    assert [row["ended_by"] for row in sessions[story.sessions:]] == ["quit"]


def test_service_killed_before_login(story):
    story.host.kill_service()
    assert story.drop.view_when_accepted() == BEFORE
    story.check_untouched()


def test_service_killed_with_the_login_under_way(story):
    """It had asked the database. The session asks the next one."""
    host = story.host
    listings = []
    login = threading.Thread(
        target=lambda: listings.append(story.drop.view()), daemon=True)
    with database_lock(host, "LOCK TABLE pop3.maildrop IN ACCESS EXCLUSIVE "
                       "MODE"):
        login.start()
        wait_blocked(host)
        host.kill_service()
    login.join(60)
    assert listings == [BEFORE]
    story.check_untouched()


def test_service_killed_with_the_intent_under_way(story):
    """It had sent the intent to the database, and knew no answer."""
    pop = story.begin()
    with intents_held(story.host):
        quit_ = Quit(pop)
        wait_blocked(story.host)
        story.host.kill_service()
        # not by doveadm, which asks the service first
        assert len(story.drop.files("u.*")) == 5
    # the session asks the next one
    answer = quit_.wait()
    assert answer.startswith("+OK")
    assert story.check(answer) == AFTER
    story.check_removed_once()
    intents = [row for row in story.host.audit(story.drop.user)
               if row["event"] == "intent" and row["action"] == "expunge"]
    assert len({(row["intent_no"], row["uid"]) for row in intents}) == \
        len(intents)


def lose_outcome(story, removed=(1, 3)):
    """The service is killed after it answered the intent, and before it read
    the outcome. QUIT succeeds."""
    pop = story.begin()
    pid = pop3_pid(story.host)
    with story.drop.locked_log():
        quit_ = Quit(pop)
        # the intent was answered: the commit waits
        wait_until(lambda: waits_for_lock(pid), what="the commit to wait")
        (intent,) = story.drop.open_intents()
        assert intent["state"] == "open"
        story.host.pause_service()
    assert quit_.wait().startswith("+OK")
    story.drop.wait_idle()
    story.host.kill_service()
    story.drop.check_nothing_lost(story.stored, removed)
    assert [intent["state"] for intent in story.drop.open_intents()] == [
        "open"]
    return intent


def test_service_killed_between_intent_and_outcome(story):
    intent = lose_outcome(story)
    # while the lease holds, nobody repairs
    assert story.drop.view_when_accepted() == AFTER
    assert story.drop.events("presumed", "released") == []
    story.host.sql("UPDATE pop3.intent SET lease_until = now() "
                   "WHERE session_id = %s", (intent["session_id"],))
    assert story.drop.view() == AFTER
    rows = story.host.wait_audit(story.drop.user, "presumed", 2)
    assert sorted((row["uid"], row["action"], row["reason"],
                   str(row["message_guid"])) for row in rows) == [
        (1, "expunge", "dele", guid128(story.stored[1])),
        (3, "expunge", "retrieved", guid128(story.stored[3]))]
    assert {(row["session_id"], row["intent_no"]) for row in rows} == {
        (intent["session_id"], 1)}
    story.check_removed_once()
    assert story.drop.view() == AFTER


def test_repair_when_the_lease_ran_out(make_host, user):
    """By itself, on the shortest lease that can be set."""
    story = Story(make_host(service_settings={"intent_lease": "10s"}), user)
    lose_outcome(story)

    def repaired():
        assert story.drop.view_when_accepted() == AFTER
        return not story.drop.open_intents()
    wait_until(repaired, 20, "the intent to be repaired", interval=0.5)
    assert sorted(story.drop.wait_events("presumed", 2)) == [1, 3]
    story.check_removed_once()


def test_hides_without_outcome(story):
    """A hide whose outcome is lost is not known to anybody: shown again."""
    host, drop = story.host, story.drop
    host.set_policies(drop.user, on_dele="hide", on_retrieve="hide")
    intent = lose_outcome(story, removed=[])
    host.sql("UPDATE pop3.intent SET lease_until = now() "
             "WHERE session_id = %s", (intent["session_id"],))
    assert story.drop.view_when_accepted() == BEFORE
    assert sorted(drop.wait_events("released", 2)) == [1, 3]
    assert drop.hidden() == [5]
    assert drop.open_intents() == []


def test_service_killed_again_and_again(story):
    """Each session finds a new one."""
    for _ in range(4):
        story.host.kill_service()
        story.drop.session(retr=[2], end="drop", recorded=False)
        assert story.drop.view_when_accepted() == BEFORE
    story.check_untouched()


# long enough for a busy machine, short enough to wait for
TIMEOUT = 1.0


@pytest.fixture
def hasty(make_host, user):
    return Story(make_host(plugin_settings={
        "pop3_policy_timeout": "%dms" % (TIMEOUT * 1000)}), user)


def test_service_stopped_at_login(hasty):
    """It does not answer: the refusal comes within the timeout."""
    hasty.host.pause_service()
    begun = time.monotonic()
    refusal = hasty.host.login_refusal(hasty.drop.user)
    took = time.monotonic() - begun
    assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
    assert TIMEOUT <= took < TIMEOUT + 3
    hasty.host.resume_service()
    assert hasty.drop.view() == BEFORE
    hasty.check_untouched()


def test_service_stopped_at_update(hasty):
    """The intent is made durable after the session gave up: it is settled,
    and never acted upon."""
    pop = hasty.begin()
    hasty.host.pause_service()
    begun = time.monotonic()
    answer = Quit(pop).wait()
    took = time.monotonic() - begun
    assert answer.startswith("-ERR [SYS/TEMP] No message was removed")
    assert TIMEOUT <= took < TIMEOUT + 3
    hasty.drop.check_nothing_lost(hasty.stored, removed=[])
    hasty.host.resume_service()
    hasty.check_untouched()
    hasty.drop.settle()
    hasty.drop.view()
    assert hasty.drop.open_intents() == []


def test_service_stopped_at_a_quit_that_removes_nothing(hasty):
    """Nobody waits for its record."""
    pop = hasty.host.pop3(hasty.drop.user)
    assert pop.stat()[0] == 4
    hasty.host.pause_service()
    assert Quit(pop).wait().startswith("+OK")
    hasty.host.resume_service()
    hasty.check_untouched()


# --- the pop3 process ---

@at_each_point
def test_pop3_killed(story, point):
    pop = story.begin(point)
    kill_process(story.host, pop3_pid(story.host))
    pop.close()
    sessions = story.host.wait_sessions(story.drop.user, story.sessions + 1)
    assert sessions[-1]["ended_by"] == "lost"
    assert sessions[-1]["retrieved"] is None
    story.check_untouched()


def test_pop3_killed_while_the_intent_waits(story):
    pop = story.begin()
    pid = pop3_pid(story.host)
    with intents_held(story.host):
        quit_ = Quit(pop)
        wait_blocked(story.host)
        kill_process(story.host, pid)
    assert quit_.wait() == ""
    story.drop.settle()
    story.check_untouched()
    assert story.drop.open_intents() == []


def test_pop3_killed_between_intent_and_commit(story):
    """The intent is durable, the mailbox is untouched."""
    pop = story.begin()
    pid = pop3_pid(story.host)
    with intents_held(story.host):
        quit_ = Quit(pop)
        wait_blocked(story.host)
        os.kill(pid, signal.SIGSTOP)
    wait_until(story.drop.open_intents, what="the intent")
    kill_process(story.host, pid)
    assert quit_.wait() == ""
    wait_until(lambda: [intent["state"] for intent in
                        story.drop.open_intents()] == ["abandoned"],
               what="the intent to be abandoned")
    story.check_untouched()
    assert sorted(story.drop.wait_events("released", 2)) == [1, 3]
    assert story.drop.open_intents() == []
    # and the client's next session does it
    story.drop.session(retr=[3], dele=[1])
    assert story.drop.view() == AFTER
    story.drop.check_nothing_lost(story.stored, removed=[1, 3])


def test_pop3_killed_between_commit_and_outcome(make_host, user):
    """The expunges are committed. The messages go at the next login."""
    story = Story(make_host(mail_format="mdbox"), user)
    pop = story.begin()
    pid = pop3_pid(story.host)
    with story.drop.locked_map():
        quit_ = Quit(pop)
        wait_until(lambda: waits_for_lock(pid), what="the sync to wait")
        assert [intent["state"] for intent in story.drop.open_intents()] == [
            "open"]
        kill_process(story.host, pid)
    assert quit_.wait() == ""
    assert story.drop.view_when_accepted() == AFTER
    assert sorted(story.drop.wait_events("presumed", 2)) == [1, 3]
    story.drop.check_nothing_lost(story.stored, removed=[1, 3])
    story.check_removed_once()
    assert story.drop.view() == AFTER


# --- PostgreSQL ---

@pytest.fixture(scope="module")
def pg_host(make_module_host):
    """A host with a PostgreSQL of its own, to be killed."""
    return make_module_host(own_pg=True, plugin_settings={
        "pop3_policy_timeout": "2s"})


@pytest.fixture
def pg_story(pg_host, user):
    yield Story(pg_host, user)
    pg_host.pg.resume()
    if pg_host.pg.process is None:
        pg_host.pg.start()


@at_each_point
def test_database_killed(pg_story, point):
    """And not there any more at QUIT: what was to be removed is hidden, and goes
    when it is there again."""
    pop = pg_story.begin(point)
    pg_story.host.pg.stop("immediate")
    answer = pg_story.go_on(pop, point)
    assert answer.startswith("+OK")
    assert pg_story.drop.view() == AFTER
    assert pg_story.drop.stored() == pg_story.stored
    refusal = pg_story.host.login_refusal("other_" + pg_story.drop.user)
    assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
    pg_story.host.pg.start()
    pg_story.drop.settle_when_accepted()
    assert pg_story.check(answer) == AFTER
    pg_story.check_removed_once()
    assert sorted(pg_story.drop.events("postponed")) == [
        ("postponed", 1, "dele"), ("postponed", 3, "retrieved")]


def wait_accepted(host):
    """Until users that the service does not know are let in: it has found the
    database."""
    def attempt():
        try:
            host.pop3("stranger%d@example.org" % next(strangers)).quit()
        except poplib.error_proto:
            return False
        return True
    wait_until(attempt, what="a login that is accepted")


@at_each_point
def test_database_restarted(pg_story, point):
    """It is there again at QUIT; the service connects by itself."""
    pop = pg_story.begin(point)
    pg_story.host.pg.restart("immediate")
    wait_accepted(pg_story.host)
    answer = pg_story.go_on(pop, point)
    pg_story.check(answer)
    pg_story.drop.session(retr=[2])
    assert 2 not in pg_story.drop.view()


def test_database_killed_with_the_intent_under_way(pg_story):
    pop = pg_story.begin()
    with contextlib.suppress(Exception), intents_held(pg_story.host):
        quit_ = Quit(pop)
        wait_blocked(pg_story.host)
        pg_story.host.pg.stop("immediate")
    pg_story.host.pg.start()
    pg_story.check(quit_.wait())
    assert pg_story.drop.open_intents() == []


def test_database_killed_between_intent_and_outcome(pg_story):
    """The outcome waits for the database and arrives once."""
    pop = pg_story.begin()
    pid = pop3_pid(pg_story.host)
    with pg_story.drop.locked_log():
        quit_ = Quit(pop)
        wait_until(lambda: waits_for_lock(pid), what="the commit to wait")
        pg_story.host.pg.stop("immediate")
    assert quit_.wait().startswith("+OK")
    pg_story.host.pg.start()
    assert pg_story.check("+OK") == AFTER
    sessions = pg_story.host.wait_sessions(pg_story.drop.user,
                                           pg_story.sessions + 1)
    assert [row["ended_by"] for row in sessions[pg_story.sessions:]] == [
        "quit"]
    assert pg_story.drop.events("committed", "presumed", "released") == [
        ("committed", None, None)] * 2
    pg_story.check_removed_once()


def test_records_arrive_once(pg_story):
    """Sessions that end while the database is away."""
    host, drop = pg_story.host, pg_story.drop
    host.set_policy(drop.user, "on_retrieve", "keep")
    users = [Maildrop(host, "%d_%s" % (number, drop.user))
             for number in range(5)]
    for other in users:
        other.deliver(2)
    pops = [host.pop3(other.user) for other in users]
    for pop in pops:
        pop.retr(1)
    host.pg.stop("immediate")
    for number, pop in enumerate(pops):
        if number % 2 == 0:
            assert Quit(pop).wait().startswith("+OK")
        else:
            pop.drop()
    drop.wait_idle()
    host.pg.start()
    for number, other in enumerate(users):
        host.wait_sessions(other.user, 1)
        assert other.view_when_accepted() == [1, 2]
        other.settle_when_accepted()
        assert [row["ended_by"] for row in host.sessions(other.user)] == [
            "quit" if number % 2 == 0 else "drop"]
        assert other.retrieved() == ([1] if number % 2 == 0 else [])


def test_records_survive_two_outages(pg_story):
    host, drop = pg_story.host, pg_story.drop
    host.set_policy(drop.user, "on_retrieve", "keep")
    pop = host.pop3(drop.user)
    pop.retr(2)
    host.pg.stop("immediate")
    assert Quit(pop).wait().startswith("+OK")
    host.pg.start()
    host.pg.stop("immediate")
    host.pg.start()
    host.wait_sessions(drop.user, pg_story.sessions + 1)
    drop.settle_when_accepted()
    assert len(host.sessions(drop.user)) == pg_story.sessions + 1
    assert drop.retrieved() == [1, 2]
    assert drop.state()[2]["retrieved_count"] == 1


def test_database_does_not_answer(pg_story):
    """Stopped, with its connections open."""
    host, drop = pg_story.host, pg_story.drop
    pop = pg_story.begin()
    host.pg.pause()
    answer = Quit(pop).wait()
    assert answer.startswith("-ERR [SYS/TEMP]")
    begun = time.monotonic()
    refusal = host.login_refusal(drop.user)
    assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
    assert time.monotonic() - begun < 5
    host.pg.resume()
    pg_story.check_untouched()


def test_connections_ended_by_the_administrator(pg_story):
    host, drop = pg_story.host, pg_story.drop
    pop = pg_story.begin()
    host.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
             "WHERE usename = 'pop3_service'")
    pg_story.check(Quit(pop).wait())
    drop.settle()
    assert drop.open_intents() == []


def test_readers_blocked(pg_story):
    """LOGIN cannot be answered: refused, no empty listing."""
    host, drop = pg_story.host, pg_story.drop
    with database_lock(host, "LOCK TABLE pop3.message IN ACCESS EXCLUSIVE "
                       "MODE"):
        refusal = host.login_refusal(drop.user)
    assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
    pg_story.check_untouched()
