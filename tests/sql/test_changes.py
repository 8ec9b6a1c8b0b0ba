# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""maildrop_changes: whoever changes what a login is told of a maildrop names its
user, once, and nobody is missed."""

import random
import threading

import pytest

from sqlhelp import BOX, DAY, USER, Service, guid, new_id

OTHER = "ben@example.org"


class Reader:
    """A service that reads changes."""

    def __init__(self, db):
        self.db = db
        self.seen = None
        self.users()

    def users(self, forget=None):
        """Who was named since the last call, None for all."""
        row = self.db.row(
            "SELECT seen::text, usernames FROM pop3.maildrop_changes(%s, %s)",
            (self.seen, forget), role="pop3_service")
        self.seen = row.seen
        return set(row.usernames or ())

    @property
    def oldest(self):
        return self.seen.split(":")[0]


@pytest.fixture
def service(db):
    return Service(db)


@pytest.fixture
def reader(db, service):
    """Two users have a maildrop with a message that is retrieved and one that is
    hidden."""
    for user in (USER, OTHER):
        service.session(user, retrieved={1: "none", 2: "none"})
        service.remove([2], action="hide", user=user)
    return Reader(db)


# --- who is named ---

@pytest.mark.parametrize("sql", [
    "UPDATE pop3.maildrop SET messages = 3 WHERE username = %(user)s",
    "UPDATE pop3.maildrop SET retrieved = '{}' WHERE username = %(user)s",
    "UPDATE pop3.maildrop SET imap_used_at = now() WHERE username = %(user)s",
    "DELETE FROM pop3.maildrop WHERE username = %(user)s",
    "INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity) "
    "VALUES (%(user)s, gen_random_uuid(), 1)",
    "UPDATE pop3.message SET hidden_at = NULL WHERE maildrop_id = %(drop)s",
    "UPDATE pop3.message SET size = 1 WHERE uid = 1 "
    "AND maildrop_id = %(drop)s",
    "DELETE FROM pop3.message WHERE maildrop_id = %(drop)s AND uid = 1",
    "INSERT INTO pop3.message (maildrop_id, uid) VALUES (%(drop)s, 9)",
    "INSERT INTO pop3.would_remove (maildrop_id, uid, reason) "
    "VALUES (%(drop)s, 9, 'dele')",
    "INSERT INTO pop3.watermark (maildrop_id, at, uidnext) "
    "VALUES (%(drop)s, now(), 99)",
    "UPDATE pop3.watermark SET at = now() WHERE maildrop_id = %(drop)s",
    "SELECT pop3.restore(%(user)s)",
    "SELECT pop3.forget_user(%(user)s)",
    "SELECT pop3_test.age(%(user)s, '1 hour')",
])
def test_whoever_is_changed_is_named(db, reader, sql):
    drop = db.value("SELECT maildrop_id FROM pop3.maildrop "
                    "WHERE username = %s", (USER,))
    db.rows("BEGIN")
    db.rows(sql, {"user": USER, "drop": drop})
    assert reader.users() == set()
    db.rows("ROLLBACK")
    assert reader.users() == set()
    db.rows(sql, {"user": USER, "drop": drop})
    assert reader.users() == {USER}
    assert reader.users() == set()
    # rows without a maildrop are nobody's
    db.rows("DELETE FROM pop3.message; DELETE FROM pop3.would_remove; "
            "UPDATE pop3.maildrop SET tracked = 0")


def test_age_of_what_was_never_retrieved(db, service):
    """Nothing but watermarks tells it."""
    service.session(messages=3)
    reader = Reader(db)
    db.age("1 hour")
    assert reader.users() == {USER}


@pytest.mark.parametrize("sql", [
    "UPDATE pop3.maildrop SET messages = 3 WHERE username = 'nobody'",
    "UPDATE pop3.maildrop SET last_login_at = now(), swept_before = 3",
    "UPDATE pop3.message SET size = 1 WHERE uid = 7",
    "DELETE FROM pop3.intent WHERE state = 'closed'",
    "SELECT pop3.maintain()",
    "SELECT pop3.status(NULL, 100, NULL)",
])
def test_nobody_else_is(db, reader, sql):
    assert db.value("SELECT count(*) FROM pop3.intent") == 2
    db.rows(sql)
    assert reader.users() == set()


def test_an_emptied_table_is_everybodys(db, reader):
    for table in ("message", "would_remove", "intent", "maildrop CASCADE"):
        db.rows("TRUNCATE pop3." + table)
        assert reader.users() == {None}
        if table == "message":
            db.rows("UPDATE pop3.maildrop SET tracked = 0")
            assert reader.users() == {USER, OTHER}


def test_too_many_to_name(db, reader):
    add = ("INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity) "
           "SELECT 'user' || n, %s, 1 FROM generate_series(1, %s) n")
    db.rows(add, (guid(1), 10000))
    assert len(reader.users()) == 10000
    db.rows(add, (guid(2), 10001))
    assert reader.users() == {None}


# --- batches ---

def begin(cur, service, users, rows=0):
    cur.execute("SELECT pop3.batch_begin(%s, %s, %s, %s, %s, %s)",
                (service.chain, service.epoch, service.batch + 1,
                 service.seq + 1, service.seq + rows, users))
    service.batch += 1
    service.seq += rows


def test_a_batch_names_its_users(db, service, reader):
    """What it says counts, not what it does."""
    conn = db.connection("pop3_service")
    for users in ([], [OTHER], [USER, OTHER, USER]):
        conn.autocommit = False
        with conn.cursor() as cur:
            begin(cur, service, users)
            cur.execute("SELECT pop3.record_imap_use(%s)", ([USER],))
        conn.commit()
        conn.autocommit = True
        assert reader.users() == set(users)
        # this is not the batch's
        db.rows("UPDATE pop3.maildrop SET imap_used_at = NULL")
        assert reader.users() == {USER}


def test_what_a_batch_says_ends_with_it(db, service, reader):
    conn = db.connection("pop3_service")
    conn.autocommit = False
    with conn.cursor() as cur:
        begin(cur, service, [OTHER])
        conn.commit()
        begin(cur, service, None)
        cur.execute("SELECT pop3.record_imap_use(%s)", ([USER],))
        conn.commit()
    conn.autocommit = True
    assert reader.users() == {USER, OTHER}


# --- when ---

def test_a_long_transaction_is_not_missed(db, reader):
    """It began before others that were seen."""
    slow = db.server.connect("postgres", db.name)
    slow.autocommit = False
    with slow.cursor() as cur:
        cur.execute("UPDATE pop3.maildrop SET messages = 77 "
                    "WHERE username = %s", (OTHER,))
    for _ in range(3):
        db.rows("UPDATE pop3.maildrop SET messages = messages + 1 "
                "WHERE username = %s", (USER,))
        assert reader.users(forget=reader.oldest) == {USER}
        assert reader.users(forget=reader.oldest) == set()
    slow.commit()
    slow.close()
    assert reader.users(forget=reader.oldest) == {OTHER}
    assert reader.users() == set()


def test_nothing_is_missed_or_told_twice(db, reader):
    """Many transactions at a time, each of a user of its own."""
    users = ["user%d" % n for n in range(400)]
    db.rows("INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity) "
            "SELECT u, %s, 1 FROM unnest(%s) u", (BOX, users))
    assert reader.users() == set(users)

    def change(mine, seed):
        rng = random.Random(seed)
        conn = db.server.connect("postgres", db.name)
        conn.autocommit = False
        with conn.cursor() as cur:
            for user in mine:
                cur.execute("UPDATE pop3.maildrop SET messages = 5 "
                            "WHERE username = %s", (user,))
                cur.execute("SELECT pg_sleep(%s)", (rng.random() / 50,))
                conn.commit()
        conn.close()

    threads = [threading.Thread(target=change, args=(users[n::8], n))
               for n in range(8)]
    for thread in threads:
        thread.start()
    told, looks = [], 0
    while any(t.is_alive() for t in threads):
        told += reader.users(forget=reader.oldest if looks % 3 else None)
        looks += 1
    told += reader.users()
    assert sorted(told) == sorted(users)
    assert looks > 10


def test_they_are_forgotten(db, reader):
    count = "SELECT count(*) FROM pop3.maildrop_change"
    db.rows("UPDATE pop3.maildrop SET messages = 3")
    assert reader.users(forget=reader.oldest) == {USER, OTHER}
    assert db.value(count) > 0
    reader.users(forget=reader.oldest)
    assert db.value(count) == 0
    # those of a server that was dumped
    db.rows("INSERT INTO pop3.maildrop_change (xid, username) "
            "VALUES ('9000000000000000', 'ghost')")
    assert reader.users(forget=reader.oldest) == {"ghost"}
    assert reader.users() == set()


# --- the whole ---

def test_no_answer_changes_without(db, service, reader):
    """Whatever is recorded or done: if a login is told something else than
    before, its user is named."""
    rng = random.Random(7)

    def repair(user):
        session = service.intent({2: ("expunge", "dele")}, user)[1]
        service.abandon(session)
        by = new_id()
        if service.claim(session, by, user):
            service.repair(session, by, {2: rng.random() < 0.5}, user)

    limits = {"expire_retrieved": 30 * DAY, "expire_hidden": 20 * DAY,
              "expire_unretrieved": 40 * DAY, "view_window": 50 * DAY}
    users = (USER, OTHER)
    kinds = {
        "session": lambda u: service.session(
            u, retrieved={rng.randrange(1, 9): "none"},
            messages=rng.randrange(9)),
        "would": lambda u: service.session(
            u, would={rng.randrange(1, 9): "dele"}),
        "removed": lambda u: service.session(
            u, removed="{[%d,9)}" % rng.randrange(1, 9)),
        "mail": lambda u: service.session(
            u, uidnext=12 + rng.randrange(99), uidnext_end=None),
        "hide": lambda u: service.remove(
            [rng.randrange(1, 9)], action="hide", user=u),
        "remove": lambda u: service.remove([rng.randrange(1, 9)], user=u),
        "intent": lambda u: service.intent(
            {rng.randrange(1, 9): ("expunge", "dele")}, u),
        "abandon": lambda u: service.abandon(
            service.intent({3: ("expunge", "dele")}, u)[1]),
        "fail": lambda u: service.outcome(
            service.intent({4: ("expunge", "dele")}, u)[1], "failed"),
        "repair": repair,
        "postpone": lambda u: service.postpone({5: ("expunge", "dele")}, u),
        "kept": lambda u: service.event("kept", [5], user=u),
        "gone": lambda u: service.event("gone", [rng.randrange(1, 9)], user=u),
        "rollback": lambda u: service.event("rollback", [6, 7], user=u,
                                            uidnext=6),
        "imap": lambda u: service.write(0, "record_imap_use", username=[u]),
        "restore": lambda u: db.value("SELECT pop3.restore(%s)", (u,)),
        "forget": lambda u: db.rows("SELECT pop3.forget_user(%s)", (u,)),
        "usage": lambda u: service.usage(u),
        "sweep": lambda u: db.rows(
            "SELECT pop3.sweep_release(%s, %s, true)", (u, new_id())),
    }

    def answers():
        return {u: [{k: v for k, v in row.items() if k != "fresh_until"}
                    for row in service.state(u, **limits)] for u in users}

    changed = dict.fromkeys(kinds, 0)
    before = answers()
    for _ in range(12):
        for kind in rng.sample(list(kinds), len(kinds)):
            user = rng.choice(users)
            kinds[kind](user)
            now = answers()
            differs = {u for u in users if now[u] != before[u]}
            assert differs <= {user}
            assert differs <= reader.users(), kind
            changed[kind] += len(differs)
            before = now
    assert {k for k, n in changed.items() if not n} <= {
        "usage", "sweep", "fail", "imap"}, changed
