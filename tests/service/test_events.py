# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The events that metrics count, and their page in the documentation."""

import os
import re
import subprocess

import pytest

from dovecot_files import dialect
from servicehost import TOP, Fail, wait_until

USER = "jane@example.org"

EVENTS = ["login_finished", "intent_finished", "download_finished",
          "limits_finished", "request_finished",
          "record_finished", "record_refused", "db_connected",
          "db_disconnected", "maintain_finished"]

METRICS = "".join("""
metric %s {
  filter = event=pop3_policy_%s AND category=pop3-policy
}
metric %s_failed {
  filter = event=pop3_policy_%s AND error=*
}
""" % (name, name, name, name) for name in EVENTS)


def counts(service):
    """metric: how often"""
    out = subprocess.check_output(
        ["doveadm", "-c", service.path("dovecot.conf"), "-f", "tab", "stats",
         "dump"], text=True, stderr=subprocess.DEVNULL)
    rows = [line.split("\t") for line in out.splitlines()]
    columns = {name: number for number, name in enumerate(rows[0])}
    return {row[columns["metric_name"]]: int(row[columns["count"]])
            for row in rows[1:]}


def test_events_are_counted(make_service, new_session):
    service = make_service(extra=METRICS)
    service.expect("goes to pop3.quarantine", "The database cannot be used")
    service.sql("ALTER TABLE pop3.session ADD CHECK (username <> 'poison')")
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [1])
    client.ask("DOWNLOAD", user=USER, session=session, limit=1, bytes=0,
               reserve=1)
    client.ask("LIMITS", user=USER, session=new_session())
    with pytest.raises(Fail):
        client.intent(USER, session, "0", [1], no=2)
    client.outcome(USER, session)
    client.session("poison", new_session(), login["now"], retr=1)
    client.session(USER, session, login["now"], retr=1)
    service.wait_sessions(USER, 1)
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "application_name = 'pop3-policy reader 1' AND "
                "datname = current_database()")

    def counted():
        found = counts(service)
        return found["db_disconnected"] == 1 and \
            found["db_connected"] >= 5 and found
    # writer, two readers, upkeep, a reader again
    found = wait_until(counted, "the connections to be counted")
    assert found["login_finished"] == 1
    assert found["login_finished_failed"] == 0
    assert found["intent_finished"] == 2
    assert found["intent_finished_failed"] == 1
    # OUTCOME and two SESSIONs
    assert found["request_finished"] == 3
    assert found["download_finished"] == 1
    assert found["download_finished_failed"] == 0
    assert found["limits_finished"] == 1
    assert found["limits_finished_failed"] == 0
    assert found["record_refused"] == 1
    assert found["record_finished"] > found["record_finished_failed"] >= 1
    assert found["maintain_finished"] == 1
    assert found["maintain_finished_failed"] == 0


def test_fields_are_as_documented(make_service, new_session):
    """The log with everything in it shows the fields."""
    with open(os.path.join(TOP, "doc", "events.md")) as file:
        sections = dict(re.findall(r"(?ms)^### (\w+)$(.*?)(?=^### |\Z)",
                                   file.read()))
    service = make_service(
        log_debug="event=pop3_policy_*",
        extra=dialect().log_exporter("log", "rfc3339") + "".join(
                  "metric %s {\n  exporter = log\n  filter = event=%s\n}\n" %
                  (name, name) for name in sections))
    service.expect("The database cannot be used",
                   "requests failed .*permission denied")
    service.sql("SELECT pop3.set_policy('*', 'login_delay', '1h')")
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    # what has a "wait" has all the fields
    client.login(USER, new_session())
    client.ask("DOWNLOAD", user=USER, session=session, limit=1, bytes=1,
               reserve=1)
    client.intent(USER, session, login["version"], [1])
    client.outcome(USER, session)
    # what cannot be asked is answered from what is known
    service.sql("REVOKE EXECUTE ON FUNCTION pop3.told_level(text, text) "
                "FROM pop3_service")
    assert client.ask("LIMITS", user=USER,
                      session=new_session())["cached"] == "1"
    service.sql("GRANT EXECUTE ON FUNCTION pop3.told_level(text, text) "
                "TO pop3_service")
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "application_name = 'pop3-policy reader 1' AND "
                "datname = current_database()")
    wanted = set(sections) - {"pop3_policy_record_refused"}
    for name in sorted(wanted):
        service.wait_log('"event":"%s"' % name)
        documented = set(re.findall(r"^- `(\w+)`:", sections[name], re.M))
        fields = set().union(*(
            re.findall(r'"(\w+)":', line.split('"fields":')[1])
            for line in service.log_lines('"event":"%s"' % name)))
        # the database is there
        assert documented - {"error", "offline"} <= fields
        assert fields <= documented | {"client_pid"}


def test_every_event_is_documented():
    subprocess.check_call([os.path.join(TOP, "tests", "check-docs-events")])
