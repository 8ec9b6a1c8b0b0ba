# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Command lines of real POP3 clients, for a user of a private host."""

import os
import subprocess

from dovecot import PASSWORD, Failure


class Clients:
    """Their files are below `directory'."""

    def __init__(self, host, directory):
        self.host = host
        self.directory = directory

    def path(self, user, name):
        """A file of a user's."""
        directory = os.path.join(self.directory, user)
        os.makedirs(directory, exist_ok=True)
        return os.path.join(directory, name)

    def _file(self, user, name, text):
        path = self.path(user, name)
        # fetchmail and mpop refuse files that others can read
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
                          0o600), "w") as file:
            file.write(text)
        return path

    @staticmethod
    def run(argv, accepted=(0,), timeout=120, cwd=None):
        """Run a client, in the directory cwd. Returns what it printed.
        Failure if its exit status is not one of `accepted'."""
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, cwd=cwd,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)
        text = done.stdout.decode(errors="replace")
        if done.returncode not in accepted:
            raise Failure("%s ended with status %d:\n%s" % (
                " ".join(argv), done.returncode, text))
        return text

    def curl(self, user, count):
        """RETR of messages 1 to count in one session. curl sends QUIT at its
        end and never DELE."""
        return ["curl", "-sS", "--user", "%s:%s" % (user, PASSWORD),
                "-o", self.path(user, "curl.#1"),
                "pop3://127.0.0.1:%d/[1-%d]" % (self.host.pop3_port, count)]

    def mpop(self, user, keep=False):
        """New mail into a maildir; without keep it is DELEd."""
        maildir = self.path(user, "mpop")
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(maildir, name), exist_ok=True)
        config = self._file(user, "mpoprc", (
            "account default\nhost 127.0.0.1\nport %d\ntls off\nauth user\n"
            "user %s\npassword %s\nkeep %s\nuidls_file %s\n"
            "delivery maildir %s\n") % (
                self.host.pop3_port, user, PASSWORD, "on" if keep else "off",
                self.path(user, "mpop_uidls"), maildir))
        return ["mpop", "--half-quiet", "--file=" + config]

    def fetchmail(self, user, keep=False, options=()):
        """All mail into a file; without keep it is DELEd. Takes messages by
        TOP, as its default is."""
        config = self._file(user, "fetchmailrc", (
            'poll 127.0.0.1 protocol pop3 port %d uidl no dns\n'
            '  username "%s" password "%s" %s sslproto ""\n'
            '  mda "cat >>%s"\n') % (
                self.host.pop3_port, user, PASSWORD,
                "keep" if keep else "nokeep", self.path(user, "fetched")))
        # the file of UIDs is per user: several users share this machine
        return ["fetchmail", "-f", config, "--pidfile",
                self.path(user, "pid"), "--idfile", self.path(user, "ids"),
                *options]
