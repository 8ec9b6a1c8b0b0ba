# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The log on the host's disk: what a service did not get to write is written by
the next one, and what the database lost is written again, all of it once."""

import glob
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from pgproxy import Proxy
from servicehost import Fail, wait_until
from test_queue import POISON, POISON_TRIGGER

USER = "jane@example.org"
AWAY = "The database cannot be used"
KILLED = r"child \d+ killed with signal 9"


def did_something(client, session, user=USER, uid=1):
    client.session(user, session, "%.3f" % time.time(), fetched=str(uid),
                   retr=1, retrieved=[(uid, "none")])


def state_dir(service, *names):
    return service.path("state", "pop3-policy", *names)


def log_bytes(directory):
    data = b""
    for path in sorted(glob.glob(os.path.join(directory, "log.*", "0*"))):
        with open(path, "rb") as file:
            data += file.read()
    return data


def wait_logged(service, text, directory=None):
    wait_until(lambda: text.encode() in log_bytes(
        directory or state_dir(service)), "%s in the log" % text)


def tell(service, client, count, first=1):
    """Sessions that nobody waits for; returns when they are in the log."""
    sessions = [os.urandom(16).hex() for _ in range(count)]
    for number, session in enumerate(sessions):
        did_something(client, session, uid=first + number)
    wait_logged(service, sessions[-1])
    return sessions


def reach(service):
    """A client; the socket may be there before anybody listens."""
    def client():
        try:
            return service.client()
        except OSError:
            return None
    return wait_until(client, "the service to listen")


def found(service):
    return [row[0] for row in service.sql(
        "SELECT replace(session_id::text, '-', '') FROM pop3.session "
        "WHERE ended_by = 'quit' ORDER BY lower(fetched)")]


def repeats(service):
    return service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'repeat'")


@pytest.fixture
def proxied(postgres, make_service):
    proxy = Proxy(postgres.directory)
    dbname = "logged%d" % time.monotonic_ns()
    postgres.create_database(dbname, "template_pop3")
    service = make_service(pg=postgres, dbname=dbname, settings={
        "connect": proxy.uri(postgres.uri("pop3_service", dbname))})
    yield service, proxy
    proxy.close()


# --- the process ends -------------------------------------------------------

def test_killed_with_unsent_records(own_service, own_postgres, new_session):
    """Nothing but their log is left of them when the next service starts; they
    keep the time when they happened, and come before what is new."""
    service = own_service
    service.expect(AWAY, KILLED, r"pop3\.maintain\(\) failed")
    client = service.client()
    client.login(USER, new_session())
    own_postgres.stop()
    service.wait_log(AWAY)
    client.tell("EVENT", event="unconfirmed", user=USER, text="then")
    then = time.time()
    sessions = tell(service, client, 300)
    service.kill(signal.SIGKILL)
    time.sleep(3)
    back = time.time()
    own_postgres.start()
    service.wait_log("The database can be used", 2)
    client = service.client()
    client.login(USER, new_session())
    assert found(service) == sessions and repeats(service) == 0
    assert service.log_contains("301 records of the log are sent again")
    (at, now), = service.sql(
        "SELECT extract(epoch FROM at)::float8, "
        "(SELECT extract(epoch FROM max(opened_at))::float8 FROM pop3.chain) "
        "FROM pop3.audit WHERE event = 'unconfirmed'")
    assert abs(at - then) < 1 and now >= back
    ages = service.sql("SELECT extract(epoch FROM retrieved_at)::float8 "
                       "FROM pop3.message")
    assert len(ages) == 300 and all(then - 1 < age < back for age, in ages)


def test_database_away_for_a_whole_life(own_service, own_postgres,
                                        new_session):
    """One service never sees it, the next one writes what was told to it."""
    service = own_service
    service.expect(AWAY, r"pop3\.maintain\(\) failed")
    client = service.client()
    first = tell(service, client, 10)
    service.wait_sessions(USER, 10)
    client.close()
    service.stop()
    own_postgres.stop()
    service.start(wait=False)
    client = reach(service)
    second = tell(service, client, 10, first=11)
    service.stop()
    assert service.log_contains("10 records could not be written before the "
                                "end; they are in the log")
    own_postgres.start()
    service.start(wait=False)
    service.wait_log("The database can be used", 2)
    service.client().login(USER, new_session())
    assert found(service) == first + second and repeats(service) == 0
    assert service.value("SELECT count(*) FROM pop3.chain") == 1


def test_more_than_is_read_at_once(own_service, own_postgres, new_session):
    """Whatever comes meanwhile waits behind it, whole."""
    service = own_service
    service.expect(AWAY, KILLED, r"pop3\.maintain\(\) failed")
    client = service.client()
    own_postgres.stop()
    service.wait_log(AWAY)
    line = ("SESSION\t0\tuser=many%d@example.org\tsession=%032x\t"
            "started=%.3f\tended_by=drop\tretr=1\n")
    count = 12000
    for start in range(0, count, 1000):
        client.send_raw("".join(line % (n % 7, n + 1, time.time())
                                for n in range(start, start + 1000)))
    wait_logged(service, "%032x" % count)
    service.kill(signal.SIGKILL)
    own_postgres.start()
    client = reach(service)
    wait_until(lambda: offline_login(client, new_session()), "a login")
    assert service.log_contains("%d records of the log are sent again" % count)
    client.login("many3@example.org", new_session())
    wait_until(lambda: service.value("SELECT count(*) FROM pop3.session") ==
               count, "%d sessions" % count, timeout=60)
    assert repeats(service) == 0
    assert service.value(
        "SELECT count(*) FROM (SELECT session_id, lag(session_id) "
        "OVER (PARTITION BY username ORDER BY seq) AS before "
        "FROM pop3.session) s WHERE session_id <= before") == 0


def test_promise_is_kept(own_service, own_postgres, new_session):
    """A client was told that its removals succeeded, while the database was
    away; then the service was killed."""
    service = own_service
    service.expect(AWAY, KILLED, r"pop3\.maintain\(\) failed")
    client = service.client()
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    client.login(USER, new_session())
    own_postgres.stop()
    service.wait_log(AWAY)
    session = new_session()
    login = wait_until(lambda: offline_login(client, session), "a login")
    reply = client.intent(USER, session, login["version"], [3, 4],
                          postpone="may")
    assert reply["offline"] == "1" and "lease" not in reply
    service.kill(signal.SIGKILL)
    own_postgres.start()
    service.wait_log("The database can be used", 2)
    client = reach(service)
    client.login(USER, new_session())
    assert service.audit(USER) == [("postponed", 3, "dele"),
                                   ("postponed", 4, "dele")]
    assert service.sql("SELECT uid FROM pop3.message "
                       "WHERE hidden_at IS NOT NULL ORDER BY uid") == [
                           (3,), (4,)]


def offline_login(client, session):
    try:
        return client.login(USER, session)
    except Fail:
        return None


def test_killed_between_commit_and_answer(proxied, new_session):
    """The batch is durable; its service did not live to hear of it."""
    service, proxy = proxied
    service.expect(AWAY, KILLED)
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    proxy.hold_ends()
    client.send("INTENT", [("message", {
        "uid": 7, "guid": "0" * 32, "size": 1, "action": "expunge",
        "reason": "dele"})], user=USER, session=session, no=1,
        version=login["version"], guid="1" * 32, uidvalidity=1)
    service.wait_audit(USER, ["intent"])
    sessions = tell(service, client, 20)
    service.kill(signal.SIGKILL)
    proxy.cut()
    service.wait_log("The database can be used", 2)
    other = service.client()
    assert other.intent(USER, session, login["version"], [7],
                        repeat=True)["lease"] == "60"
    other.outcome(USER, session)
    service.wait_audit(USER, ["intent", "committed"])
    wait_until(lambda: found(service) == sessions, "all sessions")
    assert repeats(service) == 0


def test_unsent_intent_is_not_taken_up(own_service, own_postgres,
                                       new_session):
    """Its session was told that it failed, or is gone."""
    service = own_service
    service.expect(AWAY, KILLED, "no answer from the database",
                   r"pop3\.maintain\(\) failed")
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    own_postgres.pause()
    client.send("INTENT", [("message", {
        "uid": 7, "guid": "0" * 32, "size": 1, "action": "expunge",
        "reason": "dele"})], user=USER, session=session, no=1,
        version=login["version"], guid="1" * 32, uidvalidity=1)
    wait_logged(service, "record_intent")
    service.kill(signal.SIGKILL)
    # what had been sent does not get there either
    own_postgres.resume()
    own_postgres.restart("immediate")
    service.wait_log("The database can be used", 2)
    service.client().login(USER, new_session())
    assert service.sql("SELECT state FROM pop3.intent") in ([], [("open",)])
    before = len(service.audit(USER))
    service.kill(signal.SIGKILL)
    service.wait_log("The database can be used", 3)
    service.client().login(USER, new_session())
    assert len(service.audit(USER)) == before


def test_killed_again_and_again(service, new_session):
    """Under load: each record is there once, in the end."""
    # what a dead one had under way may open the chain after the next one did
    service.expect(KILLED, r"net_connect_unix\(", r"was opened again")
    sent = []
    for number in range(8):
        client = reach(service)
        for turn in range(40):
            session = new_session()
            did_something(client, session, uid=number * 1000 + turn + 1)
            sent.append(session)
        wait_logged(service, sent[-1])
        service.kill(signal.SIGKILL)
    wait_until(lambda: len(found(service)) == len(sent),
               "%d sessions" % len(sent))
    assert found(service) == sent and repeats(service) == 0


def test_torn_tail(own_service, own_postgres, new_session):
    """A crash in the middle of a write."""
    service = own_service
    service.expect(AWAY, KILLED, r"pop3\.maintain\(\) failed")
    client = service.client()
    own_postgres.stop()
    service.wait_log(AWAY)
    sessions = tell(service, client, 5)
    service.process.send_signal(signal.SIGSTOP)     # starts no other
    service.kill(signal.SIGKILL)
    path = sorted(glob.glob(state_dir(service, "log.*", "0*")))[-1]
    os.truncate(path, os.path.getsize(path) - 3)
    service.process.send_signal(signal.SIGCONT)
    service.wait_log("The last entry of .* is not complete")
    own_postgres.start()
    service.wait_log("The database can be used", 2)
    service.client().login(USER, new_session())
    assert found(service) == sessions[:4]


def test_damaged_log(own_service, own_postgres, new_session):
    """The record that is hit is lost, which is said once, and no other."""
    service = own_service
    service.expect(AWAY, KILLED, "The log is damaged",
                   r"pop3\.maintain\(\) failed")
    client = service.client()
    own_postgres.stop()
    service.wait_log(AWAY)
    sessions = tell(service, client, 5)
    service.process.send_signal(signal.SIGSTOP)
    service.kill(signal.SIGKILL)
    path = sorted(glob.glob(state_dir(service, "log.*", "0*")))[-1]
    with open(path, "r+b") as file:
        at = file.read().index(sessions[2].encode())
        file.seek(at)
        file.write(b"X")
    service.process.send_signal(signal.SIGCONT)
    service.wait_log("The log is damaged")
    line, = service.log_lines("The log is damaged")
    offset = int(re.search(r"at offset (\d+)", line).group(1))
    assert path in line and at - 200 < offset < at
    own_postgres.start()
    service.wait_log("The database can be used", 2)
    service.client().login(USER, new_session())
    assert found(service) == sessions[:2] + sessions[3:]


def test_poison_in_the_log(own_service, own_postgres, new_session):
    """It is put away, and the others are written."""
    service = own_service
    service.expect(AWAY, KILLED, "goes to pop3.quarantine",
                   r"pop3\.maintain\(\) failed")
    service.sql(POISON_TRIGGER.format(table="pop3.session"))
    client = service.client()
    own_postgres.stop()
    service.wait_log(AWAY)
    first = tell(service, client, 10)
    did_something(client, new_session(), POISON)
    second = tell(service, client, 10, first=11)
    service.kill(signal.SIGKILL)
    own_postgres.start()
    service.wait_log("The database can be used", 2)
    service.client().login(POISON, new_session())
    assert found(service) == first + second
    assert service.value("SELECT count(*) FROM pop3.quarantine") == 1
    service.kill(signal.SIGKILL)
    service.wait_log("The database can be used", 3)
    service.client().login(POISON, new_session())
    assert service.value("SELECT count(*) FROM pop3.quarantine") == 1
    assert repeats(service) == 0


def test_own_time_after_an_outage(own_service, own_postgres, new_session):
    """Also of what the same service kept."""
    service = own_service
    service.expect(AWAY, r"pop3\.maintain\(\) failed")
    client = service.client()
    own_postgres.stop()
    service.wait_log(AWAY)
    then = time.time()
    client.tell("EVENT", event="unconfirmed", user=USER, text="then")
    did_something(client, new_session())
    time.sleep(3)
    own_postgres.start()
    service.wait_audit(USER, ["unconfirmed"])
    service.wait_sessions(USER, 1)
    client.tell("EVENT", event="unconfirmed", user=USER, text="now")
    service.wait_audit(USER, ["unconfirmed"] * 2)
    first, second = [row[0] for row in service.sql(
        "SELECT extract(epoch FROM at)::float8 FROM pop3.audit ORDER BY seq")]
    assert abs(first - then) < 1 and second > then + 2.5


# --- several services -------------------------------------------------------

def chain_files(service):
    return sorted(name for name in os.listdir(state_dir(service))
                  if re.fullmatch(r"chain(\.\d+)?", name))


@pytest.mark.parametrize("both", [False, True])
def test_log_of_a_dead_service(own_postgres, make_service, new_session, both):
    """What one left takes another over: one beside it, or the next."""
    # else Dovecot ends the old one soon
    service = make_service(pg=own_postgres, dbname=own_postgres.dbname,
                           extra="shutdown_clients = no\n")
    service.expect(AWAY, KILLED, r"pop3\.maintain\(\) failed")
    old = service.client()
    tell(service, old, 5)
    service.wait_sessions(USER, 5)
    first = service.pids()
    service.reload()
    service.wait_log("The database can be used", 2)
    new = service.client()
    new.login(USER, new_session())
    second = set(service.pids()) - set(first)
    assert len(first) == len(second) == 1
    assert chain_files(service) == ["chain", "chain.2"]
    own_postgres.stop()
    service.wait_log(AWAY, 2)
    kept = tell(service, old, 20, first=100) + \
        tell(service, new, 20, first=200)
    for pid in first + (list(second) if both else []):
        os.kill(pid, signal.SIGKILL)
    own_postgres.start()
    wait_until(lambda: found(service)[5:] == kept, "all sessions")
    service.wait_log("Took over 20 records")
    assert repeats(service) == 0
    # once
    time.sleep(11)
    assert len(service.log_lines("Took over")) == 1
    assert found(service)[5:] == kept and repeats(service) == 0


# --- the database goes back -------------------------------------------------

class Restored:
    """A PostgreSQL that is put back to a copy of its files: as a standby that
    lagged and took over."""

    def __init__(self, pg):
        self.pg = pg
        self.data = os.path.join(pg.directory, "data")
        assert os.path.exists(os.path.join(self.data, "PG_VERSION"))
        self.copy = self.data + ".copy"

    def keep(self):
        self.pg.stop()
        subprocess.check_call(["cp", "-a", self.data, self.copy])
        self.pg.start()

    def put_back(self):
        self.pg.stop()
        shutil.rmtree(self.data)
        subprocess.check_call(["cp", "-a", self.copy, self.data])
        self.pg.start()


@pytest.mark.parametrize("restarted", [False, True])
def test_database_put_back(own_service, own_postgres, new_session, restarted):
    """Whatever it lost is written again, by this service or the next: intents
    as they were accepted, with their outcomes, at their own times."""
    service = own_service
    service.expect(AWAY, KILLED, "The database went back from batch",
                   r"pop3\.maintain\(\) failed", "requests failed since")
    database = Restored(own_postgres)
    service.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    client = service.client()
    before = tell(service, client, 5)
    service.wait_sessions(USER, 5)
    database.keep()
    service.wait_log("used again")

    session = new_session()
    login = client.login(USER, session)
    client.intent(USER, session, login["version"], [20, 21])
    client.outcome(USER, session)
    hidden = new_session()
    login = client.login(USER, hidden)
    client.intent(USER, hidden, login["version"], [2], action="hide",
                  reason="retrieved")
    client.outcome(USER, hidden)
    lost = tell(service, client, 30, first=100)
    service.wait_sessions(USER, 35)
    events = [row[0] for row in service.audit(USER)]
    assert events.count("committed") == 2
    times = service.sql("SELECT event, uid, extract(epoch FROM at)::float8 "
                        "FROM pop3.audit WHERE username = %s ORDER BY seq",
                        (USER,))
    # a policy of later does not make them stale
    service.sql("SELECT pop3.set_policy('*', 'pop3_hold', 'yes')")
    if restarted:
        client.close()
        service.stop()
    database.put_back()
    service.sql("SELECT pop3.set_policy('*', 'pop3_hold', 'yes')")
    if restarted:
        service.start(wait=False)
    service.wait_log("The database went back from batch")
    client = service.client()
    wait_until(lambda: len(found(service)) == 35, "35 sessions")
    client.login(USER, new_session())
    assert found(service) == before + lost and repeats(service) == 0
    again = service.sql("SELECT event, uid, extract(epoch FROM at)::float8 "
                        "FROM pop3.audit WHERE username = %s ORDER BY seq",
                        (USER,))
    assert [row[:2] for row in again] == [row[:2] for row in times]
    assert all(abs(row[2] - was[2]) < 0.5 for row, was in zip(again, times))
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'chain-back'") == 1
    assert service.value("SELECT hidden_at IS NOT NULL FROM pop3.message "
                         "WHERE uid = 2")
    assert service.value("SELECT count(*) FROM pop3.chain") == 1
    back = [line.split() for line in open(glob.glob(
        state_dir(service, "checkpoints.*"))[0]) if " back " in line]
    assert len(back) == 1
    # and it goes on
    more = tell(service, client, 3, first=200)
    wait_until(lambda: found(service) == before + lost + more, "three more")


def test_put_back_twice(own_service, own_postgres, new_session):
    """What was copied once is not copied twice."""
    service = own_service
    service.expect(AWAY, KILLED, "The database went back from batch",
                   r"pop3\.maintain\(\) failed", "requests failed since")
    database = Restored(own_postgres)
    client = service.client()
    before = tell(service, client, 5)
    service.wait_sessions(USER, 5)
    database.keep()
    service.wait_log("used again")
    lost = tell(service, client, 10, first=100)
    service.wait_sessions(USER, 15)
    for turn in (1, 2):
        database.put_back()
        service.wait_log("The database went back from batch", turn)
        wait_until(lambda: found(service) == before + lost, "15 sessions")
        lost += tell(service, client, 5, first=100 + 100 * turn)
        wait_until(lambda: found(service) == before + lost, "5 more")
    assert repeats(service) == 0
    assert service.value("SELECT count(*) FROM pop3.audit "
                         "WHERE event = 'chain-back'") == 2


def test_put_back_before_the_log(own_service, own_postgres, new_session):
    """Longer ago than it is kept: a new chain, and it is said."""
    service = own_service
    service.expect(AWAY, "longer ago than this host's log reaches",
                   r"pop3\.maintain\(\) failed")
    database = Restored(own_postgres)
    client = service.client()
    tell(service, client, 5)
    service.wait_sessions(USER, 5)
    database.keep()
    service.wait_log("used again")
    tell(service, client, 5, first=100)
    service.wait_sessions(USER, 10)
    client.close()
    service.stop()
    # as if these were older than a day
    service.start(wait=False)
    service.wait_log("The database can be used", 2)
    tell(service, reach(service), 5, first=200)
    service.wait_sessions(USER, 15)
    service.stop()
    for path in sorted(glob.glob(state_dir(service, "log.*", "0*")))[:-1]:
        os.unlink(path)
    database.put_back()
    service.start(wait=False)
    service.wait_log("longer ago than this host's log reaches")
    more = tell(service, reach(service), 5, first=300)
    wait_until(lambda: found(service)[-5:] == more, "five more")
    assert service.value("SELECT count(*) FROM pop3.chain") == 2


# --- a copy of the host -----------------------------------------------------

def test_cloned_host(make_service, service, client, new_session):
    """The one that comes too late stops, with one line that says what to do,
    and keeps what it was told."""
    did_something(client, new_session())
    service.wait_sessions(USER, 1)
    twin = make_service(pg=service.pg, dbname=service.dbname, wait=False,
                        settings={"state_dir": "/nonexistent"})
    twin.expect("/nonexistent", "Fatal", "command startup failed", AWAY)
    copy = twin.path("copied")
    shutil.copytree(state_dir(service), copy)
    for root, directories, files in os.walk(copy):
        for name in [root] + [os.path.join(root, n)
                              for n in directories + files]:
            shutil.chown(name, "dovecot", "dovecot")
    twin.settings["state_dir"] = copy
    twin.write_settings()
    twin.wait_log("The database can be used")
    other = twin.client()
    did_something(other, new_session())
    service.wait_sessions(USER, 2)

    service.expect("another host goes on with it", AWAY)
    kept = tell(service, client, 1)
    service.wait_log("another host goes on with it")
    for call in (lambda: client.login(USER, new_session()),
                 lambda: client.intent(USER, new_session(), "x", [1])):
        with pytest.raises(Fail) as fail:
            call()
        assert fail.value.code == "temp"
    # the other one is not disturbed any more
    did_something(other, new_session())
    other.login(USER, new_session())
    service.wait_sessions(USER, 3)
    time.sleep(2)
    line, = service.log_lines("another host goes on with it")
    assert state_dir(service, "chain") in line
    assert service.value("SELECT count(*) FROM pop3.chain") == 1
    assert kept[0] not in found(service)
    # what the line says
    os.unlink(state_dir(service, "chain"))
    service.kill()
    service.expect(KILLED)
    service.wait_log("The database can be used", 2)
    did_something(service.client(), new_session())
    service.wait_sessions(USER, 4)
    assert service.value("SELECT count(*) FROM pop3.chain") == 2


# --- the disk ---------------------------------------------------------------

@pytest.fixture
def small_disk():
    """A file system of 512 kB for state_dir."""
    path = "/dev/shm/pop3-small-%d-%d" % (os.getpid(), time.monotonic_ns())
    os.mkdir(path)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o",
                           "size=512k,mode=0777", "tmpfs", path])
    if done.returncode != 0:
        os.rmdir(path)
        pytest.skip("a file system cannot be mounted here")
    yield path
    subprocess.check_call(["umount", "-l", path])
    os.rmdir(path)


def test_full_disk(small_disk, make_service, new_session):
    """What is told goes on to the database; what has to be recorded is refused
    until there is room again."""
    state = os.path.join(small_disk, "state")
    os.mkdir(state)
    shutil.chown(state, "dovecot", "dovecot")
    service = make_service(settings={"state_dir": state})
    service.expect("The log .* cannot be written", KILLED)
    # for those who check the chain
    shutil.copy(os.path.join(state, "audit.key"), service.path("audit.key"))
    client = service.client()
    session = new_session()
    login = client.login(USER, session)
    sent = tell_until_full(service, client)
    wait_until(lambda: found(service) == sent, "all sessions")
    for call in (lambda: client.login(USER, new_session()),
                 lambda: client.intent(USER, session, login["version"], [1])):
        with pytest.raises(Fail) as fail:
            call()
        assert fail.value.code == "temp"
    assert service.audit(USER) == []
    assert len(service.log_lines("cannot be written")) == 1

    # killed while it is full: nothing is written twice; the next one has
    # what was taken for the log's end
    service.kill(signal.SIGKILL)
    service.wait_log("The database can be used", 2)
    client = reach(service)
    extra = new_session()
    did_something(client, extra, uid=10 ** 6)
    wait_until(lambda: found(service) == sent + [extra], "one more")

    subprocess.check_call(["mount", "-o", "remount,size=40m", small_disk])

    def login():
        try:
            return client.login(USER, new_session())
        except Fail:
            return None
    wait_until(login, "the log to work again")
    assert repeats(service) == 0
    more = new_session()
    did_something(client, more, uid=10 ** 6 + 1)
    wait_until(lambda: found(service) == sent + [extra, more], "one more")
    service.kill(signal.SIGKILL)
    service.wait_log("The database can be used", 3)
    service.client().login(USER, new_session())
    assert repeats(service) == 0


def tell_until_full(service, client):
    sent = []
    while not service.log_contains("cannot be written"):
        for _ in range(50):
            sent.append(os.urandom(16).hex())
            did_something(client, sent[-1], uid=len(sent))
        time.sleep(0.05)
        assert len(sent) < 20000
    for _ in range(50):
        sent.append(os.urandom(16).hex())
        did_something(client, sent[-1], uid=len(sent))
    return sent
