# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""LOGIN: policy and state."""

import pytest

from servicehost import Fail, guid

USER = "jane@example.org"


def test_unknown_user_gets_builtin_policy(service, client, new_session):
    reply = client.login(USER, new_session())
    names = service.value("SELECT pop3.parameter_names()")
    builtin = dict(service.sql("SELECT name, builtin FROM pop3.parameter"))
    assert {name: reply["p." + name] for name in names} == builtin
    assert reply["version"] == "0.0.0.0.0.0"
    assert reply["lease"] == "60"
    assert reply.all_items == []
    now = float(service.value("SELECT pop3.now()"))
    assert now - 30 < float(reply["now"]) <= now


def test_most_specific_scope_wins(service, client, new_session):
    for scope, value in (("*", "30d"), ("@example.org", "20d"),
                         (USER, "10d")):
        service.sql("SELECT pop3.set_policy(%s, 'expire_retrieved', %s)",
                    (scope, value))
    service.sql("SELECT pop3.set_policy('*', 'pop3_hold', 'yes')")
    service.sql("SELECT pop3.set_policy(%s, 'pop3_hold', 'no')", (USER,))

    def expire(user):
        return client.login(user, new_session())["p.expire_retrieved"]
    assert expire(USER) == str(10 * 86400)
    assert expire("joe@example.org") == str(20 * 86400)
    assert expire("joe@example.com") == str(30 * 86400)
    # a hold anywhere holds
    assert client.login(USER, new_session())["p.pop3_hold"] == "yes"


def test_version_is_the_databases(service, client, new_session):
    service.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    service.sql("SELECT pop3.set_policy(%s, 'notify', 'yes')", (USER,))
    assert client.login(USER, new_session())["version"] == service.value(
        "SELECT pop3.policy_version(%s)", (USER,))


@pytest.mark.parametrize("mailbox", [
    'quote"d', "back\\slash", "comma, {brace}", "NULL", "Entw\u00fcrfe"])
def test_text_values_survive(service, client, new_session, mailbox):
    service.sql("SELECT pop3.set_policy(%s, 'move_mailbox', %s)",
                (USER, mailbox))
    assert client.login(USER, new_session())["p.move_mailbox"] == mailbox


def test_state_after_a_session(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], fetched="2:4", retr=3,
                   retrieved=[(2, "none"), (3, "hide"), (4, "none")],
                   anchor_uid=10, anchor_guid=guid("anchor"))
    # at once: it has to wait for the session's record
    drops = client.login(USER, new_session()).items_of("maildrop")
    assert len(drops) == 1
    assert drops[0]["guid"] == guid(USER)
    assert drops[0]["uidvalidity"] == "1"
    assert drops[0]["uidnext"] == "11"
    assert drops[0]["messages"] == "10"
    assert drops[0]["tracked"] == "3"
    assert drops[0]["anchor_uid"] == "10"
    assert drops[0]["anchor_guid"] == guid("anchor")


def test_hidden_and_due(service, client, new_session):
    service.sql("SELECT pop3.set_policy('*', 'expire_retrieved', '14d')")
    service.sql("SELECT pop3.set_policy('*', 'expire_hidden', '30d')")
    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [5, 6, 9], action="hide",
                  reason="retrieved")
    client.outcome(USER, session)
    client.session(USER, session, login["now"], fetched="5:7,9",
                   retrieved=[(5, "hide"), (6, "hide"), (7, "none"),
                              (9, "hide")])
    reply = client.login(USER, new_session())
    drop = reply.items_of("maildrop")[0]
    assert drop["hidden"] == "5:6,9"
    assert drop["hidden_uid"] == "9"
    assert drop["hidden_guid"] == guid((USER, 9))
    assert reply.items_of("due") == []

    service.sql("SELECT pop3_test.age(%s, '15 days')", (USER,))
    due = client.login(USER, new_session()).items_of("due")
    assert {"maildrop": drop["id"], "uid": "7", "guid": guid((USER, 7)),
            "reason": "expired-retrieved"} in due


def test_view_and_unretrieved(service, client, new_session):
    service.sql("SELECT pop3.set_policy('*', 'expire_unretrieved', '60d')")
    service.sql("SELECT pop3.set_policy('*', 'view_window', '10d')")
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], fetched="3", retr=1,
                   retrieved=[(3, "none")])
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert "before" not in drop
    service.sql("SELECT pop3_test.age(%s, '61 days')", (USER,))
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert drop["before"] == "11"
    assert drop["view_from"] == "11"
    assert drop["exempt"] == "3"


def test_uids(service, client, new_session):
    session = new_session()
    login = client.login(USER, session)
    client.session(USER, session, login["now"], fetched="1:3,8", retr=4,
                   retrieved=[(uid, "none") for uid in (1, 2, 3, 8)])
    drop = client.login(USER, new_session()).items_of("maildrop")[0]
    assert client.ask("UIDS", maildrop=drop["id"])["uids"] == "1:3,8"
    reply = client.ask("UIDS", maildrop=drop["id"], guids=True)
    assert reply.items_of("message") == [
        {"uid": str(uid), "guid": guid((USER, uid))} for uid in (1, 2, 3, 8)]


@pytest.mark.parametrize("fields, name", [
    ({"session": "0" * 32}, "user"),
    ({"user": ""}, "user"),
    ({"user": "x" * 256}, "user"),
    ({"user": "a\udcffb"}, "user"),
    ({"user": USER}, "session"),
    ({"user": USER, "session": "xyz"}, "session"),
])
def test_invalid_login(service, client, fields, name):
    service.expect("Request refused: LOGIN: field %s" % name)
    if "session" not in fields and name == "user":
        fields = {**fields, "session": "0" * 32}
    with pytest.raises(Fail) as fail:
        client.ask("LOGIN", **fields)
    assert fail.value.code == "invalid"
    assert "field %s" % name in fail.value.text
