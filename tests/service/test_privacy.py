# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What record_address and record_message_id leave out is nowhere in the
database: all of it is dumped, and looked through."""

import os
import subprocess
import time

import pytest

from servicehost import guid, message

USER = "jane@example.org"
ADDRESS = "203.0.113.77"
DSESSION = "MadeOfTheAddress"
REMOVED = "<removed.secret@example.net>"
DELIVERED = "<delivered.secret@example.net>"
NOTICE = "<notice.quota@mail.example.org>"

ALL = {ADDRESS, DSESSION, REMOVED, DELIVERED}


def dump(service):
    """The database as text."""
    return subprocess.run(
        [os.path.join(service.pg.bindir, "pg_dump"), "--data-only",
         service.pg.uri(dbname=service.dbname)],
        check=True, capture_output=True, text=True).stdout


def recorded(service, new_session):
    """Those of ALL that are in the database after requests of all kinds, all
    of which have them."""
    client = service.client()
    service.sql("SELECT pop3.set_policies('*', '{enforcement,notify}', "
                "'{enforce,yes}')")
    who = {"rip": ADDRESS, "dsession": DSESSION}

    def intent(session, version, uid, **fields):
        client.ask("INTENT", [("message", message(
            USER, uid, action="expunge", reason="dele", uidl="%08x" % uid,
            message_id=REMOVED))], user=USER, session=session, no=1,
            version=version, guid=guid(USER), uidvalidity=1, **who, **fields)

    # one that removes, one for a delivery, one that is left open
    for uid, fields in enumerate(({}, {"for": DELIVERED}, {}), 1):
        session = new_session()
        login = client.login(USER, session, **who)
        intent(session, login["version"], uid, **fields)
        if uid < 3:
            client.outcome(USER, session)
            client.session(USER, session, time.time(), [(9, "none")],
                           **who)
    # a poll
    session = new_session()
    client.login(USER, session, **who)
    client.session(USER, session, time.time(), **who)
    client.tell("EVENT", user=USER, session=new_session(), event="refused",
                reason="login-delay", **who)
    client.tell("USAGE", user=USER, bytes=90, messages=1, storage_limit=100,
                level=80)
    client.ask("NOTICE", user=USER, session=new_session(), kind="quota",
               level=80, guid=guid(USER), uidvalidity=1, message_id=NOTICE,
               dsession=DSESSION)
    # its socket closes, and it is lost
    other = service.client()
    other.login(USER, new_session(), **who)
    other.close()
    service.stop()
    text = dump(service)
    assert text.count("\tintent\t") == 3
    assert "login-delay" in text
    assert NOTICE in text, "which tells a repeated request"
    return {what for what in ALL if what in text}


@pytest.mark.parametrize("settings, found", [
    ({}, ALL),
    ({"record_address": "no"}, {REMOVED, DELIVERED}),
    ({"record_message_id": "no"}, {ADDRESS, DSESSION}),
    ({"record_address": "no", "record_message_id": "no"}, set()),
])
def test_what_is_left_out(make_service, new_session, settings, found):
    service = make_service(settings={**settings, "record_polls": "yes"})
    assert recorded(service, new_session) == found


def test_counted_polls(make_service, new_session):
    service = make_service(settings={"record_address": "no",
                                     "poll_interval": "1s"})
    client = service.client()
    for address in (ADDRESS, "203.0.113.78"):
        session = new_session()
        client.login(USER, session, rip=ADDRESS)
        client.session(USER, session, time.time(), rip=address)
    service.stop()
    assert service.sql("SELECT sum(polls), count(DISTINCT remote_address) "
                       "FROM pop3.session") == [(2, 0)]
    assert ADDRESS not in dump(service)
