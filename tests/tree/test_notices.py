# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Notices: the code, the schema, the shipped texts and the documentation speak
of the same parameters and variables."""

import os
import re

from dovecot import TOP

KINDS = ("quota", "expiry", "policy")


def read(*names):
    with open(os.path.join(TOP, *names), encoding="utf-8") as file:
        return file.read()


def owner_parameters():
    """The parameters that the plugin has words for, in order."""
    table = re.search(r"owner_params\[\] = \{(.*?)\};",
                      read("src", "engine", "pop3-policy-words.c"), re.S)
    found = [name.lower() for name in
             re.findall(r"POP3_POLICY_PARAM_(\w+)", table[1])]
    assert found
    return found


def variables():
    """{kind: variables} of the code."""
    files = [read("src", "plugin", "pop3-policy-notice%s.c" % name)
             for name in ("", "-write")]
    of_all = re.findall(r'\{ "(\w+)", POP3_POLICY_TEXT', files[1])
    assert of_all
    found = {}
    for kind in KINDS:
        (text,) = re.findall(r"^static void notify_%s\(.*?^\}" % kind,
                             files[0], re.M | re.S)
        own = re.findall(r'\{ "(\w+)", POP3_POLICY_TEXT', text)
        assert own
        found[kind] = of_all + own
    return found


def documented_variables():
    found = {kind: [] for kind in KINDS}
    for name, kind in re.findall(r"^\| `%\{(\w+)\}` \| (\w+) \|",
                                 read("doc", "notices.md"), re.M):
        for each in KINDS if kind == "all" else (kind,):
            found[each].append(name)
    return found


def test_schema_tells_of_the_same_parameters():
    update = re.search(r"SET concerns_owner = true(.*?);",
                       read("src", "sql", "parameters.sql"), re.S)
    assert sorted(re.findall(r"'(\w+)'", update[1])) == \
        sorted(owner_parameters())


def test_documentation_names_the_same_parameters():
    paragraph = re.search(r"^\*\*Policy\.\*\*(.*?)\n\n",
                          read("doc", "notices.md"), re.M | re.S)
    assert re.findall(r"`(\w+)`", paragraph[1]) == owner_parameters()


def test_variables_are_documented():
    assert documented_variables() == variables()


def test_shipped_texts_use_known_variables():
    """All of them, but for those that only other texts need."""
    for kind, known in variables().items():
        used = set(re.findall(r"%\{(\w+)", read("notices", kind + ".txt")))
        assert used <= set(known)
        assert set(known) - used <= {"level", "until"}
