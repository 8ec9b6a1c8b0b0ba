# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Rows of the audit that were written in plain SQL become part of a chain; and
what is erased leaves its salt."""

import os
import re
import threading

import pytest

from pg import TOP
from sqlhelp import USER, Service, new_id

OTHER = "berta@example.org"


def waiting(db, most=100, days=2):
    row = db.row("SELECT * FROM pop3.plain_waiting(%s, %s)", (most, days),
                 role="pop3_service")
    return row.waiting, row.oldest, row.newest


def chain_plain(service, count, since=0.0, until=1e11):
    service.write(count, "chain_plain", "seq", rows=count, until=until,
                  **{"from": since})


def ago(db, days):
    return pytest.approx(db.value("SELECT pop3.now()") - days * 86400, abs=5)


def rows(db, service):
    return [(r.seq, r.event) for r in db.rows(
        "SELECT seq, event FROM pop3.audit WHERE chain_id = %s ORDER BY seq",
        (service.chain,))]


def test_nothing_waits(db):
    Service(db).session()
    assert waiting(db) == (0, None, None)


def test_the_oldest_first(db):
    service = Service(db)
    service.session()
    for days, event in ((0.2, "resumed"), (0.8, "paused"), (0.6, "restored")):
        db.rows("INSERT INTO pop3.audit (at, event) VALUES "
                "(now() - make_interval(secs => %s), %s)",
                (days * 86400, event))
    assert waiting(db) == (3, ago(db, 0.8), ago(db, 0.2))
    assert waiting(db, 2) == (2, ago(db, 0.8), ago(db, 0.6))
    chain_plain(service, 2)
    assert rows(db, service) == [(2, "paused"), (3, "restored")]
    chain_plain(service, 1)
    assert rows(db, service)[2:] == [(4, "resumed")]
    assert waiting(db) == (0, None, None)


def test_of_days_before(db):
    """Looked for one by one, where nothing else waits."""
    service = Service(db)
    days = (3, 50, 2000)
    for n in days:
        db.rows("INSERT INTO pop3.audit (at, event) VALUES "
                "(now() - make_interval(days => %s), 'paused')", (n,))
    assert waiting(db, days=2) == (0, None, None)
    for n in days:
        assert waiting(db, days=n) == (1, ago(db, n), ago(db, n))
    db.rows("INSERT INTO pop3.audit (event) VALUES ('restored')")
    assert waiting(db, days=50) == (1, ago(db, 0), ago(db, 0))
    _, since, until = waiting(db, days=50)
    chain_plain(service, 1, since, until)
    _, since, until = waiting(db, days=50)
    chain_plain(service, 1, since, until)
    assert rows(db, service) == [(1, "restored"), (2, "paused")]
    assert [waiting(db, days=n)[0] for n in days] == [1, 0, 1]


def test_not_before(db):
    """Rows that were not seen when they were counted: the service would not
    find them to seal them."""
    service = Service(db)
    for days in (20, 10):
        db.rows("INSERT INTO pop3.audit (at, event) "
                "VALUES (now() - make_interval(days => %s), 'paused')",
                (days,))
    chain_plain(service, 2, db.value("SELECT pop3.now()") - 15 * 86400)
    assert rows(db, service) == [(1, "paused"), (2, "unused")]
    assert waiting(db, days=20)[0] == 1


def test_numbers_that_are_left_are_unused(db):
    service = Service(db)
    db.rows("INSERT INTO pop3.audit (event) VALUES ('paused')")
    chain_plain(service, 3)
    assert rows(db, service) == [(1, "paused"), (2, "unused"), (3, "unused")]
    # and they are no rows that wait
    assert waiting(db) == (0, None, None)


def test_two_services_at_once(db):
    """Each row is taken once, and nobody waits for the other."""
    services = [Service(db), Service(db)]
    for n in range(40):
        db.rows("INSERT INTO pop3.audit (event) VALUES ('paused')")
    conn = db.server.connect("pop3_service", db.name, autocommit=False)
    with conn.cursor() as cur:
        cur.execute("SELECT pop3.batch_begin(%s, 1, 1, 1, 30)",
                    (services[0].chain,))
        cur.execute("SELECT pop3.chain_plain(%s, 1, 30, 0, 1e11)",
                    (services[0].chain,))
        done = threading.Thread(target=chain_plain, args=(services[1], 30))
        done.start()
        done.join(20)
        assert not done.is_alive(), "it waits for the other"
    conn.commit()
    conn.close()
    services[0].seq = 30
    taken = [r[1] for s in services for r in rows(db, s)]
    assert taken.count("paused") == 40
    assert taken.count("unused") == 20


@pytest.mark.parametrize("event", ["intent", "committed", "presumed",
                                   "unused"])
def test_what_services_alone_write_is_not_taken(db, event):
    service = Service(db)
    db.rows("INSERT INTO pop3.audit (event) VALUES (%s)", (event,))
    assert waiting(db) == (0, None, None)
    chain_plain(service, 1)
    assert rows(db, service) == [(1, "unused")]
    assert db.value("SELECT count(*) FROM pop3.audit "
                    "WHERE event = %s AND chain_id IS NULL", (event,)) == 1


def test_functions_for_people_write_what_is_taken(db):
    service = Service(db)
    service.remove([3], "hide")
    db.value("SELECT pop3.restore(%s)", (USER,), role="pop3_admin")
    db.rows("SELECT pop3.pause('because')", role="pop3_admin")
    db.rows("SELECT pop3.resume()", role="pop3_admin")
    db.rows("SELECT pop3.forget_user(%s)", (OTHER,), role="pop3_admin")
    without = db.value("SELECT count(*) FROM pop3.audit "
                       "WHERE chain_id IS NULL")
    assert without >= 4
    assert waiting(db)[0] == without


# --- salts ---

def seal(service, first, last, at="now()"):
    """As the service does, but with any bytes."""
    db, count = service.db, last - first + 1
    db.rows("INSERT INTO pop3.seal (at, chain_id, first_seq, last_seq, "
            "key_id, prev_mac, salts, digests, macs) VALUES (" + at + ", "
            "%(chain)s, %(first)s, %(last)s, 'key', "
            "decode(repeat('11', 32), 'hex'), "
            "decode(repeat('22', 16 * %(count)s), 'hex'), "
            "decode(repeat('33', 32 * %(count)s), 'hex'), "
            "decode(repeat('44', 32 * %(count)s), 'hex'))",
            {"chain": service.chain, "first": first, "last": last,
             "count": count})


def erased(db, service):
    """Numbers whose salt is gone; that of the others must be whole."""
    found = []
    for s in db.rows("SELECT * FROM pop3.seal WHERE chain_id = %s "
                     "ORDER BY first_seq", (service.chain,)):
        salts = bytes(s.salts)
        for i in range(s.last_seq - s.first_seq + 1):
            salt = salts[16 * i:16 * i + 16]
            if salt == bytes(16):
                found.append(s.first_seq + i)
            else:
                assert salt == bytes([0x22]) * 16
        assert bytes(s.digests) == bytes([0x33]) * (2 * len(salts))
    return found


def test_forget_user_erases_salts(db):
    """In one seal or several, of the audit and of sessions, on other days than
    the rows', in two chains; and of nobody else."""
    first, second = Service(db), Service(db)
    first.session(OTHER)                                # 1
    first.remove([3, 4], "hide")                        # 2, 3; 4
    seal(first, 1, 3)
    seal(first, 4, 4)
    lost = first.session(ended_by="lost", ago=90000)    # 5
    first.session(session_id=lost["session_id"],
                  started=lost["started"])              # 6
    first.session(OTHER)                                # 7
    seal(first, 5, 7, "now() - interval '20 days'")
    first.session()                                     # 8, not sealed
    second.session(OTHER)
    second.session()
    second.session(OTHER)
    seal(second, 1, 3, "now() + interval '2 days'")
    third = Service(db)
    third.session(OTHER)
    seal(third, 1, 1)

    numbers = {(r.chain_id, r.seq) for table in ("audit", "session",
                                                 "session_lost")
               for r in db.rows("SELECT chain_id::text, seq FROM pop3.%s "
                                "WHERE username = '%s'" % (table, USER))}
    db.value("SELECT pop3.forget_user(%s)", (USER,), role="pop3_admin")
    for service in (first, second, third):
        assert erased(db, service) == sorted(
            seq for chain, seq in numbers
            if chain == service.chain and seq != 8)
    assert erased(db, second) == [2]
    assert {2, 3, 4, 5, 6} >= set(erased(db, first)) > {2, 3}
    assert erased(db, third) == []
    # nobody may do so but by that
    with pytest.raises(Exception, match="append-only"):
        db.rows("UPDATE pop3.seal SET salts = ''")


def test_whoever_was_forgotten_is_known_for_a_while(db):
    Service(db).session()
    db.value("SELECT pop3.forget_user(%s)", (USER,), role="pop3_admin")
    row = db.row("SELECT *, username_digest = sha256(convert_to(%s, 'UTF8')) "
                 "AS same FROM pop3.forgotten", (USER,))
    assert row.same
    assert row.name == db.value("SELECT username FROM pop3.session")
    again = new_id()
    Service(db, again).session()
    db.rows("UPDATE pop3.forgotten SET at = now() - interval '1 day'")
    db.value("SELECT pop3.forget_user(%s)", (USER,), role="pop3_admin")
    assert db.value("SELECT count(*) FROM pop3.forgotten "
                    "WHERE at > now() - interval '1 hour'") == 1
    db.rows("UPDATE pop3.forgotten SET at = now() - interval '31 days'")
    db.value("SELECT pop3.forget_user(%s)", (OTHER,), role="pop3_admin")
    assert db.value("SELECT count(*) FROM pop3.forgotten") == 1


def test_verify_knows_the_same_events(db):
    """It does not ask the function, which may lie."""
    path = os.path.join(TOP, "src", "verify",
                        "pop3-policy-verify-unchained.c")
    with open(path) as file:
        text = file.read().split("service_events[] = {")[1].split("}")[0]
    events = re.findall('"([a-z-]+)"', text)
    assert len(events) > 10
    with open(os.path.join(TOP, "src", "sql", "functions",
                           "pop3.is_plain_event.sql")) as file:
        assert sorted(re.findall("'([a-z-]+)'", file.read().split(
            "ARRAY[")[1].split("]")[0])) == sorted(events)
    assert db.values("SELECT e FROM unnest(%s) e "
                     "WHERE pop3.is_plain_event(e)", (events,)) == []
