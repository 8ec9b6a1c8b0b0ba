# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""PostgreSQL is away: sessions of known users go on, nothing is removed, and what
they wanted to remove is hidden, and decided anew later."""

import contextlib
import poplib
import time

import pytest

from dovecot import Failure, wait_until
from maildrop import Maildrop

AWAY = "The database cannot be used"
# one that was started meanwhile has not lost it
BACK = "The database can be used"


@pytest.fixture(scope="module")
def away_host(make_module_host):
    return make_module_host(own_pg=True,
                            service_settings={"query_timeout": "2s"})


@contextlib.contextmanager
def outage(host, mode="fast"):
    """Without PostgreSQL, from when the service knows it, and does not hope any
    more that it is a matter of a moment."""
    offset = host.log_position()
    # policies that were set just now are known
    time.sleep(2)
    host.pg.stop(mode)
    wait_until(lambda: host.log_contains(AWAY, offset), what="the outage")
    time.sleep(1.1)
    try:
        yield
    finally:
        host.pg.start()
        wait_until(lambda: host.log_contains(BACK, offset),
                   what="the end of the outage")


class Drop(Maildrop):
    """Looks at itself without a database, too."""

    def known(self, count):
        """Deliver messages, and let the service know the user."""
        self.deliver(count)
        self.policy_settled()
        self.view_when_accepted()
        self.settle_when_accepted()
        return self

    @staticmethod
    def policy_settled():
        """What policy a user has of his own is kept from a login on that comes a
        second after it was set."""
        time.sleep(1.5)

    def quit(self, retr=(), dele=()):
        """A session with an answer to its QUIT."""
        pop = self.host.pop3(self.user)
        numbers = self.numbers(pop)
        for uid in retr:
            pop.retr(numbers[uid])
        for uid in dele:
            pop.dele(numbers[uid])
        answer = pop.quit().decode()
        assert answer.startswith("+OK")
        self._unsettled = True
        self.wait_idle()

    def uidls(self):
        with self.host.pop3(self.user) as pop:
            self._unsettled = True
            return list(pop.uids().values())

    def story(self):
        """(event, action, reason, UID)"""
        self.settle()
        return [(row["event"], row["action"], row["reason"], row["uid"])
                for row in self.host.audit(self.user)]


@pytest.fixture
def drop(away_host, user):
    return Drop(away_host, user).known(5)


COMMITTED = ("committed", None, None, None)


def test_dele_hides_and_is_done_later(away_host, drop):
    uidls = drop.uidls()
    drop.settle()
    with outage(away_host):
        assert drop.uidls() == uidls
        drop.quit(retr=[1, 2], dele=[2, 4])
        assert drop.uidls() == [uidls[n] for n in (0, 2, 4)]
        assert drop.uids() == [1, 2, 3, 4, 5]
        before = drop.stored()
    assert drop.uidls() == [uidls[n] for n in (0, 2, 4)]
    assert drop.uids() == [1, 3, 5]
    drop.check_nothing_lost(before, removed=[2, 4])
    assert drop.story() == [
        ("postponed", "hide", "dele", 2), ("postponed", "hide", "dele", 4),
        ("intent", "expunge", "dele", 2), ("intent", "expunge", "dele", 4),
        COMMITTED]
    assert drop.state().keys() == {1}
    assert drop.retrieved() == [1]
    rows = away_host.rows("SELECT * FROM pop3.report_deletion WHERE username = "
                          "%s ORDER BY uid", (drop.user,))
    assert [(row["uid"], row["rule"], row["status"]) for row in rows] == [
        (2, "dele", "committed"), (4, "dele", "committed")]
    asked = [row for row in away_host.audit(drop.user)
             if row["event"] == "postponed"]
    for row in rows:
        assert asked[0]["dovecot_session"] in row["detail"]
        assert "127.0.0.1" in row["detail"]


def test_several_sessions(away_host, drop):
    """Each sees what those before it did."""
    with outage(away_host, "immediate"):
        drop.quit(dele=[1])
        drop.quit(retr=[2])
        drop.quit(retr=[3], dele=[2])
        assert drop.view() == [3, 4, 5]
        drop.deliver(2)
        assert drop.view() == [3, 4, 5, 6, 7]
        drop.quit(dele=[7])
        assert drop.view() == [3, 4, 5, 6]
        assert drop.uids() == list(range(1, 8))
    assert drop.view() == [3, 4, 5, 6]
    assert drop.uids() == [3, 4, 5, 6]
    drop.settle()
    assert drop.retrieved() == [3]


def test_any_other_end_hides_nothing(away_host, drop):
    with outage(away_host):
        drop.session(retr=[1], dele=[2], end="drop", recorded=False)
        drop.wait_idle()
        assert drop.view() == [1, 2, 3, 4, 5]
    assert drop.view() == [1, 2, 3, 4, 5]
    assert drop.story() == []


def test_session_that_began_before(away_host, drop):
    pop = away_host.pop3(drop.user)
    pop.retr(1)
    pop.dele(1)
    with outage(away_host):
        pop.dele(3)
        assert pop.quit().startswith(b"+OK")
        drop.wait_idle()
        assert drop.view() == [2, 4, 5]
        assert drop.uids() == [1, 2, 3, 4, 5]
    assert drop.view() == [2, 4, 5]
    assert drop.uids() == [2, 4, 5]


def test_session_that_ends_after_it(away_host, drop):
    """It has not removed anything either."""
    with outage(away_host):
        pop = away_host.pop3(drop.user)
        pop.dele(2)
    pop.quit()
    drop.wait_idle()
    assert drop.uids() == [1, 2, 3, 4, 5]
    assert drop.view() == [1, 3, 4, 5]
    assert drop.uids() == [1, 3, 4, 5]
    assert drop.story() == [("postponed", "hide", "dele", 2),
                            ("intent", "expunge", "dele", 2), COMMITTED]


def test_unknown_user_waits(away_host, user):
    drop = Drop(away_host, user)
    drop.deliver(2)
    with outage(away_host):
        refusal = away_host.login_refusal(user)
        assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
    assert drop.view() == [1, 2]


@pytest.mark.parametrize("policy,view,stored,moved,story", [
    # hidden instead of removed, as it is under a hold
    ({"pop3_hold": "yes"}, [1, 3], [1, 2, 3], [],
     [("intent", "hide", "dele", 2), COMMITTED]),
    ({"on_dele": "hide"}, [1, 3], [1, 2, 3], [],
     [("intent", "hide", "dele", 2), COMMITTED]),
    ({"on_dele": "refuse"}, [1, 2, 3], [1, 2, 3], [],
     [("kept", None, "dele", 2)]),
    ({"on_dele": "move"}, [1, 3], [1, 3], [1],
     [("intent", "move", "dele", 2), COMMITTED]),
    ({"enforcement": "observe"}, [1, 3], [1, 3], [],
     [("intent", "expunge", "dele", 2), COMMITTED]),
    ({"enforcement": "off"}, [1, 3], [1, 3], [],
     [("intent", "expunge", "dele", 2), COMMITTED]),
])
def test_decided_anew_by_the_policy_of_then(away_host, user, policy, view,
                                            stored, moved, story):
    drop = Drop(away_host, user).known(3)
    with outage(away_host):
        drop.quit(dele=[2])
    away_host.set_policies(user, **policy)
    for _ in range(2):
        assert drop.view() == view
    assert drop.uids() == stored
    if moved:
        assert drop.uids("Trash") == moved
    assert drop.story() == [("postponed", "hide", "dele", 2)] + story
    assert not [row for row in drop.state().values() if row["postponed"]]


@pytest.mark.parametrize("enforcement", ["observe", "off"])
def test_dele_without_enforcement(away_host, user, enforcement):
    """RFC 1939's DELE is not lost."""
    drop = Drop(away_host, user)
    away_host.set_policies(user, enforcement=enforcement,
                           on_retrieve="delete")
    drop.known(3)
    with outage(away_host):
        drop.quit(retr=[1], dele=[2])
        assert drop.view() == [1, 3]
        assert drop.uids() == [1, 2, 3]
    assert drop.view() == [1, 3]
    assert drop.uids() == [1, 3]
    assert ("postponed", "hide", "dele", 2) in drop.story()


@pytest.mark.parametrize("before,after,view,stored,event", [
    ("delete", "delete", [2, 3], [2, 3], "committed"),
    ("delete", "keep", [1, 2, 3], [1, 2, 3], "kept"),
    ("delete", "hide", [2, 3], [1, 2, 3], "committed"),
    ("move", "move", [2, 3], [2, 3], "committed"),
    # what is only hidden needs no other decision
    ("hide", "keep", [2, 3], [1, 2, 3], "postponed"),
])
def test_retrieved(away_host, user, before, after, view, stored, event):
    drop = Drop(away_host, user)
    away_host.set_policies(user, on_retrieve=before)
    drop.known(3)
    with outage(away_host):
        drop.quit(retr=[1])
        assert drop.view() == [2, 3]
        assert drop.uids() == [1, 2, 3]
    away_host.set_policies(user, on_retrieve=after)
    assert drop.view() == view
    assert drop.uids() == stored
    assert drop.story()[-1][0] == event
    if before == after == "move":
        assert len(drop.uids("Trash")) == 1


def test_nothing_is_due(away_host, user):
    drop = Drop(away_host, user)
    away_host.set_policies(user, expire_retrieved="1 day",
                           expire_unretrieved="10 days")
    drop.known(4)
    drop.session(retr=[1])
    drop.age("2 days")
    with outage(away_host):
        # of what was never known to be due nothing is
        assert drop.view() == [1, 2, 3, 4]
        drop.quit(retr=[1, 2])
        assert drop.uids() == [1, 2, 3, 4]
    assert drop.view() == [2, 3, 4]
    assert drop.uids() == [2, 3, 4]


def test_limits_are_left_alone(away_host, user):
    """login_delay and download_daily are not counted, pop3_access is kept."""
    drop = Drop(away_host, user)
    away_host.set_policies(user, login_delay="1 hour", download_daily="1k",
                           leave_max_messages="1")
    drop.known(3)
    with outage(away_host):
        drop.quit(retr=[1, 2, 3])
        drop.quit(retr=[1, 2, 3])
        assert drop.view() == [1, 2, 3]
    away_host.unset_policy(user, "login_delay")
    away_host.set_policies(user, pop3_access="off")
    time.sleep(1.5)
    assert away_host.login_refusal(user).startswith("-ERR [AUTH]")
    with outage(away_host):
        assert away_host.login_refusal(user).startswith("-ERR [AUTH]")


def test_mass_deletion(away_host, user):
    drop = Drop(away_host, user)
    away_host.set_policies(user, mass_delete_percent="50%")
    drop.known(30)
    with outage(away_host):
        drop.quit(dele=range(1, 26))
        assert drop.view() == list(range(26, 31))
    assert drop.view() == list(range(26, 31))
    assert drop.uids() == list(range(1, 31))
    assert {row["reason"] for row in drop.state().values()} == {"mass-delete"}
    assert {row["postponed"] for row in drop.state().values()} == {None}
    drop.age("8 days")
    assert drop.view() == list(range(26, 31))
    assert drop.uids() == list(range(26, 31))


def test_view_limit(away_host, user):
    drop = Drop(away_host, user)
    away_host.set_policies(user, view_limit="3")
    drop.known(6)
    assert drop.view() == [1, 2, 3]
    drop.settle()
    with outage(away_host):
        drop.quit(retr=[1])
        assert drop.view() == [1, 2, 3, 4]
        drop.quit(dele=[2])
        assert drop.view() == [1, 3, 4, 5]
    assert drop.view() == [1, 3, 4, 5]


def test_view_window(away_host, user):
    drop = Drop(away_host, user)
    away_host.set_policies(user, view_window="5 days")
    drop.known(3)
    drop.age("10 days")
    drop.known(2)
    assert drop.view() == [4, 5]
    drop.settle()
    with outage(away_host):
        assert drop.view() == [4, 5]
        drop.quit(dele=[4])
        assert drop.view() == [5]
    assert drop.view() == [5]


def test_hidden_stays_hidden(away_host, drop):
    away_host.set_policies(drop.user, on_dele="hide")
    drop.policy_settled()
    drop.session(dele=[2, 4])
    # known by what the session recorded, not by a later login
    with outage(away_host):
        assert drop.view() == [1, 3, 5]
        drop.quit(dele=[3])
        assert drop.view() == [1, 5]
        # the highest hidden one, by which the others were known
        drop.expunge(4)
        assert drop.view() == [1, 5]
    assert drop.view() == [1, 5]
    drop.settle()
    assert drop.hidden() == [2, 3]


def assert_nothing_is_shown(drop):
    with pytest.raises(poplib.error_proto) as error:
        drop.view()
    refusal = error.value.args[0].decode()
    assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal


def test_what_cannot_be_told_is_not_shown(away_host, drop):
    """Nothing is left that would tell whether the mailbox was put back."""
    away_host.set_policies(drop.user, on_dele="hide")
    drop.session(dele=[2, 5])
    with outage(away_host):
        drop.expunge(5)
        assert_nothing_is_shown(drop)
    assert drop.view() == [1, 3, 4]


def test_refused_dele(away_host, user):
    drop = Drop(away_host, user)
    away_host.set_policies(user, on_dele="refuse")
    drop.known(2)
    with outage(away_host):
        pop = away_host.pop3(user)
        with pytest.raises(Exception, match="cannot be deleted"):
            pop.dele(1)
        pop.quit()
        drop.wait_idle()
        assert drop.view() == [1, 2]


def test_removals_are_stopped_afterwards(away_host, user):
    """What clients ask for goes on, what the policy wants waits, hidden."""
    drop = Drop(away_host, user)
    away_host.set_policies(user, on_retrieve="delete")
    drop.known(3)
    with outage(away_host):
        drop.quit(retr=[1], dele=[2])
    away_host.sql("SELECT pop3.pause()")
    try:
        for _ in range(2):
            assert drop.view() == [3]
        assert drop.uids() == [1, 3]
    finally:
        away_host.sql("SELECT pop3.resume()")
    assert drop.view() == [3]
    assert drop.uids() == [3]


def test_doveadm_expire(away_host, drop):
    with outage(away_host):
        drop.quit(dele=[2])
        with pytest.raises(Failure):
            away_host.doveadm("pop3-policy", "expire", "-u", drop.user)
        assert drop.uids() == [1, 2, 3, 4, 5]
    drop.settle()
    away_host.doveadm("pop3-policy", "expire", "-u", drop.user)
    assert drop.uids() == [1, 3, 4, 5]
    assert drop.story()[-2:] == [("intent", "expunge", "dele", 2), COMMITTED]
    assert drop.view() == [1, 3, 4, 5]


def test_restored_before_it_is_decided(away_host, drop):
    with outage(away_host):
        drop.quit(dele=[2, 3])
    drop.settle()
    away_host.sql("SELECT pop3.restore(%s, '{[2,3)}')", (drop.user,))
    assert drop.view() == [1, 2, 4, 5]
    assert drop.uids() == [1, 2, 4, 5]


def test_master_user_decides_nothing(away_host, drop):
    with outage(away_host):
        drop.quit(dele=[2])
    with away_host.pop3(drop.user, master="boss") as pop:
        assert list(drop.numbers(pop)) == [1, 3, 4, 5]
    drop.wait_idle()
    assert drop.uids() == [1, 2, 3, 4, 5]
    assert drop.view() == [1, 3, 4, 5]
    assert drop.uids() == [1, 3, 4, 5]


def test_database_that_does_not_answer(away_host, drop):
    """The connections stand, nothing comes."""
    host = away_host
    offset = host.log_position()
    host.pg.pause()
    try:
        start = time.monotonic()
        drop.quit(dele=[1])
        # LOGIN has waited for query_timeout
        assert time.monotonic() - start < 8
        assert drop.view() == [2, 3, 4, 5]
        wait_until(lambda: host.log_contains(AWAY, offset),
                   what="the outage")
        time.sleep(1.1)
        start = time.monotonic()
        drop.quit(retr=[2])
        drop.quit(dele=[2])
        assert time.monotonic() - start < 1.5
        assert drop.view() == [3, 4, 5]
    finally:
        host.pg.resume()
    wait_until(lambda: host.log_contains(BACK, offset),
               what="the end of the outage")
    assert drop.view() == [3, 4, 5]
    assert drop.uids() == [3, 4, 5]


def test_service_killed_during_the_outage(away_host, drop):
    """What QUIT was answered for is on disk; the next service knows nobody, and
    has it written when the database is back."""
    host = away_host
    with outage(host):
        drop.quit(retr=[1], dele=[2, 3])
        pop = host.pop3(drop.user)
        pop.dele(2)
        host.kill_service()
        # the session goes on, with a service that knows no user
        assert pop.quit().startswith(b"+OK")
        drop.wait_idle()
        refusal = host.login_refusal(drop.user)
        assert refusal.startswith("-ERR [SYS/TEMP]") and "wait" in refusal
        assert drop.uids() == [1, 2, 3, 4, 5]
    assert drop.view_when_accepted() == [1, 5]
    assert drop.uids() == [1, 5]
    assert [row[:1] + row[3:] for row in drop.story()
            if row[0] == "postponed"] == [
        ("postponed", 2), ("postponed", 3), ("postponed", 4)]
    assert drop.retrieved() == [1]


def test_new_identity_waits(away_host, user):
    """The state that is known is another mailbox's."""
    drop = Drop(away_host, user).known(3)
    drop.session(dele=[1])
    drop.settle()
    with outage(away_host):
        away_host.doveadm("mailbox", "update", "-u", user, "--uid-validity",
                          "77777", "INBOX")
        assert_nothing_is_shown(drop)
    assert drop.view() == [2, 3]
