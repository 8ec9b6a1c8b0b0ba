# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Removals that an outage postponed: hidden, and decided anew later."""

import psycopg2
import pytest

from sqlhelp import BOX, USER, Service, guid, new_id

DELE = ("expunge", "dele")
RETRIEVED = ("expunge", "retrieved")


@pytest.fixture
def service(db):
    return Service(db)


def uids(multirange):
    """Of "{[1,3),[5,6)}"."""
    return [] if multirange is None else [
        uid for r in multirange.strip("{}").replace("),[", ");[").split(";")
        if r for uid in range(*map(int, r.strip("[)").split(",")))]


def state(service, **args):
    """Hidden, postponed, {uid: reason} to decide."""
    (row,) = service.state(**args)
    return uids(row.hidden), uids(row.postponed), dict(
        zip(row.postponed_uid or (), row.postponed_reason or ()))


def rows(db):
    return {r.uid: r for r in db.rows(
        "SELECT * FROM pop3.message ORDER BY uid")}


def events(db):
    return [(r.event, r.uid, r.action, r.reason) for r in db.rows(
        "SELECT * FROM pop3.audit ORDER BY seq")]


def test_hidden_until_decided(db, service):
    service.session()
    session = service.postpone({1: DELE, 3: ("move", "retrieved")})
    assert state(service) == ([1, 3], [1, 3], {1: "dele", 3: "retrieved"})
    assert events(db) == [("postponed", 1, "hide", "dele"),
                          ("postponed", 3, "hide", "retrieved")]
    details = db.rows("SELECT detail, uidl, message_id, session_id::text "
                      "FROM pop3.audit ORDER BY seq")
    assert [d.detail for d in details] == [
        "instead of a removal", "instead of a move to Trash"]
    assert {d.session_id.replace("-", "") for d in details} == {
        session.replace("-", "")}
    assert details[0].uidl == "uidl1"
    (row,) = service.state()
    assert row.postponed_guid == "{%s,%s}" % (guid(1), guid(3))
    assert row.tracked == 2


def test_maildrop_that_was_not_known(service):
    service.postpone({2: DELE})
    assert state(service) == ([2], [2], {2: "dele"})


def test_the_same_again_changes_nothing(db, service):
    session = service.postpone({1: DELE})
    before = rows(db)
    service.postpone({1: DELE}, session_id=session)
    assert rows(db) == before
    assert [e[0] for e in events(db)] == ["postponed", "repeat"]
    # nor after it was decided
    service.remove([1])
    service.postpone({1: DELE}, session_id=session)
    assert rows(db) == {}


def test_arrays_that_do_not_fit(service):
    with pytest.raises(psycopg2.Error, match="differ in length"):
        service.postpone({1: DELE, 2: DELE}, uidl=["one"])


def test_what_was_to_be_hidden_is_hidden_for_good(service):
    service.postpone({1: ("hide", "dele"), 2: ("hide", "mass-delete"),
                      3: ("hide", "retrieved")})
    assert state(service) == ([1, 2, 3], [], {})


def test_mark_as_deleted_is_no_state(db, service):
    service.postpone({1: ("flag", "dele")})
    assert state(service) == ([], [], {})
    assert events(db) == [("postponed", 1, "flag", "dele")]


def test_retrieval_is_recorded_besides(db, service):
    service.postpone({1: RETRIEVED})
    service.session(retrieved={1: "hide", 2: "none"})
    assert state(service) == ([1], [1], {1: "retrieved"})
    assert rows(db)[1].retrieved_at is not None
    assert service.state()[0].retrieved == "{[1,3)}"


@pytest.mark.parametrize("action", ["expunge", "move"])
def test_removed_later(db, service, action):
    service.session()
    session = service.postpone({1: DELE, 2: DELE}, dovecot_session="away",
                               remote_address="192.0.2.77")
    result, _ = service.intent({1: (action, "dele")})
    assert result == "ok"
    # what an intent is about is nobody else's to decide
    assert state(service) == ([1, 2], [1, 2], {2: "dele"})
    db.rows("UPDATE pop3.intent SET state = 'closed', result = 'failed' "
            "WHERE state = 'open'")
    service.remove([1, 2], action)
    assert rows(db) == {}
    assert db.value("SELECT postponed_at FROM pop3.maildrop") is None
    found = db.rows("SELECT * FROM pop3.report_deletion WHERE uid = 2")
    assert [(r.rule, r.status) for r in found] == [("dele", "committed")]
    assert "by session away from 192.0.2.77" in found[0].detail
    assert session


def test_detail_of_others_is_empty(db, service):
    service.postpone({1: DELE})
    service.remove([5])
    assert db.value("SELECT detail FROM pop3.audit WHERE uid = 5") is None


def test_stays_hidden(db, service):
    service.postpone({1: DELE, 2: DELE})
    hidden = rows(db)[1].hidden_at
    service.remove([1], "hide")
    assert state(service) == ([1, 2], [2], {2: "dele"})
    assert rows(db)[1].hidden_at == hidden
    service.remove([2], "hide")
    assert db.value("SELECT postponed_at FROM pop3.maildrop") is None


def test_postponed_beside_a_rule(db, service):
    """A session that hides a message does not decide what another one postponed
    after its intent: that one may have asked for more."""
    result, session = service.intent({1: ("hide", "dele")})
    assert result == "ok"
    service.postpone({1: RETRIEVED})
    assert service.outcome(session) == "ok"
    assert state(service) == ([1], [1], {1: "retrieved"})
    service.remove([1], "hide", "retrieved")
    assert state(service) == ([1], [], {})


@pytest.mark.parametrize("reason, decided", [
    ("dele", True), ("mass-delete", True), ("retrieved", False)])
def test_hidden_by_a_session_that_did_not_know(db, service, reason, decided):
    """Its login was before the postponement, its intent came after: what
    another rule hides is removed all the same."""
    service.postpone({1: DELE})
    service.remove([1], "hide", reason)
    assert state(service)[1:] == (([], {}) if decided else
                                  ([1], {1: "dele"}))


def test_leave_limit_is_decided_as_what_was_retrieved(service):
    service.postpone({1: ("expunge", "leave-limit"), 2: DELE})
    service.remove([1, 2], "hide", "retrieved")
    assert state(service) == ([1, 2], [2], {2: "dele"})


@pytest.mark.parametrize("action", ["expunge", "move"])
def test_removed_meanwhile(db, service, action):
    """No state is made for a message that another session has removed, whether
    it is hidden or postponed; another message with its UID has state."""
    service.session()
    _, hides = service.intent({1: ("hide", "retrieved"),
                               2: ("hide", "retrieved")})
    service.remove([1, 3], action)
    assert service.outcome(hides) == "ok"
    service.postpone({1: DELE, 3: DELE, 4: DELE})
    assert list(rows(db)) == [2, 4]
    assert service.state()[0].tracked == 2
    # long ago
    db.rows("UPDATE pop3.intent SET closed_at = now() - interval '1 hour'")
    service.remove([1], "hide")
    service.postpone({3: DELE})
    assert list(rows(db)) == [1, 2, 3, 4]


def test_marked_later(db, service):
    service.postpone({1: DELE})
    service.remove([1], "flag")
    assert rows(db) == {}
    assert service.state()[0].tracked == 0


def test_kept(db, service):
    service.session()
    service.postpone({1: DELE, 2: RETRIEVED, 3: ("hide", "dele")})
    service.session(retrieved={2: "hide"})
    service.event("kept", [1, 2, 3, 4], reason="dele")
    # what was hidden otherwise stays so
    assert state(service) == ([3], [], {})
    assert list(rows(db)) == [2, 3]
    assert rows(db)[2].retrieved_at is not None
    assert db.value("SELECT postponed_at FROM pop3.maildrop") is None


def test_session_that_failed_after_all(db, service):
    session = service.postpone({1: DELE, 2: ("hide", "mass-delete")})
    other = service.postpone({3: DELE})
    assert service.outcome(session, "failed") == "ok"
    assert state(service) == ([3], [3], {3: "dele"})
    assert [e[0] for e in events(db)][-1] == "released"
    # said again, it is nothing new
    assert service.outcome(session, "failed") == "ok"
    assert [e[0] for e in events(db)][-1] == "repeat"
    assert service.outcome(other, "committed") == "fenced"
    assert state(service) == ([3], [3], {3: "dele"})


def test_session_that_failed_beside_another(db, service):
    """What the other one hides stays hidden, also if it was recorded later."""
    first = service.postpone({1: ("expunge", "retrieved"),
                              2: ("expunge", "retrieved")})
    failed = service.postpone({1: ("expunge", "dele"), 3: ("expunge", "dele")})
    service.postpone({3: ("expunge", "dele")})
    assert service.outcome(failed, "failed") == "ok"
    assert state(service)[0] == [1, 2, 3]
    assert service.outcome(first, "failed") == "ok"
    assert state(service)[0] == [3]


def test_session_that_failed_beside_a_rule(db, service):
    """What is hidden by a rule stays so, and is not decided any more."""
    failed = service.postpone({1: DELE, 2: DELE})
    service.remove([1], "hide")
    service.postpone({2: DELE})
    again = service.postpone({1: DELE, 2: DELE})
    assert service.outcome(failed, "failed") == "ok"
    assert state(service) == ([1, 2], [1, 2], {1: "dele", 2: "dele"})
    assert service.outcome(again, "failed") == "ok"
    assert state(service) == ([1, 2], [2], {2: "dele"})


def test_while_removals_are_stopped(db, service):
    """A client's DELE is no removal by policy."""
    service.postpone({1: DELE, 2: RETRIEVED})
    db.value("SELECT pop3.pause()")
    assert state(service) == ([1, 2], [1, 2], {1: "dele"})
    assert db.value("SELECT count(*) FROM pop3.due_users()") == 1
    service.remove([1])
    assert db.value("SELECT count(*) FROM pop3.due_users()") == 0
    db.value("SELECT pop3.resume()")
    assert state(service) == ([2], [2], {2: "retrieved"})
    assert db.value("SELECT count(*) FROM pop3.due_users()") == 1


@pytest.mark.parametrize("policy", [
    {}, {"enforcement": "enforce", "pop3_hold": "yes"},
    {"enforcement": "off"}])
def test_sweeps_find_it_under_every_policy(db, service, policy):
    for name, value in policy.items():
        db.value("SELECT pop3.set_policy('*', %s, %s)", (name, value))
    service.session()
    assert db.rows("SELECT * FROM pop3.sweep_select(%s)", ([USER],)) == []
    service.postpone({1: DELE})
    assert [tuple(r.values()) for r in db.rows(
        "SELECT * FROM pop3.sweep_select(%s)", ([USER],))] == [(USER, "due")]
    service.remove([1])
    assert db.rows("SELECT * FROM pop3.sweep_select(%s)", ([USER],)) == []


def test_not_due_besides(db, service):
    service.session(retrieved={2: "none", 4: "none"})
    service.postpone({1: DELE, 2: RETRIEVED})
    db.age("10 days")
    (row,) = service.state(expire_retrieved=86400, expire_hidden=86400)
    assert row.due_uid == [4]
    assert sorted(row.postponed_uid) == [1, 2]


def test_oldest_first_and_not_too_many(db, service):
    for uid in (5, 2, 9):
        service.postpone({uid: DELE})
        db.age("1 hour")
    (row,) = service.state(due_limit=2)
    assert row.postponed_uid == [5, 2]
    assert uids(row.postponed) == [2, 5, 9]


def test_counted_as_due(db, service):
    db.value("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    service.session()
    service.postpone({1: DELE, 2: DELE})
    assert db.value("SELECT due FROM pop3.status()") == 2


def test_restored(db, service):
    service.postpone({1: DELE, 2: DELE})
    assert db.value("SELECT pop3.restore(%s, '{[1,2)}')", (USER,)) == 1
    assert state(service) == ([2], [2], {2: "dele"})
    assert db.value("SELECT pop3.restore(%s, NULL, 'm2@example.net')",
                    (USER,)) == 1
    assert state(service) == ([], [], {})


def test_carried_over(db, service):
    service.session()
    service.postpone({1: DELE, 3: DELE})
    old = db.value("SELECT maildrop_id FROM pop3.maildrop")
    service.carry(old, {1: 11})
    assert state(service) == ([11], [11], {11: "dele"})
    assert db.value("SELECT count(*) FROM pop3.due_users()") == 1


def test_another_message_with_the_uid(db, service):
    """It was put back: state of the former message is void."""
    service.session(retrieved={1: "none"})
    service.postpone({1: DELE}, guid=[guid(99)])
    row = rows(db)[1]
    assert row.retrieved_at is None and row.postponed == "dele"
    service.session(retrieved={1: "none"})
    assert state(service) == ([], [], {})


def test_gone(db, service):
    service.session()
    service.postpone({1: DELE, 2: DELE})
    service.event("gone", [1])
    assert state(service) == ([2], [2], {2: "dele"})


def test_words(db, service):
    service.postpone({1: DELE, 2: ("flag", "dele")})
    service.event("kept", [1], reason="dele")
    assert [r.event for r in db.rows(
        "SELECT pop3.event_text(a.event, a.action, a.reason, NULL, NULL) "
        "AS event FROM pop3.audit a ORDER BY a.seq")] == [
        "hidden, removal postponed: the database was away",
        "marked as deleted: the database was away",
        "postponed removal decided anew: it stays"]


def test_users_do_not_meet(db, service):
    service.postpone({1: DELE})
    service.postpone({1: DELE}, "other@example.org", mailbox_guid=BOX,
                     session_id=new_id())
    service.remove([1])
    assert state(service, user="other@example.org") == (
        [1], [1], {1: "dele"})
