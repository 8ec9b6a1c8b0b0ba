# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private PostgreSQL with a standby by streaming replication, asynchronous or
synchronous, that can take its place.

    pair = ReplicatedPostgres()
    pair.start()
    pair.uri("pop3_service")        # a connection string with both
    pair.fail_over()                # the primary dies, the standby is promoted
    pair.current.query("SELECT 1")
    pair.cleanup()
"""

import os
import shutil
import tempfile
import urllib.parse

from dovecot import wait_until
from pg import PORT, PrivatePostgres

NAME = "standby"


class Standby(PrivatePostgres):
    """Made from a running primary. It listens in a directory of its own."""

    def __init__(self, primary, directory=None):
        super().__init__(directory)
        self._primary = primary

    def start(self):
        if not os.path.exists(self.datadir):
            if self.user is not None:
                os.chmod(self.directory, 0o755)
                os.chown(self.directory, self.user.pw_uid, self.user.pw_gid)
            self._run_as_server([
                os.path.join(self.bindir, "pg_basebackup"), "-D",
                self.datadir, "-R", "--no-sync", "-c", "fast", "-X", "stream",
                "-d", "%s&application_name=%s" % (
                    self._primary.uri(dbname="postgres"), NAME)])
            with open(os.path.join(self.datadir, "postgresql.conf"),
                      "a") as conf:
                # the last line counts
                conf.write("unix_socket_directories = '%s'\n" %
                           self.directory)
                # never asked for by anybody else: it is the primary then
                conf.write("synchronous_standby_names = ''\n")
        return super().start()

    def promote(self):
        """Take the primary's place. Returns when writing works."""
        self._run_as_server([os.path.join(self.bindir, "pg_ctl"), "promote",
                             "-D", self.datadir, "-w", "-s"])


class ReplicatedPostgres:
    """synchronous: a commit waits until the standby has it on its disk.
    .primary and .standby are PrivatePostgreses, .current the one to write to.
    """

    def __init__(self, synchronous=False):
        self.synchronous = synchronous
        self.directory = tempfile.mkdtemp(prefix="pop3-pair-")
        os.chmod(self.directory, 0o755)
        self.primary = PrivatePostgres(
            os.path.join(self.directory, "a"),
            settings={"wal_level": "replica", "max_wal_senders": "4",
                      "hot_standby": "on"})
        self.standby = Standby(self.primary,
                               os.path.join(self.directory, "b"))
        self.current = self.primary

    def start(self):
        os.makedirs(self.standby.directory)
        self.primary.start()
        self.primary.install_schema(test=True)
        self.standby.start()
        if self.synchronous:
            self.primary.query("ALTER SYSTEM SET synchronous_standby_names "
                               "TO %s", (NAME,), dbname="postgres")
            self.primary.query("SELECT pg_reload_conf()", dbname="postgres")
        wait_until(self.is_streaming, what="the standby to stream")
        return self

    def is_streaming(self):
        """Does the standby follow, as it is asked to?"""
        return self.primary.query(
            "SELECT 1 FROM pg_stat_replication "
            "WHERE application_name = %s AND state = 'streaming' "
            "AND sync_state = %s", (
                NAME, "sync" if self.synchronous else "async"))

    def uri(self, role, target="read-write"):
        """libpq URI with both hosts."""
        return "postgresql:///%s?%s" % (
            self.primary.dbname, urllib.parse.urlencode({
                "host": "%s,%s" % (self.primary.directory,
                                   self.standby.directory),
                "port": "%d,%d" % (PORT, PORT), "user": role,
                "target_session_attrs": target}, safe="/,"))

    def cut_off(self):
        """The standby gets nothing new any more. What is committed after that
        is lost with the primary; with a synchronous standby nothing is."""
        self.standby.query("ALTER SYSTEM SET primary_conninfo TO ''",
                           dbname="postgres")
        self.standby.query("SELECT pg_reload_conf()", dbname="postgres")
        wait_until(lambda: not self.is_streaming(),
                   what="the standby to lose its primary")

    def fail_over(self):
        """The primary is killed, and never comes back."""
        self.primary.stop("immediate")
        self.standby.promote()
        self.current = self.standby

    def cleanup(self):
        self.standby.cleanup()
        self.primary.cleanup()
        shutil.rmtree(self.directory, ignore_errors=True)
