# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Sessions whose UPDATE fails: in the database, in the storage, or because
the policy changed. No message is lost without an intent, and the next login is
right."""

import os

import pytest

from dovecot import wait_until
from maildrop import (Maildrop, Quit, database_lock, intents_held,
                      intents_refused, listing, pop3_pid, wait_blocked)

NOT_REMOVED = "-ERR [SYS/TEMP] No message was removed: "


@pytest.fixture
def drop(host, user):
    drop = Maildrop(host, user)
    drop.deliver(4)
    return drop


def quit_line(pop):
    return Quit(pop).wait()


def begin(drop, retr=(), dele=()):
    """A session before its QUIT."""
    pop = drop.host.pop3(drop.user)
    numbers = drop.numbers(pop)
    for uid in retr:
        pop.retr(numbers[uid])
    for uid in dele:
        pop.dele(numbers[uid])
    return pop


def nothing(uids):
    """Is a set of UIDs of the database empty?"""
    return uids in (None, "{}")


def check_failed(drop, answer, before):
    """UPDATE failed, and nothing happened at all."""
    host = drop.host
    assert answer.startswith(NOT_REMOVED)
    assert "wait" in answer
    (session,) = host.wait_sessions(drop.user, 1)
    assert session["ended_by"] == "update-failed"
    assert nothing(session["retrieved"]) and nothing(session["removed"])
    drop.check_nothing_lost(before, removed=[])
    assert drop.state() == {}
    assert drop.view() == list(before)


# --- the database ---

@pytest.mark.parametrize("on_dele", ["delete", "hide"])
def test_database_refuses_the_intent(host, user, drop, on_dele):
    host.set_policies(user, on_dele=on_dele, on_retrieve="delete")
    before = drop.stored()
    pop = begin(drop, retr=[3], dele=[1, 2])
    with intents_refused(host, user):
        answer = quit_line(pop)
    check_failed(drop, answer, before)
    assert drop.events("intent", "committed") == []
    assert host.value("SELECT count(*) FROM pop3.intent WHERE username = %s",
                      (user,)) == 0
    # the same again, and now it works
    drop.session(retr=[3], dele=[1, 2])
    assert drop.uids() == ([4] if on_dele == "delete" else [1, 2, 4])
    assert drop.view() == [4]


def test_other_users_go_on(host, user, drop):
    """A refused intent does not take those of others with it."""
    other = Maildrop(host, "other_" + user)
    other.deliver(2)
    before = drop.stored()
    pop, other_pop = begin(drop, dele=[1]), begin(other, dele=[1])
    with intents_refused(host, user):
        quits = [Quit(pop), Quit(other_pop)]
        assert quits[1].wait().startswith("+OK")
        check_failed(drop, quits[0].wait(), before)
    assert other.uids() == [2]
    assert other.view() == [2]


def test_no_right_to_record(make_host, user):
    host = make_host()
    drop = Maildrop(host, user)
    drop.deliver(3)
    before = drop.stored()
    pop = begin(drop, dele=[1, 2])
    # those that services of earlier versions call, too
    ((functions,),) = host.sql(
        "SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc "
        "WHERE proname = 'record_intent'")
    host.sql("REVOKE EXECUTE ON FUNCTION %s FROM pop3_service" % functions)
    answer = quit_line(pop)
    assert drop.uids() == [1, 2, 3]
    host.sql("GRANT EXECUTE ON FUNCTION %s TO pop3_service" % functions)
    drop.settle_when_accepted()
    if answer.startswith("+OK"):
        # a database that cannot be used is away
        check_postponed(drop, before, dele=[1, 2])
    else:
        check_failed(drop, answer, before)
        drop.session(dele=[1, 2])
    assert drop.view() == [3]


def check_postponed(drop, before, dele):
    """The messages are hidden, and go by the next session."""
    drop.check_nothing_lost(before, removed=[])
    assert drop.wait_events("postponed", len(dele)) == dele
    assert not set(drop.view()) & set(dele)
    drop.settle()
    drop.check_nothing_lost(before, removed=dele)


@pytest.fixture
def hasty_host(make_host):
    """A host where nobody waits long."""
    return make_host(plugin_settings={"pop3_policy_timeout": "1500ms"},
                     service_settings={"query_timeout": "700ms"})


def test_database_is_too_slow(hasty_host, user):
    """The intent may arrive later: it is not acted upon then, and settled."""
    host = hasty_host
    drop = Maildrop(host, user)
    drop.deliver(4)
    before = drop.stored()
    pop = begin(drop, retr=[3], dele=[1, 2])
    with intents_held(host):
        answer = quit_line(pop)
        assert list(drop.stored()) == [1, 2, 3, 4]
    drop.settle_when_accepted()
    if answer.startswith("+OK"):
        # it was certain that the database did not have it
        check_postponed(drop, before, dele=[1, 2])
    else:
        check_failed(drop, answer, before)
        assert drop.events("committed", "presumed") == []
        drop.session(retr=[3], dele=[1, 2])
    assert drop.open_intents() == []
    assert drop.view() == [3, 4]
    drop.check_nothing_lost(before, removed=[1, 2])
    assert drop.retrieved() == [3]


def test_lock_on_the_intents(hasty_host, user):
    """The same by a lock of the table that is written."""
    host = hasty_host
    drop = Maildrop(host, user)
    drop.deliver(2)
    before = drop.stored()
    pop = begin(drop, dele=[1])
    with database_lock(host, "LOCK TABLE pop3.intent IN EXCLUSIVE MODE"):
        answer = quit_line(pop)
    drop.settle_when_accepted()
    if answer.startswith("+OK"):
        check_postponed(drop, before, dele=[1])
    else:
        check_failed(drop, answer, before)
        drop.session(dele=[1])
    assert drop.view() == [2]


def test_lease_runs_out(make_host, user):
    """An answer that comes late in the lease is not acted upon: another
    session might have repaired the intent by the time of the commit."""
    host = make_host(plugin_settings={"pop3_policy_timeout": "30s"},
                     service_settings={"query_timeout": "30s",
                                       "intent_lease": "10s"})
    drop = Maildrop(host, user)
    drop.deliver(2)
    before = drop.stored()
    pop = begin(drop, dele=[1])
    with intents_held(host):
        quit_ = Quit(pop)
        wait_blocked(host)
        # half of the lease is for the commit
        host.sql("SELECT pg_sleep(5.1)")
        assert quit_.waiting()
    check_failed(drop, quit_.wait(), before)
    assert drop.events("intent", "released", "committed") == [
        ("intent", 1, "dele"), ("released", None, None)]
    assert drop.open_intents() == []


# --- the policy ---

def test_policy_changes_during_the_session(host, user, drop):
    before = drop.stored()
    pop = begin(drop, dele=[1, 2])
    host.set_policy(user, "on_dele", "hide")
    assert quit_line(pop) == "+OK Logging out, messages deleted."
    assert drop.view() == [3, 4]
    drop.check_nothing_lost(before, removed=[])
    assert drop.hidden() == [1, 2]
    assert [(row["event"], row["intent_no"], row["uid"], row["action"])
            for row in host.audit(user)] == [
        ("intent", 1, 1, "expunge"), ("intent", 1, 2, "expunge"),
        ("released", 1, None, None),
        ("intent", 2, 1, "hide"), ("intent", 2, 2, "hide"),
        ("committed", 2, None, None)]
    assert drop.open_intents() == []


def test_hold_during_the_session(host, user, drop):
    host.set_policy(user, "on_retrieve", "delete")
    before = drop.stored()
    pop = begin(drop, retr=[3], dele=[1])
    host.set_policy(user, "pop3_hold", "yes")
    assert quit_line(pop).startswith("+OK")
    assert drop.view() == [2, 4]
    drop.check_nothing_lost(before, removed=[])
    assert drop.hidden() == [1, 3]
    assert drop.retrieved() == [3]


def test_site_policy_during_the_session(make_host, user):
    """Any scope that the effective policy is made of."""
    host = make_host()
    drop = Maildrop(host, user)
    drop.deliver(4)
    before = drop.stored()
    host.set_policy("@example.org", "on_retrieve", "delete")
    pop = begin(drop, retr=[3], dele=[1])
    host.set_policy("*", "pop3_hold", "yes")
    assert quit_line(pop).startswith("+OK")
    drop.check_nothing_lost(before, removed=[])
    assert drop.view() == [2, 4]
    host.unset_policy("*", "pop3_hold")
    # what the hold hid was decided
    assert drop.view() == [2, 4]


def test_policy_becomes_milder(host, user, drop):
    """Nothing is left to remove: no second intent."""
    host.set_policy(user, "on_retrieve", "delete")
    pop = begin(drop, retr=[2])
    host.set_policy(user, "on_retrieve", "keep")
    assert quit_line(pop).startswith("+OK")
    assert drop.view() == [1, 2, 3, 4]
    host.wait_sessions(user, 1)
    assert drop.retrieved() == [2]
    assert drop.events("intent", "released", "committed") == [
        ("intent", 2, "retrieved"), ("released", None, None)]


def test_policy_changes_again_and_again(make_host, user):
    """Each attempt comes too late: the session gives up."""
    host = make_host()
    drop = Maildrop(host, user)
    drop.deliver(2)
    before = drop.stored()
    pop = begin(drop, dele=[1])
    host.sql("CREATE OR REPLACE FUNCTION pop3.policy_version(p_username text)"
             " RETURNS text LANGUAGE sql AS 'SELECT random()::text'")
    answer = quit_line(pop)
    check_failed(drop, answer, before)
    assert drop.events("intent", "released") == [
        ("intent", 1, "dele"), ("released", None, None)] * 3
    assert drop.open_intents() == []


def test_due_removal_without_an_intent(host, user, drop):
    """What is due stays for a later session, and the login is not refused
    for it."""
    drop.session(retr=[1, 2])
    drop.age("14 days")
    host.set_policy(user, "expire_retrieved", "14d")
    with intents_refused(host, user):
        assert drop.view() == [1, 2, 3, 4]
    assert drop.uids() == [1, 2, 3, 4]
    assert drop.view() == [3, 4]
    assert sorted(drop.intended()) == [1, 2]


# --- the storage ---

@pytest.fixture
def impatient(make_host):
    """Hosts where Dovecot waits a second for a lock of the mailbox."""
    def make(mail_format):
        return make_host(mail_format=mail_format,
                         settings={"mail_max_lock_timeout": "1s"})
    return make


@pytest.mark.parametrize("mail_format", ["sdbox", "maildir", "mdbox"])
def test_commit_fails(impatient, user, mail_format):
    """After the intent was recorded and the expunges were queued."""
    host = impatient(mail_format)
    drop = Maildrop(host, user)
    host.set_policy(user, "on_retrieve", "delete")
    drop.deliver(4)
    before = drop.stored()
    pop = begin(drop, retr=[3], dele=[1])
    with drop.locked_log():
        answer = quit_line(pop)
    assert answer.startswith("-ERR [SYS/TEMP]")
    (session,) = host.wait_sessions(user, 1)
    assert session["ended_by"] == "update-failed"
    assert nothing(session["retrieved"]) and nothing(session["removed"])
    drop.wait_idle()
    drop.check_nothing_lost(before, removed=[])
    assert drop.state() == {}

    # the next login finds out
    assert drop.view() == [1, 2, 3, 4]
    assert sorted(drop.wait_events("released", 2)) == [1, 3]
    assert drop.open_intents() == []
    assert drop.events("presumed", "committed") == []
    drop.session(retr=[3], dele=[1])
    drop.check_nothing_lost(before, removed=[1, 3])
    assert drop.view() == [2, 4]


def test_hides_fail_with_the_commit(impatient, user):
    """A session without expunges has flags to write: nothing is hidden when
    that fails."""
    host = impatient("sdbox")
    drop = Maildrop(host, user)
    host.set_policies(user, on_retrieve="hide", on_dele="hide")
    drop.deliver(3)
    pop = begin(drop, retr=[1], dele=[2])
    with drop.locked_log():
        answer = quit_line(pop)
    assert answer.startswith("-ERR [SYS/TEMP]")
    host.wait_sessions(user, 1)
    assert drop.view() == [1, 2, 3]
    assert sorted(drop.wait_events("released", 2)) == [1, 2]
    assert drop.state() == {}
    drop.session(retr=[1], dele=[2])
    assert drop.view() == [3]


def test_sync_fails(impatient, user):
    """The expunges are committed, then removing the messages fails: they are
    gone all the same, and repair tells."""
    host = impatient("mdbox")
    drop = Maildrop(host, user)
    drop.deliver(4)
    drop.session(retr=[1])
    before = drop.stored()
    pop = begin(drop, retr=[3], dele=[1, 2])
    with drop.locked_map():
        answer = quit_line(pop)
    assert answer.startswith("-ERR [SYS/TEMP]")
    sessions = host.wait_sessions(user, 2)
    assert sessions[1]["ended_by"] == "update-failed"
    drop.wait_idle()
    assert [intent["state"] for intent in drop.open_intents()] == [
        "abandoned"]
    assert drop.view() == [3, 4]
    assert sorted(drop.wait_events("presumed", 2)) == [1, 2]
    drop.check_nothing_lost(before, removed=[1, 2])
    assert drop.open_intents() == []
    assert drop.state() == {}
    assert drop.tracked() == 0
    assert drop.view() == [3, 4]
    assert drop.events("gone", "released", "committed") == []


def test_corrupted_log(make_host, user):
    """Garbage in the transaction log, written during the session. Whatever
    Dovecot makes of it: a message that is missing has an intent, and the
    listing is that of the mailbox. (In a maildir, which can be read again.)
    """
    host = make_host(mail_format="maildir")
    drop = Maildrop(host, user)
    drop.deliver(4)
    before = drop.stored()
    pop = begin(drop, dele=[1])
    with open(drop.inbox_log(), "ab") as log:
        log.write(b"\xff\x00garbage" * 20)
    answer = quit_line(pop)
    assert answer.startswith(("+OK", "-ERR [SYS/TEMP]"))
    drop.wait_idle()
    with host.pop3(user) as pop:
        count = len(listing(pop))
    guids = drop.stored().values()
    assert count == len(guids)
    missing = set(before.values()) - set(guids)
    assert missing in (set(), {before[1]})
    if missing:
        assert list(drop.intended()) == [1]


@pytest.mark.parametrize("mail_format", ["sdbox", "maildir"])
def test_files_cannot_be_removed(make_host, user, mail_format):
    """The directory of the messages may not be written any more."""
    host = make_host(mail_format=mail_format)
    drop = Maildrop(host, user)
    drop.deliver(3)
    drop.view()
    before = drop.stored()
    directory = os.path.dirname(
        drop.file("u.1") if mail_format == "sdbox" else
        [path for path in drop.files("*") if ",S=" in path][0])
    pop = begin(drop, dele=[1])
    mode = os.stat(directory).st_mode
    os.chmod(directory, 0o500)
    try:
        answer = quit_line(pop)
        drop.wait_idle()
    finally:
        os.chmod(directory, mode & 0o7777)
    assert answer.startswith(("+OK", "-ERR [SYS/TEMP]"))
    drop.check_nothing_lost(before, removed=None)
    view = drop.view()
    assert view == drop.uids()
    assert view in ([1, 2, 3], [2, 3])
    drop.session(dele=[3])
    assert 3 not in drop.view()
    assert drop.open_intents() == []


def test_identity_cannot_be_told(host, user, drop):
    """The file of a message that the client deletes vanished. It cannot be
    told what would be removed, so nothing is."""
    pop = begin(drop, dele=[1, 2])
    os.unlink(drop.file("u.2"))
    answer = quit_line(pop)
    assert answer.startswith(NOT_REMOVED)
    drop.wait_idle()
    assert drop.view() == [1, 3, 4]
    assert drop.intended() == {}
    drop.session(dele=[1])
    assert drop.view() == [3, 4]
    assert list(drop.intended()) == [1]


def test_quit_is_not_repeated_by_the_end(host, user, drop):
    """After a failed QUIT Dovecot destroys the client and commits once more:
    no removal comes by that."""
    before = drop.stored()
    pop = begin(drop, retr=[1, 2], dele=[2, 3])
    pid = pop3_pid(host)
    with intents_refused(host, user):
        answer = quit_line(pop)
        wait_until(lambda: pid not in host.pids())
    check_failed(drop, answer, before)
