# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What `make bench-scale' fills databases with and calls, at a small size: so
that it goes on to work."""

import datetime
import os
import sys

import pytest

from pg import TOP
from sqlhelp import Database

sys.path.insert(1, os.path.join(TOP, "bench"))

# pylint: disable=wrong-import-position
import scale_calls  # noqa: E402
import scale_reports  # noqa: E402
import scale_site  # noqa: E402


def day(ago):
    today = datetime.datetime.now(datetime.timezone.utc).date()
    return (today - datetime.timedelta(ago)).strftime("%Y%m%d")


@pytest.fixture(scope="module")
def large(postgres):
    postgres.create_database("scale", template="pop3")
    database = Database(postgres, "scale")
    scale_site.fill(lambda: postgres.connect(dbname="scale"), day, users=10,
                    days=2, audit=220, full_day=110, jobs=1)
    yield database
    database.close()
    postgres.drop_database("scale")


def test_the_site(large):
    for left, number in scale_site.PROBES.items():
        user = scale_site.username(number)
        assert large.value(
            "SELECT count(m.uid) FROM pop3.maildrop d LEFT JOIN pop3.message m "
            "USING (maildrop_id) WHERE d.username = %s", (user,)) == left
    assert large.value("SELECT count(*) FROM pop3.audit") == 2 * 110
    assert large.value("SELECT count(*) FROM pop3.audit_default") == 0


def test_records(large):
    """Each kind is written, with its rows and a seal."""
    begun = int(large.value("SELECT pop3.now()"))
    writer = scale_calls.Writer(large.server.uri("pop3_service", "scale"))
    sessions = scale_calls.Sessions(4, writer.version("user1@d2.example"),
                                    begun)
    kinds = [[sessions.session()], sessions.removing(), [sessions.polls(3)]]
    for number, records in enumerate(kinds, 1):
        cost = writer.batch(records)
        assert sum(cost.values()) > 0
        assert writer.number == number
    assert large.value("SELECT count(*) FROM pop3.audit WHERE chain_id = %s",
                       (writer.chain,)) == 10 + 1
    assert large.value("SELECT sum(last_seq - first_seq + 1) FROM pop3.seal "
                       "WHERE chain_id = %s", (writer.chain,)) == \
        writer.seq == 1 + 12
    writer.close()


def test_sweeps(large):
    found = scale_reports.sweeps(large.server, "scale", 29 * scale_calls.DAY)
    assert found["due of one user with 10,000 messages"]["rows"] > 0
