# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Seals: what the service gets to seal, what the database takes as one."""

import os
import time

import psycopg2
import pytest

from sqlhelp import BOX, USER, Service, guid, new_id

ZEROS = bytes(32)
LOST = dict(ended_by="lost", mailbox_guid=None, uidvalidity=None,
            uidnext=None, uidnext_end=None, messages=None, anchor_uid=None,
            anchor_guid=None)


class Sealing(Service):
    """Seals each batch in its transaction. What is sealed with is random: it is
    the service's business."""

    def __init__(self, db, chain=None):
        super().__init__(db, chain)
        self.mac = ZEROS
        self.rows = []
        self.sessions = []
        self.change = {}

    def session(self, *args, **kwargs):
        kwargs.setdefault("session_id", new_id())
        kwargs.setdefault("started", self.db.value("SELECT pop3.now()"))
        self.sessions = [(kwargs["session_id"], kwargs["started"])]
        return super().session(*args, **kwargs)

    def write(self, count, function, seq_name=None, **args):
        conn = self.db.connection(self.ROLE)
        first = self.seq + 1
        if seq_name:
            args = {"chain_id": self.chain, seq_name: first, **args}
        sql, values = self._sql(function, args)
        conn.autocommit = False
        try:
            with conn.cursor() as cur:
                cur.execute("SELECT pop3.batch_begin(%s, %s, %s, %s, %s)",
                            (self.chain, self.epoch, self.batch + 1, first,
                             self.seq + count))
                cur.execute(sql, values)
                self.rows = self.ask(cur, first, first + count - 1)
                mac = self.seal(cur, first, count)
            conn.commit()
        except psycopg2.Error:
            conn.rollback()
            raise
        finally:
            conn.autocommit = True
        self.batch += 1
        self.seq += count
        self.mac = mac
        return []

    def ask(self, cur, first, last):
        ids, times = zip(*self.sessions) if self.sessions else ((), ())
        self.sessions = []
        cur.execute("SELECT seq, kind, public, personal FROM pop3.chain_rows("
                    "%s, %s, %s, NULL, %s::uuid[], %s::float8[])",
                    (self.chain, first, last, list(ids), list(times)))
        return sorted(cur.fetchall())

    def seal(self, cur, first, count):
        values = {"chain": self.chain, "first": first,
                  "last": first + count - 1, "key": "0123456789abcdef",
                  "prev": self.mac, "salts": os.urandom(16 * count),
                  "digests": os.urandom(32 * count),
                  "macs": os.urandom(32 * count)}
        values.update(self.change)
        cur.execute("SELECT pop3.chain_seal(%(chain)s, %(first)s, %(last)s, "
                    "%(key)s, %(prev)s, %(salts)s, %(digests)s, %(macs)s)",
                    values)
        return values["macs"][-32:]


def usecs(db, column, table):
    return db.value("SELECT (extract(epoch FROM %s) * 1000000)::bigint::text "
                    "FROM pop3.%s" % (column, table), ())


def test_an_audit_row(db):
    service = Sealing(db)
    session = new_id()
    service.write(1, "record_event", "first_seq", event="refused",
                  reason="dele", session_id=session, dovecot_session="dsess",
                  username=USER, auth_user=None, remote_address="192.0.2.1",
                  device="", mailbox_guid=BOX, uidvalidity=1000, uidnext=None,
                  uid=[7], detail="caf\u00e9, \"x\\y\" {NULL}")
    assert service.rows == [
        (1, "A",
         [usecs(db, "at", "audit"), session, BOX, None, "1000", "7", None,
          None, "refused", None, "dele"],
         [USER, None, "dsess", "192.0.2.1", "", None, None, None,
          "caf\u00e9, \"x\\y\" {NULL}", None])]


def test_rows_of_messages(db):
    service = Sealing(db)
    session = new_id()
    service.write(2, "record_intent", "first_seq", session_id=session,
                  intent_no=3, dovecot_session="dsess", username=USER,
                  auth_user="master", remote_address=None, device=None,
                  mailbox_guid=BOX, uidvalidity=1000,
                  policy_version=service.version(), lease=60, uid=[7, 8],
                  guid=[guid(7), guid(8)], size=[70, 80],
                  action=["expunge", "move"], reason=["dele", "retrieved"],
                  uidl=["u7", "u8"], message_id=["<7>", None],
                  mailbox=[None, "Trash"], **{"for": None})
    at = usecs(db, "max(at)", "audit")
    assert [(seq, kind) for seq, kind, _, _ in service.rows] == \
        [(1, "A"), (2, "A")]
    assert [public for _, _, public, _ in service.rows] == [
        [at, session, BOX, guid(7), "1000", "7", "70", "3", "intent",
         "expunge", "dele"],
        [at, session, BOX, guid(8), "1000", "8", "80", "3", "intent", "move",
         "retrieved"]]
    scope = db.value("SELECT scope FROM pop3.audit WHERE uid = 8")
    assert service.rows[1][3] == [
        USER, "master", "dsess", None, None, "u8", None, "Trash", None, scope]


def test_a_session(db):
    service = Sealing(db)
    values = service.session(
        retrieved={3: "none", 4: "expunge"}, fetched="{[3,5)}",
        removed="{[4,5)}", tls=False, device="phone")
    assert service.rows == [
        (1, "S",
         [values["session_id"], usecs(db, "started_at", "session"),
          usecs(db, "ended_at", "session"), "5000", "1000", "11", "11", "10",
          BOX, "1", "2", "0", "0", "f", "quit", "{[3,5)}", "{[3,5)}",
          "{[4,5)}"],
         [USER, None, "dsess", "phone", "192.0.2.1"])]


def test_a_session_that_is_not_known_of(db):
    service = Sealing(db)
    service.session(tls=None, **LOST)
    (_, _, public, _), = service.rows
    assert public[4:9] == [None] * 5 and public[13:] == \
        [None, "lost", None, None, None]


def test_a_session_that_was_lost(db):
    """What is found has a row of its own, and that of before stays."""
    service = Sealing(db)
    found = service.session(**LOST)
    (lost,) = service.rows
    session, started = found["session_id"], found["started"]
    service.session(session_id=session, started=started)
    (row,) = service.rows
    assert (row[0], row[2][0], row[2][14]) == (2, session, "quit")
    # both in one batch
    service.sessions = [(session, started)] * 2
    with db.connection("pop3_service").cursor() as cur:
        assert [r[:2] for r in service.ask(cur, 1, 2)] == \
            [(1, "S"), (2, "S")]
        service.sessions = [(session, started)]
        assert service.ask(cur, 1, 1) == [lost]


def test_a_session_that_came_twice(db):
    service = Sealing(db)
    values = service.session()
    service.session(session_id=values["session_id"],
                    started=values["started"])
    ((seq, kind, public, _),) = service.rows
    assert (seq, kind, public[8]) == (2, "A", "repeat")


def test_rows_of_others_are_not_given(db):
    service, other = Sealing(db), Sealing(db)
    service.event("gone", [1, 2])
    other.event("gone", [3, 4])
    assert [row[2][5] for row in other.rows] == ["3", "4"]
    with db.connection("pop3_service").cursor() as cur:
        # nor those of an earlier transaction
        assert service.ask(cur, 1, 2) == []
        cur.execute("SELECT seq FROM pop3.chain_rows(%s, 1, 2, %s, '{}', '{}')",
                    (service.chain, time.time() - 3600))
        assert sorted(cur.fetchall()) == [(1,), (2,)]


def test_a_seal_moves_the_head(db):
    service = Sealing(db)
    head = ("SELECT last_mac FROM pop3.chain WHERE chain_id = %s",
            (service.chain,))
    assert db.value(*head) is None
    service.event("gone", [1, 2, 3])
    assert bytes(db.value(*head)) == service.mac != ZEROS
    first = service.mac
    service.event("gone", [4])
    seals = db.rows("SELECT * FROM pop3.seal ORDER BY first_seq")
    assert [(s.chain_id, s.first_seq, s.last_seq, bytes(s.prev_mac),
             bytes(s.macs)[-32:]) for s in seals] == [
        (service.chain, 1, 3, ZEROS, first),
        (service.chain, 4, 4, first, service.mac)]
    again = db.row("SELECT * FROM pop3.chain_open(%s, 3)", (service.chain,),
                   role="pop3_service")
    assert bytes(again.last_mac) == service.mac


@pytest.mark.parametrize("change,code", [
    ({"prev": bytes(31) + b"\1"}, "P3001"),
    ({"prev": b""}, "P3001"),
    ({"prev": None}, "P3001"),
    ({"chain": new_id()}, "P3001"),
    ({"chain": None}, "P3001"),
    ({"last": 3}, "P3001"),
    ({"last": 1}, "P3001"),
    ({"first": 2}, "23514"),
    ({"first": 3}, "23514"),
    ({"first": None}, "23502"),
    ({"key": None}, "23502"),
    ({"salts": bytes(31)}, "23514"),
    ({"salts": bytes(33)}, "23514"),
    ({"salts": None}, "23502"),
    ({"digests": bytes(65)}, "23514"),
    ({"digests": b""}, "23514"),
    ({"macs": bytes(63)}, "23514"),
    ({"macs": bytes(96)}, "23514"),
    ({"macs": bytes(16)}, "23514")])
def test_what_is_no_seal(db, change, code):
    """Of two rows. Nothing of the batch is written."""
    service = Sealing(db)
    service.change = change
    with pytest.raises(psycopg2.Error) as error:
        service.event("gone", [1, 2])
    assert error.value.pgcode == code
    assert db.events("seq") == []
    assert db.value("SELECT last_seq FROM pop3.chain WHERE chain_id = %s",
                    (service.chain,)) == 0
    service.change = {}
    service.event("gone", [1, 2])


def test_services_that_do_not_seal(db):
    """Their rows have no seal; one that does goes on from the last MAC."""
    service = Sealing(db)
    service.event("gone", [1])
    old = Service(db, service.chain)
    old.event("gone", [2])
    new = Sealing(db, service.chain)
    new.mac = service.mac
    new.event("gone", [3])
    assert db.values("SELECT first_seq FROM pop3.seal ORDER BY 1") == [1, 3]


@pytest.mark.parametrize("table", ["seal", "seal_default"])
@pytest.mark.parametrize("sql", [
    "UPDATE pop3.%s SET key_id = ''", "DELETE FROM pop3.%s",
    "TRUNCATE pop3.%s"])
def test_seals_are_append_only(db, sql, table):
    service = Sealing(db)
    service.event("gone", [1])
    with pytest.raises(psycopg2.Error, match="pop3.seal is append-only"):
        db.rows(sql % table)
    today = db.value("SELECT tableoid::regclass::text FROM pop3.seal")
    assert today != "pop3.seal_default"
    with pytest.raises(psycopg2.Error, match="pop3.seal is append-only"):
        db.rows(sql.replace("pop3.%s", today))


@pytest.mark.parametrize("role", ["pop3_admin", "pop3_report"])
def test_only_the_service_seals(db, role):
    service = Sealing(db)
    service.ROLE = role
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        with db.connection(role).cursor() as cur:
            service.seal(cur, 1, 1)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        with db.connection(role).cursor() as cur:
            service.ask(cur, 1, 1)


@pytest.mark.parametrize("role,may", [
    ("pop3_service", False), ("pop3_report", False), ("pop3_admin", True)])
def test_who_reads_seals(db, role, may):
    """Those who verify."""
    for table in ("seal", "chain"):
        sql = "SELECT * FROM pop3.%s" % table
        if may:
            db.rows(sql, role=role)
        else:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                db.rows(sql, role=role)


def test_random_bytes_are_not_compressed(db):
    assert set(db.values(
        "SELECT a.attstorage::text FROM pg_attribute a JOIN pg_class c "
        "ON c.oid = a.attrelid WHERE c.relname ~ '^seal(_\\d+|_default)?$' "
        "AND c.relkind IN ('r', 'p') "
        "AND a.attname IN ('salts', 'digests', 'macs')")) == {"e"}
