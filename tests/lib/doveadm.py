# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm's commands by a connection to Dovecot's doveadm process, which costs
a fraction of running doveadm: that reads the whole configuration each time.

    server = DoveadmServer(host.path("run", "doveadm-server"))
    server.run("jane@example.org", "fetch", "uid guid", "mailbox", "INBOX")

A process serves one connection, and goes on until that is closed."""

import re
import socket

TIMEOUT = 120
UNESCAPE = {"0": "\0", "1": "\1", "t": "\t", "r": "\r", "n": "\n"}


class DoveadmError(Exception):
    """The command failed, or there is no doveadm process to ask."""


def unescape(value):
    return re.sub("\1(.)", lambda found: UNESCAPE[found[1]], value)


class DoveadmServer:
    def __init__(self, path):
        self.path = path
        self._sock = self._reader = None

    def _connect(self):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(TIMEOUT)
        self._sock.connect(self.path)
        self._reader = self._sock.makefile("r", errors="replace", newline="\n")
        # a version that knows no multiplexing
        self._sock.sendall(b"VERSION\tdoveadm-server\t1\t0\n")
        if self._reader.readline() != "+\n":
            raise DoveadmError("doveadm does not greet")

    def close(self):
        if self._sock is not None:
            if self._reader is not None:
                self._reader.close()
            self._sock.close()
            self._sock = self._reader = None

    def run(self, user, command, *args):
        """Returns what it printed: a list of values, one after the other."""
        try:
            if self._sock is None:
                self._connect()
            self._sock.sendall(
                ("\t".join(("", user, command, *args)) + "\n").encode())
            line = self._reader.readline()
            status = self._reader.readline()
        except OSError as error:
            self.close()
            raise DoveadmError(str(error)) from error
        if status != "+\n":
            self.close()
            raise DoveadmError("doveadm %s: %r" % (command, status))
        return [unescape(value)
                for value in line.rstrip("\n").split("\t")[:-1]]
