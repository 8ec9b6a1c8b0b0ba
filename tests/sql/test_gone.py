# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What is told as gone: messages that nobody of ours removed, once each."""

import pytest

from sqlhelp import USER, Service, guid, new_id
from test_concurrency import Held, two, while_held  # noqa: F401


@pytest.fixture
def service(db):
    return Service(db)


def told(db):
    """(event, UID) of what was told as gone, in order."""
    return [(r.event, r.uid) for r in db.rows(
        "SELECT event, uid FROM pop3.audit WHERE event IN ('gone', 'unused') "
        "ORDER BY chain_id, seq")]


def committed(service, action="expunge"):
    service.remove([3], action)


def presumed(service, action="expunge", present=False):
    _, session = service.intent({3: (action, "dele")})
    service.abandon(session)
    me = new_id()
    service.claim(session, me)
    assert service.repair(session, me, {3: present}) == "ok"


def left(service, result=None, **args):
    _, session = service.intent({3: ("expunge", "dele")}, **args)
    if result == "abandoned":
        service.abandon(session)
    elif result == "claimed":
        service.abandon(session)
        service.claim(session, new_id())
    elif result:
        service.outcome(session, result)
    return session


# who was at the message, and whether it is told, and keeps its state
@pytest.mark.parametrize("at_it,is_told,has_state", [
    (committed, False, False),
    (lambda s: committed(s, "move"), False, False),
    (lambda s: committed(s, "hide"), True, False),
    (presumed, False, False),
    (lambda s: presumed(s, present=True), True, False),
    (lambda s: left(s), False, True),
    (lambda s: left(s, "abandoned"), False, True),
    (lambda s: left(s, "claimed"), False, True),
    (lambda s: (left(s), committed(s)), False, False),
    (lambda s: left(s, "failed"), True, False),
    (lambda s: left(s, policy_version="0.0.0.0.0.9"), True, False),
    (lambda s: left(s, "committed", guid=[guid(99)]), True, False),
    (lambda s: (committed(s), s.event("rollback", uidnext=9)), True, False),
    # another user's, and another mailbox's
    (lambda s: s.remove([3], user="bert@example.org"), True, False),
    (lambda s: left(s, "committed", uidvalidity=7), True, False)])
def test_what_sessions_remove_is_told_by_them(db, service, at_it, is_told,
                                              has_state):
    service.session()
    at_it(service)
    # state is there again, as of a session that hid it at the same time
    service.remove([3, 4], "hide")
    service.event("gone", [3, 4])
    assert told(db) == [("gone", 3) if is_told else ("unused", None),
                        ("gone", 4)]
    assert list(db.messages()) == [3] * has_state
    assert service.state()[0].tracked == int(has_state)


def test_the_end_of_an_undecided_intent_decides(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    session = left(service)
    service.event("gone", [3])
    assert service.outcome(session) == "ok"
    assert list(db.messages()) == [4]
    assert service.state()[0].tracked == 1


def test_what_was_retrieved_stays_so(db, service):
    service.session(retrieved={3: "none", 4: "none", 5: "none"})
    committed(service)
    service.event("gone", [3, 4])
    assert str(service.state(with_retrieved=True)[0].retrieved) == \
        "{[3,4),[5,6)}"


def test_what_would_be_removed_is_told_as_gone(db, service):
    service.session(would={3: "dele", 4: "dele"})
    committed(service)
    service.event("gone", [3, 4])
    assert told(db) == [("unused", None), ("gone", 4)]


def test_it_is_told_once(db, service):
    service.session(retrieved={3: "none", 4: "none"})
    service.event("gone", [3])
    service.event("gone", [3, 4])
    assert told(db) == [("gone", 3), ("unused", None), ("gone", 4)]
    # nobody knows of a maildrop that had it
    service.event("gone", [3], mailbox_guid=guid(77))
    assert told(db)[3:] == [("gone", 3)]


def test_an_unused_number_says_nothing(db, service):
    service.session()
    service.event("gone", [3], detail="text")
    (row,) = db.rows("SELECT * FROM pop3.audit WHERE event = 'unused'")
    assert row.chain_id == service.chain and row.seq == service.seq
    assert {k for k, v in row.items() if v is not None} == \
        {"at", "chain_id", "seq", "event"}


def test_two_that_tell_it_at_once(db, two):  # noqa: F811
    first, second = two
    first.session(retrieved={3: "none"}, would={4: "dele"})
    sql, args = first._sql("record_event", {
        "chain_id": new_id(), "first_seq": 1, "event": "gone",
        "reason": "gone", "session_id": new_id(), "dovecot_session": None,
        "username": USER, "auth_user": None, "remote_address": None,
        "device": None, "mailbox_guid": guid(10 ** 30), "uidvalidity": 1000,
        "uidnext": None, "uid": [3, 4], "detail": None})
    held = Held(second, sql, args)
    while_held(held, lambda: first.event("gone", [3, 4]))
    assert sorted(told(db), key=str) == [
        ("gone", 3), ("gone", 4), ("unused", None), ("unused", None)]
    assert service_tracked(first) == 0


def service_tracked(service):
    (state,) = service.state()
    return state.tracked


# --- sessions that had it ---

@pytest.mark.parametrize("at_it,has_state", [
    (committed, False),
    (lambda s: committed(s, "move"), False),
    (lambda s: committed(s, "hide"), True),
    (lambda s: left(s), True),
    (lambda s: left(s, "failed"), True),
    (lambda s: left(s, "committed", guid=[guid(99)]), True),
    (lambda s: s.remove([3], user="bert@example.org"), True)])
def test_retrieved_while_another_session_removed_it(db, service, at_it,
                                                    has_state):
    service.session()
    at_it(service)
    session = service.session(retrieved={3: "none", 4: "none"}, ago=60)
    assert sorted(db.messages()) == [3] * has_state + [4]
    assert service_tracked(service) == 1 + has_state
    # retrieved it was
    row = db.row("SELECT * FROM pop3.session WHERE session_id = %s",
                 (session["session_id"],))
    assert str(row.retrieved) == "{[3,5)}"


def test_removed_before_the_session(db, service):
    """Then it is another message, or was put back."""
    service.session()
    committed(service)
    db.rows("UPDATE pop3.intent SET closed_at = closed_at - interval '1 hour'")
    service.session(retrieved={3: "none"}, ago=60)
    assert list(db.messages()) == [3]


# --- numbers of overlapping sessions ---

def test_the_higher_number_of_messages_of_overlapping_sessions(db, service):
    service.session(messages=6, ago=50)
    service.session(messages=0, ago=40)
    assert service.state()[0].messages == 0
    # began before the last one ended
    service.session(messages=5, ago=45, duration=1)
    assert service.state()[0].messages == 5
    service.session(messages=2, ago=44.5, duration=30)
    assert service.state()[0].messages == 5
    service.session(messages=2, ago=1)
    assert service.state()[0].messages == 2


# --- what it costs ---

def scans(db, function, args):
    """How often pop3.intent was read from end to end in a call, and how many
    of its rows were read by then, and by an index."""
    sql, values = Service._sql(function, args)
    conn = db.connection("postgres")
    counts = []
    conn.autocommit = False
    try:
        with conn.cursor() as cur:
            for call in ("SELECT", sql):
                cur.execute(call, values)
                cur.execute("SELECT seq_scan, seq_tup_read, idx_tup_fetch "
                            "FROM pg_stat_xact_user_tables "
                            "WHERE relid = 'pop3.intent'::regclass")
                counts.append(cur.fetchone())
    finally:
        conn.rollback()
        conn.autocommit = True
    return tuple(after - before for before, after in zip(*counts))


@pytest.fixture
def many(db, service):
    """Closed intents of many users, and a few of one."""
    values = service.session(retrieved={3: "none"})
    service.remove([4])
    db.rows("""
        INSERT INTO pop3.intent
               (session_id, intent_no, maildrop_id, username, chain_id,
                first_seq, state, result, lease_until, closed_at, uid, guid,
                size, action, reason)
        SELECT gen_random_uuid(), 1, -n, 'u' || n || '@example.com',
               gen_random_uuid(), n, 'closed', 'committed', now(), now(),
               ARRAY[3], ARRAY[gen_random_uuid()], ARRAY[1],
               ARRAY['expunge'], ARRAY['dele']
          FROM generate_series(1, 5000) n""")
    db.rows("ANALYZE pop3.intent")
    return values


def test_no_intents_of_others_are_read(db, service, many):
    session = {**many, "chain_id": service.chain, "seq": 10 ** 6,
               "session_id": new_id(), "uid": [5], "guid": [guid(5)],
               "size": [1], "action": ["none"]}
    assert scans(db, "record_session", session) == (0, 0, 1)
    # nothing to look for
    assert scans(db, "record_session",
                 {**session, "action": ["expunge"]}) == (0, 0, 0)
    event = {"chain_id": service.chain, "first_seq": 10 ** 6,
             "event": "gone", "reason": "gone", "session_id": new_id(),
             "dovecot_session": None, "username": USER, "auth_user": None,
             "remote_address": None, "device": None,
             "mailbox_guid": guid(10 ** 30), "uidvalidity": 1000,
             "uidnext": None, "uid": [3], "detail": None}
    assert scans(db, "record_event", event) == (0, 0, 1)
