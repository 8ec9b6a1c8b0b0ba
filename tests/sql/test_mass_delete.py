# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What mass deletion hid: when it goes, and how it comes back."""

import pytest

from sqlhelp import DAY, USER, Service

HOLD = 7 * DAY


@pytest.fixture
def service(db):
    return Service(db)


def due(service, **args):
    """{uid: reason}"""
    (state,) = service.state(**args)
    return dict(zip(state.due_uid or [], state.due_reason or []))


@pytest.fixture
def tripped(db, service):
    """3 was retrieved and hidden; 5, never retrieved, and 7, retrieved before,
    were hidden by mass deletion, a day ago. 9 was hidden by DELE then."""
    service.session(uidnext=11, retrieved={3: "none", 7: "none"})
    service.remove([3], "hide", "retrieved")
    service.remove([5, 7], "hide", "mass-delete")
    service.remove([9], "hide", "dele")
    db.age("1 day")
    return service


# the days that went by, the policy, and what is due
@pytest.mark.parametrize("days,policy,found", [
    (0, {}, {}),
    (5, {}, {}),
    (6, {}, {5: "mass-delete", 7: "mass-delete"}),
    (6, {"mass_delete_hold": 8 * DAY}, {}),
    (1000, {"mass_delete_hold": -1}, {}),
    (0, {"mass_delete_hold": 0}, {5: "mass-delete", 7: "mass-delete"}),
    # no other rule before that
    (5, {"expire_hidden": 0}, {3: "expired-hidden", 9: "expired-hidden"}),
    (5, {"expire_hidden": 6 * DAY},
     {3: "expired-hidden", 9: "expired-hidden"}),
    (5, {"expire_retrieved": 0}, {3: "expired-retrieved"}),
    (5, {"expire_retrieved": 0, "expire_hidden": 0},
     {3: "expired-hidden", 9: "expired-hidden"}),
    (5, {"expire_retrieved": 0, "mass_delete_hold": -1},
     {3: "expired-retrieved"}),
    # nor another name for it after that
    (6, {"expire_retrieved": 0, "expire_hidden": 0},
     {3: "expired-hidden", 5: "mass-delete", 7: "mass-delete",
      9: "expired-hidden"})])
def test_due_at_the_end_of_the_hold(db, tripped, days, policy, found):
    db.age("%d days" % days)
    assert due(tripped, **policy) == found


@pytest.mark.parametrize("hold,days", [(-1, 100), (HOLD, 100)])
def test_expire_unretrieved_leaves_it_alone(db, tripped, hold, days):
    db.age("%d days" % days)
    (state,) = tripped.state(expire_unretrieved=DAY, mass_delete_hold=hold)
    # 9, hidden by DELE, is not exempt
    assert (state.before_uid, str(state.exempt)) == \
        (11, "{[3,4),[5,6),[7,8)}")


def test_leave_limits_leave_it_alone(tripped):
    assert tripped.leave(0, 0) == []


def test_due_in_the_order_of_their_time(db, service):
    service.session(retrieved={1: "none", 2: "none"})
    for uid, reason in ((5, "mass-delete"), (6, "dele"), (4, "mass-delete"),
                        (8, "dele")):
        db.age("1 hour")
        service.remove([uid], "hide", reason)
    args = {"expire_retrieved": 0, "expire_hidden": 0, "mass_delete_hold": 0}
    (state,) = service.state(**args)
    assert state.due_uid == [1, 2, 5, 6, 4, 8]
    for limit in range(1, 6):
        (state,) = service.state(due_limit=limit, **args)
        assert state.due_uid == [1, 2, 5, 6, 4, 8][:limit]
    _, session = service.intent({5: ("expunge", "mass-delete")})
    assert 5 not in due(service, **args)
    service.outcome(session)
    assert 5 not in db.messages()


# --- hidden by several rules ---

def test_a_later_rule_does_not_end_the_hold(db, tripped):
    before = db.messages()[5]
    tripped.remove([5], "hide", "retrieved")
    after = db.messages()[5]
    assert (after.reason, after.hidden_at) == \
        ("mass-delete", before.hidden_at)


def test_mass_deletion_of_what_is_hidden_holds_it_from_now_on(db, tripped):
    tripped.remove([9], "hide", "mass-delete")
    assert db.messages()[9].reason == "mass-delete"
    assert due(tripped, expire_hidden=0) == {3: "expired-hidden"}
    db.age("6 days")
    assert due(tripped) == {5: "mass-delete", 7: "mass-delete"}
    db.age("1 day")
    assert due(tripped) == {u: "mass-delete" for u in (5, 7, 9)}


def test_retrieval_does_not_end_the_hold(db, tripped):
    """By a session that had it in its view already."""
    tripped.session(retrieved={5: "hide"})
    assert db.messages()[5].reason == "mass-delete"
    assert due(tripped, expire_retrieved=0, expire_hidden=0) == {
        3: "expired-hidden", 9: "expired-hidden"}


# --- restore ---

def test_restore_brings_everything_back(db, tripped):
    assert db.value("SELECT pop3.restore(%s)", (USER,),
                    role="pop3_admin") == 4
    (state,) = tripped.state(expire_hidden=0, expire_retrieved=0,
                             mass_delete_hold=0)
    assert (state.hidden, state.due_uid) == (None, None)
    assert str(state.spared) == "{[3,4),[5,6),[7,8),[9,10)}"
    assert str(state.retrieved) == "{}", "clocks begin anew"
    assert ("restored", 5, "by pop3_admin; was hidden by mass-delete") in \
        db.events("event", "uid", "detail")
    rows = db.messages()
    assert {rows[u].reason for u in rows} == {None}
    # and it can happen again
    tripped.remove([5], "hide", "mass-delete")
    db.age("6 days")
    assert due(tripped) == {}
    db.age("1 day")
    assert due(tripped) == {5: "mass-delete"}


def test_restore_of_some(db, tripped):
    assert db.value("SELECT pop3.restore(%s, '{[5,6)}')", (USER,),
                    role="pop3_admin") == 1
    assert str(tripped.state()[0].hidden) == "{[3,4),[7,8),[9,10)}"


def test_a_carried_over_hold(db, tripped):
    tripped.carry(tripped.state()[0].maildrop_id, {5: 1, 9: 2})
    assert due(tripped, expire_hidden=0) == {2: "expired-hidden"}
    db.age("6 days")
    assert due(tripped) == {1: "mass-delete"}


# --- the audit and the reports ---

def test_the_audit_tells(db, service):
    _, session = service.intent({5: ("hide", "mass-delete"),
                                 7: ("hide", "mass-delete")})
    service.event("mass-delete", [5, 7], session_id=session,
                  detail="2 of 2")
    service.outcome(session)
    assert db.events("event", "uid", "action", "reason", "detail") == [
        ("intent", 5, "hide", "mass-delete", None),
        ("intent", 7, "hide", "mass-delete", None),
        ("mass-delete", 5, None, None, "2 of 2"),
        ("mass-delete", 7, None, None, "2 of 2"),
        ("committed", None, None, None, None)]
    assert db.rows("SELECT * FROM pop3.report_deletion") == []


def expiring(db):
    return {r.uid: (r.rule, round(r.expires_in.total_seconds() / DAY))
            for r in db.rows("SELECT * FROM pop3.report_expiring",
                             role="pop3_report")}


@pytest.mark.parametrize("policy,found", [
    ({}, {5: ("mass-delete", 6), 7: ("mass-delete", 6)}),
    ({"mass_delete_hold": "never"}, {}),
    ({"mass_delete_hold": "3d", "expire_hidden": "1d"},
     {3: ("expired-hidden", 0), 5: ("mass-delete", 2), 7: ("mass-delete", 2),
      9: ("expired-hidden", 0)}),
    ({"mass_delete_hold": "never", "expire_retrieved": "9d"},
     {3: ("expired-retrieved", 8)})])
def test_report_expiring_says_when_it_goes(db, tripped, policy, found):
    if policy:
        db.set("*", **policy)
    assert expiring(db) == found


@pytest.mark.parametrize("hold", [0, 1, 2, 5])
@pytest.mark.parametrize("hidden", [0, 2])
@pytest.mark.parametrize("retrieved", [0, 2])
def test_the_reports_say_what_becomes_due(db, tripped, hold, hidden,
                                          retrieved):
    db.set("*", mass_delete_hold="%dd" % hold, expire_hidden="%dd" % hidden,
           expire_retrieved="%dd" % retrieved)
    expected = due(tripped, mass_delete_hold=hold * DAY,
                   expire_hidden=hidden * DAY,
                   expire_retrieved=retrieved * DAY)
    assert {r.uid: r.rule for r in db.rows(
        "SELECT * FROM pop3.report_expiring "
        "WHERE expires_at <= now()")} == expected
    # enforcement was turned back to observe
    assert set(db.values("SELECT uid FROM pop3.report_would_remove")) == \
        set(expected)


def test_report_would_remove_until_the_hold_ends(db, tripped):
    tripped.session(would={5: "expired-unretrieved", 8: "leave-limit"})

    def would():
        return {r.uid: (r.rule, r.recorded) for r in db.rows(
            "SELECT * FROM pop3.report_would_remove", role="pop3_report")}
    assert would() == {8: ("leave-limit", True)}
    db.age("6 days")
    assert would() == {5: ("mass-delete", False), 7: ("mass-delete", False),
                       8: ("leave-limit", True)}
