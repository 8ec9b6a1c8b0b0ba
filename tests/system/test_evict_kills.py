# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Eviction when something fails: nothing is removed without a durable intent,
no mail is bounced because the database is away, and what was left open is
repaired by the next session."""

import os
import signal
import threading
import time

import pytest

from dovecot import wait_until
from evict import QUOTA, FullDrop
from maildrop import (database_lock, intents_held, intents_refused,
                      wait_blocked, waits_for_lock)

TIMEOUT = 3.0
SETTINGS = {**QUOTA, "plugin_settings": {
    **QUOTA["plugin_settings"], "pop3_policy_timeout": "%ds" % TIMEOUT}}

BEFORE = [1, 2, 3, 4]
# 2 is hidden and 1 was retrieved; 5 comes
AFTER = [1, 3, 4, 5]


class Put:
    """A delivery in the background."""

    def __init__(self, drop):
        self.reply = None
        self.ended = False
        self._drop = drop
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self.reply = self._drop.put()
        except (AssertionError, OSError, ValueError):
            # the connection was lost
            pass
        self.ended = True

    def wait(self):
        """The reply, None if the connection was lost."""
        self._thread.join(60)
        assert self.ended, "the delivery is not answered"
        return self.reply


def lmtp_waiting(host):
    """The lmtp process that waits for a lock on a file."""
    def waiting():
        return [pid for pid in host.pids("lmtp") if waits_for_lock(pid)]
    (pid,) = wait_until(waiting, what="lmtp to wait for a lock")
    return pid


def kill_lmtp(host, sig=signal.SIGKILL):
    """Kill all lmtp processes, and wait for their end."""
    pids = list(host.pids("lmtp"))
    for pid in pids:
        host.expect_log(r"service\(lmtp\): child %d killed with signal" % pid)
        os.kill(pid, sig)
    if sig == signal.SIGKILL:
        wait_until(lambda: not set(pids) & set(host.pids("lmtp")),
                   what="lmtp to end")


def full(host, user):
    drop = FullDrop(host, user)
    # the database may be asked again
    drop.view_when_accepted()
    drop.fill(4)
    drop.retrieve(1)
    drop.hide(2)
    drop.limit()
    return drop


@pytest.fixture(scope="module")
def full_host(make_module_host):
    return make_module_host(**SETTINGS)


@pytest.fixture
def drop(full_host, user):
    return full(full_host, user)


@pytest.fixture(scope="module")
def mdbox_host(make_module_host):
    return make_module_host(mail_format="mdbox", **SETTINGS)


def check_goes_on(drop, before, hidden=True):
    """Nothing has happened to what was there, and the next delivery finds
    room."""
    drop.check_nothing_lost(before, removed=[])
    # a user whom the service knows goes on before the database does
    drop.settle_when_accepted()
    # the session repairs
    assert drop.view() == [uid for uid in drop.uids()
                           if uid != 2 or not hidden]
    drop.settle()
    assert drop.open_intents() == []
    assert drop.hidden() == [2] if hidden else []
    assert drop.put().code == 250
    drop.wait_settled()
    drop.check_nothing_lost(before, removed=[2])
    assert drop.evicted()[-1] == (2, "room for " + drop.message_id)


# --- lmtp ---

def test_lmtp_killed_while_the_intent_waits(drop):
    before = drop.stored()
    with intents_held(drop.host):
        put = Put(drop)
        wait_blocked(drop.host)
        kill_lmtp(drop.host)
    assert put.wait() is None
    check_goes_on(drop, before)


def test_lmtp_killed_between_intent_and_commit(drop):
    """The intent is durable, the mailbox is untouched: released."""
    before = drop.stored()
    with intents_held(drop.host):
        put = Put(drop)
        wait_blocked(drop.host)
        kill_lmtp(drop.host, signal.SIGSTOP)
    wait_until(drop.open_intents, what="the intent")
    kill_lmtp(drop.host)
    assert put.wait() is None
    wait_until(lambda: [intent["state"] for intent in drop.open_intents()] ==
               ["abandoned"], what="the intent to be given up")
    # what an intent is about is not taken by another delivery
    assert drop.put().code == 250
    assert drop.uids() == [2, 3, 4, 5]
    assert drop.view() == [3, 4, 5]
    assert drop.wait_events("released") == [2]
    assert drop.open_intents() == []
    assert drop.put().code == 250
    assert drop.uids() == [3, 4, 5, 6]
    drop.check_nothing_lost(before, removed=[1, 2])


def test_lmtp_killed_between_commit_and_outcome(mdbox_host, user):
    """The expunge is committed. The message goes at the next login."""
    drop = full(mdbox_host, user)
    before = drop.stored()
    with drop.locked_map():
        put = Put(drop)
        lmtp_waiting(drop.host)
        assert [intent["state"] for intent in drop.open_intents()] == ["open"]
        kill_lmtp(drop.host)
    assert put.wait() is None
    wait_until(lambda: [intent["state"] for intent in drop.open_intents()] ==
               ["abandoned"], what="the intent to be given up")
    assert drop.view_when_accepted() == [1, 3, 4]
    assert drop.wait_events("presumed") == [2]
    drop.check_nothing_lost(before, removed=[2])
    assert drop.hidden() == []
    assert drop.events("gone") == []
    # there is room now
    assert drop.put().code == 250
    assert drop.uids() == [1, 3, 4, 5]
    assert len(drop.evicted()) == 1


# --- the service ---

def test_service_killed_with_the_intent_under_way(drop):
    """The delivery asks the next one."""
    before = drop.stored()
    with intents_held(drop.host):
        put = Put(drop)
        wait_blocked(drop.host)
        drop.host.kill_service()
        # not by doveadm, which asks the service first
        assert len(drop.files("u.*")) == len(BEFORE)
    reply = put.wait()
    if reply.code == 452:
        # PostgreSQL was still busy with what the dead one had asked
        drop.view_when_accepted()
        check_goes_on(drop, before)
        return
    assert reply.code == 250, reply
    drop.settle()
    assert drop.uids() == AFTER
    drop.check_nothing_lost(before, removed=[2])
    assert {uid for uid, _ in drop.evicted()} == {2}
    assert drop.open_intents() == []


def test_service_killed_between_intent_and_outcome(mdbox_host, user):
    drop = full(mdbox_host, user)
    before = drop.stored()
    with drop.locked_map():
        put = Put(drop)
        # the intent was answered, the sync behind the commit waits
        lmtp_waiting(drop.host)
        (intent,) = drop.open_intents()
        drop.host.pause_service()
    assert put.wait().code == 250
    drop.host.kill_service()
    assert drop.uids() == AFTER
    drop.check_nothing_lost(before, removed=[2])
    drop.host.sql("UPDATE pop3.intent SET lease_until = now() "
                  "WHERE session_id = %s", (intent["session_id"],))
    assert drop.view_when_accepted() == [1, 3, 4, 5]
    assert drop.wait_events("presumed") == [2]
    drop.settle()
    assert drop.open_intents() == []


def test_service_stopped(drop):
    """Nobody answers: what fits is delivered within the timeout, and mail is
    not bounced."""
    before = drop.stored()
    drop.host.pause_service()
    begun = time.monotonic()
    reply = drop.put()
    assert time.monotonic() - begun < 3 * TIMEOUT
    drop.host.resume_service()
    # Dovecot's configuration has no limit
    assert reply.code == 250
    drop.check_nothing_lost(before, removed=[])
    assert drop.evicted() == []


def test_intent_without_answer(drop):
    """The delivery is put off within the timeout; the intent that becomes
    durable behind it is settled and never acted upon."""
    before = drop.stored()
    with intents_held(drop.host):
        begun = time.monotonic()
        reply = drop.put()
        assert time.monotonic() - begun < 4 * TIMEOUT
        assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
    check_goes_on(drop, before)


def test_intent_refused(drop):
    before = drop.stored()
    with intents_refused(drop.host, drop.user):
        reply = drop.put()
    assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
    check_goes_on(drop, before)


def test_readers_blocked(drop):
    """What may go cannot be asked."""
    before = drop.stored()
    with database_lock(drop.host, "LOCK TABLE pop3.message IN ACCESS "
                       "EXCLUSIVE MODE"):
        reply = drop.put()
        assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
    check_goes_on(drop, before)


# --- the policy changes between LIMITS and the intent ---

def held_back(drop, **policy):
    """Deliver a mail, and change the policy when its limits are known."""
    host = drop.host
    with drop.locked():
        put = Put(drop)
        lmtp_waiting(host)
        host.set_policies(drop.user, **policy)
        # as long as a change may take to hold
        time.sleep(0.2)
    return put.wait()


def test_hold_set_meanwhile(drop):
    before = drop.stored()
    reply = held_back(drop, pop3_hold="yes")
    assert (reply.code, reply.enhanced) == (552, "5.2.2"), reply
    drop.host.set_policies(drop.user, pop3_hold="no")
    check_goes_on(drop, before)


def test_other_parameter_set_meanwhile(drop):
    reply = held_back(drop, top_lines="10")
    assert reply.code == 250
    drop.wait_settled()
    assert drop.uids() == AFTER
    # one on the strength of the old policy, void, and one of the new
    assert [uid for uid, _ in drop.evicted()] == [2, 2]
    # the first outcome is that of the hide
    assert [event for event, _, _ in drop.events("committed", "released")] \
        == ["committed", "released", "committed"]


def test_eviction_switched_off_meanwhile(drop):
    before = drop.stored()
    reply = held_back(drop, quota_action="reject")
    assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
    drop.check_nothing_lost(before, removed=[])
    reply = drop.put()
    assert (reply.code, reply.enhanced) == (552, "5.2.2"), reply


# --- PostgreSQL ---

@pytest.fixture(scope="module")
def pg_host(make_module_host):
    """A host with a PostgreSQL of its own, to be killed."""
    return make_module_host(own_pg=True, **SETTINGS)


@pytest.fixture
def pg_drop(pg_host, user):
    yield full(pg_host, user)
    pg_host.pg.resume()
    if pg_host.pg.process is None:
        pg_host.pg.start()


def test_database_away(pg_drop):
    """The last known limits hold. What fits is delivered, what does not is
    put off: room could be made later."""
    host, before = pg_drop.host, pg_drop.stored()
    pg_drop.limit(pg_drop.sizes()[4])
    # known from a delivery
    size = pg_drop.sizes()[4]
    pg_drop.limit(2 * size)
    assert pg_drop.put().code == 250
    host.pg.stop("immediate")
    assert pg_drop.put().code == 250
    for _ in range(2):
        reply = pg_drop.put()
        assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
    assert pg_drop.uids() == [1, 2, 3, 4, 5, 6]
    host.pg.start()
    wait_until(lambda: pg_drop.put().code == 250, 30, "a delivery",
               interval=0.5)
    pg_drop.settle()
    pg_drop.check_nothing_lost(before, removed=[2])
    assert [uid for uid, _ in pg_drop.evicted()] == [2]


def test_database_away_and_unknown_user(pg_drop, user):
    """Dovecot's own limits hold."""
    pg_drop.host.pg.stop("immediate")
    other = FullDrop.__new__(FullDrop)
    other.host, other.user = pg_drop.host, "unknown_" + user
    assert other.put().code == 250


def test_database_killed_with_the_intent_under_way(pg_drop):
    host, before = pg_drop.host, pg_drop.stored()
    with intents_held(host):
        put = Put(pg_drop)
        wait_blocked(host)
        host.pg.stop("immediate")
    reply = put.wait()
    assert (reply.code, reply.enhanced) == (452, "4.2.2"), reply
    host.pg.start()
    check_goes_on(pg_drop, before)
