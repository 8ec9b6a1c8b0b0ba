# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Random users, each with random policies, deliveries and sessions, against a
model of RFC 1939 and the policy in memory (tests/lib/model.py): every answer,
the mailbox and the database are compared with it.

POP3_POLICY_RANDOM_SESSIONS  how many sessions, else a few thousand
POP3_POLICY_RANDOM_SEED      another seed

A failure says with which seed and user it comes again, and
tests/lib/run_random.py does that, or many more sessions.
"""

import os

import pytest

from dovecot import ASAN
from random_tools import RandomHost
from run_random import Run

SESSIONS = int(os.environ.get("POP3_POLICY_RANDOM_SESSIONS",
                              300 if ASAN else 1500))
SEED = os.environ.get("POP3_POLICY_RANDOM_SEED", "1939")

KINDS = {
    # what the host is made of, share of the sessions
    "sdbox": ({}, 0.7),
    "maildir": ({"mail_format": "maildir"}, 0.15),
    "last": ({"settings": {"pop3_enable_last": "yes"}}, 0.15),
}
# What happens among a thousand sessions: events and reasons of the audit.
REACHED = {("intent", reason) for reason in (
    "dele", "retrieved", "expired-retrieved", "expired-unretrieved",
    "expired-hidden", "leave-limit", "mass-delete")} | {
    ("refused", reason) for reason in (
        "dele", "download-daily", "login-delay", "pop3-access")} | {
    ("mass-delete", "mass-delete"), ("gone", "gone"),
    ("restored", "admin"), ("unconfirmed", None), ("committed", None),
    ("released", None)}


@pytest.mark.parametrize("kind", KINDS)
def test_random_sessions(postgres, kind):
    options, share = KINDS[kind]
    host = RandomHost(pg=postgres, **options)
    try:
        host.start()
        run = Run(host, "%s %s" % (SEED, kind), int(SESSIONS * share) or 1)
        result = run.run()
        assert result.failure is None, result.failure
        assert result.sessions >= SESSIONS * share
        if result.sessions >= 1000:
            reached = set(host.sql("SELECT DISTINCT event, reason "
                                   "FROM pop3.audit"))
            assert not REACHED - reached
        problems = host.problems()
        assert not problems, "in the log:\n" + "\n".join(problems)
    finally:
        host.cleanup()
