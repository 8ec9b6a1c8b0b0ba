# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Real clients whose login is refused: they end, tell their user why, and take
the mail when they are let in. doc/clients.md says what is seen here."""

import pytest

from client_refusals import HOST_OPTIONS, REFUSALS, REFUSED_WAYS, refused
from client_tables import documented, heading_of


@pytest.fixture(scope="module")
def impatient_host(make_module_host):
    return make_module_host(**HOST_OPTIONS)


@pytest.mark.parametrize("code", REFUSALS)
def test_refused(impatient_host, user, tmp_path, code):
    users = {way: "%d_%s" % (number, user)
             for number, way in enumerate(REFUSED_WAYS)}
    seen = refused(impatient_host, str(tmp_path), code, users)
    for way in REFUSED_WAYS:
        one = seen[way]
        assert one.reply.startswith("-ERR [%s] " % code)
        # no client tries again by itself
        assert one.run.connections == 1 and len(one.run.commands) <= 4
        assert one.run.status != 0
        # an old client takes other refusals for a wrong password
        if way == "fetchmail keep":
            assert ("Authorization failure" in one.told) == (code == "AUTH")
        assert one.run_after.status == 0
        assert one.received_after == {"mail1": 1}
    assert {way: one.row() for way, one in seen.items()} == \
        documented(heading_of(code))
