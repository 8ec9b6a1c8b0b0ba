# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Sessions go on while PostgreSQL is away for some seconds, or a standby takes
its place, and nothing that was told is lost. tests/lib/run_outage.py makes
longer ones, with more sessions."""

import pytest

from fault_outage import WAYS, Outage


@pytest.mark.parametrize("way", WAYS)
def test_outage(way):
    outage = Outage(way, seconds=2, before=1, after=1.5, rate=30, users=8,
                    messages=8)
    wrong = outage.run()
    print(outage.table())
    assert not wrong, "\n".join(wrong)
    during = outage.phases["outage"]
    assert during["ended by QUIT"] > 0
    assert during["refused"] == during["QUIT failed"] == 0
