# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""leave_max_messages, leave_max_bytes: which retrieved mail has to go."""

import psycopg2
import pytest

from sqlhelp import USER, Service, guid


@pytest.fixture
def service(db):
    return Service(db)


@pytest.fixture
def left(db, service):
    """Retrieved, of 100 bytes for each number: 7 four days ago, 3 and 5 three
    days ago, 8 two days ago. 1, 2, 4 and 6 are not retrieved."""
    for retrieved, days in (([7], 1), ([3, 5], 1), ([8], 2)):
        service.session(retrieved={u: "none" for u in retrieved})
        db.age("%d days" % days)
    return service


ALL = [7, 3, 5, 8]      # 700 + 300 + 500 + 800 bytes


@pytest.mark.parametrize("messages,bytes,goes", [
    (-1, -1, []),
    (4, -1, []), (5, -1, []), (3, -1, [7]), (2, -1, [7, 3]),
    (1, -1, [7, 3, 5]), (0, -1, ALL),
    (-1, 2300, []), (-1, 2299, [7]), (-1, 1600, [7]), (-1, 1599, [7, 3]),
    (-1, 1300, [7, 3]), (-1, 1299, [7, 3, 5]), (-1, 799, ALL), (-1, 0, ALL),
    # both: what exceeds either
    (3, 1300, [7, 3]), (1, 2300, [7, 3, 5]), (4, 2300, []), (0, 0, ALL)])
def test_what_exceeds_a_limit_goes_oldest_first(left, messages, bytes, goes):
    assert left.leave(messages, bytes) == goes


# what this session retrieved: after the others, in its own order
@pytest.mark.parametrize("messages,bytes,retrieved,goes", [
    (4, -1, {2: 10, 1: 10}, [7, 3]),
    (1, -1, {2: 10, 1: 10}, ALL + [2]),
    (0, -1, {2: 10, 1: 10}, ALL + [2, 1]),
    (-1, 15, {2: 10, 1: 10}, ALL + [2]),
    (-1, 2310, {2: 10, 1: 10}, [7]),
    # 7 was retrieved before, and keeps its place and its size
    (4, -1, {7: 999999, 1: 10}, [7]),
    (-1, 2310, {7: 999999, 1: 10}, [])])
def test_what_the_session_retrieved_comes_last(left, messages, bytes,
                                               retrieved, goes):
    assert left.leave(messages, bytes, retrieved) == goes


def test_the_first_session_of_a_maildrop(db, service):
    assert service.leave(1, -1, {2: 10, 1: 10, 3: 10},
                         maildrop_id=None) == [2, 1]


def test_guids_are_those_of_messages_with_state(left):
    rows = left.read("leave_excess", username=USER, maildrop_id=left.db.value(
        "SELECT maildrop_id FROM pop3.maildrop"), max_messages=0,
        max_bytes=-1, **{"except": "{}"}, uid=[1], size=[10], limit=10)
    assert [(r.uid, r.message_guid) for r in rows] == [
        (u, guid(u)) for u in ALL] + [(1, None)]


def test_unretrieved_mail_neither_counts_nor_goes(db, service):
    service.session(uidnext=1001, messages=1000)
    assert service.leave(0, 0) == []
    service.session(uidnext=1001, messages=1000, retrieved={500: "none"})
    assert service.leave(1, -1) == []
    assert service.leave(0, -1) == [500]


def test_hidden_mail_neither_counts_nor_goes(left):
    left.remove([7, 8], "hide")
    assert left.leave(2, -1) == []
    assert left.leave(0, 0) == [3, 5]
    # not even if the session fetched it again
    assert left.leave(0, 0, {7: 700}) == [3, 5]


def test_restored_mail_neither_counts_nor_goes(db, left):
    left.remove([3], "hide")
    db.value("SELECT pop3.restore(%s)", (USER,), role="pop3_admin")
    assert left.leave(0, 0) == [7, 5, 8]
    assert left.leave(3, -1, {3: 300}) == []
    # until it is retrieved again: from then on it is the newest
    left.session(retrieved={3: "none"})
    assert left.leave(3, -1) == [7]
    assert left.leave(0, -1) == [7, 5, 8, 3]


def test_what_the_update_removes_neither_counts_nor_goes(left):
    assert left.leave(2, -1, **{"except": "{[7,9)}"}) == []
    assert left.leave(1, -1, {1: 10}, **{"except": "{[1,6)}"}) == [7]


@pytest.mark.parametrize("state", ["open", "abandoned"])
def test_what_an_intent_is_about_neither_counts_nor_goes(left, state):
    _, session = left.intent({7: ("expunge", "dele"), 1: ("hide", "dele")})
    if state == "abandoned":
        left.abandon(session)
    assert left.leave(3, -1) == []
    assert left.leave(0, -1, {1: 10}) == [3, 5, 8]
    left.outcome(session, "failed")
    assert left.leave(3, -1) == [7]


def test_what_was_removed_does_not_count(left):
    left.remove([7])
    assert left.leave(3, -1) == []
    assert left.leave(2, -1) == [3]


def test_a_bounded_number(left):
    assert left.leave(0, -1, limit=2) == [7, 3]


def test_only_the_users_own_maildrop(left):
    other = left.db.value("SELECT maildrop_id FROM pop3.maildrop")
    assert left.leave(0, 0, user="bert@example.org", maildrop_id=other) == []


def test_it_changes_nothing(left):
    before = left.db.messages()
    left.leave(0, 0, {1: 10})
    assert left.db.messages() == before


def test_nonsense_is_refused(left):
    with pytest.raises(psycopg2.Error, match="arrays differ in length"):
        left.leave(0, 0, uid=[1, 2], size=[1])


def test_removed_by_that_rule(db, left):
    session = left.remove(left.leave(2, -1), reason="leave-limit")
    assert sorted(db.messages()) == [5, 8]
    assert db.rows("SELECT uid, rule, status FROM pop3.report_deletion "
                   "WHERE session_id = %s ORDER BY uid", (session,),
                   role="pop3_report") == [
        {"uid": u, "rule": "leave-limit", "status": "committed"}
        for u in (3, 7)]
