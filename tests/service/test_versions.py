# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Schemas of other versions than the service's own."""

import glob
import os
import re

import pytest

from pg import SQL_DIR
from servicehost import TOP, Fail, wait_until

USER = "jane@example.org"
OTHER = "The database's schema pop3 is missing, of another version, or not"
CURRENT = len(os.listdir(os.path.join(SQL_DIR, "migrations")))
OLD = sorted(glob.glob(os.path.join(TOP, "tests", "sql", "schemas", "*.sql")))


def refused(client, new_session):
    with pytest.raises(Fail) as fail:
        client.login(USER, new_session())
    assert fail.value.code == "temp"


@pytest.mark.parametrize("schema", OLD, ids=os.path.basename)
def test_older(make_service, postgres, new_session, schema):
    """It starts, refuses, says what to run, and goes on once that was run."""
    dbname = "old_" + re.sub(r"\W", "_", os.path.basename(schema))
    postgres.create_database(dbname)
    postgres.psql_file(schema, dbname=dbname)
    service = make_service(wait=False, pg=postgres, dbname=dbname)
    service.expect(OTHER)
    service.wait_log(OTHER)
    client = service.client()
    refused(client, new_session)
    (line,) = service.log_lines(OTHER)
    # what it finds first: which version it is, or a function that is missing
    assert re.search("version %s, which is older than the %d or %d that|"
                     r"(function pop3\.\S+\(.*\)|column \S+) does not exist" %
                     (os.path.basename(schema)[0], CURRENT, CURRENT + 1),
                     line)
    (script,) = re.findall(r"psql -X -v ON_ERROR_STOP=1 -f /\S+/(\S+\.sql), ",
                           line)
    postgres.psql_file(os.path.join(SQL_DIR, script), dbname=dbname)
    wait_until(lambda: service.log_contains("The database can be used"),
               "the service to find the schema")
    client.login(USER, new_session())
    assert len(service.log_lines(OTHER)) == 1


def other_version(service, version):
    service.sql("INSERT INTO pop3.schema_version (version) VALUES (%s)" %
                version)
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "application_name = 'pop3-policy writer' AND "
                "datname = current_database()")


def test_next(service, client, new_session):
    """What serves the next version serves this service."""
    client.login(USER, new_session())
    writer = ("SELECT pid FROM pg_stat_activity WHERE application_name = "
              "'pop3-policy writer' AND datname = current_database()")
    pid = service.value(writer)
    other_version(service, CURRENT + 1)
    service.expect("The database cannot be used")
    wait_until(lambda: service.value("SELECT count(*) FROM pop3.chain "
                                     "WHERE epoch > 1"), "a new connection")
    assert service.value(writer) != pid

    def answered():
        try:
            return client.login(USER, new_session())
        except Fail:
            return None

    wait_until(answered, "a login")


def test_the_one_after_next(service, client, new_session):
    service.expect(OTHER, "The database cannot be used")
    other_version(service, CURRENT + 2)
    service.wait_log(OTHER + ".*version %d, which is newer than the %d or %d "
                     "that this service serves; upgrade dovecot-pop3-policy" %
                     (CURRENT + 2, CURRENT, CURRENT + 1))
    refused(client, new_session)
