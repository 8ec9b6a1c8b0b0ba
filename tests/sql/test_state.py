# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""maildrop_state: what a login is told. Watermarks, limits, what is due."""

import datetime

import psycopg2
import pytest

from sqlhelp import DAY, USER, Service, guid


@pytest.fixture
def service(db):
    return Service(db)


def marks(db):
    return [(r.days, r.uidnext) for r in db.rows(
        "SELECT (now() AT TIME ZONE 'UTC')::date - "
        "(at AT TIME ZONE 'UTC')::date AS days, uidnext "
        "FROM pop3.watermark ORDER BY at")]


# --- watermarks ---

def test_one_watermark_a_day_the_last(db, service):
    service.session(uidnext=11)
    service.session(uidnext=15)
    assert marks(db) == [(0, 15)]
    db.age("1 day")
    service.session(uidnext=15)
    assert marks(db) == [(1, 15)], "UIDNEXT did not grow"
    service.session(uidnext=18, uidnext_end=20)
    service.session(uidnext=20)
    assert marks(db) == [(1, 15), (0, 20)]


def test_a_watermark_is_as_old_as_the_login(db, service):
    service.session(ago=600, duration=590)
    assert db.value("SELECT extract(epoch FROM now() - at)::float8 "
                    "FROM pop3.watermark") == pytest.approx(600, abs=60)


@pytest.mark.parametrize("ago", [10000 * DAY, -10000 * DAY])
def test_a_wrong_clock_does_not_make_mail_old(db, service, ago):
    service.session(ago=ago)
    age = db.value("SELECT now() - at FROM pop3.watermark")
    assert datetime.timedelta(0) <= age <= \
        datetime.timedelta(days=1, seconds=60)


def test_old_watermarks_are_pruned(db, service):
    for uidnext in range(11, 17):
        service.session(uidnext=uidnext)
        db.age("30 days")
    service.session(uidnext=17)
    assert len(marks(db)) == 7
    db.set("@example.com", view_window="120d")
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    # the newest one beyond 120 days still says what arrived before then
    assert marks(db) == [(120, 13), (90, 14), (60, 15), (30, 16), (0, 17)]
    db.rows("DELETE FROM pop3.policy")
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert marks(db) == [(90, 14), (60, 15), (30, 16), (0, 17)]
    # a preset that nobody uses asks for nothing, one in use does
    db.rows("UPDATE pop3.preset SET expire_unretrieved = 50 * 86400 "
            "WHERE name = 'qq'")
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert len(marks(db)) == 4
    db.set("*", preset="qq")
    db.age("80 days")
    db.rows("SELECT pop3.maintain()", role="pop3_service")
    assert marks(db) == [(110, 16), (80, 17)]


# --- expire_unretrieved ---

def test_nothing_is_old_on_the_first_day(db, service):
    service.session(uidnext=1001)
    (state,) = service.state(expire_unretrieved=60 * DAY)
    assert state.before_uid is None and state.exempt is None
    db.age("59 days")
    assert service.state(expire_unretrieved=60 * DAY)[0].before_uid is None
    db.age("1 day")
    assert service.state(expire_unretrieved=60 * DAY)[0].before_uid == 1001


def test_the_latest_watermark_that_is_old_enough(db, service):
    for uidnext in (11, 21, 31):
        service.session(uidnext=uidnext)
        db.age("10 days")
    for days, before in ((5, 31), (10, 31), (11, 21), (20, 21), (30, 11),
                         (31, None)):
        (state,) = service.state(expire_unretrieved=days * DAY)
        assert state.before_uid == before, days
    assert service.state(expire_unretrieved=-1)[0].before_uid is None


def test_retrieved_mail_is_exempt(db, service):
    service.session(uidnext=11, retrieved={2: "none", 3: "none", 7: "none"})
    db.age("61 days")
    service.session(uidnext=21, retrieved={15: "none"})
    (state,) = service.state(expire_unretrieved=60 * DAY)
    assert (state.before_uid, str(state.exempt)) == (11, "{[2,4),[7,8)}")


def test_hidden_but_never_retrieved_mail_is_not_exempt(db, service):
    service.session(uidnext=11)
    service.remove([5], "hide", "dele")
    db.age("61 days")
    (state,) = service.state(expire_unretrieved=60 * DAY)
    assert (state.before_uid, state.exempt) == (11, None)


def test_restored_mail_is_exempt_for_as_long_again(db, service):
    service.session(uidnext=11, retrieved={5: "none"})
    service.remove([5], "hide", "retrieved")
    db.age("61 days")
    db.value("SELECT pop3.restore(%s)", (USER,), role="pop3_admin")
    (state,) = service.state(expire_unretrieved=60 * DAY)
    assert (state.before_uid, str(state.exempt), str(state.spared)) == \
        (11, "{[5,6)}", "{[5,6)}")
    db.age("60 days")
    (state,) = service.state(expire_unretrieved=60 * DAY)
    assert (state.before_uid, state.exempt, str(state.spared)) == \
        (11, None, "{[5,6)}")


def test_maildrops_that_imap_used_are_left_alone(db, service):
    service.session(uidnext=11)
    db.age("61 days")
    service.write(0, "record_imap_use", username=[USER])
    args = {"expire_unretrieved": 60 * DAY}
    assert service.state(**args)[0].before_uid is None
    # unless the user's own scope sets it
    assert service.state(unretrieved_own_scope=True,
                         **args)[0].before_uid == 11
    db.age("60 days")
    assert service.state(**args)[0].before_uid == 11


# --- view_since, view_window ---

def test_view_window(db, service):
    for uidnext in (11, 21):
        service.session(uidnext=uidnext)
        db.age("10 days")
    for days, view_from in ((5, 21), (15, 11), (30, None)):
        assert service.state(
            view_window=days * DAY)[0].view_from == view_from, days
    assert service.state()[0].view_from is None


def test_view_since_and_window_together(db, service):
    for uidnext in (11, 21, 31):
        service.session(uidnext=uidnext)
        db.age("10 days")
    now = db.value("SELECT pop3.now()")
    for since, window, view_from in (
            (25, 5, 31), (5, 25, 31), (15, 25, 21), (25, 15, 21),
            (25, None, 11), (40, None, None), (40, 40, None)):
        (state,) = service.state(
            view_since=now - since * DAY,
            view_window=-1 if window is None else window * DAY)
        assert state.view_from == view_from, (since, window)


def test_view_since_is_stable_when_the_days_watermark_moves(db, service):
    service.session(uidnext=11)
    db.age("2 days")
    service.session(uidnext=21, ago=2)
    since = db.value("SELECT pop3.now()") - 1
    assert service.state(view_since=since)[0].view_from == 21
    # Today's watermark moves past view_since; the two days' old one would say
    # 11, and ten messages would reappear.
    service.session(uidnext=25, view_since=since)
    assert marks(db)[-1] == (0, 25)
    assert service.state(view_since=since)[0].view_from == 21
    service.session(uidnext=30, view_since=since)
    assert service.state(view_since=since)[0].view_from == 21
    # another value is found anew
    now = db.value("SELECT pop3.now()")
    service.session(uidnext=31, view_since=now)
    assert service.state(view_since=now)[0].view_from == 30
    # and never is never
    assert service.state(view_since=-1)[0].view_from is None


def test_view_since_in_the_future_is_not_settled(db, service):
    service.session(uidnext=11)
    since = db.value("SELECT pop3.now()") + 100
    assert service.state(view_since=since)[0].view_from == 2 ** 32 - 1
    service.session(uidnext=21, view_since=since)
    row = db.row("SELECT view_since, view_since_uid FROM pop3.maildrop")
    assert (row.view_since, row.view_since_uid) == (None, None)
    assert service.state(view_since=since)[0].view_from == 2 ** 32 - 1


def test_what_left_the_view_window_stays_out_of_it(db, service):
    service.session(uidnext=11)
    db.rows("SELECT pop3_test.age(%s, '2 minutes')", (USER,))
    assert service.state(view_window=60)[0].view_from == 11
    service.session(uidnext=21, view_window=60)
    # the only watermark is of this moment now
    assert service.state(view_window=60)[0].view_from == 11
    assert service.state(view_window=30)[0].view_from == 11
    assert service.state(view_window=90)[0].view_from is None
    service.session(uidnext=22, view_window=90)
    assert service.state(view_window=60)[0].view_from is None


def test_a_session_of_unknown_view_window_keeps_the_last_known(db, service):
    def kept():
        row = db.row("SELECT * FROM pop3.maildrop")
        return row.view_window, row.view_window_uid

    service.session(view_window=None)
    assert kept() == (None, None)
    # all on one day, whose watermark moves with each session
    service.session(uidnext=11, view_window=60)
    db.age("61 seconds")
    service.session(uidnext=21, view_window=None)
    assert kept() == (60, 11)
    service.session(uidnext=22, view_window=None)
    assert kept() == (60, 11)
    assert service.state(view_window=60)[0].view_from == 11
    service.session(uidnext=22, view_window=-1)
    assert kept() == (None, None)


def test_mail_before_the_first_session_arrived_then(db, service):
    now = db.value("SELECT pop3.now()")
    service.session(uidnext=1001, view_since=now - 1000 * DAY)
    (state,) = service.state(view_since=now - 1000 * DAY)
    assert state.view_from is None
    assert service.state(view_since=now - 5)[0].view_from is None


# --- what is due ---

def test_due_after_retrieval(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    db.age("1 day")
    service.session(retrieved={2: "none", 3: "none"})
    db.age("13 days")
    (state,) = service.state(expire_retrieved=14 * DAY)
    assert (state.due_uid, state.due_guid, state.due_reason) == \
        ([3, 4], "{%s,%s}" % (guid(3), guid(4)), ["expired-retrieved"] * 2)
    assert service.state(expire_retrieved=13 * DAY)[0].due_uid == [3, 4, 2]
    assert service.state(expire_retrieved=15 * DAY)[0].due_uid is None
    assert service.state(expire_retrieved=-1)[0].due_uid is None


def test_expire_retrieved_zero_is_at_the_next_login(db, service):
    service.session(retrieved={3: "none"})
    assert service.state(expire_retrieved=0)[0].due_uid == [3]


def test_due_after_hiding(db, service):
    service.remove([3, 4], "hide", "dele")
    service.session()
    db.age("2 days")
    service.remove([5], "hide", "dele")
    (state,) = service.state(expire_hidden=DAY)
    assert (state.due_uid, state.due_reason) == \
        ([3, 4], ["expired-hidden"] * 2)
    assert (str(state.hidden), state.hidden_uid, state.hidden_guid) == \
        ("{[3,6)}", 5, guid(5))


def test_the_reason_when_both_clocks_run(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    db.age("5 days")
    service.remove([4], "hide", "dele")
    db.age("5 days")

    def due(retrieved, hidden):
        (state,) = service.state(expire_retrieved=retrieved * DAY,
                                 expire_hidden=hidden * DAY)
        return dict(zip(state.due_uid or [], state.due_reason or []))

    assert due(10, 5) == {3: "expired-retrieved", 4: "expired-hidden"}
    assert due(10, 6) == {3: "expired-retrieved", 4: "expired-retrieved"}
    assert due(11, 5) == {4: "expired-hidden"}
    assert due(11, 6) == {}


def test_due_messages_are_limited_oldest_first(db, service):
    service.session(retrieved={5: "none"})
    db.age("1 day")
    service.remove([9], "hide", "dele")
    db.age("1 day")
    service.session(retrieved={u: "none" for u in (2, 3)})
    limits = {"expire_retrieved": 0, "expire_hidden": 0}
    for limit in (1, 2, 3, 4):
        (state,) = service.state(due_limit=limit, **limits)
        assert state.due_uid == [5, 9, 2, 3][:limit]


def test_each_maildrop_has_its_own(db, service):
    service.session(retrieved={3: "none"}, uidvalidity=1)
    service.session(retrieved={4: "none"}, uidvalidity=2)
    states = {s.uidvalidity: s for s in service.state(expire_retrieved=0)}
    assert (states[1].due_uid, states[2].due_uid) == ([3], [4])
    service.session("bert@example.org", retrieved={5: "none"})
    assert service.state("bert@example.org",
                         expire_retrieved=0)[0].due_uid == [5]


def test_tracked(db, service):
    service.session(retrieved={3: "none", 4: "none"}, would={9: "dele"})
    service.remove([4, 7], "hide", "dele")
    (state,) = service.state()
    assert state.tracked == 4
    rows = service.read("tracked", maildrop_id=state.maildrop_id)
    assert [(r.uid, r.hidden) for r in rows] == \
        [(3, False), (4, True), (7, True), (9, False)]


def test_messages_of_an_undecided_intent_are_not_asked_after(db, service):
    service.session(retrieved={3: "none", 4: "none"}, would={9: "dele"})
    _, session = service.intent({3: ("expunge", "dele"),
                                 9: ("expunge", "dele")})
    drop = service.state()[0].maildrop_id

    def tracked():
        return [r.uid for r in service.read("tracked", maildrop_id=drop)]

    assert tracked() == [4]
    service.abandon(session)
    assert tracked() == [4]
    service.claim(session, guid(1))
    assert tracked() == [4]
    service.repair(session, guid(1), {3: True, 9: True})
    assert tracked() == [3, 4, 9]
    # nothing was done on the strength of a stale one
    service.intent({3: ("expunge", "dele")}, policy_version="0.0.0.0.0.9")
    assert tracked() == [3, 4, 9]


# --- events ---

@pytest.mark.parametrize("event", ["gone", "mismatch"])
def test_state_goes_with_the_message(db, service, event):
    service.session(retrieved={3: "none", 4: "none"}, would={9: "dele"})
    service.event(event, [3, 8, 9])
    assert list(db.messages()) == [4]
    assert service.state()[0].would is None
    assert db.events("event", "uid", "message_guid", "size") == [
        (event, 3, guid(3), 300),
        # of a message without state nobody knows that it was there
        ("unused" if event == "gone" else event,
         None if event == "gone" else 8, None, None),
        (event, 9, guid(9), 900)]


@pytest.mark.parametrize("event", ["gone", "mismatch"])
def test_events_about_hidden_mail_that_was_not_retrieved(db, service, event):
    service.session(retrieved={3: "none"})
    service.remove([5, 6], "hide", "dele")
    service.event(event, [5])
    (state,) = service.state()
    assert (state.tracked, str(state.hidden), str(state.retrieved)) == \
        (2, "{[6,7)}", "{[3,4)}")


@pytest.mark.parametrize("event", ["refused", "unconfirmed", "mass-delete",
                                   "would-refuse", "would-mass-delete"])
def test_other_events_change_no_state(db, service, event):
    service.session(retrieved={3: "none"})
    service.event(event, [3], reason="dele", detail="text")
    service.event(event)
    assert list(db.messages()) == [3]
    assert db.events("event", "uid", "reason", "detail") == \
        [(event, 3, "dele", "text"), (event, None, None, None)]


def test_events_of_unknown_mailboxes(db, service):
    service.event("refused", mailbox_guid=None, uidvalidity=None)
    service.event("gone", [3])
    service.event("rollback", uidnext=3)
    assert [e for e, in db.events("event")] == \
        ["refused", "gone", "rollback"]


def test_rollback(db, service):
    service.session(uidnext=11, retrieved={3: "none", 8: "none"},
                    would={9: "dele"})
    db.age("1 day")
    since = db.value("SELECT pop3.now()") - 3600
    service.session(uidnext=21, uidnext_end=25, view_since=since)
    db.age("1 day")
    service.session(uidnext=31, view_since=since)
    assert db.value("SELECT view_since_uid FROM pop3.maildrop") is not None
    service.event("rollback", uidnext=8, detail="anchor differs")
    assert list(db.messages()) == [3]
    assert marks(db) == []
    (state,) = service.state(view_since=since)
    assert (state.uidnext, state.anchor_uid, state.anchor_guid,
            state.tracked, state.would, state.view_from) == \
        (8, None, None, 1, None, None)
    assert db.events("event", "uid", "detail") == [
        ("rollback", None, "anchor differs; UIDNEXT 8: state of 1 messages "
         "and 3 watermarks dropped")]
    # all mail has just arrived, new mail under old UIDs too
    service.session(uidnext=9, uidnext_end=12)
    assert service.state()[0].uidnext == 12
    assert service.state(expire_unretrieved=DAY)[0].before_uid is None
    db.age("1 day")
    assert service.state(expire_unretrieved=DAY)[0].before_uid == 9


def test_a_rollback_needs_the_uidnext(db, service):
    service.session()
    with pytest.raises(psycopg2.Error, match="needs the mailbox's UIDNEXT"):
        service.event("rollback")


def test_an_event_needs_a_name(db, service):
    with pytest.raises(psycopg2.Error, match="an event needs a name"):
        service.event(None)


# --- what was ever retrieved ---

def retrieved(service, **args):
    """Of the most recently used maildrop."""
    return str(service.state(with_retrieved=True, **args)[0].retrieved)


def test_retrieved_is_told_where_it_is_asked_for(db, service):
    service.session(retrieved={})
    assert retrieved(service) == "{}"
    service.session(retrieved={3: "none", 4: "hide", 8: "none"})
    assert retrieved(service) == "{[3,5),[8,9)}"
    (state,) = service.state(with_retrieved=False)
    assert state.retrieved is None


# what happens after 3, 4, 8 and 9 were retrieved, UIDNEXT being 11
@pytest.mark.parametrize("happens,expected", [
    (lambda s, db: s.session(retrieved={5: "none"}, ended_by="drop"),
     "{[3,5),[8,10)}"),
    (lambda s, db: s.session(retrieved={5: "expunge", 6: "move"}),
     "{[3,7),[8,10)}"),
    # what is gone stays in it, whoever it was
    (lambda s, db: s.remove([4, 9]), "{[3,5),[8,10)}"),
    (lambda s, db: s.remove([4], "move"), "{[3,5),[8,10)}"),
    (lambda s, db: s.remove([5], "hide", "dele"), "{[3,5),[8,10)}"),
    # or not, if its UID may be another's
    (lambda s, db: s.event("gone", [4]), "{[3,4),[8,10)}"),
    (lambda s, db: s.event("mismatch", [3, 9]), "{[4,5),[8,9)}"),
    (lambda s, db: (s.remove([4, 9]), s.event("mismatch", [4])),
     "{[3,4),[8,10)}"),
    (lambda s, db: s.event("rollback", uidnext=8), "{[3,5)}"),
    (lambda s, db: s.event("rollback", uidnext=9), "{[3,5),[8,9)}"),
    (lambda s, db: s.event("rollback", uidnext=1), "{}"),
    # after a rollback nobody knows whose the UIDs of removed ones are
    (lambda s, db: (s.remove([4]), s.event("rollback", uidnext=9)),
     "{[3,4),[8,9)}"),
    (lambda s, db: (s.event("rollback", uidnext=8),
                    s.session(uidnext=21, retrieved={12: "none"})),
     "{[3,5),[12,13)}"),
    (lambda s, db: (s.remove([4, 8], "hide", "retrieved"),
                    db.value("SELECT pop3.restore(%s, '{[4,5)}')", (USER,))),
     "{[3,4),[8,10)}"),
    (lambda s, db: (s.remove([4], "hide", "retrieved"),
                    db.value("SELECT pop3.restore(%s)", (USER,)),
                    s.session(retrieved={4: "none"})), "{[3,5),[8,10)}"),
    # another message under its UID is hidden, or retrieved
    (lambda s, db: s.intent({4: ("hide", "dele")}, guid=[guid(44)]) and
     s.outcome(db.value("SELECT session_id FROM pop3.intent")),
     "{[3,4),[8,10)}"),
    (lambda s, db: s.session(retrieved={4: "none"}, guid=[guid(44)]),
     "{[3,5),[8,10)}"),
    (lambda s, db: s.carry(s.state()[0].maildrop_id, {3: 1, 9: 5, 6: 2}),
     "{[1,2),[5,6)}"),
    (lambda s, db: s.carry(s.state()[0].maildrop_id, {}), "{}"),
    # a maildrop of the same name
    (lambda s, db: s.session(uidvalidity=2000), "{}")])
def test_retrieved_is_true(db, service, happens, expected):
    service.session(uidnext=11, retrieved={
        3: "none", 4: "none", 8: "none", 9: "none"})
    happens(service, db)
    assert retrieved(service) == expected


# --- a new UIDVALIDITY ---

def test_carry_over(db, service):
    service.session(retrieved={3: "none", 4: "none", 5: "none"},
                    would={6: "dele"}, uidnext=11)
    service.remove([4, 9], "hide", "dele")
    service.write(0, "record_imap_use", username=[USER])
    _, session = service.intent({3: ("expunge", "dele")})
    db.age("10 days")
    before = db.messages()
    old = service.state()[0]
    new = service.carry(old.maildrop_id, {3: 1, 4: 2, 6: 3})
    (state,) = service.state(expire_unretrieved=DAY)
    assert (state.maildrop_id, state.uidvalidity, state.uidnext,
            state.messages, state.tracked) == (new, 2000, 6, 5, 3)
    assert (str(state.hidden), str(state.would)) == ("{[2,3)}", "{[3,4)}")
    assert state.before_uid is None, "arrival begins anew"
    after = db.messages()
    assert list(after) == [1, 2]
    assert after[1].retrieved_at == before[3].retrieved_at
    assert after[2].hidden_at == before[4].hidden_at
    drop = db.row("SELECT * FROM pop3.maildrop")
    assert drop.last_login_at is not None and drop.imap_used_at is not None
    assert (drop.sessions, drop.removals) == (1, 0)
    assert db.events("event", "detail")[-1] == (
        "carried", "from maildrop %d, UIDVALIDITY 1000: state of 2 messages "
        "carried over, of 2 dropped; 1 intents left undecided" %
        old.maildrop_id)
    row = db.row("SELECT * FROM pop3.intent WHERE session_id = %s",
                 (session,))
    assert (row.state, row.result, row.maildrop_id) == \
        ("closed", "undecided", None)
    assert service.outcome(session) == "fenced"


def test_carry_over_again(db, service):
    service.session(retrieved={3: "none"})
    old = service.state()[0].maildrop_id
    new = service.carry(old, {3: 1})
    assert service.carry(old, {3: 1}) == new
    assert list(db.messages()) == [1]
    assert db.events("event", "detail")[-1] == \
        ("carried", "nothing to carry over from maildrop %d" % old)


def test_carry_over_into_a_maildrop_that_has_state(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    old = service.state()[0].maildrop_id
    service.session(retrieved={1: "none"}, uidvalidity=2000)
    new = service.carry(old, {3: 1, 4: 2})
    assert {u: r.message_guid for u, r in db.messages().items()} == \
        {1: guid(1), 2: guid(4)}
    (state,) = service.state()
    assert (state.maildrop_id, state.tracked) == (new, 2)


def test_carry_over_takes_only_the_users_own(db, service):
    service.session("bert@example.org", retrieved={3: "none"})
    other = service.state("bert@example.org")[0].maildrop_id
    service.carry(other, {3: 1})
    assert service.state("bert@example.org")[0].tracked == 1
    assert service.state()[0].tracked == 0


# --- restore ---

def test_restore(db, service):
    service.session(retrieved={u: "none" for u in (3, 4, 5, 6)})
    service.remove([3, 4, 5], "hide", "retrieved")
    db.age("1 day")
    assert db.value("SELECT pop3.restore(%s, '{[4,100)}')", (USER,),
                    role="pop3_admin") == 2
    rows = db.messages()
    assert rows[3].hidden_at is not None
    assert rows[4].hidden_at is None and rows[4].reason is None
    assert rows[4].retrieved_at is None and rows[4].restored_at is not None
    assert rows[6].retrieved_at is not None and rows[6].restored_at is None
    (state,) = service.state(expire_retrieved=0)
    assert (str(state.spared), state.due_uid) == ("{[4,6)}", [3, 6])
    restored = db.rows("SELECT * FROM pop3.audit WHERE event = 'restored' "
                       "ORDER BY uid")
    assert [(r.uid, r.chain_id, r.seq, r.reason, r.detail)
            for r in restored] == [
        (u, None, None, "admin",
         "by pop3_admin; was hidden by retrieved") for u in (4, 5)]
    # the next retrieval starts the clock again, and ends the sparing
    service.session(retrieved={4: "none"})
    rows = db.messages()
    assert rows[4].restored_at is None and rows[4].retrieved_at is not None
    assert db.value("SELECT pop3.restore(%s)", (USER,),
                    role="pop3_admin") == 1
    assert db.value("SELECT pop3.restore(%s)", (USER,),
                    role="pop3_admin") == 0


def test_restored_mail_that_is_hidden_again(db, service):
    service.remove([3], "hide", "dele")
    db.value("SELECT pop3.restore(%s)", (USER,), role="pop3_admin")
    service.remove([3], "hide", "dele")
    row = db.messages()[3]
    assert row.restored_at is None and row.hidden_at is not None
