# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A login sees the session that ended before it, whichever socket the service
comes to first."""

import os
import signal

from servicehost import guid, wait_until


def stopped(pid):
    with open("/proc/%d/stat" % pid) as file:
        return file.read().rpartition(")")[2].split()[0] == "T"


def test_login_sees_the_session_before_it(service):
    """The second process' socket is readable before the first one's, with a
    login that comes after what the first one says."""
    user, session = "anna@example.org", guid("session")
    first, second = service.client(), service.client()
    service.sql("SELECT pop3.set_policy('*', 'enforcement', 'enforce')")
    reply = first.login(user, session)
    first.intent(user, session, reply["version"], range(1, 4), action="hide")
    (pid,) = service.pids()
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until(lambda: stopped(pid), "the service to be stopped")
        second.tell("IMAP", user="other@example.org")
        first.outcome(user, session)
        # more than one read's worth
        first.session(user, session, reply["now"],
                      [(uid, "none") for uid in range(4, 1500)])
        number = second.send("LOGIN", user=user, session=guid("later"))
    finally:
        os.kill(pid, signal.SIGCONT)
    (maildrop,) = second.receive(number).items_of("maildrop")
    assert maildrop["hidden"] == "1:3"
    assert maildrop["tracked"] == "1499"
