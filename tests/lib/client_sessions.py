# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What real clients do over several sessions under a policy, observed: the
mail that arrives, what is said on the wire, what stays on the server.

    seen = observe(host, "jane@example.org", directory, "mpop keep on", "hide")
    seen.received       # {name of a message: how often it was downloaded}
    seen.row()          # what doc/clients.md says
"""

import collections
import os
import re
import subprocess

from clients import Clients
from dovecot import Failure
from host import message
from maildrop import Maildrop
from owner import uidset
from tap import Tap

# The ways of clients, by the words of their configuration.
WAYS = {
    "fetchmail keep": lambda c, user: c.fetchmail(user, keep=True),
    "fetchmail keep, fastuidl":
        lambda c, user: c.fetchmail(user, keep=True, words="fastuidl 1"),
    "fetchmail keep, fetchall":
        lambda c, user: c.fetchmail(user, keep=True, words="fetchall"),
    "fetchmail nokeep": lambda c, user: c.fetchmail(user),
    "fetchmail nokeep, no uidl":
        lambda c, user: c.fetchmail(user, server=""),
    "fetchmail nokeep, fetchall":
        lambda c, user: c.fetchmail(user, words="fetchall"),
    "mpop keep on": lambda c, user: c.mpop(user, keep=True),
    "mpop keep on, only_new off":
        lambda c, user: c.mpop(user, keep=True, only_new=False),
    "mpop keep off": lambda c, user: c.mpop(user),
    "mpop keep off, only_new off":
        lambda c, user: c.mpop(user, only_new=False),
    "curl, RETR of all": lambda c, user: c.curl_listed(user),
    "curl, RETR and DELE of all":
        lambda c, user: c.curl_listed(user, dele=True),
    "poplib, RETR of new": lambda c, user: c.poplib(user, keep=True),
    "poplib, RETR and DELE of all": lambda c, user: c.poplib(user),
}

# The policies that the clients meet.
POLICIES = {
    "leave on server": {"expire_retrieved": "14d"},
    "download and delete": {"on_retrieve": "delete"},
    "hide": {"on_retrieve": "hide", "on_dele": "hide"},
    "refuse": {"on_dele": "refuse"},
}

# How many messages come before each run of the client. fetchmail's fastuidl
# searches in more than 7.
MAIL = (9, 3, 0, 1, 0)

# A client that does not end is a loop.
RUN_SECONDS = 60


def mail(name):
    """A message of some size, known by its name."""
    return message("Subject of " + name, "Text of %s.\n" % name,
                   attachments=[(name, name.encode() * 1000)])


def body(data):
    """A message's lines behind its header."""
    return data.replace(b"\r\n", b"\n").split(b"\n\n", 1)[1].rstrip(b"\n")


class Run:
    """One run of the client."""

    def __init__(self, status, output, dialogues):
        self.status = status
        self.output = output
        self.connections = len(dialogues)
        self.commands = [name for dialogue in dialogues
                         for name in dialogue.commands_until_gone()]
        self.refused = [line for dialogue in dialogues
                        for line in dialogue.refused()]


class Observation:
    def __init__(self, user, runs, sent, received, stored, listed, retrieved):
        self.user = user
        self.runs = runs
        # {name: body}, {name: times}
        self.sent = sent
        self.received = received
        # numbers of messages: in the mailbox, in a new session's listing, on
        # record as retrieved by one of the runs
        self.stored = stored
        self.listed = listed
        self.retrieved = retrieved

    def missing(self):
        """Messages that the client did not download."""
        return sorted(set(self.sent) - set(self.received))

    def again(self):
        """{name: how often it was downloaded after the first time}"""
        return {name: times - 1 for name, times in self.received.items()
                if times > 1}

    def row(self):
        """The cells of a line in the table."""
        sent = collections.Counter(name for run in self.runs
                                   for name in run.commands)
        # how often is not known of a client that goes away at the first
        refused = {command.split(" ")[0] for run in self.runs
                   for command, _ in run.refused}
        return (
            ", ".join("%d %s" % (sent[name], name)
                      for name in ("RETR", "TOP", "DELE") if sent[name]) +
            ("; refused: " + ", ".join(sorted(refused)) if refused else ""),
            "%d of %d" % (len(self.received), len(self.sent)),
            str(sum(self.again().values()) or "none"),
            "%d, %d, %d" % (self.retrieved, self.stored, self.listed),
            "%d, %d" % (max(run.connections for run in self.runs),
                        max(len(run.commands) for run in self.runs)),
            ", ".join(str(run.status) for run in self.runs),
            # of a refused DELE, in the first run
            *([told(self.runs[0].output, self.user)]
              if "DELE" in refused else []))


def told(output, user):
    """What a client told a person of an error, without what is different each
    time."""
    # fetchmail 6.6 says when it was, too, and who tells of its progress
    output = re.sub(r"(?m)^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ", "", output)
    output = re.sub(r"(?m)^fetchmail: (\d+ messages? for|reading message) .*",
                    "", output)
    lines = [line.strip() for line in output.replace(user, "USER").splitlines()
             if re.match(r"(fetchmail|mpop|curl|poplib)[:.]", line) and
             "Running as root" not in line and "For help" not in line]
    text = " / ".join(dict.fromkeys(lines))
    text = re.sub(r" \(account default from [^)]*\)", "", text)
    return re.sub(r"\b\d+ (second|minute)s?\b", r"N \1s", text)


def run_client(argv, tap):
    """Run a client once, as Run. Failure if it does not end."""
    before = len(tap.dialogues)
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise Failure("%s does not end: %r" % (
            argv[0], tap.dialogues[-1].lines[-20:])) from error
    return Run(done.returncode, done.stdout.decode(errors="replace"),
               tap.dialogues[before:])


def received(clients, user, sent):
    """How often each message was stored, whole. Failure if one was not
    stored whole."""
    found = collections.Counter()
    for directory, _, files in os.walk(clients.path(user, "")):
        for file in files:
            with open(os.path.join(directory, file), "rb") as stored:
                text = stored.read().replace(b"\r\n", b"\n")
            names = collections.Counter(
                name.decode() for name in
                re.findall(rb"(?m)^Subject: Subject of (\w+)", text))
            for name, times in names.items():
                if text.count(sent[name]) != times:
                    raise Failure("%s is not whole in %s" % (name, file))
            found += names
    return found


class ClientRuns:
    """One client of a user, run now and then while mail comes."""

    def __init__(self, host, user, directory, way):
        self.drop = Maildrop(host, user)
        self.runs = []
        self.sent = {}
        self._tap = Tap(host.pop3_port)
        self._clients = Clients(host, directory, self._tap.port)
        self._way = way

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._tap.close()

    def deliver(self, count):
        """Messages "mail1" and so on."""
        names = ["mail%d" % (len(self.sent) + i) for i in range(1, count + 1)]
        batch = {name: mail(name) for name in names}
        if batch:
            self.drop.host.deliver(self.drop.user, *batch.values())
        self.sent.update((name, body(one.as_bytes()))
                         for name, one in batch.items())

    def run(self):
        self.runs.append(run_client(
            WAYS[self._way](self._clients, self.drop.user), self._tap))
        # a client need not wait for the answer of QUIT
        self.drop.wait_idle()
        return self.runs[-1]

    def received(self):
        """{name: how often it was downloaded}"""
        return received(self._clients, self.drop.user, self.sent)

    def observation(self):
        listed = len(self.drop.view())
        self.drop.settle()
        retrieved = set().union(*(
            uidset(session["retrieved"])
            for session in self.drop.host.sessions(self.drop.user)))
        return Observation(self.drop.user, self.runs, self.sent,
                           self.received(), len(self.drop.stored()), listed,
                           len(retrieved))


def observe(host, user, directory, way, policy, mails=MAIL):
    """Run a client as often as there are numbers in `mails', each after that
    many messages were delivered."""
    host.set_policies(user, **POLICIES[policy])
    with ClientRuns(host, user, directory, way) as client:
        for count in mails:
            client.deliver(count)
            client.run()
        return client.observation()
