# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The settings file, and a schema that is not there."""

import os
import re
import time

import pytest

from servicehost import TOP, Fail, wait_until

USER = "jane@example.org"


@pytest.mark.parametrize("name, value, allowed", [
    ("reader_connections", "0", "1 to 16"),
    ("reader_connections", "17", "1 to 16"),
    ("reader_connections", "two", "1 to 16"),
    ("state_dir", "relative/path", "an absolute path"),
    ("key_file", "audit.key", "an absolute path"),
    ("intent_lease", "60", "a time from 10 s to 1 hour"),
    ("intent_lease", "5 s", "a time from 10 s to 1 hour"),
    ("intent_lease", "1500 ms", "a time from 10 s to 1 hour"),
    ("batch_interval", "2 s", "a time from 1 ms to 1 s"),
    ("poll_interval", "2 hours", "a time from 1 s to 1 hour"),
    ("notice_expiry_time", "59 min", "a time from 1 hour to 90 days"),
    ("notice_expiry_time", "91d", "a time from 1 hour to 90 days"),
    ("notice_expiry_time", "7", "a time from 1 hour to 90 days"),
    ("query_timeout", "5 weeks", "a time from 100 ms to 1 min"),
    ("record_polls", "maybe", "yes or no"),
    ("record_address", "1", "yes or no"),
    ("record_message_id", "true", "yes or no"),
])
def test_wrong_value(make_service, name, value, allowed):
    service = make_service(wait=False, settings={name: value})
    service.expect("Fatal: ", "command startup failed")
    service.wait_log(r"Fatal: \S+pop3-policy\.conf\.ext line \d+: %s = %s: "
                     "allowed is %s" % (name, re.escape(value), allowed))


def test_wrong_connection_string(make_service):
    service = make_service(wait=False, settings={
        "connect": "password=secret nonsense=1"})
    service.expect("Fatal: ", "command startup failed")
    service.wait_log("connect: allowed is a libpq connection string; "
                     'invalid connection option "nonsense"')
    assert "secret" not in service.log()


@pytest.mark.parametrize("line, text", [
    ("no_such_setting = 1", "There is no setting 'no_such_setting'. Settings "
     "are: connect, admin_connect, reader_connections, "),
    ("just words", "'just words' is not of the form: setting = value"),
])
def test_wrong_line(make_service, line, text):
    service = make_service(wait=False, settings={"# x": "\n" + line})
    service.expect("Fatal: ", "command startup failed")
    service.wait_log(re.escape(text))


def test_quotes_and_comments(make_service, new_session):
    service = make_service(settings={
        "# comment": "intent_lease = 11 s", "intent_lease": '"90 seconds"',
        "batch_interval": "10ms"})
    assert service.client().login(USER, new_session())["lease"] == "90"


def test_shipped_settings_are_the_built_in_ones(make_service, new_session):
    """Every setting stands in the example, and a commented one shows the
    built-in value."""
    with open(os.path.join(TOP, "conf.d", "pop3-policy.conf.ext")) as file:
        found = dict(re.findall(r"(?m)^#?(\w+) = (.*)$", file.read()))
    service = make_service(wait=False, settings={"no_such_setting": "1"})
    service.expect("Fatal: ", "command startup failed")
    service.wait_log("Settings are: ")
    names = re.search("Settings are: (.*)", service.log())[1].split(", ")
    assert sorted(found) == sorted(names)
    assert found["intent_lease"] == "60s"
    other = make_service(settings={
        name: found[name] for name in names
        if name not in ("connect", "state_dir", "key_file")})
    assert other.client().login(USER, new_session())["lease"] == "60"


MISSING = "The database's schema pop3 is missing, of another version, or not"


def refused(client, new_session):
    with pytest.raises(Fail) as fail:
        client.login(USER, new_session())
    assert fail.value.code == "temp"


def test_missing_schema(make_service, postgres, new_session):
    postgres.create_database("empty")
    service = make_service(wait=False, pg=postgres, dbname="empty")
    service.expect(MISSING)
    service.wait_log(MISSING)
    (line,) = service.log_lines(MISSING)
    assert re.search(r"psql -X -v ON_ERROR_STOP=1 -f /\S+/upgrade\.sql, ", line)
    assert "install.sql" in line
    client = service.client()
    refused(client, new_session)
    postgres.install_schema(test=False, dbname="empty")
    wait_until(lambda: service.log_contains("The database can be used"),
               "the service to find the schema")
    client.login(USER, new_session())
    assert len(service.log_lines(MISSING)) == 1


def test_unknown_schema_version(service, client, new_session):
    service.expect(MISSING)
    service.sql("INSERT INTO pop3.schema_version (version) VALUES (99)")
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "application_name = 'pop3-policy writer' AND "
                "datname = current_database()")
    service.expect("The database cannot be used")
    service.wait_log(MISSING + ".*the schema has version 99")
    refused(client, new_session)
    service.sql("DELETE FROM pop3.schema_version WHERE version = 99")
    service.wait_log("can be used again")
    client.login(USER, new_session())


def test_parameters_that_differ(service, client, new_session):
    service.expect(MISSING, "The database cannot be used")
    service.sql("UPDATE pop3.parameter SET name = 'on_retrieval' "
                "WHERE name = 'on_retrieve'")
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "application_name = 'pop3-policy writer' AND "
                "datname = current_database()")
    service.wait_log(MISSING + ".*policy parameter 6 is on_retrieval in the "
                     "schema and on_retrieve in this service")
    refused(client, new_session)


def test_login_without_rights(make_service, postgres, new_session):
    service = make_service(wait=False, settings={
        "connect": postgres.uri("pop3_report", "template_pop3")})
    service.expect(MISSING, "Policies cannot be read ahead.*permission denied")
    service.wait_log(MISSING + ".*permission denied")
    refused(service.client(), new_session)


def test_commits_are_synchronous(postgres, make_service, new_session):
    """Whatever the server's setting is: an intent must outlive a crash."""
    dbname = "synchronous%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    postgres.query("ALTER DATABASE %s SET synchronous_commit = off" % dbname)
    postgres.query("""
        CREATE TABLE public.seen (setting text);
        CREATE FUNCTION public.see() RETURNS trigger LANGUAGE plpgsql
            SECURITY DEFINER AS $$
        BEGIN
            INSERT INTO public.seen
            VALUES (current_setting('synchronous_commit'));
            RETURN NULL;
        END $$;
        CREATE TRIGGER see AFTER INSERT ON pop3.intent FOR EACH ROW
            EXECUTE FUNCTION public.see()""", dbname=dbname)
    service = make_service(pg=postgres, dbname=dbname)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1])
    assert service.sql("SELECT setting FROM public.seen") == [("on",)]


def test_standby_is_not_used(postgres, make_service):
    dbname = "standby%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    postgres.query("ALTER DATABASE %s SET default_transaction_read_only = on"
                   % dbname)
    service = make_service(pg=postgres, dbname=dbname, wait=False)
    service.expect("session is read-only")
    service.wait_log("session is read-only")
    # unless the connection string wants it
    other = make_service(pg=postgres, dbname=dbname, wait=False, settings={
        "connect": postgres.uri("pop3_service", dbname) +
        ("&" if "?" in postgres.uri("pop3_service", dbname) else "?") +
        "target_session_attrs=any"})
    other.expect("in a read-only transaction")
    other.wait_log("in a read-only transaction")
