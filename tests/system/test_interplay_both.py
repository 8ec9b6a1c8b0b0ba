# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A message that was retrieved and that a DELE is for, and a hidden message
whose time runs out: tables of doc/interplay.md."""

import pytest

from interplay import Scene, documented

BOTH = "A message that was retrieved and deleted"
BOTH_HELD = "The same under a hold"
HIDDEN = "Hidden messages and the rules that remove"

ON_RETRIEVE = ("keep", "hide", "move", "delete")
ON_DELE = ("delete", "hide", "move", "refuse")


def retrieved_and_deleted(scene, on_retrieve, on_dele, **values):
    """What becomes of the message, and the reason on record."""
    scene.deliver(2)
    scene.act(on_retrieve=on_retrieve, on_dele=on_dele, **values)
    with scene.pop3() as pop:
        pop.retr(1)
        pop._putcmd("DELE 1")
        answer = pop._getline()[0]
        assert answer.startswith(b"-ERR" if on_dele == "refuse" else b"+OK")
    fate = scene.fate(1)
    reasons = [row["reason"] for row in scene.audit()
               if row["event"] == "intent"]
    return fate + (" (%s)" % reasons[0] if reasons else "")


@pytest.mark.parametrize("on_dele", ON_DELE)
@pytest.mark.parametrize("on_retrieve", ON_RETRIEVE)
@pytest.mark.parametrize("heading, values", [
    (BOTH, {}), (BOTH_HELD, {"pop3_hold": "yes"})])
def test_both(host, user, heading, values, on_retrieve, on_dele):
    assert retrieved_and_deleted(
        Scene(host, user), on_retrieve, on_dele, **values) == documented(
            heading)["on_retrieve=" + on_retrieve, "on_dele=" + on_dele]


def test_pages_have_each_combination():
    for heading in (BOTH, BOTH_HELD):
        assert list(documented(heading)) == [
            ("on_retrieve=" + first, "on_dele=" + second)
            for first in ON_RETRIEVE for second in ON_DELE]


# Ways to become hidden: the message is retrieved where that matters.

def by_dele(scene):
    scene.set(on_dele="hide")
    scene.delete(1)


def by_retrieval(scene):
    scene.set(on_retrieve="hide")
    scene.retrieve(1)


def by_both(scene):
    scene.set(on_retrieve="hide", on_dele="hide")
    with scene.pop3() as pop:
        pop.retr(1)
        pop.dele(1)
    scene.ended(dele=1)


def by_hold(scene):
    scene.retrieve(1)
    scene.set(pop3_hold="yes")
    scene.delete(1)
    scene.set(pop3_hold="no")


def by_mass_delete(scene):
    scene.set(mass_delete_percent="50%", mass_delete_hold="5d")
    scene.delete(*range(1, 22))


def then_restored(scene):
    by_retrieval(scene)
    scene.age("5 days")
    scene.set(on_retrieve="keep")
    scene.restore(1)


WAYS = {
    "by DELE": by_dele,
    "by its retrieval": by_retrieval,
    "by both": by_both,
    "retrieved, then hidden by a hold": by_hold,
    "by a mass deletion, 2 days ago": by_mass_delete,
    "restored 2 days ago": then_restored,
}

RULES = {
    "expire_hidden=1d": {"expire_hidden": "1d"},
    "expire_retrieved=1d": {"expire_retrieved": "1d"},
    "expire_unretrieved=1d": {"expire_unretrieved": "1d"},
    "leave_max_messages=0": {"leave_max_messages": "0"},
    "mass_delete_hold=1d": {"mass_delete_hold": "1d"},
}


def hidden_and_rule(scene, way, rule):
    scene.deliver(22)
    WAYS[way](scene)
    scene.drop.settle()
    scene.age("2 days")
    scene.act(**RULES[rule])
    # one session finds what is due, and UPDATE what is too much
    scene.session()
    return scene.fate(1)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("way", WAYS)
def test_hidden(host, user, way, rule):
    assert hidden_and_rule(Scene(host, user), way, rule) == \
        documented(HIDDEN)[way, rule]


def test_page_has_each_way():
    assert list(documented(HIDDEN)) == [
        (way, rule) for way in WAYS for rule in RULES]
