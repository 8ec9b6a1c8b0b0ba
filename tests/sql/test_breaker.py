# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""pop3.pause() and the breaker: what stops removals by policy."""

import psycopg2
import pytest

from sqlhelp import DAY, USER, Service, new_id

OTHER = "bert@example.com"
ADMIN = "pop3_admin"


@pytest.fixture
def service(db):
    db.set("*", enforcement="enforce", expire_retrieved="1d")
    return Service(db)


def call(db, function, *args):
    return db.value("SELECT pop3.%s(%s)" % (
        function, ", ".join(["%s"] * len(args))), args, role=ADMIN)


def control(db):
    return db.row("SELECT * FROM pop3.control_status()", role=ADMIN)


def expire(service, uids, reason="expired-retrieved", action="expunge",
           **args):
    return service.intent({u: (action, reason) for u in uids}, **args)[0]


# --- pause ---

def test_pause_and_resume(db):
    assert control(db).stopped == "no"
    assert call(db, "pause", "wrong policy") is True
    assert call(db, "pause", "again") is False
    row = control(db)
    assert (row.stopped, row.by, row.reason) == ("paused", ADMIN,
                                                 "wrong policy")
    assert row.since.endswith("Z")
    assert call(db, "resume") is True
    assert call(db, "resume") is False
    row = control(db)
    assert (row.stopped, row.since, row.reason) == ("no", None, None)
    assert db.events("event", "reason", "detail") == [
        ("paused", "admin", "by pop3_admin: wrong policy"),
        ("resumed", "admin", "by pop3_admin")]


def test_a_pause_makes_what_was_decided_before_stale(db, service):
    before = service.version()
    call(db, "pause")
    paused = service.version()
    assert paused == before + ".stopped"
    # also what the client asked for: it was decided with the rest
    assert expire(service, [3], "dele", policy_version=before) == "stale"
    assert expire(service, [3], "dele") == "ok"
    call(db, "resume")
    assert service.version() == before
    assert expire(service, [4], "dele", policy_version=paused) == "stale"


@pytest.mark.parametrize("reason,action,result", [
    ("dele", "expunge", "ok"), ("dele", "move", "ok"), ("dele", "hide", "ok"),
    ("dele", "flag", "ok"), ("retrieved", "hide", "ok"),
    ("mass-delete", "hide", "ok"), ("retrieved", "expunge", "stale"),
    ("retrieved", "move", "stale"), ("expired-retrieved", "expunge", "stale"),
    ("expired-unretrieved", "expunge", "stale"),
    ("expired-hidden", "expunge", "stale"),
    ("leave-limit", "expunge", "stale"), ("quota", "expunge", "stale"),
    ("mass-delete", "expunge", "stale")])
def test_what_a_pause_stops(db, service, reason, action, result):
    call(db, "pause")
    assert expire(service, [3], reason, action) == result
    call(db, "resume")
    assert expire(service, [4], reason, action) == "ok"


def test_one_removal_by_policy_makes_an_intent_stale(db, service):
    call(db, "pause")
    assert service.intent({3: ("expunge", "dele"),
                           4: ("expunge", "retrieved")})[0] == "stale"


def test_nothing_is_due_in_a_pause(db, service):
    service.session(retrieved={3: "none"}, uidnext=11)
    service.remove([4], "hide")
    service.remove([5], "hide", "mass-delete")
    db.age("30 days")

    def due():
        state, = service.state(expire_retrieved=DAY, expire_hidden=DAY,
                               expire_unretrieved=DAY)
        return state.due_uid, state.before_uid, state.hidden
    assert due() == ([3, 4, 5], 11, "{[4,6)}")
    call(db, "pause")
    assert due() == (None, None, "{[4,6)}")
    call(db, "resume")
    assert due() == ([3, 4, 5], 11, "{[4,6)}")


def test_the_service_is_told(db, service):
    def stopped():
        return [r.scope for r in service.read("policy_levels", username=USER)
                if r.level == 6]
    assert stopped() == []
    call(db, "pause")
    assert stopped() == ["paused"]
    # values are what they were
    assert db.value("SELECT value FROM pop3.effective_policy(%s) "
                    "WHERE parameter = 'expire_retrieved'", (USER,),
                    role=ADMIN) == str(DAY)


def test_owners_are_not_told_of_an_expiry_that_is_paused(db, service):
    db.set("*", notify="yes")
    service.session(retrieved={3: "none"})
    assert service.notices()[1] is not None
    call(db, "pause")
    assert service.notices()[1] is None


# --- the breaker ---

@pytest.fixture
def site(db, service):
    """2,000 messages; 1 percent of them, and at least 10, may go a day."""
    service.session(messages=1500, uidnext=1501, uidnext_end=1501)
    service.session(OTHER, messages=500)
    call(db, "set_breaker", None, 10)
    db.rows("SELECT * FROM pop3.maintain()", role="pop3_service")
    return service


def test_the_built_in_limits(db):
    row = db.row("SELECT breaker_percent, breaker_min FROM pop3.control")
    assert tuple(row.values()) == (1, 1000)
    assert control(db).breaker_limit == 1000


def test_it_trips_at_more_than_the_share(db, site):
    row = control(db)
    assert (row.messages, row.breaker_limit, row.removals) == (2000, 20, 0)
    assert expire(site, range(1, 16)) == "ok"
    assert expire(site, range(1, 6), "leave-limit", user=OTHER) == "ok"
    assert control(db).removals == 20
    assert expire(site, [21], "quota") == "stale"
    row = control(db)
    assert row.stopped == "breaker" and row.removals == 20
    assert row.reason == ("removals by policy would have come to 21 of 2000 "
                          "messages within 24 hours; 20 are allowed")
    assert site.version().endswith(".stopped")
    assert expire(site, [22], "retrieved") == "stale"
    assert expire(site, [23], "dele") == "ok"
    assert [e for e in db.events("event", "username", "chain_id", "detail")
            if e[0] == "breaker"] == [("breaker", USER, None, row.reason)]


def test_it_does_not_trip_below_the_least_number(db, site):
    call(db, "set_breaker", 1, 100)
    assert control(db).breaker_limit == 100
    assert expire(site, range(1, 101)) == "ok"
    assert expire(site, [101]) == "stale"


def test_one_intent_may_be_too_much(db, site):
    assert expire(site, range(1, 22)) == "stale"
    assert control(db).removals == 0
    assert control(db).stopped == "breaker"


@pytest.mark.parametrize("reason,action", [
    ("dele", "expunge"), ("retrieved", "expunge"), ("retrieved", "move"),
    ("mass-delete", "expunge"), ("expired-retrieved", "hide")])
def test_what_does_not_count(db, site, reason, action):
    for n in range(3):
        assert expire(site, range(1 + 20 * n, 21 + 20 * n), reason,
                      action) == "ok"
    assert (control(db).stopped, control(db).removals) == ("no", 0)


def test_an_intent_that_is_sent_again_counts_once(db, site):
    session = new_id()
    for _ in range(3):
        assert expire(site, range(1, 16), session_id=session) == "ok"
    assert control(db).removals == 15


def test_what_is_stale_does_not_count(db, site):
    assert expire(site, range(1, 16), policy_version="x") == "stale"
    assert control(db).removals == 0


def test_all_chains_count_together(db, site):
    other = Service(db)
    assert expire(site, range(1, 13)) == "ok"
    assert expire(other, range(13, 20)) == "ok"
    assert expire(other, [20, 21]) == "stale"
    assert db.value("SELECT count(*) FROM pop3.removal_count") == 2


def test_what_is_older_than_a_day_does_not_count(db, site):
    assert expire(site, range(1, 16)) == "ok"
    db.rows("UPDATE pop3.removal_count SET hour = hour - interval '25 hours'")
    assert control(db).removals == 0
    assert expire(site, range(16, 36)) == "ok"
    db.rows("UPDATE pop3.removal_count SET hour = hour - interval '25 hours'")
    db.rows("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert db.value("SELECT count(*) FROM pop3.removal_count") == 1


def test_a_site_that_grew_is_counted_again(db, site):
    site.session("new@example.org", messages=8000)
    assert control(db).breaker_limit == 20
    # not at once again
    assert expire(site, range(1, 31)) == "stale"
    call(db, "confirm_breaker", 1)
    db.rows("UPDATE pop3.control SET confirmed_until = NULL, "
            "counted_at = now() - interval '6 minutes'")
    assert expire(site, range(1, 31)) == "ok"
    assert control(db).breaker_limit == 100


def test_confirm(db, site):
    assert expire(site, range(1, 30)) == "stale"
    assert call(db, "resume") is False
    assert control(db).stopped == "breaker"
    assert call(db, "confirm_breaker") is True
    row = control(db)
    assert row.stopped == "no" and row.confirmed_until.endswith("Z")
    for n in range(4):
        assert expire(site, range(1 + 50 * n, 51 + 50 * n)) == "ok"
    assert control(db).removals == 0
    # it is armed again afterwards
    db.rows("UPDATE pop3.control SET confirmed_until = now()")
    assert expire(site, range(301, 316)) == "ok"
    assert expire(site, range(321, 336)) == "stale"
    assert [e for e in db.events("event", "detail")
            if e[0] == "breaker-confirmed"] == [
        ("breaker-confirmed", "for 24 hours, by pop3_admin")]


def test_confirm_beforehand(db, site):
    assert call(db, "confirm_breaker", 2) is False
    assert expire(site, range(1, 100)) == "ok"
    for hours in (0, 721, None):
        with pytest.raises(psycopg2.Error, match="1 to 720 hours"):
            call(db, "confirm_breaker", hours)


def test_a_pause_and_the_breaker_are_apart(db, site):
    call(db, "pause", "lunch")
    assert expire(site, range(1, 100)) == "stale"
    # nothing was tried, so it did not trip
    call(db, "resume")
    assert control(db).stopped == "no"
    assert expire(site, range(1, 100)) == "stale"
    call(db, "pause", "lunch")
    assert control(db).stopped == "paused"
    call(db, "resume")
    assert control(db).stopped == "breaker"


def test_it_can_be_turned_off(db, site):
    assert call(db, "set_breaker", 100) == \
        "more than 100% of the messages, and more than 10"
    assert control(db).breaker_limit is None
    assert expire(site, range(1, 500)) == "ok"
    assert control(db).removals == 0
    for args in ((101, None), (-1, None), (None, -1)):
        with pytest.raises(psycopg2.Error, match="the breaker takes"):
            call(db, "set_breaker", *args)


def test_only_administrators_may(db):
    for role in ("pop3_service", "pop3_report"):
        for sql in ("SELECT pop3.pause()", "SELECT pop3.resume()",
                    "SELECT pop3.confirm_breaker()",
                    "SELECT pop3.set_breaker(100)",
                    "UPDATE pop3.control SET paused_at = NULL",
                    "SELECT * FROM pop3.due_users()",
                    "SELECT pop3.sweep_claim('a', gen_random_uuid())"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                db.rows(sql, role=role)


# --- sweeps ---

def due(db, *usernames):
    if usernames:
        rows = db.rows("SELECT * FROM pop3.sweep_select(%s)",
                       (list(usernames),), role=ADMIN)
    else:
        rows = db.rows("SELECT * FROM pop3.due_users()", role=ADMIN)
    return {r.username: r.why for r in rows}


def claim(db, sweeper, user=USER, seconds=60):
    return call(db, "sweep_claim", user, sweeper, seconds)


def release(db, sweeper, done=True, user=USER):
    return call(db, "sweep_release", user, sweeper, done)


def test_who_is_due(db, service):
    service.session(retrieved={3: "none"})
    service.session(OTHER, retrieved={3: "none"})
    assert due(db) == {}
    db.age("2 days")
    assert due(db) == {USER: "due"}
    assert due(db, USER, OTHER, "new@example.org", "new@example.org") == \
        {USER: "due", "new@example.org": "new"}
    assert due(db, OTHER) == {}
    for name, value in (("pop3_hold", "yes"), ("enforcement", "observe")):
        db.set(USER, **{name: value})
        assert due(db) == {}
        db.value("SELECT pop3.unset_policy(%s, %s)", (USER, name))
    call(db, "pause")
    assert due(db) == {}
    call(db, "resume")
    service.remove([3])
    assert due(db) == {}


def test_hidden_and_held_mail_is_due(db, service):
    db.set("*", expire_hidden="10d", mass_delete_hold="20d")
    service.remove([3], "hide")
    service.remove([4], "hide", "mass-delete", user=OTHER)
    for user in (USER, OTHER):
        db.age("11 days", user)
    assert due(db) == {USER: "due"}
    for user in (USER, OTHER):
        db.age("10 days", user)
    assert due(db) == {USER: "due", OTHER: "due"}


def test_due_users_come_in_pages(db, service):
    users = ["u%d@example.org" % n for n in range(5)]
    for user in users:
        service.session(user, retrieved={3: "none"})
        db.age("2 days", user)
    page = "SELECT username FROM pop3.due_users(%s, %s)"
    assert db.values(page, (2, None), role=ADMIN) == users[:2]
    assert db.values(page, (2, users[1]), role=ADMIN) == users[2:4]
    assert db.values(page, (2, users[3]), role=ADMIN) == users[4:]


def test_unretrieved_mail_is_due_once_for_each_watermark(db, service):
    db.set("*", expire_unretrieved="3d")
    service.session(uidnext=5, uidnext_end=5)
    db.age("2 days")
    service.session(uidnext=9, uidnext_end=9)
    assert due(db) == {}
    db.age("2 days")
    assert due(db) == {USER: "due"}
    me = new_id()
    assert claim(db, me) and release(db, me, done=False)
    assert due(db) == {USER: "due"}
    assert claim(db, me) and release(db, me)
    assert due(db) == {}
    db.age("2 days")
    assert due(db) == {USER: "due"}
    assert claim(db, me) and release(db, me)
    # a shorter time makes nothing due that was swept
    db.set("*", expire_unretrieved="1d")
    assert due(db) == {}
    service.write(0, "record_imap_use", username=[USER])
    service.event("rollback", uidnext=7)
    service.session(uidnext=8, uidnext_end=8)
    db.age("12 hours")
    assert due(db) == {}
    db.age("13 hours")
    assert due(db) == {USER: "due"}


def test_restored_mail_is_looked_at_again(db, service):
    db.set("*", expire_unretrieved="3d")
    service.session(uidnext=5, uidnext_end=5)
    service.remove([3], "hide")
    db.age("4 days")
    me = new_id()
    assert claim(db, me) and release(db, me)
    assert due(db) == {}
    call(db, "restore", USER)
    assert due(db) == {USER: "due"}
    assert claim(db, me) and release(db, me)
    assert due(db) == {USER: "due"}


def test_mail_that_imap_uses_is_not_due(db, service):
    db.set("*", expire_unretrieved="3d")
    service.session(uidnext=5, uidnext_end=5)
    db.age("4 days")
    service.write(0, "record_imap_use", username=[USER])
    assert due(db) == {}
    db.set(USER, expire_unretrieved="3d")
    assert due(db) == {USER: "due"}


def test_intents_that_were_left_open_are_to_be_repaired(db, service):
    db.set("*", enforcement="observe")
    _, session = service.intent({3: ("expunge", "dele")})
    assert due(db) == {}
    service.abandon(session)
    assert due(db) == {USER: "repair"} == due(db, USER)
    me = new_id()
    service.claim(session, me)
    assert due(db) == {}
    service.repair(session, me, {3: True})
    assert due(db) == {}
    service.intent({4: ("expunge", "dele")}, lease=-1)
    assert due(db) == {USER: "repair"}


def test_a_user_is_swept_by_one(db, service):
    one, two = new_id(), new_id()
    assert claim(db, one) is True
    assert claim(db, two) is False
    assert claim(db, one) is True
    assert release(db, two) is False
    assert claim(db, two) is False
    assert claim(db, two, OTHER) is True
    assert release(db, one) is True
    assert release(db, one) is False
    assert claim(db, two) is True
    # whose claim has run out
    db.rows("UPDATE pop3.sweep SET lease_until = now() - interval '1 s'")
    assert claim(db, one) is True
    assert release(db, two) is False
    db.rows("UPDATE pop3.sweep SET lease_until = now() - interval '25 h'")
    db.rows("SELECT * FROM pop3.maintain()", role="pop3_service")
    assert db.values("SELECT username FROM pop3.sweep") == []
    for args in ((None, one, 1), (USER, one, 0), (USER, one, None)):
        with pytest.raises(psycopg2.Error, match="a claim needs"):
            call(db, "sweep_claim", *args)
