# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Each rule under each mode: the first table of doc/interplay.md."""

import poplib

import pytest

from host import message
from interplay import MODES, Scene, documented

HEADING = "Rules and modes"


def on_retrieve(scene, value):
    scene.deliver(2)
    scene.act(on_retrieve=value)
    scene.session(retr=[1])
    return scene.fate(1)


def on_dele(scene, value):
    scene.deliver(2)
    scene.act(on_dele=value)
    scene.session(dele=[1])
    return scene.fate(1)


def on_dele_refuse(scene):
    scene.deliver(2)
    scene.act(on_dele="refuse")
    with scene.pop3() as pop:
        if refused(pop, "DELE 1"):
            return "refused"
    return scene.fate(1)


def expire_retrieved(scene):
    scene.deliver(2)
    scene.retrieve(1)
    scene.age("2 days")
    scene.act(expire_retrieved="1d")
    scene.session()
    return scene.fate(1)


def expire_unretrieved(scene):
    scene.deliver(1)
    scene.poll()
    scene.age("2 days")
    scene.act(expire_unretrieved="1d")
    scene.session()
    return scene.fate(1)


def hide_first(scene):
    scene.deliver(2)
    scene.set(on_dele="hide")
    scene.delete(1)


def expire_hidden(scene):
    hide_first(scene)
    scene.age("2 days")
    scene.act(expire_hidden="1d")
    scene.session()
    return scene.fate(1)


def hidden_before(scene):
    hide_first(scene)
    scene.act()
    return scene.fate(1)


def leave_max_messages(scene):
    scene.deliver(2)
    scene.retrieve(1)
    scene.act(leave_max_messages="0")
    scene.session()
    return scene.fate(1)


def mass_deletion(scene):
    scene.deliver(21)
    scene.act(mass_delete_percent="50%")
    scene.session(dele=range(1, 22))
    return scene.fate(1)


def mass_delete_hold(scene):
    scene.deliver(21)
    scene.set(mass_delete_percent="50%", mass_delete_hold="1d")
    scene.delete(*range(1, 22))
    scene.age("2 days")
    scene.act()
    scene.session()
    return scene.fate(1)


def view_limit(scene):
    scene.deliver(2)
    scene.act(view_limit="1")
    return scene.fate(2)


def view_window(scene):
    scene.deliver(1)
    scene.poll()
    scene.age("2 days")
    scene.act(view_window="1d")
    return scene.fate(1)


def view_since(scene):
    scene.deliver(1)
    scene.poll()
    scene.act(view_since="2100-01-01")
    return scene.fate(1)


def refused(pop, command):
    """Is it answered with -ERR?"""
    pop._putcmd(command)
    return pop._getline()[0].startswith(b"-ERR")


def top_lines(scene):
    scene.deliver(message("Message 1", "Line\n" * 20))
    scene.act(top_lines="0")
    with scene.pop3() as pop:
        body = pop.top(1, 10)[1]
    return "cut" if b"Line" not in body else "as asked"


def download_daily(scene):
    scene.deliver(2)
    scene.act(download_daily="1")
    with scene.pop3() as pop:
        pop.retr(1)
        pop._putcmd("RETR 2")
        line = pop._getline()[0]
        if line.startswith(b"+OK"):
            while pop._getline()[0] != b".":
                pass
    return ("sent" if line.startswith(b"+OK") else "refused") + scene.told()


def login(scene):
    try:
        scene.pop3().quit()
    except poplib.error_proto as error:
        assert error.args[0].startswith(b"-ERR [")
        return "refused"
    return "let in" + scene.told()


def login_delay(scene):
    scene.act(login_delay="1h")
    assert login(scene) == "let in"
    return login(scene)


def pop3_access(scene):
    scene.act(pop3_access="off")
    return login(scene)


def mark_seen(scene):
    scene.deliver(1)
    scene.act(mark_seen="no")
    scene.session(retr=[1])
    return "marked" if "\\Seen" in scene.flags(1) else "not marked"


ROWS = {
    "on_retrieve=hide": lambda scene: on_retrieve(scene, "hide"),
    "on_retrieve=move": lambda scene: on_retrieve(scene, "move"),
    "on_retrieve=delete": lambda scene: on_retrieve(scene, "delete"),
    "on_dele=delete": lambda scene: on_dele(scene, "delete"),
    "on_dele=hide": lambda scene: on_dele(scene, "hide"),
    "on_dele=move": lambda scene: on_dele(scene, "move"),
    "on_dele=refuse": on_dele_refuse,
    "expire_retrieved": expire_retrieved,
    "expire_unretrieved": expire_unretrieved,
    "expire_hidden": expire_hidden,
    "hidden before": hidden_before,
    "leave_max_messages": leave_max_messages,
    "mass deletion": mass_deletion,
    "mass_delete_hold is over": mass_delete_hold,
    "view_limit": view_limit,
    "view_window": view_window,
    "view_since": view_since,
    "top_lines": top_lines,
    "download_daily": download_daily,
    "login_delay": login_delay,
    "pop3_access=off": pop3_access,
    "mark_seen=no": mark_seen,
}


def outcome(host, user, row, mode):
    return ROWS[row](Scene(host, user, mode))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", ROWS)
def test_rule(host, user, row, mode):
    assert outcome(host, user, row, mode) == documented(HEADING)[row, mode]


def test_page_has_each_cell():
    assert list(documented(HEADING)) == \
        [(row, mode) for row in ROWS for mode in MODES]
