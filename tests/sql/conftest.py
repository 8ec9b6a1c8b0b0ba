# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private PostgreSQL per run, and an empty database for each test."""

import itertools
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import make_site  # noqa: E402
from pg import TOP, PrivatePostgres  # noqa: E402
from sqlhelp import Database  # noqa: E402

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres():
    """The server; its database "pop3" is the installed schema, untouched."""
    server = PrivatePostgres()
    try:
        server.start()
        server.install_schema(test=True)
        yield server
    finally:
        server.cleanup()


@pytest.fixture(scope="session")
def shared(postgres):
    """A database that tests use one after the other: emptying one is much
    faster than making one."""
    postgres.create_database("shared", template="pop3")
    database = Database(postgres, "shared")
    database.prepare_wipe()
    yield database
    database.close()


@pytest.fixture(scope="session")
def documented_events():
    """What the documentation's table of events names."""
    with open(os.path.join(TOP, "doc", "sql.md")) as file:
        table = file.read().split("| event | rows | is |")[1].split("\n\n")[0]
    return re.findall(r"^\| `([a-z-]+)`", table, re.M)


@pytest.fixture
def db(shared, documented_events):
    """An empty database. At the end every chain must be without gaps and
    duplicates, the counts in maildrop must be right, and the events
    documented."""
    shared.wipe()
    yield shared
    shared.check()
    assert set(shared.values("SELECT event FROM pop3.audit")) <= \
        set(documented_events)


@pytest.fixture
def fresh(postgres):
    """A newly installed database, for tests that change more than rows."""
    name = "fresh_%d" % next(_numbers)
    postgres.create_database(name, template="pop3")
    database = Database(postgres, name)
    try:
        yield database
        database.check()
    finally:
        database.close()
        postgres.drop_database(name)


@pytest.fixture(scope="session")
def site(postgres):
    """A small site with ten days of records; tests only read it."""
    postgres.create_database("site", template="pop3")
    database = Database(postgres, "site")
    make_site.fill(database.connection(), users=60, messages=6000, days=10,
                   audit=6000)
    yield database
    database.close()
