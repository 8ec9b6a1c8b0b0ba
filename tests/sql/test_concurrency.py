# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Services of two hosts at the same user at the same time."""

import threading

import pytest

from sqlhelp import USER, Database, Service, new_id


@pytest.fixture
def two(db):
    """Two services, each with connections of its own."""
    other = Database(db.server, db.name)
    yield Service(db), Service(other)
    other.close()


class Held:
    """A transaction of a service's that is held open after a call."""

    def __init__(self, service, sql, args):
        self.service = service
        self.conn = service.db.server.connect(Service.ROLE, service.db.name,
                                              autocommit=False)
        self.cursor = self.conn.cursor()
        self.cursor.execute(sql, args)
        self.result = self.cursor.fetchall()

    def release(self):
        self.conn.commit()
        self.conn.close()


def while_held(held, call):
    """Run call in a thread: it has to wait for held. Returns its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "it did not wait"
    held.release()
    thread.join()
    return results[0]


def test_a_claim_and_an_outcome(db, two):
    first, second = two
    first.session(retrieved={3: "none"})
    _, session = first.intent({3: ("expunge", "dele")})
    first.abandon(session)
    me = new_id()
    held = Held(second, "SELECT * FROM pop3.claim_intent(%s, %s, %s, 1, 60)",
                (me, USER, session))
    assert len(held.result) == 1
    assert while_held(held, lambda: first.outcome(session)) == "fenced"
    assert list(db.messages()) == [3]
    assert second.repair(session, me, {3: True}) == "ok"


def test_two_claims(db, two):
    first, second = two
    first.session()
    _, session = first.intent({3: ("expunge", "dele")})
    first.abandon(session)
    held = Held(second, "SELECT * FROM pop3.claim_intent(%s, %s, %s, 1, 60)",
                (new_id(), USER, session))
    assert while_held(held, lambda: first.claim(session, new_id())) == []


def test_the_first_sessions_of_a_user(db, two):
    first, second = two
    held = Held(second, "SELECT pop3.record_intent(%s, 1, %s, 1, NULL, %s, "
                "NULL, NULL, NULL, %s, 1000, '0.0.0.0.0.0', 60, '{}', '{}', "
                "'{}', '{}', '{}', '{}', '{}', '{}', NULL)",
                (second.chain, new_id(), USER,
                 "00000000-0000-0000-0000-000000000001"))
    box = "00000000-0000-0000-0000-000000000001"
    while_held(held, lambda: first.session(retrieved={3: "none"},
                                           mailbox_guid=box))
    drop = db.row("SELECT * FROM pop3.maildrop")
    assert (drop.sessions, drop.tracked) == (1, 1)


def test_two_sessions_that_retrieved_the_same_messages(db, two):
    first, second = two
    for n in range(10):
        done = [threading.Thread(
            target=s.session, kwargs={
                "retrieved": {u: "none" for u in range(n, n + 20)},
                "uidnext": 100 + n}) for s in two]
        for t in done:
            t.start()
        for t in done:
            t.join()
    assert {m.retrieved_count for m in db.messages().values()} <= \
        set(range(2, 21, 2))
    drop = db.row("SELECT * FROM pop3.maildrop")
    assert (drop.sessions, drop.tracked, drop.retrievals) == (20, 29, 400)
