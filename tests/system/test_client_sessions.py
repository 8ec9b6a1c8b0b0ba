# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Real clients over several sessions with new mail in between, under each
kind of policy: no message is lost, none is downloaded twice unless the client
wants to, no loop. doc/clients.md says what is seen here."""

import pytest

from client_sessions import POLICIES, WAYS, observe
from client_tables import documented
from maildrop import Maildrop

# Ways that take all that is listed, whatever they have already.
TAKE_ALL = ("fetchmail keep, fetchall", "mpop keep on, only_new off",
            "curl, RETR of all")

# The same where their DELE is refused.
REFUSED_TAKE_ALL = ("mpop keep off, only_new off",
                    "curl, RETR and DELE of all")

# They end at a refused DELE: with the first message again and again, ...
STUCK = ("fetchmail nokeep, fetchall", "poplib, RETR and DELE of all")
# ... or with the next one each time.
ONE_EACH_TIME = ("fetchmail nokeep", "fetchmail nokeep, no uidl")


def deletes(way):
    return "nokeep" in way or "keep off" in way or "DELE" in way


def repeats(way, policy):
    """Does the client download again what it has, by its own will?"""
    return way in TAKE_ALL and policy == "leave on server" or \
        policy == "refuse" and way in TAKE_ALL + REFUSED_TAKE_ALL + STUCK


def left(way, policy, sent):
    """What is in the mailbox, and in the listing, at the end."""
    if policy == "hide":
        return sent, 0
    if policy == "refuse":
        return sent, sent
    return (0, 0) if policy == "download and delete" or deletes(way) else \
        (sent, sent)


def reasons(way, policy):
    """(action, reason) of the intents."""
    if policy == "refuse" or \
       policy == "leave on server" and not deletes(way):
        return set()
    return {("hide" if policy == "hide" else "expunge",
             "dele" if deletes(way) else "retrieved")}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", POLICIES)
def test_client(host, user, tmp_path, policy, way):
    seen = observe(host, user, str(tmp_path), way, policy)
    count = len(seen.sent)
    if policy == "refuse" and way in STUCK:
        assert seen.received == {"mail1": len(seen.runs)}
    elif policy == "refuse" and way in ONE_EACH_TIME:
        assert len(seen.received) == len(seen.runs)
    else:
        assert seen.missing() == []
    assert bool(seen.again()) == repeats(way, policy), seen.again()
    assert (seen.stored, seen.listed) == left(way, policy, count)
    for run in seen.runs:
        # curl begins a new one after a refusal
        assert run.connections <= (
            2 + count if policy == "refuse" and "curl" in way else 2)
        assert len(run.commands) <= 16 * run.connections + 3 * count
    drop = Maildrop(host, user)
    drop.settle()
    intents = [row for row in host.audit(user) if row["event"] == "intent"]
    assert {(row["action"], row["reason"]) for row in intents} == \
        reasons(way, policy)
    assert len(intents) == (count if intents else 0)
    assert seen.row() == documented(policy)[way]


def test_page_has_every_client():
    for policy in POLICIES:
        assert list(documented(policy)) == list(WAYS)
