# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Each preset, by a session that shows what makes it different: test_X of
preset X. And doc/presets.md, which has their values."""

import os
import re

import pytest

from dovecot import TOP
from owner import COMMITTED, Owner, intent, refusal, shown

MB = 1048576
PAGE = os.path.join(TOP, "doc", "presets.md")


@pytest.fixture
def tenant(host, user):
    """An owner in a domain of its own."""
    local, domain = user.split("@")
    return Owner(host, "%s@%s.%s" % (local, local.replace("_", "-"), domain))


def domain_sets(tenant, **values):
    """What the tenant's domain says."""
    tenant.host.set_policies("@" + tenant.name.split("@")[1], **values)


def capa(owner):
    pop = owner.pop3()
    found = pop.capa()
    pop.drop()
    return found


def sizes_on_record(owner, size):
    """Let all retrieved messages be big, without delivering them so."""
    owner.host.sql(
        "UPDATE pop3.message SET size = %s WHERE maildrop_id = "
        "(SELECT maildrop_id FROM pop3.maildrop WHERE username = %s)",
        (size, owner.name))


def seen_for_days(owner, days):
    """Message 1 is in the view for so many days after its arrival."""
    owner.deliver(1)
    assert owner.poll() == [1]
    owner.age("%d days" % (days - 1))
    owner.deliver(1)
    assert owner.poll() == [1, 2]
    owner.age("1 day")
    assert owner.poll() == [2]
    assert owner.uids() == [1, 2]


def test_rfc1939(tenant):
    """Whatever the domain says, nothing is done but what the client asks
    for."""
    domain_sets(tenant, on_retrieve="delete", on_dele="refuse",
                view_limit="1", top_lines="0", expire_retrieved="1d",
                login_delay="1h", leave_max_messages="0")
    tenant.set(preset="rfc1939")
    tenant.deliver(3)
    with tenant.pop3() as pop:
        assert shown(pop) == [1, 2, 3]
        assert pop.capa()["EXPIRE"] == ["NEVER"]
        assert b"Hello." in pop.top(1, 1)[1]
        pop.retr(1)
        pop.dele(2)
    tenant.ended(retr=1)
    tenant.age("100 days")
    assert tenant.poll() == [1, 3]
    tenant.told(intent("expunge", "dele", 2) + COMMITTED)


def test_download_and_delete(owner):
    owner.set(preset="download-and-delete")
    owner.deliver(3)
    assert capa(owner)["EXPIRE"] == ["0"]
    with owner.pop3() as pop:
        pop.retr(1)
        assert b"Subject: Message 2" in pop.top(2, 0)[1]
    owner.ended(retr=1)
    assert owner.uids() == [2, 3]
    owner.told(intent("expunge", "retrieved", 1) + COMMITTED)


def test_section8(owner):
    # the users are told, too: test_notice.py
    owner.set(preset="section8", notify="no")
    owner.deliver(2)
    assert capa(owner)["EXPIRE"] == ["7"]
    owner.retrieve(1)
    owner.age("6 days")
    assert owner.poll() == [1, 2]
    owner.age("1 day")
    assert owner.poll() == [2]
    owner.age("52 days")
    assert owner.poll() == [2]
    owner.age("1 day")
    assert owner.poll() == []
    assert owner.uids() == []
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED +
               intent("expunge", "expired-unretrieved", 2) + COMMITTED)


def test_leave_14_days(owner):
    owner.set(preset="leave-14-days")
    owner.deliver(4)
    assert capa(owner)["EXPIRE"] == ["14"]
    owner.retrieve(1)
    owner.age("7 days")
    owner.retrieve(2)
    owner.age("7 days")
    # message 3 is not retrieved, and stays
    assert owner.poll() == [2, 3, 4]
    sizes_on_record(owner, 1024 * MB)
    owner.retrieve(4)
    assert owner.uids() == [3, 4]
    owner.told(intent("expunge", "expired-retrieved", 1) + COMMITTED +
               intent("expunge", "leave-limit", 2) + COMMITTED)


def test_download_once_day(owner):
    owner.set(preset="download-once-day")
    owner.deliver(2)
    assert capa(owner)["EXPIRE"] == ["1"]
    owner.retrieve(1)
    owner.check_view([2])
    owner.age("23 hours")
    assert owner.poll() == [2]
    assert owner.uids() == [1, 2]
    owner.age("1 hour")
    assert owner.poll() == [2]
    assert owner.uids() == [2]
    owner.told(intent("hide", "retrieved", 1) + COMMITTED +
               intent("expunge", "expired-hidden", 1) + COMMITTED)


def test_gmail(owner):
    owner.set(preset="gmail")
    owner.deliver(252)
    first = list(range(1, 251))
    assert owner.poll() == first
    owner.retrieve(1)
    owner.delete(2)
    # the next ones take their places
    assert owner.poll() == list(range(3, 253))
    assert owner.hidden() == [1, 2]
    owner.host.sql("UPDATE pop3.download SET bytes = %s WHERE username = %s",
                   (1250 * MB, owner.name))
    with owner.pop3() as pop:
        assert refusal(pop, "RETR 1").startswith(
            "-ERR The daily download limit of 1250 MB is reached.")
    owner.age("30 days")
    owner.poll()
    assert owner.uids() == list(range(3, 253))


def test_gmail_recent(owner):
    owner.set(preset="gmail-recent")
    owner.deliver(3)
    # for several clients, as often as they want
    for _ in range(2):
        owner.retrieve(1)
    owner.delete(2)
    assert owner.poll() == [1, 3]
    owner.age("29 days")
    owner.deliver(1)
    assert owner.poll() == [1, 3, 4]
    owner.age("1 day")
    assert owner.poll() == [4]
    # what was deleted is gone, the rest is only too old to be shown
    assert owner.uids() == [1, 3, 4]


def test_qq(tenant):
    """A DELE does not delete; what becomes of retrieved mail it leaves to
    others."""
    domain_sets(tenant, on_retrieve="move", move_mailbox="Archive")
    tenant.set(preset="qq")
    tenant.deliver(3)
    tenant.delete(2)
    assert tenant.poll() == [1, 3]
    assert tenant.uids() == [1, 2, 3]
    tenant.retrieve(1)
    assert tenant.uids() == [2, 3]
    tenant.age("29 days")
    tenant.deliver(1)
    assert tenant.poll() == [3, 4]
    tenant.age("1 day")
    assert tenant.poll() == [4]
    assert tenant.uids() == [3, 4]


def test_netease_163(owner):
    owner.set(preset="netease-163")
    owner.deliver(45)
    everything = list(range(1, 46))
    owner.retrieve(*everything[:5])
    # more than half of the 40 that nobody has read
    owner.delete(*everything[5:31])
    assert owner.uids() == everything
    assert owner.poll() == everything[:5] + everything[31:]
    owner.host.wait_audit(owner.name, "mass-delete")
    owner.restore(*everything[5:31])
    owner.age("7 days")
    assert owner.poll() == everything
    # 20 of them, half, is no mass deletion
    owner.delete(*everything[:25])
    assert owner.uids() == everything[25:]
    owner.age("23 days")
    assert owner.poll() == []


def test_sina(tenant):
    domain_sets(tenant, view_window="1d", on_retrieve="hide", on_dele="hide")
    tenant.set(preset="sina")
    tenant.deliver(3)
    tenant.retrieve(1)
    tenant.age("100 days")
    assert tenant.poll() == [1, 2, 3]
    tenant.delete(2)
    assert tenant.uids() == [1, 3]


def test_outlook(owner):
    owner.set(preset="outlook")
    owner.deliver(2)
    owner.delete(1)
    assert owner.uids() == [2]
    assert owner.host.imap_uids(owner.name, "POP") == [1]
    owner.told(intent("move", "dele", 1) + COMMITTED)


def test_zimbra(tenant):
    domain_sets(tenant, on_dele="hide")
    tenant.set(preset="zimbra")
    tenant.deliver(2)
    tenant.delete(1)
    assert tenant.uids() == [2]
    tenant.told(intent("expunge", "dele", 1) + COMMITTED)


def presets(host):
    """{name: (description, source, {parameter: value as people read it})}"""
    values = {}
    for name, parameter, value in host.sql(
            "SELECT s.name, p.name, pop3.value_human(p.name, CASE "
            "WHEN p.type = 'timestamp' AND v.value = '-infinity' THEN '-1' "
            "WHEN p.type = 'percents' THEN btrim(v.value, '{}') "
            "ELSE v.value END) "
            "FROM pop3.preset s CROSS JOIN pop3.parameter p "
            "CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(j.x) "
            "WHEN 'array' THEN translate(j.x::text, '[] ', '') "
            "ELSE j.x #>> '{}' END AS value "
            "FROM (SELECT to_jsonb(s) -> p.name AS x) j) v "
            "WHERE v.value IS NOT NULL"):
        values.setdefault(name, {})[parameter] = value
    return {name: (description, source, values[name])
            for name, description, source in host.sql(
                "SELECT name, description, source FROM pop3.preset")}


def test_every_preset_is_shown(host):
    assert [name for name in presets(host)
            if "test_" + name.replace("-", "_") not in globals()] == []


def test_page_has_the_values(host):
    with open(PAGE) as file:
        sections = re.split(r"^## (\S+)\n", file.read(), flags=re.M)
    documented = {}
    for name, text in zip(sections[1::2], sections[2::2]):
        description, source = re.match(
            r"\n(.*?)\n\nSource: (.*?)\n\n", text, re.S).groups()
        documented[name] = (
            " ".join(description.split()), " ".join(source.split()),
            dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)))
    assert documented == presets(host)
