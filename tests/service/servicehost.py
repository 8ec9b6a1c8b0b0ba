# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A Dovecot master that runs the policy service and no protocol, and a client
of the service's socket. Each login asks the database (login_cache=no), since most
tests change it behind the service's back.

    host = ServiceHost(pg, dbname)
    host.start()
    client = host.client()
    client.login("jane@example.org", session)
    host.cleanup()
"""

import contextlib
import ctypes
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import seals
from dovecot_files import (
    ASAN, TOP, built, dialect, install, program, write_script)

# a command to run the service under, for example "/usr/bin/valgrind -q
# --vgdb=no --leak-check=full --show-leak-kinds=definite,indirect"
WRAPPER = os.environ.get("POP3_POLICY_SERVICE_WRAPPER", "")

PR_SET_PDEATHSIG = 1

CONFIG = """\
{header}
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S.%{{usecs}} "
log_debug = {log_debug}
protocols =
listen = 127.0.0.1
ssl = no
{environment}
service pop3-policy {{
  executable = {dir}/pop3-policy -c {dir}/pop3-policy.conf.ext
  user = {user}
  process_limit = 1
  process_min_avail = 1
  {forever}
  client_limit = 1000
  vsz_limit = {no_memory_limit}
  unix_listener pop3-policy {{
    mode = 0600
  }}
  unix_listener pop3-policy-admin {{
    mode = 0600
  }}
}}
{extra}
"""

WAIT = 60 if WRAPPER else 20


class Failure(Exception):
    """The service does not do what it should."""


def wait_until(condition, what, timeout=WAIT):
    """Call condition() until it returns something true, and return that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure("waited %d s for %s" % (timeout, what))
        time.sleep(0.01)


def escape(value):
    """As str_tabescape()."""
    for char, code in (("\1", "1"), ("\t", "t"), ("\r", "r"), ("\n", "n")):
        value = value.replace(char, "\1" + code)
    return value


def unescape(value):
    return re.sub("\1(.)", lambda m: {"1": "\1", "t": "\t", "r": "\r",
                                      "n": "\n"}[m.group(1)], value)


def guid(text):
    """32 hex digits made from a text, the same each time."""
    return uuid.uuid5(uuid.NAMESPACE_OID, str(text)).hex


class Fail(Exception):
    """A FAIL reply."""

    def __init__(self, fields):
        super().__init__("%s: %s" % (fields.get("code"), fields.get("text")))
        self.code = fields.get("code")
        self.text = fields.get("text")


class Reply(dict):
    """The fields of an OK; .items_of(type) are the fields of its items."""

    def __init__(self, fields, items):
        super().__init__(fields)
        self.all_items = items

    def items_of(self, kind):
        return [fields for name, fields in self.all_items if name == kind]


class Client:
    """A mail process' connection."""

    def __init__(self, path, handshake=True):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(path)
        self.reader = self.sock.makefile("r", encoding="utf-8", newline="\n")
        self.last_id = 0
        if handshake:
            self.send_raw("VERSION\tpop3-policy\t1\t0\n")
            line = self.reader.readline()
            if line == "":
                raise ConnectionError("the service closed the connection")
            if not line.startswith("VERSION\tpop3-policy\t1\t"):
                raise Failure("bad handshake: %r" % line)

    def send_raw(self, data):
        if isinstance(data, str):
            data = data.encode("utf-8", "surrogateescape")
        self.sock.sendall(data)

    @staticmethod
    def _line(words, fields):
        out = list(words)
        for key, value in fields.items():
            if value is not None and value is not False:
                out.append("%s=%s" % (
                    key, "1" if value is True else escape(str(value))))
        return "\t".join(out) + "\n"

    def send(self, verb, items=(), number=None, **fields):
        """Send a message. items: (type, fields). Returns its id."""
        if number is None:
            self.last_id += 1
            number = self.last_id
        if items:
            fields["items"] = len(items)
        self.send_raw(self._line([verb, str(number)], fields) + "".join(
            self._line(["ITEM", kind], item) for kind, item in items))
        return number

    def tell(self, verb, items=(), **fields):
        """Send a message that gets no reply."""
        self.send(verb, items, number=0, **fields)

    @staticmethod
    def _fields(words):
        return {key: unescape(value) for key, value in
                (word.split("=", 1) for word in words)}

    def receive(self, number=None):
        """The next reply. Fail if it is a FAIL."""
        line = self.reader.readline()
        if not line:
            raise ConnectionError("the service closed the connection")
        words = line.rstrip("\n").split("\t")
        if number is not None and words[1] != str(number):
            raise Failure("reply to %s: %r" % (number, line))
        fields = self._fields(words[2:])
        if words[0] == "FAIL":
            raise Fail(fields)
        items = []
        for _ in range(int(fields.get("items", 0))):
            words = self.reader.readline().rstrip("\n").split("\t")
            if words[0] != "ITEM":
                raise Failure("not an item: %r" % words)
            items.append((words[1], self._fields(words[2:])))
        return Reply(fields, items)

    def ask(self, verb, items=(), **fields):
        return self.receive(self.send(verb, items, **fields))

    def is_closed(self):
        try:
            return self.reader.readline() == ""
        except ConnectionError:
            return True

    def close(self):
        self.reader.close()
        self.sock.close()

    # --- requests as the plugin sends them ---

    def login(self, user, session, **fields):
        return self.ask("LOGIN", user=user, session=session, **fields)

    def intent(self, user, session, version, uids, no=1, action="expunge",
               reason="dele", uidvalidity=1, **fields):
        return self.ask("INTENT", [
            ("message", message(user, uid, action=action, reason=reason,
                                uidl="%08x" % uid,
                                message_id="<%d@example.org>" % uid))
            for uid in uids], user=user, session=session, no=no,
            version=version, guid=guid(user), uidvalidity=uidvalidity,
            **fields)

    def outcome(self, user, session, result="committed", no=1, **fields):
        self.tell("OUTCOME", user=user, session=session, no=no, result=result,
                  **fields)

    def session(self, user, session, started, retrieved=(), **fields):
        """retrieved: (uid, action) pairs."""
        values = {"duration": 3, "ended_by": "quit", "guid": guid(user),
                  "uidvalidity": 1, "uidnext": 11, "uidnext_end": 11,
                  "messages": 10, "retr": 0, "top": 0, "dele": 0, "bytes": 0,
                  "rip": "192.0.2.1", "tls": True}
        values.update(fields)
        self.tell("SESSION", [
            ("retrieved", message(user, uid, action=action))
            for uid, action in retrieved],
            user=user, session=session, started=started, **values)


def message(user, uid, **fields):
    """The fields of a message item."""
    return {"uid": uid, "guid": guid((user, uid)), "size": 1000 + uid,
            **fields}


class ServiceHost:
    """settings replaces and adds settings of the service; user is who it runs
    as; wrapper a command to run it under."""

    def __init__(self, pg, dbname, settings=None, user="dovecot", extra="",
                 log_debug=""):
        self.pg = pg
        self.dbname = dbname
        self.directory = tempfile.mkdtemp(prefix="pop3-service-")
        os.chmod(self.directory, 0o755)
        self.settings = {"connect": pg.uri("pop3_service", dbname),
                         "batch_interval": "20 ms", "login_cache": "no"}
        self.settings.update(settings or {})
        self.user = user
        self.extra = extra
        self.log_debug = log_debug
        self.process = None
        self._dovecots = set()
        # sealed rows were altered by the test
        self.altered = False
        # a service that the master starts while it is being killed itself
        self.expected = [r"net_connect_unix\(.*Connection refused"]
        # the call at the start may be under way when a test ends PostgreSQL
        self.expected.append(r"pop3\.maintain\(\) failed, .*"
                             r"(57P01|connection)")
        if WRAPPER:
            self.expected.append("Starting to connect took")
        self._clients = []

    def path(self, *names):
        return os.path.join(self.directory, *names)

    @property
    def socket_path(self):
        return self.path("run", "pop3-policy")

    def _install_service(self):
        service = built("src/service", "pop3-policy")
        if not WRAPPER:
            install(service, self.path("pop3-policy"))
        else:
            write_script(self.path("pop3-policy"), "#!/bin/sh\n"
                         "exec %s %s \"$@\"\n" % (WRAPPER, service))

    def write_settings(self):
        with open(self.path("pop3-policy.conf.ext"), "w") as file:
            for item in self.settings.items():
                file.write("%s = %s\n" % item)

    def start(self, wait=True):
        for name in ("run", "state"):
            os.makedirs(self.path(name), exist_ok=True)
        self._install_service()
        self.write_settings()
        write = dialect()
        environment = write.environment({
            "ASAN_OPTIONS": "detect_leaks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1"}) if ASAN else ""
        with open(self.path("dovecot.conf"), "w") as file:
            file.write(CONFIG.format(
                dir=self.directory, user=self.user, extra=self.extra,
                header=write.HEADER, environment=environment,
                forever=write.service_count(0), log_debug=self.log_debug,
                no_memory_limit=write.NO_MEMORY_LIMIT))
        self._spawn()
        if wait:
            wait_until(lambda: self.log_contains("can be used"),
                       "the service to reach its database:\n" + self.log())
        return self

    def _spawn(self):
        def in_child():
            os.setsid()
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        with open(self.path("stdout.log"), "ab") as out:
            self.process = subprocess.Popen(
                [program("dovecot"), "-F", "-c", self.path("dovecot.conf")],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                preexec_fn=in_child)
        # its processes stay in its session
        self._dovecots.add(self.process.pid)
        wait_until(lambda: os.path.exists(self.socket_path),
                   "Dovecot to start")

    def stop(self):
        """End the master, and wait for the service, which goes on until its
        last client has left and everything is written. (`doveadm stop' does
        the same, and sleeps for a second besides.)"""
        for client in self._clients:
            client.close()
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        try:
            wait_until(lambda: not self.pids(), "the service to end")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process = None

    def cleanup(self):
        with contextlib.suppress(Failure):
            self.stop()
        for pid in self.pids():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.directory, ignore_errors=True)

    def pids(self):
        """Of the service's processes."""
        found = []
        argument = self.path("pop3-policy.conf.ext").encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            with contextlib.suppress(OSError):
                # this costs far less than to read a file of every process
                if os.getsid(int(entry)) not in self._dovecots:
                    continue
                with open("/proc/%s/cmdline" % entry, "rb") as file:
                    if argument in file.read().split(b"\0"):
                        found.append(int(entry))
        return sorted(found)

    def kill(self, sig=signal.SIGKILL):
        """Send the service a signal and wait for its end."""
        pids = wait_until(self.pids, "the service to run")
        for pid in pids:
            os.kill(pid, sig)
        wait_until(lambda: not set(pids) & set(self.pids()),
                   "the service to end")

    def client(self):
        client = Client(self.socket_path)
        self._clients.append(client)
        return client

    def admin(self):
        """A client of the administrators' socket."""
        client = Client(self.socket_path + "-admin")
        self._clients.append(client)
        return client

    def reload(self):
        """As `doveadm reload': a new service beside the old one, if that has
        clients."""
        count = len(self.log_lines("SIGHUP received"))
        self.process.send_signal(signal.SIGHUP)
        self.wait_log("SIGHUP received", count + 1)

    # --- log ---

    def log(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.path("dovecot.log"), errors="replace") as file:
                return file.read()
        return ""

    def log_lines(self, pattern):
        return [line for line in self.log().splitlines()
                if re.search(pattern, line)]

    def log_contains(self, pattern):
        return bool(self.log_lines(pattern))

    def wait_log(self, pattern, count=1):
        wait_until(lambda: len(self.log_lines(pattern)) >= count,
                   "%r in the log:\n%s" % (pattern, self.log()[-3000:]))

    def expect(self, *patterns):
        """Errors and warnings that the test provokes."""
        self.expected += patterns

    def complaints(self):
        """Errors in the log that were not expected."""
        return [line for line in self.log_lines(
                    r"(Error|Fatal|Panic): |Warning: (?!Killed with signal|SIGHUP)|"
                    r"Sanitizer|==\d+==")
                if not any(re.search(p, line) for p in self.expected)]

    # --- database ---

    def sql(self, query, args=None):
        if "pop3_test.age(" in query:
            self.altered = True
        return self.pg.query(query, args, dbname=self.dbname)

    def value(self, query, args=None):
        rows = self.sql(query, args)
        return rows[0][0] if rows else None

    def wait_policies(self):
        """Wait until the service has looked at the policies, and taken over
        what it found: it looks again only then."""
        query = "SELECT query_start FROM pg_stat_activity WHERE " \
            "application_name = 'pop3-policy policies' AND " \
            "datname = current_database() AND query_start > %s"
        since = self.value("SELECT clock_timestamp()")
        for _ in range(2):
            since = wait_until(lambda after=since: self.value(query, (after,)),
                               "the service to look at the policies")

    def audit(self, user=None):
        """(event, uid, reason) in the order of the chain."""
        return self.sql("SELECT event, uid, reason FROM pop3.audit WHERE "
                        "%s::text IS NULL OR username = %s "
                        "ORDER BY chain_id, seq", (user, user))

    def wait_audit(self, user, events):
        """Wait until the user's audit has these events, in this order."""
        wait_until(lambda: [row[0] for row in self.audit(user)] == events,
                   "audit %s, it has %s" % (events, self.audit(user)))

    def wait_sessions(self, user, count):
        wait_until(lambda: self.value(
            "SELECT count(*) FROM pop3.session WHERE username = %s",
            (user,)) == count, "%d sessions" % count)

    def check_chains(self, keys):
        """No gap and no duplicate in any chain: each number up to the head is
        one row; and all of them are sealed."""
        bad = self.sql("""
            WITH rows AS (
                SELECT chain_id, seq FROM pop3.audit WHERE seq IS NOT NULL
                UNION ALL
                SELECT chain_id, seq FROM pop3.session WHERE seq IS NOT NULL
                UNION ALL
                SELECT chain_id, seq FROM pop3.session_lost
            ), chains AS (
                SELECT c.chain_id, c.last_seq, count(r.seq) AS rows,
                       count(DISTINCT r.seq) AS numbers,
                       coalesce(min(r.seq), 1) AS first,
                       coalesce(max(r.seq), 0) AS last
                  FROM pop3.chain c LEFT JOIN rows r USING (chain_id)
                 GROUP BY c.chain_id, c.last_seq)
            SELECT * FROM chains
             WHERE rows <> last_seq OR numbers <> last_seq OR first <> 1
                OR last <> last_seq""")
        if bad:
            raise Failure("chains with gaps or duplicates: %s" % bad)
        if self.altered:
            return
        with contextlib.closing(
                self.pg.connect(dbname=self.dbname)) as connection:
            seals.check(connection, keys)

    def keys(self):
        """{id: key} of all that seal on this host."""
        found = {}
        for path in glob.glob(self.path("**", "audit.key"), recursive=True):
            found.update(seals.read_keys(path))
        return found
