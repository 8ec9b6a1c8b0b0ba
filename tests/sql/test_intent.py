# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Intents: their outcome, what fences them off, and their repair."""

import psycopg2
import pytest

from sqlhelp import BOX, USER, Service, guid, new_id


@pytest.fixture
def service(db):
    return Service(db)


def state_of(service, session, no=1):
    return service.read("intent_state", session_id=session,
                        intent_no=no)[0].intent_state


def test_an_intent_is_a_row_per_message_and_no_change(db, service):
    service.session(retrieved={3: "none"})
    result, session = service.intent(
        {3: ("expunge", "dele"), 4: ("hide", "retrieved")},
        device="phone", auth_user="master")
    assert result == "ok"
    assert state_of(service, session) == "open"
    assert db.events("seq", "event", "action", "reason", "uid",
                     "message_guid", "size", "uidl", "message_id",
                     "session_id", "intent_no") == [
        (2, "intent", "expunge", "dele", 3, guid(3), 300, "uidl3",
         "<m3@example.net>", session, 1),
        (3, "intent", "hide", "retrieved", 4, guid(4), 400, "uidl4",
         "<m4@example.net>", session, 1)]
    row = db.rows("SELECT * FROM pop3.audit")[0]
    assert (row.username, row.auth_user, row.remote_address, row.device,
            row.mailbox_guid, row.uidvalidity, row.dovecot_session) == \
        (USER, "master", "192.0.2.1", "phone", BOX, 1000, "dsess")
    assert list(db.messages()) == [3]
    assert db.messages()[3].hidden_at is None


def test_an_intent_makes_the_maildrop_known(db, service):
    service.intent({3: ("expunge", "dele")})
    assert db.value("SELECT username FROM pop3.maildrop") == USER


def test_committed(db, service):
    service.session(retrieved={u: "none" for u in (3, 4, 5, 6)},
                    would={3: "retrieved", 5: "retrieved"})
    result, session = service.intent({
        3: ("expunge", "dele"), 4: ("hide", "retrieved"),
        5: ("move", "dele"), 7: ("hide", "dele")})
    assert service.outcome(session) == "ok"
    assert state_of(service, session) == "closed"
    rows = db.messages()
    assert list(rows) == [4, 6, 7]
    assert rows[4].hidden_at is not None and rows[4].reason == "retrieved"
    assert rows[4].retrieved_at is not None
    assert rows[6].hidden_at is None
    assert rows[7].retrieved_at is None and rows[7].size == 700
    assert db.value("SELECT count(*) FROM pop3.would_remove") == 0
    assert db.events("event", "session_id", "intent_no", "username",
                     "remote_address")[-1] == \
        ("committed", session, 1, USER, "192.0.2.1")
    assert db.value("SELECT removals FROM pop3.maildrop") == 2


def test_failed_changes_nothing(db, service):
    service.session(retrieved={3: "none"})
    result, session = service.intent({3: ("expunge", "dele")})
    assert service.outcome(session, "failed") == "ok"
    assert state_of(service, session) == "closed"
    assert list(db.messages()) == [3]
    assert db.events("event", "intent_no")[-1] == ("released", 1)


def test_flagging_changes_no_state(db, service):
    service.session(retrieved={3: "flag"})
    before = db.messages()
    service.remove([3, 4], "flag")
    assert db.messages() == before
    assert db.value("SELECT removals FROM pop3.maildrop") == 0


def test_hiding_again_keeps_the_clock(db, service):
    service.remove([3], "hide", "dele")
    db.age("3 days")
    first = db.messages()[3].hidden_at
    service.remove([3], "hide", "dele")
    assert db.messages()[3].hidden_at == first


def test_hiding_another_message_of_that_uid(db, service):
    service.session(retrieved={3: "none"})
    service.remove([3], "hide", "dele")
    db.age("3 days")
    first = db.messages()[3].hidden_at
    _, session = service.intent({3: ("hide", "retrieved")}, guid=[guid(99)])
    service.outcome(session)
    row = db.messages()[3]
    assert row.hidden_at > first and row.retrieved_at is None
    assert (row.message_guid, row.reason, row.retrieved_count) == \
        (guid(99), "retrieved", 0)


def test_an_intent_that_is_sent_again(db, service):
    values = {"session_id": new_id()}
    assert service.intent({3: ("expunge", "dele")}, **values)[0] == "ok"
    assert service.intent({3: ("expunge", "dele")}, **values)[0] == "ok"
    assert [e for e, in db.events("event")] == ["intent", "repeat"]
    assert db.value("SELECT count(*) FROM pop3.intent") == 1
    service.abandon(values["session_id"])
    assert service.intent({3: ("expunge", "dele")}, **values)[0] == "fenced"
    assert [e for e, in db.events("event")] == ["intent", "repeat", "repeat"]


def test_an_outcome_that_is_sent_again(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    _, session = service.intent({3: ("expunge", "dele")})
    assert service.outcome(session) == "ok"
    assert service.outcome(session) == "ok"
    assert service.outcome(session, "failed") == "fenced"
    assert [e for e, in db.events("event")] == \
        ["intent", "committed", "repeat", "late"]
    assert list(db.messages()) == [4]


def test_an_outcome_of_nothing(db, service):
    assert service.outcome(new_id()) == "unknown"
    assert db.events("event", "detail", "username") == \
        [("late", "committed, but the intent is unknown", None)]


def test_outcomes_are_committed_or_failed(db, service):
    _, session = service.intent({3: ("expunge", "dele")})
    for bad in ("perhaps", None):
        with pytest.raises(psycopg2.Error, match="neither committed nor"):
            service.outcome(session, bad)
    assert state_of(service, session) == "open"


@pytest.mark.parametrize("change", [
    lambda db: db.set("*", on_dele="hide"),
    lambda db: db.set("@example.org", pop3_hold="yes"),
    lambda db: db.set(USER, preset="qq"),
    lambda db: db.rows("UPDATE pop3.preset SET view_limit = 5 "
                       "WHERE name = 'gmail'"),
    lambda db: db.rows("DELETE FROM pop3.policy WHERE scope = '*'"),
], ids=["site", "domain hold", "user preset", "row of preset", "deleted"])
def test_an_intent_is_stale_when_the_policy_changed(db, service, change):
    db.set("*", preset="gmail")
    service.session(retrieved={3: "none"})
    version = service.version()
    change(db)
    result, session = service.intent({3: ("expunge", "dele")},
                                     policy_version=version)
    assert result == "stale"
    assert state_of(service, session) == "stale"
    assert [e for e, in db.events("event")] == ["intent"]
    # a stale intent cannot be committed, whoever says so
    assert service.outcome(session) == "fenced"
    assert list(db.messages()) == [3]
    assert service.outcome(session, "failed") == "ok"
    assert state_of(service, session) == "closed"


@pytest.mark.parametrize("change", [
    lambda db: db.set("@example.com", on_dele="hide"),
    lambda db: db.set("bert@example.org", on_dele="hide"),
    lambda db: db.set("*", on_dele="delete"),
    lambda db: db.rows("UPDATE pop3.policy SET on_dele = on_dele"),
], ids=["other domain", "other user", "same value", "plain SQL, same value"])
def test_an_intent_is_not_stale_when_it_did_not(db, service, change):
    db.set("*", on_dele="delete")
    version = service.version()
    change(db)
    assert service.intent({3: ("expunge", "dele")},
                          policy_version=version)[0] == "ok"


def test_arrays_of_different_lengths_are_refused(db, service):
    for name in ("guid", "size", "action", "reason", "uidl", "message_id"):
        with pytest.raises(psycopg2.Error, match="differ in length") as e:
            service.intent({3: ("expunge", "dele")}, **{name: []})
        assert e.value.pgcode == "P3002"
    assert service.seq == 0


# --- whose an intent is ---

def test_an_open_intent_belongs_to_its_session(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    service.intent({3: ("expunge", "dele")})
    (state,) = service.state(expire_retrieved=0)
    assert (state.intent_session, state.intent_no) == (None, None)
    # and what it is about is not due for others
    assert state.due_uid == [4]
    session = db.value("SELECT session_id FROM pop3.intent")
    assert service.claim(session, new_id()) == []


def test_an_abandoned_intent_can_be_claimed(db, service):
    service.session()
    _, session = service.intent({3: ("expunge", "dele"),
                                 4: ("hide", "retrieved")})
    service.abandon(session)
    assert state_of(service, session) == "abandoned"
    (state,) = service.state()
    assert (state.intent_session, state.intent_no) == ("{%s}" % session, [1])
    me = new_id()
    assert [(r.uid, r.guid, r.action, r.reason)
            for r in service.claim(session, me)] == \
        [(3, guid(3), "expunge", "dele"), (4, guid(4), "hide", "retrieved")]
    assert state_of(service, session) == "claimed"
    (state,) = service.state()
    assert state.intent_session is None
    # not by somebody else meanwhile, but again by the same
    assert service.claim(session, new_id()) == []
    assert len(service.claim(session, me)) == 2


def test_a_lease_that_ran_out(db, service):
    service.session()
    _, session = service.intent({3: ("expunge", "dele")}, lease=60)
    db.age("59 seconds")
    assert service.claim(session, new_id()) == []
    db.age("2 seconds")
    (state,) = service.state()
    assert state.intent_no == [1]
    first = new_id()
    assert len(service.claim(session, first, lease=30)) == 1
    db.age("31 seconds")
    second = new_id()
    assert len(service.claim(session, second)) == 1
    assert service.repair(session, first, {3: True}) == "fenced"
    assert service.repair(session, second, {3: True}) == "ok"


def test_an_outcome_before_anyone_claimed_it_counts(db, service):
    service.session(retrieved={3: "none"})
    _, session = service.intent({3: ("expunge", "dele")})
    service.abandon(session)
    assert service.outcome(session) == "ok"
    assert db.messages() == {}


def test_an_outcome_after_a_claim_is_late(db, service):
    service.session(retrieved={3: "none"})
    _, session = service.intent({3: ("expunge", "dele")})
    service.abandon(session)
    me = new_id()
    service.claim(session, me)
    assert service.outcome(session) == "fenced"
    assert list(db.messages()) == [3]
    assert db.events("event", "detail")[-1] == \
        ("late", "committed, but the intent is claimed")
    assert service.repair(session, me, {3: False}) == "ok"


def test_repair_tells_what_is_there(db, service):
    service.session(retrieved={3: "none", 4: "none"}, would={3: "dele"})
    _, session = service.intent({
        3: ("expunge", "dele"), 4: ("expunge", "retrieved"),
        5: ("hide", "dele")})
    service.abandon(session)
    me = new_id()
    service.claim(session, me)
    assert service.repair(session, me, {3: False, 4: True, 5: True}) == "ok"
    assert state_of(service, session) == "closed"
    assert db.events("event", "uid", "message_guid", "size", "action",
                     "reason", "session_id", "intent_no")[3:] == [
        ("presumed", 3, guid(3), 300, "expunge", "dele", session, 1),
        ("released", 4, guid(4), 400, "expunge", "retrieved", session, 1),
        ("released", 5, guid(5), 500, "hide", "dele", session, 1)]
    assert db.events("detail")[-1] == ("repaired by session " + me,)
    rows = db.messages()
    assert list(rows) == [4] and rows[4].hidden_at is None
    assert db.value("SELECT count(*) FROM pop3.would_remove") == 0
    # once only
    assert service.repair(session, me, {4: False}) == "fenced"
    assert list(db.messages()) == [4]
    assert db.events("event", "detail")[-1] == \
        ("repair-late", "repaired by session %s too late: gone" % me)
    assert service.outcome(session) == "fenced"


def repaired(service, messages, present):
    """The session of an intent that was repaired."""
    _, session = service.intent(messages)
    service.abandon(session)
    me = new_id()
    service.claim(session, me)
    assert service.repair(session, me, present) == "ok"
    return session


def test_a_commit_after_the_repair(db, service):
    service.session(retrieved={u: "none" for u in (3, 4, 5, 6, 7)},
                    would={4: "dele", 8: "dele"})
    session = repaired(
        service, {3: ("expunge", "dele"), 4: ("expunge", "dele"),
                  5: ("move", "dele"), 6: ("hide", "dele")},
        {3: False, 4: True, 5: True, 6: True})
    assert list(db.messages()) == [4, 5, 6, 7]
    assert service.outcome(session) == "fenced"
    assert db.events("event", "session_id", "intent_no", "username",
                     "detail")[-1] == \
        ("committed-late", session, 1, USER, "after a repair")
    rows = db.messages()
    assert list(rows) == [6, 7]
    assert rows[6].hidden_at is None
    assert db.values("SELECT uid FROM pop3.would_remove") == [8]
    assert db.value("SELECT removals FROM pop3.maildrop") == 3
    # once only
    assert service.outcome(session) == "ok"
    assert service.outcome(session, "failed") == "fenced"
    assert [e for e, in db.events("event")][-2:] == ["repeat", "late"]
    assert db.value("SELECT removals FROM pop3.maildrop") == 3


def test_a_commit_after_the_repair_spares_other_messages(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    session = repaired(service,
                       {3: ("expunge", "dele"), 4: ("expunge", "dele")},
                       {3: True, 4: True})
    other = guid(333)
    service.session(retrieved={3: "none"}, guid=[other],
                    would={3: "retrieved"}, would_guid=[other])
    service.outcome(session)
    assert {u: m.message_guid for u, m in db.messages().items()} == {3: other}
    assert db.values("SELECT uid FROM pop3.would_remove") == [3]


@pytest.mark.parametrize("action, result", [
    ("expunge", "failed"), ("hide", "committed"), ("flag", "committed")])
def test_other_outcomes_after_the_repair_are_late(db, service, action,
                                                  result):
    service.session(retrieved={3: "none"})
    session = repaired(service, {3: (action, "dele")}, {3: True})
    before = db.messages()
    assert service.outcome(session, result) == "fenced"
    assert db.messages() == before
    assert db.events("event", "detail")[-1] == \
        ("late", result + ", but the intent is closed")


def test_repair_of_nothing(db, service):
    assert service.claim(new_id(), new_id()) == []
    assert service.repair(new_id(), new_id(), {3: True, 4: False}) == "fenced"
    assert db.events("event", "uid") == \
        [("repair-late", 3), ("repair-late", 4)]


def test_intents_are_their_users(db, service):
    service.session()
    _, session = service.intent({3: ("expunge", "dele")})
    service.abandon(session)
    other = "bert@example.org"
    service.session(other)
    assert service.state(other)[0].intent_session is None
    assert service.claim(session, new_id(), user=other) == []
    me = new_id()
    service.claim(session, me)
    assert service.repair(session, me, {3: False}, user=other) == "fenced"


def test_stale_intents_can_be_repaired(db, service):
    service.session()
    _, session = service.intent({3: ("expunge", "dele")},
                                policy_version="9.9.9.9.9.9")
    (state,) = service.state()
    assert state.intent_session == "{%s}" % session
    me = new_id()
    assert len(service.claim(session, me)) == 1
    assert service.repair(session, me, {3: True}) == "ok"


def test_abandoning_is_for_open_intents_only(db, service):
    _, session = service.intent({3: ("expunge", "dele")})
    _, _ = service.intent({4: ("expunge", "dele")}, session_id=session,
                          intent_no=2)
    service.outcome(session, no=1)
    service.abandon(session)
    assert (state_of(service, session, 1), state_of(service, session, 2),
            state_of(service, session, 3)) == ("closed", "abandoned", None)


def test_closed_intents_are_forgotten_after_a_day(db, service):
    old = service.remove([3])
    _, open_one = service.intent({4: ("expunge", "dele")})
    db.age("25 hours")
    new = service.remove([5])
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert state_of(service, old) is None
    assert state_of(service, open_one) == "open"
    assert state_of(service, new) == "closed"
