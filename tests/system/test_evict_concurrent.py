# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Deliveries at once into one maildrop, sessions beside them: the lock."""

import poplib
import threading
import time

import pytest

from evict import QUOTA, FullDrop
from maildrop import listing, subject

TIMEOUT = 2.0


@pytest.fixture(scope="module", params=["sdbox", "mdbox", "maildir"])
def full_host(request, make_module_host):
    return make_module_host(mail_format=request.param, **QUOTA)


@pytest.fixture
def drop(full_host, user):
    return FullDrop(full_host, user)


@pytest.fixture(scope="module")
def hasty_host(make_module_host):
    return make_module_host(
        settings={"lmtp_save_to_detail_mailbox": "yes",
                  "lda_mailbox_autocreate": "yes"},
        mail_plugins=QUOTA["mail_plugins"],
        plugin_settings={**QUOTA["plugin_settings"], "pop3_policy_timeout":
                         "%ds" % TIMEOUT})


@pytest.fixture
def hasty(hasty_host, user):
    return FullDrop(hasty_host, user)


class Deliveries:
    """Deliveries at once, in the background."""

    def __init__(self, drop, count, **options):
        self.replies = []
        self._drops = []
        self._threads = []
        for _ in range(count):
            one = FullDrop.__new__(FullDrop)
            one.__dict__.update(drop.__dict__)
            self._drops.append(one)
            self._threads.append(threading.Thread(
                target=self._run, args=(one, options), daemon=True))
        for thread in self._threads:
            thread.start()

    def _run(self, drop, options):
        self.replies.append(drop.put(**options))

    def wait(self, timeout=60):
        """The codes of all replies, sorted."""
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))
            assert not thread.is_alive(), "a delivery is not answered"
        return sorted(reply.code for reply in self.replies)


def quota(drop):
    return int(drop.host.value("SELECT quota_storage FROM pop3.policy "
                               "WHERE scope = %s", (drop.user,)))


def test_ten_at_once(drop):
    """As many as there is room to be made for; beside a session."""
    drop.fill(9)
    drop.retrieve(8)
    drop.hide(2)
    drop.retrieve(4, 1, 5)
    drop.limit()
    before = drop.stored()
    with drop.host.pop3(drop.user) as pop:
        shown = listing(pop)
        sizes = pop.list()[1]
        subjects = {number: subject(pop.top(number, 0)) for number in shown}
        assert len(shown) == 8
        assert Deliveries(drop, 10).wait() == [250] * 5 + [552] * 5
        # the session sees what it saw
        assert listing(pop) == shown
        assert pop.list()[1] == sizes
        numbers = drop.numbers(pop)
        for uid in (3, 6, 7, 9):
            number = numbers[uid]
            assert subject(pop.retr(number)) == subjects[number]
        for uid in (1, 4, 5, 8):
            # an answer, and never another message
            try:
                assert subject(pop.retr(numbers[uid])) == \
                    subjects[numbers[uid]]
            except poplib.error_proto as error:
                assert error.args[0].startswith(b"-ERR")
                break
    drop.settle()
    assert drop.used() <= quota(drop)
    drop.check_nothing_lost(before, removed=[1, 2, 4, 5, 8])
    assert [uid for uid, _ in drop.evicted()] == [2, 8, 4, 1, 5]
    assert len(set(drop.evicted())) == 5
    assert drop.open_intents() == []
    # and the next session finds all that is there
    assert drop.view() == [3, 6, 7, 9, 10, 11, 12, 13, 14]
    assert drop.events("gone", "presumed", "released") == []


def test_ten_at_once_without_eviction(drop):
    """There is room for three: Dovecot alone would let more pass."""
    drop.host.set_policies(drop.user, quota_action="reject")
    drop.fill(2)
    size = drop.sizes()[2]
    drop.limit(3 * size + size // 2)
    assert Deliveries(drop, 10).wait() == [250] * 3 + [552] * 7
    assert len(drop.uids()) == 5
    assert drop.used() <= quota(drop)


def test_session_that_removes_the_same(drop):
    """A session's QUIT removes what a delivery evicted, and more."""
    drop.fill(4)
    drop.retrieve(1, 2)
    drop.limit()
    pop = drop.host.pop3(drop.user)
    numbers = drop.numbers(pop)
    for uid in (1, 2):
        pop.dele(numbers[uid])
    assert Deliveries(drop, 1).wait() == [250]
    assert pop.quit().startswith(b"+OK")
    drop.settle()
    assert drop.uids() == [3, 4, 5]
    intended = [(row["uid"], row["reason"])
                for row in drop.host.audit(drop.user)
                if row["event"] == "intent" and row["action"] == "expunge"]
    assert intended == [(1, "quota"), (2, "dele")]
    assert drop.open_intents() == []
    assert drop.view() == [3, 4, 5]
    assert drop.events("gone", "presumed", "released") == []


def test_many_sessions_and_deliveries(drop):
    """Everybody at once, for a while: the limit is kept, nothing that was not
    retrieved is lost."""
    drop.fill(6)
    drop.host.set_policies(drop.user, quota_messages="8")
    fetched, seen, failures = set(), set(), []
    stop = threading.Event()

    def session():
        while not stop.is_set():
            try:
                pop = drop.host.pop3(drop.user)
                numbers = drop.numbers(pop)
                seen.update(numbers)
                for uid, number in list(numbers.items())[:2]:
                    try:
                        pop.retr(number)
                    except poplib.error_proto:
                        pop.drop()
                        break
                    # before it may count
                    fetched.add(uid)
                else:
                    pop.quit()
            except poplib.error_proto as error:
                # removed by a delivery while the session looked
                if b"[SYS/" not in error.args[0] and \
                   b"-ERR" not in error.args[0]:
                    failures.append(error)
            except Exception as error:  # to be seen by the test
                failures.append(error)

    sessions = [threading.Thread(target=session, daemon=True)
                for _ in range(3)]
    for thread in sessions:
        thread.start()
    accepted = rounds = 0
    end = time.monotonic() + 60
    # sessions that take their time leave nothing to be evicted
    while rounds < 6 or accepted <= 2 and time.monotonic() < end:
        codes = Deliveries(drop, 5).wait()
        assert set(codes) <= {250, 552}, codes
        accepted += codes.count(250)
        rounds += 1
    stop.set()
    for thread in sessions:
        thread.join(60)
        assert not thread.is_alive()
    assert not failures
    drop.settle()
    uids = drop.uids()
    assert len(uids) <= 8
    evicted = [uid for uid, _ in drop.evicted()]
    assert len(evicted) == len(set(evicted))
    gone = set(range(1, 6 + accepted + 1)) - set(uids)
    assert gone == set(evicted)
    assert gone <= fetched
    assert accepted == len(evicted) + len(uids) - 6 > 2
    assert drop.open_intents() == []


# --- the lock ---

def test_lock_held_by_another(hasty):
    """A delivery waits no longer than the timeout, and is put off."""
    hasty.fill(2)
    hasty.limit(10000)
    with hasty.locked():
        begun = time.monotonic()
        reply = hasty.put()
        took = time.monotonic() - begun
        assert reply.code == 451 and "busy" in reply.text, reply
        assert TIMEOUT - 0.5 <= took < TIMEOUT + 3
        assert hasty.uids() == [1, 2]
        # to another mailbox as well
        assert hasty.put(mailbox="Other").code == 451
    assert hasty.put().code == 250
    assert hasty.uids() == [1, 2, 3]


def test_lock_released_in_time(hasty):
    hasty.fill(2)
    hasty.limit(10000)
    with hasty.locked():
        deliveries = Deliveries(hasty, 3)
        time.sleep(TIMEOUT / 4)
        assert deliveries.replies == []
    assert deliveries.wait() == [250] * 3
    assert hasty.uids() == [1, 2, 3, 4, 5]


def test_lock_is_for_one_maildrop(hasty_host, hasty, user):
    other = FullDrop(hasty_host, "other_" + user)
    hasty.fill(1)
    hasty.limit(10000)
    with hasty.locked():
        begun = time.monotonic()
        other.fill(1)
        assert time.monotonic() - begun < TIMEOUT / 2


def test_no_lock_without_a_quota(hasty):
    """Nothing to keep: nobody waits."""
    hasty.host.set_policies(hasty.user, quota_action="reject")
    hasty.fill(1)
    with hasty.locked():
        begun = time.monotonic()
        assert hasty.put().code == 250
        assert time.monotonic() - begun < TIMEOUT / 2
