# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""How much memory the cache of policies takes. Without sanitizers, which have
memory of their own."""

import os
import re

from test_policy_cache import asked, check, count, wait_cached


def rss(service):
    """Bytes."""
    (pid,) = service.pids()
    with open("/proc/%d/status" % pid) as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


def test_a_hundred_thousand_users_with_a_row(make_service):
    """Their names take a few MB; the rows of those who log in some more."""
    service = make_service(settings={"offline_users": "0"})
    count(service)
    client = service.client()
    wait_cached(service, client)
    before = rss(service)
    service.sql("""
        SET session_replication_role = replica;
        INSERT INTO pop3.policy (scope, version, top_lines, notify,
                                 expire_retrieved)
        SELECT 'user' || n || '@domain' || n % 100 || '.example',
               nextval('pop3.policy_version_seq'), n, 'yes', n
          FROM generate_series(1, 100000) n;
        INSERT INTO pop3.policy (scope, version, top_lines, notify)
        SELECT '@domain' || n || '.example',
               nextval('pop3.policy_version_seq'), n, 'no'
          FROM generate_series(0, 999) n;
        RESET session_replication_role;
        DELETE FROM pop3.policy_history""")
    wait_cached(service, client, ["nobody@domain7.example"])
    names = rss(service) - before
    number = int(os.environ.get("POP3_POLICY_CACHED_USERS", 5000))
    users = ["user%d@domain%d.example" % (n, n % 100)
             for n in range(1, number + 1)]
    for user in users:
        client.send("LIMITS", user=user, session="0" * 32)
        client.receive()
    rows = rss(service) - before - names
    print("%d kB for names, %d bytes for each of %d rows" %
          (names // 1024, rows // number, number))
    assert names < 12 * 1000 ** 2
    assert rows < number * 800
    before = asked(service)
    check(service, client, users[::number // 20])
    assert asked(service) == before
