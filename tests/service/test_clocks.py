# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""While the clocks of host and database disagree nothing is removed by time."""

import re
import time

import pytest

from servicehost import Fail, wait_until

USER = "jane@example.org"
AHEAD = "The database's clock is"
WELL = "The clocks are well again"


def set_clock(service, seconds):
    """What the database says of its time."""
    for name in ("now", "policy_generation"):
        text = service.value("SELECT pg_get_functiondef(%s::regproc)",
                             ("pop3." + name,))
        service.sql(re.sub(
            r"clock_timestamp\(\)( \+ interval '\S+ s')?",
            "clock_timestamp() + interval '%d s'" % seconds, text))


@pytest.fixture
def due(service, new_session):
    """Message 1 is due by expire_retrieved, 5 by expire_unretrieved."""
    service.sql("SELECT pop3.set_policies('*', ARRAY['enforcement', "
                "'expire_retrieved', 'expire_unretrieved'], "
                "ARRAY['enforce', '1 day', '1 day'])")
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], fetched="1", retr=1,
                   retrieved=[(1, "none")])
    service.wait_sessions(USER, 1)
    service.sql("UPDATE pop3.message SET retrieved_at = now() - "
                "interval '2 days'")
    service.sql("UPDATE pop3.watermark SET at = now() - interval '2 days'")
    return client


def is_due(reply):
    (drop,) = reply.items_of("maildrop")
    found = [int(item["uid"]) for item in reply.items_of("due")]
    assert ("before" in drop) == bool(found)
    return found


@pytest.mark.parametrize("seconds", [-70, 70, 5000000])
def test_nothing_is_due(service, due, new_session, seconds):
    service.expect(AHEAD)
    assert is_due(due.login(USER, new_session())) == [1]
    set_clock(service, seconds)
    wait_until(lambda: is_due(due.login(USER, new_session())) == [],
               "the clock to be looked at")
    for sweep in (False, True, False):
        assert is_due(due.login(USER, new_session(), sweep=sweep)) == []
    set_clock(service, seconds // abs(seconds) * 50)
    wait_until(lambda: is_due(due.login(USER, new_session())) == [1],
               "the clock to be looked at")
    for _ in range(2):
        assert is_due(due.login(USER, new_session())) == [1]
    assert len(service.log_lines(AHEAD)) == 1
    assert len(service.log_lines(WELL)) == 1


def test_intents(service, due, new_session):
    service.expect(AHEAD)
    set_clock(service, 100)
    wait_until(lambda: is_due(due.login(USER, new_session())) == [],
               "the clock to be looked at")
    session = new_session()
    login = due.login(USER, session)
    for no, reason in enumerate(["expired-retrieved", "expired-unretrieved",
                                 "expired-hidden", "mass-delete"], 1):
        with pytest.raises(Fail) as fail:
            due.intent(USER, session, login["version"], [2, 3], no=no,
                       reason=reason)
        assert fail.value.code == "stale"
    # what has nothing to do with time
    for no, (action, reason) in enumerate([
            ("expunge", "dele"), ("hide", "mass-delete"),
            ("expunge", "retrieved"), ("expunge", "leave-limit")], 11):
        due.intent(USER, session, login["version"], [2, 3], no=no,
                   action=action, reason=reason)
    set_clock(service, 0)
    wait_until(lambda: is_due(due.login(USER, new_session())) == [1],
               "the clock to be looked at")
    due.intent(USER, session, login["version"], [2, 3], no=20,
               reason="expired-retrieved")
    events = [(event, reason) for event, uid, reason in service.audit(USER)
              if uid == 2]
    assert events == [("intent", reason) for reason in (
        "dele", "mass-delete", "retrieved", "leave-limit",
        "expired-retrieved")]
    due.session(USER, session, "%.3f" % time.time())
