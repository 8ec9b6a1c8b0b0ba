# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What real clients do when their login is refused, and what they tell of it.

    host = PrivateHost(**HOST_OPTIONS)
    refused(host, directory, "AUTH", {"mpop keep on": "jane@example.org"})
"""

import concurrent.futures
import contextlib

from client_sessions import WAYS, body, mail, received, run_client, told
from clients import Clients
from tap import Tap

# Clients differ in this by kind only.
REFUSED_WAYS = ("fetchmail keep", "mpop keep on", "curl, RETR of all",
                "poplib, RETR of new")

# A service that does not answer is noticed soon, and a second session of a
# user has to wait for the end of the first.
HOST_OPTIONS = {"plugin_settings": {"pop3_policy_timeout": "300ms"},
                "settings": {"pop3_lock_session": "yes"}}


@contextlib.contextmanager
def access_off(host, users):
    for user in users:
        host.set_policy(user, "pop3_access", "off")
    yield
    for user in users:
        host.set_policy(user, "pop3_access", "on")


@contextlib.contextmanager
def service_down(host, _):
    host.pause_service()
    try:
        yield
    finally:
        host.resume_service()


@contextlib.contextmanager
def in_use(host, users):
    sessions = [host.pop3(user) for user in users]
    yield
    for pop in sessions:
        pop.quit()


@contextlib.contextmanager
def too_soon(host, users):
    for user in users:
        host.set_policy(user, "login_delay", "1h")
        host.pop3(user).quit()
    yield
    for user in users:
        host.set_policy(user, "login_delay", "0")


REFUSALS = {
    "AUTH": access_off,
    "LOGIN-DELAY": too_soon,
    "SYS/TEMP": service_down,
    "IN-USE": in_use,
}


class Refused:
    """A client that was refused, and what it did after the reason was
    gone."""

    def __init__(self, run, reply, told, run_after, received_after):
        self.run = run
        # the server's -ERR, what the client told its user
        self.reply = reply
        self.told = told
        self.run_after = run_after
        self.received_after = received_after

    def row(self):
        """The cells of a line in the table."""
        return (str(self.run.status), self.told)


def refused(host, directory, code, users):
    """Runs clients, all at once, while their login is refused, and again when
    it is not. users: {way: user name}. Returns {way: Refused}."""
    sent = {}
    for user in users.values():
        one = mail("mail1")
        host.deliver(user, one)
        sent[user] = {"mail1": body(one.as_bytes())}
    taps = {way: Tap(host.pop3_port) for way in users}
    clients = {way: Clients(host, directory, tap.port)
               for way, tap in taps.items()}

    def run(way):
        return run_client(WAYS[way](clients[way], users[way]), taps[way])

    with concurrent.futures.ThreadPoolExecutor(len(users)) as pool:
        with REFUSALS[code](host, list(users.values())):
            first = dict(zip(users, pool.map(run, users)))
    found = {}
    for way, user in users.items():
        after = run(way)
        ((_, reply),) = first[way].refused
        found[way] = Refused(
            first[way], reply, told(first[way].output, user), after,
            received(clients[way], user, sent[user]))
        taps[way].close()
    return found
