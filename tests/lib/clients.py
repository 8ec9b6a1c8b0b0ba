# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Command lines of real POP3 clients, for a user of a private host."""

import os
import subprocess
import sys

from dovecot import PASSWORD, Failure

# Arguments: URL, user:password, path of files, and "dele" to delete.
CURL_SCRIPT = """\
url=$1 login=$2 file=$3.$$ dele=$4
list=$(curl -sS -u "$login" "$url") || exit
set --
for n in $(echo "$list" | tr -d "\\r" | cut -d " " -f 1); do
  set -- "$@" ${1:+--next} -sS -u "$login" -o "$file.$n" "$url$n"
  [ -z "$dele" ] ||
    set -- "$@" --next -sS -u "$login" -o /dev/null -I -X DELE "$url$n"
done
[ $# = 0 ] || curl "$@"
"""

# Arguments: port, user, password, path of files, "keep" or "dele".
POPLIB_SCRIPT = """\
import json, os, poplib, sys

port, user, password, path, mode = sys.argv[1:]
seen = json.load(open(path)) if os.path.exists(path) else []
pop = poplib.POP3("127.0.0.1", int(port))
pop.user(user)
pop.pass_(password)
for number, uidl in [line.decode().split() for line in pop.uidl()[1]]:
    if mode == "keep" and uidl in seen:
        continue
    seen.append(uidl)
    with open("%s.%d.%s" % (path, os.getpid(), number), "wb") as file:
        file.write(b"\\n".join(pop.retr(number)[1]) + b"\\n")
    if mode == "dele":
        pop.dele(number)
pop.quit()
json.dump(seen, open(path, "w"))
"""


class Clients:
    """Their files are below `directory'. They connect to `port', the host's
    by default."""

    def __init__(self, host, directory, port=None):
        self.host = host
        self.directory = directory
        self.port = port or host.pop3_port

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
                "pop3://127.0.0.1:%d/[1-%d]" % (self.port, count)]

    def curl_listed(self, user, dele=False):
        """A script that has curl list the messages and then take all of them
        in one session; with dele each is DELEd after its RETR."""
        return ["sh", "-c", CURL_SCRIPT, "curl",
                "pop3://127.0.0.1:%d/" % self.port,
                "%s:%s" % (user, PASSWORD), self.path(user, "curl"),
                "dele" if dele else ""]

    def poplib(self, user, keep=False):
        """A script with Python's poplib. keep: takes what it has not taken
        yet, by UIDL. Else RETR and DELE of each message, as examples do it.
        It ends with an exception when the server refuses something."""
        return [sys.executable, "-c", POPLIB_SCRIPT, str(self.port), user,
                PASSWORD, self.path(user, "poplib"),
                "keep" if keep else "dele"]

    def mpop(self, user, keep=False, only_new=True):
        """New mail into a maildir; without keep it is DELEd. Without only_new
        all mail that is listed."""
        maildir = self.path(user, "mpop")
        for name in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(maildir, name), exist_ok=True)
        config = self._file(user, "mpoprc", (
            "account default\nhost 127.0.0.1\nport %d\ntls off\nauth user\n"
            "user %s\npassword %s\nkeep %s\nonly_new %s\nuidls_file %s\n"
            "delivery maildir %s\n") % (
                self.port, user, PASSWORD, "on" if keep else "off",
                "on" if only_new else "off",
                self.path(user, "mpop_uidls"), maildir))
        return ["mpop", "--half-quiet", "--file=" + config]

    def fetchmail(self, user, keep=False, options=(), server="uidl",
                  words=""):
        """New mail into a file; without keep it is DELEd. Takes messages by
        TOP, as its default is. server, words: more of its configuration."""
        config = self._file(user, "fetchmailrc", (
            'poll 127.0.0.1 protocol pop3 port %d %s no dns\n'
            '  username "%s" password "%s" %s %s sslproto ""\n'
            '  mda "cat >>%s"\n') % (
                self.port, server, user, PASSWORD,
                "keep" if keep else "nokeep", words,
                self.path(user, "fetched")))
        # the file of UIDs is per user: several users share this machine
        return ["fetchmail", "-f", config, "--pidfile",
                self.path(user, "pid"), "--idfile", self.path(user, "ids"),
                *options]
