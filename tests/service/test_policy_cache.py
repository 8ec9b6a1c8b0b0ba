# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Policies come from the service's cache: whatever changes them holds at the
next login on each of two hosts, and is never missed by the cache."""

import os
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest

from servicehost import Fail, wait_until

USER = "jane@example.org"
OTHER = "joe@example.org"
STRANGER = "Max@Example.COM"
LOCAL = "local"
USERS = (USER, OTHER, STRANGER, LOCAL)

# counts how often a service asks for a policy
COUNT = """
    CREATE SEQUENCE public.asked;
    GRANT USAGE ON SEQUENCE public.asked TO pop3_owner;
    GRANT USAGE ON SCHEMA public TO pop3_owner;
    CREATE OR REPLACE FUNCTION pop3.policy_levels(p_username text)
        RETURNS TABLE (level smallint, scope text, version bigint,
                       "values" text[])
        LANGUAGE plpgsql VOLATILE SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        PERFORM nextval('public.asked');
        RETURN QUERY SELECT * FROM pop3.policy_levels_uncounted(p_username);
    END $$"""


def count(service):
    """Count from now on."""
    text = service.value("SELECT pg_get_functiondef("
                         "'pop3.policy_levels(text)'::regprocedure)")
    service.sql(text.replace("pop3.policy_levels(",
                             "pop3.policy_levels_uncounted("))
    service.sql(COUNT)
    return service


def asked(service):
    return service.value("SELECT CASE WHEN is_called THEN last_value ELSE 0 "
                         "END FROM public.asked")


def login(client, user):
    return client.login(user, os.urandom(16).hex())


def check(service, client, users=USERS):
    """What logins are told is what the database says now."""
    for user in users:
        reply = login(client, user)
        values = dict(service.sql(
            "SELECT parameter, value FROM pop3.effective_policy(%s)",
            (user,)))
        assert {name: reply["p." + name] for name in values} == values
        assert reply["version"] == service.value(
            "SELECT pop3.policy_version(%s)", (user,))
        assert reply.get("paused") == service.value(
            "SELECT '1' FROM pop3.control WHERE stopped IS NOT NULL")


def is_cached(service, client, user):
    before = asked(service)
    login(client, user)
    return asked(service) == before


def wait_cached(service, client, users=USERS):
    for user in users:
        wait_until(lambda user=user: is_cached(service, client, user),
                   "a login of %s that does not ask" % user)


def poller(service):
    """Process ids of the backends that services look by."""
    return [row[0] for row in service.sql(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'pop3-policy policies'")]


@pytest.fixture
def counted(service):
    return count(service)


@pytest.fixture
def hosts(make_service):
    """Two, with a client each."""
    first = make_service()
    second = make_service(pg=first.pg, dbname=first.dbname)
    count(first)
    first.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    for host in (first, second):
        host.expect("Removals by policy are stopped", "The breaker stopped")
    return [(host, host.client()) for host in (first, second)]


# --- what is asked ---

def test_a_login_asks_for_the_state_only(counted, client):
    counted.sql("SELECT pop3.set_policy('@example.org', 'notify', 'yes')")
    users = (USER, OTHER, LOCAL, "a@b@example.org", "*", "@example.org")
    wait_cached(counted, client, users)
    before = asked(counted)
    counted.sql("CREATE OR REPLACE FUNCTION pop3.now() RETURNS float8 "
                "LANGUAGE plpgsql AS $$ BEGIN RAISE 'asked'; END $$")
    for user in users:
        reply = login(client, user)
        assert reply["p.notify"] == (
            "yes" if user in (USER, OTHER, "@example.org") else "no")
        client.ask("LIMITS", user=user, session=os.urandom(16).hex())
    assert asked(counted) == before


def test_a_login_with_a_delay_does_not_ask(counted, client):
    counted.sql("SELECT pop3.set_policy('*', 'login_delay', '1h')")
    counted.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    wait_cached(counted, client, [USER])
    before = asked(counted)
    assert int(login(client, USER)["wait"]) > 3500
    assert "wait" not in login(client, OTHER)
    assert asked(counted) == before


def test_a_row_of_its_own_is_asked_for_once(counted, client):
    counted.sql("SELECT pop3.set_policy(%s, 'notify', 'yes')", (USER,))
    wait_cached(counted, client)
    check(counted, client)
    # the domain's capitals do not matter, the others do
    assert login(client, "jane@EXAMPLE.org")["p.notify"] == "yes"
    assert login(client, "Jane@example.org")["p.notify"] == "no"
    # where it depends on the database's locale what is a capital
    before = asked(counted)
    check(counted, client, ["jane@Info.example", "jane@\u00c4.example"])
    assert asked(counted) == before + 2


def test_now_is_the_databases(counted, client):
    wait_cached(counted, client)
    last = 0
    for _ in range(200):
        now = float(login(client, USER)["now"])
        after = float(counted.value("SELECT pop3.now()"))
        assert last < now <= after
        assert after - now < 2
        last = now


def test_a_row_that_this_service_does_not_understand(counted, client):
    """Of a newer schema. The others' logins do not mind."""
    counted.expect("requests failed since")
    counted.sql("ALTER TABLE pop3.policy DROP CONSTRAINT on_dele_allowed; "
                "ALTER TABLE pop3.policy DISABLE TRIGGER policy_check; "
                "INSERT INTO pop3.policy (scope, on_dele, version) "
                "VALUES ('@example.org', 'archive', 99)")
    wait_cached(counted, client, [STRANGER, LOCAL])
    with pytest.raises(Fail) as fail:
        login(client, USER)
    assert fail.value.code == "temp"
    counted.sql("DELETE FROM pop3.policy WHERE scope = '@example.org'")
    check(counted, client)
    wait_cached(counted, client)


# --- changes ---

def call(name, *args):
    return (name, *("".join(a + "\n" for a in arg)
                    if isinstance(arg, list) else arg for arg in args))


CHANGES = {
    "site": ["UPDATE pop3.policy SET notify = 'yes' WHERE scope = '*'"],
    "site by doveadm": [call("set", "*", ["notify"], ["yes"])],
    "no site": ["DELETE FROM pop3.policy WHERE scope = '*'"],
    "domain": ["INSERT INTO pop3.policy (scope, notify) "
               "VALUES ('@example.org', 'yes')",
               "UPDATE pop3.policy SET quota_warn = '{70}' "
               "WHERE scope = '@example.org'",
               "DELETE FROM pop3.policy WHERE scope = '@example.org'"],
    "domain by doveadm": [
        call("set", "@Example.org", ["notify", "move_mailbox"],
             ["yes", "Old \u00e4"]),
        call("set", "@example.org", ["notify", "move_mailbox"])],
    "user": ["INSERT INTO pop3.policy (scope, top_lines) VALUES "
             "('%s', 5)" % USER,
             "UPDATE pop3.policy SET view_since = '2020-01-01' "
             "WHERE scope = '%s'" % USER,
             "DELETE FROM pop3.policy WHERE scope = '%s'" % USER],
    "user by doveadm": [call("set", USER, ["top_lines"], ["5"]),
                        call("set", USER, ["top_lines"], ["6"]),
                        call("set", USER, ["top_lines"])],
    "preset": ["UPDATE pop3.policy SET preset = 'section8' "
               "WHERE scope = '*'",
               "UPDATE pop3.preset SET expire_retrieved = 7777 "
               "WHERE name = 'section8'",
               "UPDATE pop3.preset SET name = 'ours' "
               "WHERE name = 'section8'",
               "UPDATE pop3.policy SET preset = 'qq' WHERE scope = '*'",
               "DELETE FROM pop3.preset WHERE name = 'ours'",
               "UPDATE pop3.policy SET preset = NULL WHERE scope = '*'"],
    "user's preset": [call("set", USER, ["preset"], ["gmail"]),
                      "INSERT INTO pop3.preset (name, description, top_lines) "
                      "VALUES ('new', 'x', 1)",
                      call("set", USER, ["preset"], ["new"]),
                      "UPDATE pop3.preset SET name = 'newer', top_lines = 2 "
                      "WHERE name = 'new'",
                      call("set", USER, ["preset"])],
    "renamed": ["INSERT INTO pop3.policy (scope, top_lines) VALUES "
                "('@example.org', 5), ('%s', 6)" % USER,
                "UPDATE pop3.policy SET scope = '@example.net' "
                "WHERE scope = '@example.org'",
                "UPDATE pop3.policy SET scope = '%s' "
                "WHERE scope = '%s'" % (OTHER, USER),
                "UPDATE pop3.policy SET scope = '@example.com' "
                "WHERE scope = '%s'" % OTHER,
                "UPDATE pop3.policy SET scope = 'local' "
                "WHERE scope = '@example.com'"],
    "pause": ["SELECT pop3.pause('test')", "SELECT pop3.resume()"],
    "pause by doveadm": [call("pause"), call("resume")],
    "breaker": ["UPDATE pop3.control SET tripped_at = now()",
                "SELECT pop3.pause()", "SELECT pop3.resume()",
                "SELECT pop3.confirm_breaker()"],
    "forgotten": ["INSERT INTO pop3.policy (scope, top_lines) VALUES "
                  "('%s', 5)" % USER,
                  "SELECT pop3.forget_user('%s')" % USER],
    "many": ["INSERT INTO pop3.policy (scope, top_lines) "
             "SELECT 'u' || n || '@many.example', n "
             "FROM generate_series(1, 12000) n; "
             "INSERT INTO pop3.policy (scope, top_lines) "
             "VALUES ('@example.org', 5)"],
}


@pytest.mark.parametrize("name", CHANGES)
def test_it_holds_at_the_next_login(hosts, name):
    """At once, on both; and what the caches load then is the same."""
    service = hosts[0][0]
    admin = service.admin()
    users = USERS + (("u7@many.example",) if name == "many" else ())
    for _, client in hosts:
        wait_cached(service, client, users)
    for change in CHANGES[name]:
        before = service.value("SELECT generation FROM pop3.generation")
        if isinstance(change, str):
            service.sql(change)
        else:
            admin.ask("CALL", name=change[0], **{
                "a%d" % n: value for n, value in enumerate(change[1:], 1)})
        if "pause" in name or name == "breaker":
            assert before == service.value(
                "SELECT generation FROM pop3.generation")
        for host, client in hosts:
            check(host, client, users)
            wait_cached(service, client, users)
            check(host, client, users)


@pytest.mark.parametrize("change", [
    "UPDATE pop3.policy SET notify = 'yes' WHERE scope = '*'",
    "INSERT INTO pop3.policy (scope, notify) VALUES ('%s', 'yes')" % USER,
    "UPDATE pop3.preset SET notify = 'yes' WHERE name = 'gmail'",
    "SELECT pop3.pause()"])
def test_between_login_and_intent(hosts, change):
    service = hosts[0][0]
    service.sql("SELECT pop3.set_policy('@example.org', 'preset', 'gmail')")
    sessions = []
    for _, client in hosts:
        wait_cached(service, client)
        session = os.urandom(16).hex()
        sessions.append((client, session,
                         client.login(USER, session)["version"]))
    service.sql(change)
    for client, session, version in sessions:
        with pytest.raises(Fail) as fail:
            client.intent(USER, session, version, [1], reason="retrieved")
        assert fail.value.code == "stale"
        reply = client.login(USER, session, again=True)
        assert reply["version"] != version
        if "pause" not in change:
            client.intent(USER, session, reply["version"], [1], no=2,
                          reason="retrieved")


def test_transactions_that_commit_out_of_order(hosts):
    """One stays open for seconds, others begin and end meanwhile: they wait,
    nobody's login does."""
    service = hosts[0][0]
    for _, client in hosts:
        wait_cached(service, client)
    slow = service.pg.connect(dbname=service.dbname, autocommit=False)
    slow.cursor().execute("SELECT pop3.set_policy(%s, 'top_lines', '1'), "
                          "pop3.set_policy('*', 'top_lines', '2')", (USER,))

    def others(n):
        with service.pg.connect(dbname=service.dbname) as conn:
            conn.cursor().execute(
                "SELECT pop3.set_policy(%s, 'view_limit', '3')",
                (("@example.org", OTHER, LOCAL)[n],))
    threads = [threading.Thread(target=others, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        for host, client in hosts:
            start = time.monotonic()
            check(host, client)
            assert login(client, USER)["p.top_lines"] == "-1"
            assert time.monotonic() - start < 2
        time.sleep(0.05)
    assert all(thread.is_alive() for thread in threads)
    slow.commit()
    slow.close()
    for thread in threads:
        thread.join()
    for host, client in hosts:
        assert login(client, USER)["p.top_lines"] == "1"
        check(host, client)
        wait_cached(service, client)
        check(host, client)


def test_rolled_back(hosts):
    service = hosts[0][0]
    for _, client in hosts:
        wait_cached(service, client)
    before = service.value("SELECT generation FROM pop3.generation")
    conn = service.pg.connect(dbname=service.dbname, autocommit=False)
    cursor = conn.cursor()
    cursor.execute("SELECT pop3.set_policy(%s, 'top_lines', '1')", (USER,))
    cursor.execute("SAVEPOINT a; SELECT pop3.set_policy('*', 'top_lines', "
                   "'2'); ROLLBACK TO a")
    conn.commit()
    cursor.execute("SELECT pop3.set_policy(%s, 'top_lines', '3')", (USER,))
    conn.rollback()
    conn.close()
    assert service.value("SELECT generation FROM pop3.generation") == \
        before + 1
    for host, client in hosts:
        check(host, client)
        wait_cached(service, client)
        check(host, client)
        assert login(client, USER)["p.top_lines"] == "1"
        assert login(client, OTHER)["p.top_lines"] == "-1"


def test_random_changes(hosts):
    """Each answer is the database's, whatever was changed, by whom and in what
    order; at times the caches have to load everything."""
    service = hosts[0][0]
    seed = int(os.environ.get("POP3_POLICY_SEED", random.randrange(10 ** 6)))
    print("POP3_POLICY_SEED=%d" % seed)
    rng = random.Random(seed)
    scopes = ["*", "@example.org", "@example.com", "@example.net", *USERS]
    presets = ["section8", "gmail", "qq", "one", "two"]
    columns = {"top_lines": lambda: rng.choice(["NULL", "0", "-1", "77"]),
               "move_mailbox": lambda: rng.choice(
                   ["NULL", "'a'", "'{\"b\\,'"]),
               "pop3_hold": lambda: rng.choice(["NULL", "'yes'", "'no'"]),
               "quota_warn": lambda: rng.choice(
                   ["NULL", "'{}'", "'{50,60}'"]),
               "view_since": lambda: rng.choice(
                   ["NULL", "'-infinity'", "'2021-02-03'"]),
               "expire_hidden": lambda: rng.choice(["NULL", "-1", "3600"])}

    def change():
        scope, preset = rng.choice(scopes), rng.choice(presets)
        column = rng.choice(list(columns))
        value = columns[column]()
        return rng.choice([
            "INSERT INTO pop3.policy AS p (scope, {c}) VALUES ('{s}', {v}) "
            "ON CONFLICT (scope) DO UPDATE SET {c} = {v}",
            "UPDATE pop3.policy SET {c} = {v} WHERE scope = '{s}'",
            "DELETE FROM pop3.policy WHERE scope = '{s}'",
            "INSERT INTO pop3.preset (name, description, {c}) VALUES "
            "('{p}', 'x', {v}) ON CONFLICT (name) DO UPDATE SET {c} = {v}",
            "UPDATE pop3.policy SET preset = (SELECT name FROM pop3.preset "
            "WHERE name = '{p}') WHERE scope = '{s}'",
            "DELETE FROM pop3.preset n WHERE name = '{p}' AND NOT EXISTS "
            "(SELECT FROM pop3.policy o WHERE o.preset = n.name)",
            "UPDATE pop3.preset SET name = '{p}' WHERE name = '{q}' AND NOT "
            "EXISTS (SELECT FROM pop3.preset x WHERE x.name = '{p}')",
            "UPDATE pop3.policy SET scope = '{s}' WHERE scope = '{t}' AND "
            "NOT EXISTS (SELECT FROM pop3.policy x WHERE x.scope = '{s}')",
            "SELECT pop3.pause()", "SELECT pop3.resume()",
        ]).format(s=scope.replace("Example.COM", "example.com"), p=preset,
                  q=rng.choice(presets), t=rng.choice(scopes), c=column,
                  v=value)

    for number in range(60):
        statements = [change() for _ in range(rng.choice([1, 1, 2, 5]))]
        if rng.random() < 0.1:
            statements.append("DELETE FROM pop3.policy_history")
        if rng.random() < 0.1:
            service.sql("SELECT pg_terminate_backend(%s)",
                        (rng.choice(poller(service) or [0]),))
        if rng.random() < 0.1:
            statements.append("UPDATE pop3.generation "
                              "SET generation = generation - 2")
        if rng.random() < 0.5:
            service.sql("; ".join(statements))
        else:
            for statement in statements:
                service.sql(statement)
        for host, client in hosts:
            check(host, client, rng.sample(USERS, 2))
        if number % 3 == 0:
            for host, client in hosts:
                wait_cached(service, client)
                before = asked(service)
                check(host, client)
                assert asked(service) == before


# --- the connection that looks ---

def test_the_connection_is_cut_again_and_again(hosts):
    service = hosts[0][0]
    stop = threading.Event()

    def killer():
        while not stop.is_set():
            for pid in poller(service):
                service.sql("SELECT pg_terminate_backend(%s)", (pid,))
            time.sleep(0.3)
    thread = threading.Thread(target=killer)
    thread.start()
    try:
        end, number = time.monotonic() + 6, 0
        while time.monotonic() < end:
            number += 1
            service.sql("SELECT pop3.set_policy(%s, 'top_lines', %s)",
                        (("*", "@example.org", USER)[number % 3],
                         str(number)))
            for host, client in hosts:
                check(host, client)
    finally:
        stop.set()
        thread.join()
    for host, client in hosts:
        wait_cached(service, client)
        check(host, client)


def test_what_is_old_is_not_used(counted, client):
    """No answer for more than two seconds: each login asks."""
    wait_cached(counted, client)
    (pid,) = poller(counted)
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(2.2)
        for _ in range(3):
            assert not is_cached(counted, client, USER)
        counted.sql("SELECT pop3.set_policy('*', 'top_lines', '9')")
        assert login(client, USER)["p.top_lines"] == "9"
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_cached(counted, client)
    check(counted, client)


def test_late_answers(counted, client):
    """Each takes more than a second, then two: it is right all the same, and
    then not used any more."""
    wait_cached(counted, client)
    text = counted.value("SELECT pg_get_functiondef("
                         "'pop3.policy_generation()'::regprocedure)")

    def answer_after(seconds):
        counted.sql(text.replace("BEGIN\n", "BEGIN\n    PERFORM "
                                 "pg_sleep(%s);\n" % seconds, 1))

    answer_after(1.2)
    for _ in range(3):
        counted.sql("SELECT pop3.set_policy('@example.org', 'top_lines', %s)",
                    (str(random.randrange(10 ** 6)),))
        check(counted, client, [USER])
        wait_until(lambda: is_cached(counted, client, LOCAL),
                   "an answer that is young enough")
    answer_after(2.5)
    # the last one that came sooner has to grow old
    time.sleep(2.5 + 1.2 + 1)
    end = time.monotonic() + 4
    while time.monotonic() < end:
        assert not is_cached(counted, client, LOCAL)
        time.sleep(0.05)
    counted.sql(text)
    wait_cached(counted, client)


def test_nothing_to_look_at(counted, client):
    """Said once; logins ask meanwhile."""
    counted.expect("Policies cannot be read ahead")
    wait_cached(counted, client)
    counted.sql("ALTER FUNCTION pop3.policy_generation() RENAME TO away")
    counted.wait_log("Warning: .*Policies cannot be read ahead.*"
                     "policy_generation")
    wait_until(lambda: not is_cached(counted, client, USER), "it to be old")
    counted.sql("SELECT pop3.set_policy('*', 'top_lines', '9')")
    check(counted, client)
    time.sleep(1.5)
    assert len(counted.log_lines("cannot be read ahead")) == 1
    counted.sql("ALTER FUNCTION pop3.away() RENAME TO policy_generation")
    counted.wait_log("Info: .*Policies can be read ahead again")
    wait_cached(counted, client)
    check(counted, client)


# --- going back ---

BEHIND = """
    SET session_replication_role = replica;
    UPDATE pop3.policy SET top_lines = 9 WHERE scope = '*';
    UPDATE pop3.policy SET top_lines = 8 WHERE scope = '%s';
    DELETE FROM pop3.policy WHERE scope = '@example.org';
    RESET session_replication_role;""" % USER


@pytest.mark.parametrize("how", [
    "UPDATE pop3.generation SET generation = generation - 1",
    "DELETE FROM pop3.policy_history WHERE at > now() - interval '1 hour'",
    "UPDATE pop3.policy_history SET caller = 'x'",
    "TRUNCATE pop3.policy_history"])
def test_everything_is_loaded_anew(hosts, how):
    """Where what changed cannot be told. No trigger sees the change."""
    service = hosts[0][0]
    service.sql("INSERT INTO pop3.policy (scope, top_lines) VALUES "
                "('@example.org', 1), ('%s', 2)" % USER)
    for _, client in hosts:
        wait_cached(service, client)
    service.sql(BEHIND)
    for _, client in hosts:
        assert login(client, USER)["p.top_lines"] == "2"
    service.sql(how)
    for host, client in hosts:
        for user, lines in ((USER, "8"), (OTHER, "9"), (LOCAL, "9")):
            assert login(client, user)["p.top_lines"] == lines
        wait_cached(service, client)
        check(host, client)


def test_old_history_may_go(hosts):
    """Nobody needs it: nothing is loaded."""
    service = hosts[0][0]
    service.sql("SELECT pop3.set_policy(%s, 'top_lines', '5')", (USER,))
    for _, client in hosts:
        wait_cached(service, client)
    service.sql("ALTER TABLE pop3.policy_history DISABLE TRIGGER ALL; "
                "UPDATE pop3.policy_history SET at = at - interval '2 days'; "
                "ALTER TABLE pop3.policy_history ENABLE TRIGGER ALL")
    before = service.value("SELECT generation FROM pop3.generation")
    service.sql("DELETE FROM pop3.policy_history")
    assert service.value("SELECT generation FROM pop3.generation") == before
    for _, client in hosts:
        assert is_cached(service, client, USER)


def test_restored_to_an_earlier_state(own_postgres, make_service):
    """A copy of the database takes its place, and goes on from there."""
    service = make_service(pg=own_postgres, dbname=own_postgres.dbname)
    service.expect("The database cannot be used", "[Cc]hain")
    count(service)
    client = service.client()
    service.sql("SELECT pop3.set_policy('*', 'top_lines', '1'); "
                "SELECT pop3.set_policy('%s', 'top_lines', '2')" % USER)
    wait_cached(service, client)
    own_postgres.stop()
    copy = own_postgres.datadir + ".copy"
    subprocess.run(["cp", "-a", own_postgres.datadir, copy], check=True)
    own_postgres.start()
    wait_until(lambda: service.log_contains("used again"), "the database")
    service.sql("SELECT pop3.set_policy('*', 'top_lines', '5'); "
                "SELECT pop3.set_policy('%s', 'top_lines', '6'); "
                "SELECT pop3.set_policy('@example.org', 'top_lines', '7')"
                % USER)
    check(service, client)
    wait_cached(service, client)
    own_postgres.stop("immediate")
    shutil.rmtree(own_postgres.datadir)
    os.rename(copy, own_postgres.datadir)
    own_postgres.start()
    # as many changes as before, but others
    service.sql("SELECT pop3.set_policy('*', 'top_lines', '3'); "
                "SELECT pop3.set_policy('@example.com', 'top_lines', '4'); "
                "SELECT pop3.set_policy('local', 'top_lines', '8')")
    wait_until(lambda: len(service.log_lines("used again")) == 2,
               "the database")
    check(service, client)
    wait_cached(service, client)
    check(service, client)
    assert login(client, USER)["p.top_lines"] == "2"
