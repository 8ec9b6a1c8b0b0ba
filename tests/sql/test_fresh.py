# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""maildrop_state: until when what it says stays as it is (fresh_until)."""

import datetime
import random

import psycopg2.extras
import pytest

from sqlhelp import BOX, DAY, USER, Row, guid, new_id

STATES = 300
LIMITS = (-1, -1, 0, 60, 3600, DAY, 3 * DAY)
# nothing here is older, or waits longer
LONG = datetime.timedelta(days=30)
MICROSECOND = datetime.timedelta(microseconds=1)
SQL = """
    SELECT *, fresh_until = 'infinity' AS ever
      FROM pop3.maildrop_state(%(user)s, %(retrieved)s, %(hidden)s,
        %(unretrieved)s, %(own)s, %(since)s - %(by)s, %(window)s, %(mass)s,
        true, 1000)"""


@pytest.fixture
def cursor(db):
    """In a transaction, so that no time goes by."""
    conn = db.connection()
    conn.autocommit = False
    try:
        with conn.cursor(
                cursor_factory=psycopg2.extras.RealDictCursor) as cur:
            yield cur
    finally:
        conn.rollback()
        conn.autocommit = True


def some_time(rng, null=0.0):
    """An age in seconds, seldom one that others have, too."""
    if rng.random() < null:
        return None
    return rng.choice((0.001, 59.5, 3599, DAY, rng.random() * 4 * DAY,
                       rng.random() * 2 * 3600, rng.random() * 100))


def make_state(cur, rng):
    """A maildrop with anything that matters. Ages become times by now()."""
    cur.execute(
        "INSERT INTO pop3.maildrop (username, mailbox_guid, uidvalidity, "
        "uidnext, messages, imap_used_at, retrieved, view_window, "
        "view_window_uid) VALUES (%s, %s, 1, 50, 30, "
        "now() - make_interval(secs => %s), %s, %s, %s) "
        "RETURNING maildrop_id",
        (USER, BOX, some_time(rng, null=0.5),
         rng.choice(("{}", "{[1,11)}")), rng.choice((None, DAY)),
         rng.choice((None, 5))))
    maildrop = cur.fetchone()["maildrop_id"]
    for uid in range(1, rng.randrange(6) + 1):
        kind = rng.choice(("retrieved", "hidden", "restored", "both"))
        hidden = kind in ("hidden", "both")
        cur.execute(
            "INSERT INTO pop3.message (maildrop_id, uid, message_guid, size, "
            "retrieved_at, hidden_at, restored_at, reason, postponed) "
            "VALUES (%s, %s, %s, 1, now() - make_interval(secs => %s), "
            "now() - make_interval(secs => %s), "
            "now() - make_interval(secs => %s), %s, %s)",
            (maildrop, uid, guid(uid),
             some_time(rng) if kind in ("retrieved", "both") else None,
             some_time(rng) if hidden else None,
             some_time(rng) if kind == "restored" else None,
             rng.choice(("dele", "mass-delete")) if hidden else None,
             "dele" if hidden and rng.random() < 0.05 else None))
    for uidnext in sorted(rng.sample(range(2, 50), rng.randrange(4))):
        cur.execute(
            "INSERT INTO pop3.watermark (maildrop_id, at, uidnext) "
            "VALUES (%s, now() - make_interval(secs => %s), %s) "
            "ON CONFLICT DO NOTHING", (maildrop, some_time(rng), uidnext))
    if rng.random() < 0.1:
        cur.execute(
            "INSERT INTO pop3.intent (session_id, intent_no, maildrop_id, "
            "username, chain_id, first_seq, state, lease_until, uid, guid, "
            "size, action, reason) VALUES (%s, 1, %s, %s, %s, 1, %s, "
            "now() + make_interval(secs => %s), '{1}', %s::uuid[], '{1}', "
            "'{hide}', '{dele}')",
            (new_id(), maildrop, USER, new_id(),
             rng.choice(("open", "closed")), rng.randrange(-9, 9),
             [guid(1)]))


def answer(cur, limits, by=0):
    cur.execute(SQL, {**limits, "user": USER, "by": by})
    return [Row(r) for r in cur.fetchall()]


def without(rows):
    return [{k: v for k, v in r.items() if k not in ("fresh_until", "ever")}
            for r in rows]


def later(cur, limits, by):
    """The answer so much time later."""
    cur.execute("SAVEPOINT later")
    cur.execute("SELECT pop3_test.age(%s, %s)", (USER, by))
    # a point in time does not age
    rows = without(answer(cur, limits, by=by.total_seconds()))
    cur.execute("ROLLBACK TO later")
    return rows


def has_intents(cur):
    cur.execute("SELECT FROM pop3.intent WHERE state <> 'closed'")
    return cur.rowcount > 0


def some_limits(rng, epoch):
    return {"retrieved": rng.choice(LIMITS), "hidden": rng.choice(LIMITS),
            "unretrieved": rng.choice(LIMITS), "window": rng.choice(LIMITS),
            "mass": rng.choice(LIMITS), "own": rng.random() < 0.3,
            "since": epoch + rng.randrange(-DAY, DAY)
            if rng.random() < 0.3 else None}


def test_the_answer_stays_until_then(cursor):
    """Random states: nothing changes before fresh_until, and mostly something
    does then."""
    rng = random.Random(20260101)
    counts = {"busy": 0, "for ever": 0, "changes": 0, "too soon": 0}
    cursor.execute("SELECT now(), floor(extract(epoch FROM now()))::float8")
    now, epoch = cursor.fetchone().values()
    for number in range(STATES):
        cursor.execute("SAVEPOINT state")
        make_state(cursor, rng)
        limits = some_limits(rng, epoch)
        row, = rows = answer(cursor, limits)
        if row.fresh_until is None:
            counts["busy"] += 1
            assert row.due_uid or row.postponed or has_intents(cursor)
        elif row.ever:
            counts["for ever"] += 1
            assert later(cursor, limits, LONG) == without(rows)
        else:
            wait = row.fresh_until - now
            assert wait > datetime.timedelta()
            assert later(cursor, limits, wait - MICROSECOND) == \
                without(rows), (number, limits, rows)
            changed = later(cursor, limits, wait) != without(rows)
            counts["changes" if changed else "too soon"] += 1
        cursor.execute("ROLLBACK TO state")
    assert min(counts.values()) > 0, counts
    assert counts["changes"] > counts["too soon"], counts
