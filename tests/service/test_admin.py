# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""CALL on the administrators' socket."""

import os
import stat
import time

import pytest

from servicehost import Fail, wait_until

USER = "jane@example.org"
SCOPE = "@example.org"


@pytest.fixture
def admin(service):
    return service.admin()


def connections(service):
    """Database roles of the connections for administrators' calls."""
    return [row[0] for row in service.sql(
        "SELECT usename FROM pg_stat_activity WHERE datname = %s "
        "AND application_name = 'pop3-policy admin'", (service.dbname,))]


def test_rows_and_columns(service, admin):
    service.sql("SELECT pop3.set_policy(%s, 'expire_retrieved', '14d')",
                (SCOPE,))
    reply = admin.ask("CALL", name="show", a1=USER)
    assert reply["columns"] == "parameter,value,human,level,scope,preset"
    rows = {row["parameter"]: row for row in reply.items_of("row")}
    assert len(rows) == service.value("SELECT count(*) FROM pop3.parameter")
    assert rows["expire_retrieved"] == {
        "parameter": "expire_retrieved", "value": str(14 * 86400),
        "human": "14 days", "level": "domain", "scope": SCOPE}
    reply = admin.ask("CALL", name="presets")
    assert reply["numeric"] == "scopes"


def test_result_without_rows(admin):
    reply = admin.ask("CALL", name="policies", a1="nobody@*")
    assert reply["columns"] == "scope,parameter,value"
    assert reply["items"] == "0"


def test_caller_is_in_the_history(service, admin):
    admin.ask("CALL", name="set", caller="anna (uid 0)", a1=SCOPE,
              a2="expire_retrieved\nleave_max_bytes\n", a3="2 weeks\n1G\n")
    admin.ask("CALL", name="set", a1=SCOPE, a2="expire_retrieved\n")
    assert service.sql(
        "SELECT who, caller, new->>'expire_retrieved' "
        "FROM pop3.policy_history WHERE name = %s ORDER BY history_id",
        (SCOPE,)) == [
        ("pop3_admin", "anna (uid 0)", str(14 * 86400)),
        ("pop3_admin", "anna (uid 0)", str(14 * 86400)),
        ("pop3_admin", None, None)]


def test_all_or_nothing(service, admin):
    with pytest.raises(Fail) as refused:
        admin.ask("CALL", name="set", a1=SCOPE,
                  a2="expire_retrieved\nleave_max_bytes\n", a3="2 weeks\n?\n")
    assert refused.value.code == "invalid"
    assert service.sql("SELECT * FROM pop3.policy WHERE scope = %s",
                       (SCOPE,)) == []


@pytest.mark.parametrize("fields, code, text", [
    ({"a1": SCOPE, "a2": "expire_retreived\n", "a3": "1d\n"}, "invalid",
     'there is no parameter "expire_retreived": did you mean '
     '"expire_retrieved"?'),
    ({"a1": SCOPE, "a2": "on_retrieve\n", "a3": "remove\n"}, "invalid",
     "on_retrieve: \"remove\" "),
    ({"a1": SCOPE, "a2": "on_retrieve", "a3": "keep\n"}, "invalid",
     "a2: \"on_retrieve\" is a list that does not end"),
    ({"a1": "a b"}, "invalid", 'scope: "a b" is not allowed'),
])
def test_refusals_say_why(admin, fields, code, text):
    with pytest.raises(Fail) as refused:
        admin.ask("CALL", name="set", **fields)
    assert (refused.value.code, refused.value.text[:len(text)]) == (code, text)
    assert "\n" not in refused.value.text


def test_names_are_a_list(service, admin):
    with pytest.raises(Fail) as refused:
        admin.ask("CALL", name="record_intent")
    assert refused.value.text.startswith(
        'name: "record_intent" is not one of show, explain, ')
    # whoever made the mistake reads it; the log is for those who did not
    assert not service.log_contains("Request refused")


def test_a_value_that_is_no_number(admin):
    with pytest.raises(Fail) as refused:
        admin.ask("CALL", name="status", a1="*", a2="many")
    assert refused.value.text == 'a2: "many" is not a number'


def test_each_socket_has_its_own_verbs(service, admin, client, new_session):
    service.expect("Request refused: CALL is not taken on this socket")
    with pytest.raises(Fail) as refused:
        client.ask("CALL", name="show", a1=USER)
    assert refused.value.code == "denied"
    with pytest.raises(Fail) as refused:
        admin.ask("LOGIN", user=USER, session=new_session())
    assert refused.value.code == "denied"


def test_only_root_can_connect(service):
    info = os.stat(service.socket_path + "-admin")
    assert (stat.S_IMODE(info.st_mode), info.st_uid) == (0o600, 0)


def test_connects_when_needed_as_pop3_admin(service, admin):
    assert connections(service) == []
    admin.ask("CALL", name="presets")
    assert connections(service) == ["pop3_admin"]


def test_admin_connect(make_service, postgres):
    service = make_service(settings={"admin_connect": ""})
    admin = service.admin()
    admin.ask("CALL", name="presets")
    service.settings["admin_connect"] = postgres.uri("pop3_report",
                                                     service.dbname)
    service.write_settings()
    service.reload()
    wait_until(lambda: len(service.pids()) > 1, "a new service")
    with pytest.raises(Fail) as refused:
        service.admin().ask("CALL", name="presets")
    assert refused.value.code == "denied"
    assert "permission denied" in refused.value.text


def test_database_away_and_back(own_service):
    own_service.expect("database", "requests failed")
    admin = own_service.admin()
    admin.ask("CALL", name="presets")
    own_service.pg.stop("immediate")
    start = time.monotonic()
    with pytest.raises(Fail) as refused:
        admin.ask("CALL", name="presets")
    assert refused.value.code == "temp"
    assert "database" in refused.value.text
    # a person waits
    assert time.monotonic() - start < 10
    own_service.pg.start()

    def answered():
        try:
            return admin.ask("CALL", name="presets").items_of("row")
        except Fail as fail:
            assert fail.code == "temp"
            return None
    wait_until(answered, "the database to be asked again")


def test_client_leaves_before_the_answer(service, admin):
    with service.pg.connect(dbname=service.dbname) as conn:
        conn.autocommit = False
        conn.cursor().execute("LOCK TABLE pop3.policy")
        admin.send("CALL", name="set", a1=SCOPE, a2="on_dele\n", a3="hide\n")
        wait_until(lambda: service.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND "
            "application_name = 'pop3-policy admin' AND "
            "wait_event_type = 'Lock'", (service.dbname,)), "the call")
        admin.close()
        conn.rollback()
    wait_until(lambda: service.value(
        "SELECT on_dele FROM pop3.policy WHERE scope = %s", (SCOPE,)) == "hide",
        "what was sent to be done")
    assert service.admin().ask("CALL", name="presets").items_of("row")
