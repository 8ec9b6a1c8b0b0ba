# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Chains: a batch is written once, in order, or not at all."""

import threading

import psycopg2
import pytest

from sqlhelp import Service, new_id


def begin(db, chain, batch, first, last, epoch=1, role="pop3_service"):
    db.rows("SELECT pop3.batch_begin(%s, %s, %s, %s, %s)",
            (chain, epoch, batch, first, last), role=role)


def head(db, chain):
    row = db.row("SELECT * FROM pop3.chain WHERE chain_id = %s", (chain,))
    return row.last_batch, row.last_seq


def test_a_new_chain(db):
    chain = new_id()
    row = db.row("SELECT * FROM pop3.chain_open(%s, 1)", (chain,),
                 role="pop3_service")
    version = db.value("SELECT max(version) FROM pop3.schema_version")
    assert version > 1, "not what the service said of itself"
    assert (row.last_batch, row.last_seq, row.schema, row.epoch) == (
        0, 0, version, 1)
    assert row.parameters[:2] == ["enforcement", "pop3_access"]
    assert len(row.parameters) == 25
    assert row.db_now == pytest.approx(
        db.value("SELECT extract(epoch FROM now())::float8"), abs=60)


def test_opening_again_finds_the_head(db):
    service = Service(db)
    service.session()
    service.session()
    again = Service(db, service.chain)
    assert (again.batch, again.seq) == (2, 2)
    again.session()
    assert head(db, service.chain) == (3, 3)


def test_opening_again_shuts_out_what_is_under_way(db):
    """Batches that an earlier connection sent must not follow."""
    service = Service(db)
    service.session()
    again = Service(db, service.chain)
    assert again.epoch == service.epoch + 1
    with pytest.raises(psycopg2.Error, match="was opened again: batch 2 "
                       "comes too late") as error:
        service.session()
    assert error.value.pgcode == "P3001"
    assert head(db, service.chain) == (1, 1)
    again.session()
    assert head(db, service.chain) == (2, 2)


def test_chains_are_apart(db):
    one, two = Service(db), Service(db)
    one.session()
    two.session()
    assert head(db, one.chain) == head(db, two.chain) == (1, 1)


@pytest.mark.parametrize("batch,first,last", [
    (1, 1, 1),          # the last one again
    (3, 3, 3),          # one is missing
    (2, 3, 3),          # rows are missing
    (2, 1, 1),          # rows again
    (0, 0, 0),
    (2, 2, 0),          # backwards
], ids=["resent", "batch missing", "rows missing", "rows again", "zero",
        "backwards"])
def test_what_does_not_follow_is_refused(db, batch, first, last):
    service = Service(db)
    service.session()
    with pytest.raises(psycopg2.Error) as error:
        begin(db, service.chain, batch, first, last)
    assert error.value.pgcode == "P3001"
    assert str(service.chain) in str(error.value)
    assert head(db, service.chain) == (1, 1)


def test_a_mismatch_says_where_the_chain_stands(db):
    service = Service(db)
    service.session()
    with pytest.raises(psycopg2.Error, match="stands at batch 1, row 1: "
                       "batch 5 from row 9 does not follow"):
        begin(db, service.chain, 5, 9, 9)
    with pytest.raises(psycopg2.Error, match="is not open"):
        begin(db, new_id(), 1, 1, 1)


def test_a_batch_without_rows(db):
    service = Service(db)
    begin(db, service.chain, 1, 1, 0)
    assert head(db, service.chain) == (1, 0)
    service.batch = 1
    service.session()
    assert head(db, service.chain) == (2, 1)


def test_a_resent_batch_is_written_once(db):
    service = Service(db)
    values = service.session(retrieved={3: "none"})
    # the acknowledgement was lost: the same batch comes again
    service.batch, service.seq = 0, 0
    with pytest.raises(psycopg2.Error) as error:
        service.session(retrieved={3: "none"}, **{
            k: values[k] for k in ("session_id", "started")})
    assert error.value.pgcode == "P3001"
    assert db.value("SELECT count(*) FROM pop3.session") == 1
    assert db.messages()[3].retrieved_count == 1


def test_a_failing_batch_leaves_nothing(db):
    service = Service(db)
    with pytest.raises(psycopg2.Error):
        service.session(ended_by=None)
    assert head(db, service.chain) == (0, 0)
    assert db.value("SELECT count(*) FROM pop3.session") == 0
    service.session()
    assert head(db, service.chain) == (1, 1)


def test_two_writers_of_one_chain(db):
    """Only one of them gets batch 1; the other waits, then is refused."""
    service = Service(db)
    first = db.server.connect("pop3_service", db.name, autocommit=False)
    first.cursor().execute("SELECT pop3.batch_begin(%s, 1, 1, 1, 0)",
                           (service.chain,))
    codes = []

    def second():
        conn = db.server.connect("pop3_service", db.name)
        try:
            conn.cursor().execute("SELECT pop3.batch_begin(%s, 1, 1, 1, 0)",
                                  (service.chain,))
            codes.append("ok")
        except psycopg2.Error as error:
            codes.append(error.pgcode)
        finally:
            conn.close()

    thread = threading.Thread(target=second)
    thread.start()
    thread.join(0.2)
    assert codes == []
    first.commit()
    first.close()
    thread.join()
    assert codes == ["P3001"]
    assert head(db, service.chain) == (1, 0)


def test_several_records_in_one_transaction(db):
    """As the service's pipeline does: one batch of sessions and intents."""
    service = Service(db)
    conn = db.connection("pop3_service")
    conn.autocommit = False
    with conn.cursor() as cur:
        cur.execute("SELECT pop3.batch_begin(%s, 1, 1, 1, 3)", (service.chain,))
        for seq in (1, 2, 3):
            cur.execute("SELECT pop3.record_quarantine(%s, %s, 'r', 'e')",
                        (service.chain, seq))
    conn.commit()
    conn.autocommit = True
    assert db.events("seq") == [(1,), (2,), (3,)]
