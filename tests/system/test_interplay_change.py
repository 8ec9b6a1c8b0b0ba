# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A policy that changes between two sessions, and during one: a table of
doc/interplay.md."""

import poplib

import pytest

from host import message
from interplay import Scene, documented
from owner import shown

HEADING = "A policy that changes"
COLUMNS = ("between two sessions", "during a session")


def changed(scene, column, change, act, before=None):
    """A session in which act() takes place, and `change' before it or after
    act() and before QUIT. act() may give a word that settles the matter."""
    scene.set(**(before or {}))
    if column == COLUMNS[0]:
        scene.act(**change)
        with scene.pop3() as pop:
            word = act(pop)
    else:
        with scene.pop3() as pop:
            word = act(pop)
            scene.set(**change)
    return word or scene.fate(1)


def changed_first(scene, column, change, act, before=None):
    """The same, where the change comes before act() in the session too."""
    scene.set(**(before or {}))
    if column == COLUMNS[0]:
        scene.act(**change)
    with scene.pop3() as pop:
        if column == COLUMNS[1]:
            assert pop.stat()[0] > 0
            scene.set(**change)
        word = act(pop)
    return word or scene.fate(1)


def dele(pop):
    return None if answered_ok(pop, "DELE 1") else "refused"


def dele_many(pop):
    for number in range(1, 22):
        pop.dele(number)


def retr(pop):
    pop.retr(1)


def nothing(_):
    pass


def answered_ok(pop, command):
    pop._putcmd(command)
    return pop._getline()[0].startswith(b"+OK")


def is_listed(pop):
    return "listed" if 1 in shown(pop) else "not listed"


def top_is_cut(pop):
    return "as asked" if b"Line" in pop.top(1, 10)[1] else "cut"


def second_retr(pop):
    """The first one is always sent."""
    pop.retr(1)
    try:
        pop.retr(2)
    except poplib.error_proto:
        return "refused"
    return "sent"


def old_mail(scene):
    scene.deliver(2)
    scene.retrieve(1)
    scene.age("2 days")


def one_mail(scene):
    scene.deliver(2)


def long_mail(scene):
    scene.deliver(message("Message 1", "Line\n" * 20))


def much_mail(scene):
    scene.deliver(21)


def parameter(name, old, new, act, mail=one_mail, how=changed, **rest):
    """A line of the table: its heading, and what does it."""
    return "%s: %s to %s%s" % (name, old, new, "".join(
        ", %s=%s" % item for item in rest.items())), (
            lambda scene, column: (mail(scene), how(
                scene, column, {name: new}, act,
                {name: old, **rest}))[1])


def access_off(scene, column):
    scene.deliver(1)
    if column == COLUMNS[0]:
        scene.act(pop3_access="off")
        try:
            scene.pop3().quit()
        except poplib.error_proto:
            return "refused"
        return "let in"
    with scene.pop3() as pop:
        scene.set(pop3_access="off")
        pop.retr(1)
    return "goes on"


ROWS = dict((
    parameter("on_dele", "delete", "hide", dele),
    parameter("on_dele", "hide", "delete", dele),
    parameter("on_dele", "delete", "refuse", dele),
    parameter("on_dele", "refuse", "delete", dele, how=changed_first),
    parameter("on_retrieve", "keep", "delete", retr),
    parameter("on_retrieve", "delete", "keep", retr),
    parameter("on_retrieve", "delete", "hide", retr),
    parameter("pop3_hold", "no", "yes", dele),
    parameter("pop3_hold", "yes", "no", dele),
    parameter("enforcement", "enforce", "observe", retr,
              on_retrieve="delete"),
    parameter("enforcement", "observe", "enforce", retr,
              on_retrieve="delete"),
    parameter("enforcement", "enforce", "off", dele, on_dele="hide"),
    parameter("move_mailbox", "Trash", "POP", dele, on_dele="move"),
    parameter("mass_delete_percent", "never", "50%", dele_many, much_mail),
    parameter("expire_retrieved", "never", "1d", nothing, old_mail),
    parameter("leave_max_messages", "unlimited", "0", nothing, old_mail),
    parameter("view_window", "unlimited", "1d", is_listed, old_mail,
              changed_first),
    parameter("top_lines", "unlimited", "0", top_is_cut, long_mail,
              changed_first),
    parameter("download_daily", "unlimited", "1", second_retr,
              how=changed_first),
    ("pop3_access: on to off", access_off),
))


def outcome(host, user, row, column):
    return ROWS[row](Scene(host, user), column)


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
def test_change(host, user, row, column):
    assert outcome(host, user, row, column) == documented(HEADING)[row, column]


def test_page_has_each_change():
    assert list(documented(HEADING)) == [
        (row, column) for row in ROWS for column in COLUMNS]
