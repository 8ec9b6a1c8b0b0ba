# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Pages that name tests: the tests exist."""

import glob
import os
import re

import pytest

from dovecot import TOP


def names_of_tests():
    """The names of all tests."""
    found = set()
    for path in glob.glob(os.path.join(TOP, "tests", "*", "test_*.py")):
        with open(path) as file:
            found.update(re.findall(r"(?m)^def (test_\w+)", file.read()))
    assert found
    return found


@pytest.mark.parametrize("name", ["interplay.md", "traps.md"])
def test_named_tests_exist(name):
    with open(os.path.join(TOP, "doc", name)) as file:
        named = re.findall(r"`(test_\w+)`", file.read())
    assert named
    assert set(named) - names_of_tests() == set()


def test_each_trap_has_tests_or_a_reason():
    with open(os.path.join(TOP, "doc", "traps.md")) as file:
        parts = re.split(r"(?m)^## (\d+)\. ", file.read())
    assert [int(number) for number in parts[1::2]] == \
        list(range(1, len(parts) // 2 + 1))
    for text in parts[2::2]:
        assert re.search(r"(?m)^Tests: `test_", text) or \
            re.search(r"(?m)^Why there is no test: \w", text), text
