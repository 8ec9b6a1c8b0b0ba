# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private PostgreSQL for one test run.

    pg = PrivatePostgres()
    pg.start()                      # initdb, start, database "pop3"
    pg.install_schema(test=True)    # schemas pop3 and pop3_test
    pg.uri("pop3_service")          # libpq URI of a role
    pg.query("SELECT pop3.now()", role="pop3_service")
    pg.stop()

The server listens on a unix socket only, every role may log in without a
password, and it ends with the process that started it. Started by root it
runs as "postgres" (or "nobody"), since PostgreSQL refuses root.
"""

import contextlib
import ctypes
import fcntl
import functools
import glob
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

import psycopg2

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
SQL_DIR = os.path.join(TOP, "src", "sql")

PR_SET_PDEATHSIG = 1
PORT = 5432                         # names the socket, nothing more
CLUSTER = "POP3_POLICY_CLUSTER"     # see _make_cluster()
MAX_KEPT = 4                        # connections a thread keeps


def find_bindir():
    """Directory of initdb and postgres: $PG_BINDIR, else the newest one."""
    if os.environ.get("PG_BINDIR"):
        return os.environ["PG_BINDIR"]
    found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
    if found:
        newest = max(found, key=lambda p: int(
            re.search(r"/(\d+)/bin/", p).group(1)))
        return os.path.dirname(newest)
    return subprocess.check_output(["pg_config", "--bindir"],
                                   text=True).strip()


class PrivatePostgres:
    """See the module's description. Settings are extra lines of
    postgresql.conf, as a dict."""

    def __init__(self, directory=None, dbname="pop3", fsync=False,
                 settings=None):
        self.dbname = dbname
        self.bindir = find_bindir()
        self._own_directory = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix="pop3-pg-")
        self.datadir = os.path.join(self.directory, "data")
        self.logfile = os.path.join(self.directory, "postgres.log")
        self.process = None
        self._local = threading.local()
        self.user = self._server_user()
        self.settings = {
            "listen_addresses": "''",
            "unix_socket_directories": "'%s'" % self.directory,
            "unix_socket_permissions": "0777",
            "port": str(PORT),
            "fsync": "on" if fsync else "off",
            "shared_buffers": "'64MB'",
            "max_connections": "60",
            "timezone": "'UTC'",
            "log_timezone": "'UTC'",
            "log_line_prefix": "'%m [%p] %u '",
            "lc_messages": "'C'",
        }
        self.settings.update(settings or {})

    @staticmethod
    def _server_user():
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise RuntimeError("no unprivileged user to run PostgreSQL as")

    def _become_server(self):
        """Runs in the child: drop privileges, die with the parent."""
        if self.user is not None:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)
        # after setuid(), which would clear it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)

    def _run_as_server(self, argv):
        done = subprocess.run(argv, preexec_fn=self._become_server,
                              cwd=self.directory, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError("%s failed:\n%s" % (argv[0], done.stdout))

    # --- life ---

    def _initdb(self, directory):
        self._run_as_server([
            os.path.join(self.bindir, "initdb"), "-D", directory,
            "-U", "postgres", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-sync"])

    def _make_cluster(self):
        """An empty cluster: a copy of the run's first one where the environment
        names a place for that, which takes a tenth of the time."""
        first = os.environ.get(CLUSTER)
        if first is None:
            self._initdb(self.datadir)
            return
        with open(first + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(first + ".made"):
                os.makedirs(first, exist_ok=True)
                if self.user is not None:
                    os.chown(first, self.user.pw_uid, self.user.pw_gid)
                self._initdb(first)
                with open(first + ".made", "w"):
                    pass
        self._run_as_server(["cp", "-a", first, self.datadir])

    def start(self):
        """Create the cluster if it is not there yet, start the server, and
        wait until it answers."""
        os.makedirs(self.directory, exist_ok=True)
        os.chmod(self.directory, 0o755)
        fresh = not os.path.exists(os.path.join(self.datadir, "PG_VERSION"))
        if fresh:
            if self.user is not None:
                os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
            self._make_cluster()
            with open(os.path.join(self.datadir, "postgresql.conf"),
                      "a") as conf:
                for name, value in self.settings.items():
                    conf.write("%s = %s\n" % (name, value))
        with open(self.logfile, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bindir, "postgres"), "-D", self.datadir],
                preexec_fn=self._become_server, cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait_ready()
        if fresh:
            self.create_database(self.dbname)
        return self

    def _wait_ready(self, timeout=60):
        end = time.monotonic() + timeout
        while True:
            try:
                psycopg2.connect(self.uri(dbname="postgres")).close()
                return
            except psycopg2.OperationalError as error:
                if self.process.poll() is not None or \
                   time.monotonic() > end:
                    raise RuntimeError("PostgreSQL did not start: %s\n%s" %
                                       (error, self.log())) from error
                time.sleep(0.02)

    def stop(self, mode="fast"):
        """End the server: mode "fast", or "immediate" (as a crash, start()
        recovers). The directory stays until cleanup()."""
        if self.process is None:
            return
        self.resume()
        self.process.send_signal(
            signal.SIGQUIT if mode == "immediate" else signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
        self.process = None

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def cleanup(self):
        """stop() and remove the directory if we made it."""
        self.stop("immediate")
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.cleanup()

    def _pids(self):
        """The postmaster and its children."""
        pids = [self.process.pid]
        for stat in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError):
                with open(stat) as file:
                    text = file.read()
                if int(text.rpartition(")")[2].split()[1]) == pids[0]:
                    pids.append(int(text.split()[0]))
        return pids

    def pause(self):
        """Stop answering without closing anything."""
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self):
        if self.process is None or self.process.poll() is not None:
            return
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def log(self, lines=60):
        """The end of the server's log."""
        if not os.path.exists(self.logfile):
            return ""
        with open(self.logfile, errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    # --- use ---

    @functools.cached_property
    def version(self):
        """The server's major version."""
        return int(self.value("SHOW server_version_num",
                              dbname="postgres")) // 10000

    def uri(self, role="postgres", dbname=None):
        """libpq URI for a role; "postgres" is the superuser."""
        return "postgresql:///%s?%s" % (
            dbname or self.dbname,
            urllib.parse.urlencode({"host": self.directory, "port": PORT,
                                    "user": role}, safe="/"))

    def connect(self, role="postgres", dbname=None, autocommit=True):
        """A new psycopg2 connection."""
        conn = psycopg2.connect(self.uri(role, dbname))
        conn.autocommit = autocommit
        return conn

    @contextlib.contextmanager
    def _connection(self, role, dbname):
        """A connection, which stays for the thread's next statement in the same
        database: tests ask a few databases again and again, and connecting
        costs much more than most answers. None stays with a template, which
        could not be copied then."""
        if role != "postgres" or dbname is None or "template" in dbname:
            with contextlib.closing(self.connect(role, dbname)) as conn:
                yield conn
            return
        kept = self._kept()
        conn = kept.pop(dbname, None)
        if conn is not None and (conn.closed or
                                 select.select([conn], [], [], 0)[0]):
            # the server has ended it
            conn.close()
            conn = None
        if conn is None:
            conn = self.connect(role, dbname)
        try:
            yield conn
        except BaseException:
            conn.close()
            raise
        kept[dbname] = conn
        if len(kept) > MAX_KEPT:
            kept.pop(next(iter(kept))).close()

    def _kept(self):
        """This thread's connections by database, the last used one last."""
        if not hasattr(self._local, "kept"):
            self._local.kept = {}
        return self._local.kept

    def query(self, sql, args=None, role="postgres", dbname=None):
        """Run a statement. Returns its rows as a list of tuples, or None if it
        gives none."""
        with self._connection(role, dbname) as conn:
            with conn.cursor() as cur:
                cur.execute(sql, args)
                return cur.fetchall() if cur.description else None

    def rows(self, sql, args=None, role="postgres", dbname=None):
        """Run a query. Returns its rows as a list of dicts."""
        with self._connection(role, dbname) as conn:
            with conn.cursor() as cur:
                cur.execute(sql, args)
                names = [column.name for column in cur.description]
                return [dict(zip(names, row)) for row in cur.fetchall()]

    def value(self, sql, args=None, role="postgres", dbname=None):
        """The first column of the first row."""
        return self.query(sql, args, role, dbname)[0][0]

    def create_database(self, dbname, template=None):
        how = ' TEMPLATE "%s"' % template if template else ""
        if self.version >= 15:
            # takes less time than the default, through the log, does
            how += " STRATEGY file_copy"
        self.query('CREATE DATABASE "%s"%s' % (dbname, how),
                   dbname="postgres")

    def drop_database(self, dbname):
        conn = self._kept().pop(dbname, None)
        if conn is not None:
            conn.close()
        self.query('DROP DATABASE "%s" WITH (FORCE)' % dbname,
                   dbname="postgres")

    def psql_file(self, path, role="postgres", dbname=None):
        """Run a file through psql, stopping at the first error. Returns what
        it printed; RuntimeError with all of it on failure."""
        done = subprocess.run(
            [os.path.join(self.bindir, "psql"), "-X", "-q",
             "-v", "ON_ERROR_STOP=1", "-f", path, self.uri(role, dbname)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise RuntimeError("%s failed:\n%s" % (path, done.stdout))
        return done.stdout

    def install_schema(self, test=True, dbname=None):
        """Install schema pop3, and pop3_test if asked for."""
        self.psql_file(os.path.join(SQL_DIR, "install.sql"), dbname=dbname)
        if test:
            self.psql_file(os.path.join(SQL_DIR, "test-schema.sql"),
                           dbname=dbname)
            # tests let as much expire as they like: off, but where asked for
            self.query("UPDATE pop3.control SET breaker_percent = 100",
                       dbname=dbname)
