# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Logins are answered from memory only with what the database would say: whatever
this host, another one, or an administrator does, the next login here sees it at
once, and elsewhere when the service has looked."""

import os
import random
import threading
import time

import pytest

from servicehost import Fail, guid, message, wait_until

USER = "jane@example.org"
OTHER = "joe@example.org"
AWAY = "The database cannot be used"

# counts how often a login asks
COUNT = """
    CREATE SEQUENCE public.asked;
    CREATE TABLE public.slow (secs float8);
    INSERT INTO public.slow VALUES (0);
    GRANT USAGE ON SEQUENCE public.asked TO pop3_owner;
    GRANT SELECT ON public.slow TO pop3_owner;
    GRANT USAGE ON SCHEMA public TO pop3_owner"""


def count(service):
    """Count from now on; answers are as late as public.slow says."""
    text = service.value(
        "SELECT pg_get_functiondef(oid) FROM pg_proc "
        "WHERE proname = 'maildrop_state'")
    head, body = text.split("AS $function$", 1)
    service.sql(text.replace("pop3.maildrop_state(",
                             "pop3.maildrop_state_uncounted(", 1))
    service.sql(COUNT)
    service.sql(head.replace("STABLE", "VOLATILE") + """AS $function$
    BEGIN
        PERFORM nextval('public.asked');
        RETURN QUERY SELECT * FROM pop3.maildrop_state_uncounted(
            $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);
        PERFORM pg_sleep((SELECT secs FROM public.slow));
    END $function$""")
    assert body
    return service


def asked(service):
    return service.value("SELECT CASE WHEN is_called THEN last_value ELSE 0 "
                         "END FROM public.asked")


def wait_read(service):
    """Wait until all services have read what was changed before."""
    now = service.value("SELECT clock_timestamp()")
    wait_until(lambda: service.value(
        "SELECT bool_and(state = 'idle' AND query_start > %s) "
        "FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = 'pop3-policy policies'", (now,)),
        "the services to read what was changed")


def told(reply):
    """What a login is told, but for the time."""
    return {k: v for k, v in reply.items() if k != "now"}, sorted(
        (kind, sorted(fields.items())) for kind, fields in reply.all_items)


class Host:
    """A service, its client, and what it is asked."""

    def __init__(self, service):
        self.service = service
        self.client = service.client()

    def login(self, user=USER, **fields):
        session = os.urandom(16).hex()
        return session, self.client.login(user, session, **fields)

    def poll(self, user=USER, **fields):
        """A session that finds nothing. What the login was told, and whether
        the database was asked."""
        before = asked(self.service)
        session, reply = self.login(user)
        asks = asked(self.service) - before
        self.client.session(user, session, reply["now"], **fields)
        return reply, asks

    def wait_remembered(self, user=USER):
        return wait_until(lambda: next(
            (r for r, asks in [self.poll(user)] if not asks), None),
            "a login of %s that does not ask" % user)


@pytest.fixture
def on():
    return {"settings": {"login_cache": "yes"}}


@pytest.fixture
def host(make_service, on):
    """With two users who have retrieved some messages, and hidden one."""
    host = Host(count(make_service(**on)))
    host.service.expect("Removals by policy are stopped")
    host.service.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    for user in (USER, OTHER):
        live(host, user)
    settle(host)
    return host


def settle(host):
    """Nobody is named any more, and both users are remembered."""
    for user in (USER, OTHER):
        host.login(user)
    wait_read(host.service)
    for user in (USER, OTHER):
        host.wait_remembered(user)


@pytest.fixture
def other(host, make_service, on):
    """Another host."""
    return Host(make_service(pg=host.service.pg, dbname=host.service.dbname,
                             **on))


@pytest.fixture
def asking(host, make_service):
    """A host that always asks."""
    asking = Host(make_service(pg=host.service.pg, dbname=host.service.dbname))
    asking.service.expect("Removals by policy are stopped")
    return asking


def live(host, user):
    session, reply = host.login(user)
    host.client.intent(user, session, reply["version"], [2], action="hide")
    host.client.outcome(user, session)
    host.client.session(user, session, reply["now"], fetched="1,3", retr=2,
                        retrieved=[(1, "none"), (3, "none")])


# --- polls ---

def test_polls_do_not_ask(host):
    first, _ = host.poll()
    before = asked(host.service)
    rows = host.service.value("SELECT count(*) FROM pop3.maildrop_change")
    for _ in range(50):
        reply, asks = host.poll()
        assert not asks
        assert told(reply) == told(first)
        assert float(reply["now"]) == pytest.approx(time.time(), abs=5)
    assert asked(host.service) == before
    assert host.service.value(
        "SELECT count(*) FROM pop3.maildrop_change") == rows
    # they were polls, and are counted as such
    assert host.service.value(
        "SELECT count(*) FROM pop3.session WHERE username = %s", (USER,)) == 1


@pytest.mark.parametrize("fields", [{"sweep": True}, {"again": True}])
def test_who_always_asks(host, fields):
    for _ in range(3):
        before = asked(host.service)
        host.login(**fields)
        assert asked(host.service) == before + 1


def test_login_delay_asks(host):
    host.service.sql("SELECT pop3.set_policy(%s, 'login_delay', '1h')",
                     (USER,))
    wait_until(lambda: host.login()[1].get("wait"), "the delay")
    before = asked(host.service)
    assert 3590 < int(host.login()[1]["wait"]) <= 3600
    assert asked(host.service) == before + 1
    assert host.poll(OTHER)[1] == 0


def test_it_can_be_switched_off(host, asking):
    before = asked(host.service)
    for number in range(1, 6):
        asking.login()
        assert asked(host.service) == before + number


def test_without_an_outage_s_memory(host, make_service):
    """offline_time has nothing to do with it."""
    never = Host(make_service(
        pg=host.service.pg, dbname=host.service.dbname,
        settings={"login_cache": "yes", "offline_time": "0 s"}))
    never.login()
    never.wait_remembered()
    assert never.poll()[1] == 0


# --- this host ---

def abandoned(host):
    client = host.service.client()
    session = os.urandom(16).hex()
    reply = client.login(USER, session)
    client.intent(USER, session, reply["version"], [4])
    client.close()
    host.service.wait_sessions(USER, 2)


def intended(host):
    session, reply = host.login()
    host.client.intent(USER, session, reply["version"], [4])


def used_by_imap(host):
    host.client.tell("IMAP", user=USER)


def fetched(host):
    session, reply = host.login()
    host.client.session(USER, session, reply["now"], fetched="5", retr=1,
                        retrieved=[(5, "none")])


def got_mail(host):
    host.poll(uidnext=12, uidnext_end=12, messages=11)


def lost_mail(host):
    session, _ = host.login()
    host.client.tell("EVENT", user=USER, session=session, event="gone",
                     guid=guid(USER), uidvalidity=1, uids="1")


def restored(host):
    host.service.admin().ask("CALL", name="restore", a1=USER)


def paused(host):
    host.service.admin().ask("CALL", name="pause", a1="test")


def policy_set(host):
    host.service.admin().ask("CALL", name="set", a1=USER, a2="top_lines\n",
                             a3="5\n")


@pytest.mark.parametrize("act", [
    live, abandoned, intended, used_by_imap, fetched, got_mail, lost_mail,
    restored, paused, policy_set], ids=lambda act: act.__name__)
def test_the_next_login_here_sees_it(host, asking, act):
    if act is live:
        live(host, USER)
    else:
        act(host)
    before = asked(host.service)
    _, reply = host.login()
    assert asked(host.service) > before
    # it has looked at the policies
    wait_until(lambda: told(asking.login()[1]) == told(reply),
               "the same answer of a host that asks")


# --- others ---

@pytest.mark.parametrize("sql", [
    "SELECT pop3.restore(%s)",
    "UPDATE pop3.maildrop SET messages = 99 WHERE username = %s",
    "DELETE FROM pop3.message USING pop3.maildrop d "
    "WHERE d.maildrop_id = message.maildrop_id AND username = %s",
    "SELECT pop3.forget_user(%s)",
    "SELECT pop3.set_policy(%s, 'view_limit', '1')",
])
def test_sql_is_seen(host, asking, sql):
    before, _ = host.poll()
    host.service.sql(sql, (USER,))
    now = told(asking.login()[1])
    start = time.monotonic()
    wait_until(lambda: told(host.login()[1]) == now, "what the database says")
    assert time.monotonic() - start < 2
    assert now != told(before)
    # others are remembered
    assert host.poll(OTHER)[1] == 0


def test_other_hosts_are_seen(host, other, asking):
    for _ in range(5):
        other.wait_remembered()
        live(host, USER)
        host.login()
        start = time.monotonic()
        wait_until(lambda: told(other.login()[1]) == told(asking.login()[1]),
                   "what the other host did")
        assert time.monotonic() - start < 2


def test_time_goes_by(host, asking):
    """What falls due is told when it does."""
    host.service.sql("SELECT pop3.set_policy('*', 'expire_retrieved', '4s')")
    wait_until(lambda: host.login()[1]["p.expire_retrieved"] == "4",
               "the policy")
    live(host, USER)
    due = None
    while not due:
        # asked one after the other: due in the second if in the first
        reply, always = host.login()[1], asking.login()[1]
        due = reply.items_of("due")
        assert len(due) <= len(always.items_of("due"))
        if len(due) < len(always.items_of("due")):
            reply = host.login()[1]
            due = reply.items_of("due")
            assert due
    assert {item["uid"] for item in due} == {"1", "3"}


def test_an_answer_that_is_late_is_not_remembered(host):
    """It was given before a change, and arrives after that was told."""
    service = host.service
    service.sql("SELECT pop3.restore(%s)", (USER,))
    wait_read(service)
    service.sql("UPDATE public.slow SET secs = 3")
    replies = []
    client = service.client()
    thread = threading.Thread(target=lambda: replies.append(
        client.login(USER, os.urandom(16).hex())))
    thread.start()
    wait_until(lambda: service.value(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
        "the question")
    service.sql("UPDATE public.slow SET secs = 0")
    service.sql("UPDATE pop3.maildrop SET messages = 42")
    wait_read(service)
    assert thread.is_alive()
    thread.join()
    assert replies[0].items_of("maildrop")[0]["messages"] != "42"
    assert host.login()[1].items_of("maildrop")[0]["messages"] == "42"


def test_a_lost_connection_forgets(host):
    """Nobody knows what was changed meanwhile."""
    service = host.service
    assert host.poll()[1] == 0
    before = service.value("SELECT count(*) FROM public.slow")
    assert before
    service.sql("UPDATE pop3.maildrop SET messages = 17; "
                "DELETE FROM pop3.maildrop_change; "
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'pop3-policy policies' "
                "AND datname = current_database()")
    wait_until(lambda: host.login()[1].items_of("maildrop")[0][
        "messages"] == "17", "the change that nobody told of", timeout=3)
    host.wait_remembered()


def test_without_news_it_asks(host):
    """Policies can be read, changes cannot."""
    service = host.service
    service.sql("ALTER FUNCTION pop3.maildrop_changes RENAME TO elsewhere")
    service.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'pop3-policy policies' "
                "AND datname = current_database()")
    service.expect("maildrop_changes")
    time.sleep(2.1)
    for _ in range(5):
        assert host.poll()[1] == 1
    service.sql("ALTER FUNCTION pop3.elsewhere RENAME TO maildrop_changes")
    host.wait_remembered()


def test_an_outage(own_postgres, make_service, on):
    """Within two seconds the memory of logins gives way to that of outages, and
    afterwards nothing of before is told again."""
    host = Host(count(make_service(pg=own_postgres,
                                   dbname=own_postgres.dbname, **on)))
    service = host.service
    service.expect(AWAY)
    live(host, USER)
    host.wait_remembered()
    own_postgres.stop("immediate")
    wait_until(lambda: host.login()[1].get("offline"), "an offline answer",
               timeout=8)
    own_postgres.start()
    service.sql("UPDATE pop3.maildrop SET messages = 23")
    wait_until(lambda: service.log_contains("used again"), "the database")
    wait_until(lambda: not host.login()[1].get("offline"), "the database")
    assert host.login()[1].items_of("maildrop")[0]["messages"] == "23"
    host.wait_remembered()


# --- the whole ---

def test_random_lives(host, other, asking):
    """On two hosts at once. The host where something was done knows it, the other
    one when it has looked."""
    seed = random.SystemRandom().randrange(1 << 32)
    rng = random.Random(seed)
    users = ["user%d@example.org" % n for n in range(4)]
    hosts = (host, other)
    asks = 0
    logins = 0

    def act(where, user):
        session, reply = where.login(user)
        kind = rng.randrange(8)
        # no two that would be a range
        uids = sorted(rng.sample(range(1, 11, 2), rng.randrange(1, 4)))
        if kind < 3:
            where.client.session(user, session, reply["now"])
        elif kind == 3:
            where.client.session(
                user, session, reply["now"], fetched=",".join(map(str, uids)),
                retr=len(uids), retrieved=[(u, "none") for u in uids])
        elif kind == 4:
            where.client.session(user, session, reply["now"],
                                 messages=rng.randrange(20))
        elif kind == 5:
            where.service.sql("SELECT pop3.restore(%s)", (user,))
            wait_read(where.service)
        else:
            try:
                where.client.ask("INTENT", [
                    ("message", message(user, u, reason="dele", action=(
                        "hide" if kind == 6 else "expunge"))) for u in uids],
                    user=user, session=session, no=1, guid=guid(user),
                    version=reply["version"], uidvalidity=1)
            except Fail as fail:
                assert fail.code in ("stale", "fenced")
            where.client.outcome(user, session, rng.choice(
                ("committed", "committed", "failed")))
            where.client.session(user, session, reply["now"])

    for user in users:
        live(host, user)
    homes = dict.fromkeys(users, host)
    for number in range(120):
        user = rng.choice(users)
        where = homes[user]
        act(where, user)
        before = asked(host.service)
        reply = where.login(user)[1]
        logins += 1
        asks += asked(host.service) - before
        assert told(asking.login(user)[1]) == told(reply), (seed, number)
        if number % 10 == 0:
            wait_read(host.service)
            for each in users:
                replies = [told(h.login(each)[1]) for h in (*hosts, asking)]
                assert replies[0] == replies[2], (seed, number)
                assert replies[1] == replies[2], (seed, number)
                homes[each] = rng.choice(hosts)
    assert 0 < asks < logins, (asks, logins)
