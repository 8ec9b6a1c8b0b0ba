# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""Settings, configuration examples and documentation agree."""

import os
import re

import pytest

from dovecot import TOP

# directories of the configuration's examples
VERSIONS = ["dovecot-2.3", "dovecot-2.4"]


def read(*names):
    with open(os.path.join(TOP, *names)) as file:
        return file.read()


def sections(title):
    """Names of the ### sections below a ## section of doc/settings.md."""
    text = read("doc", "settings.md").split("\n## %s\n" % title)[1]
    return re.findall(r"^### (\S+)$", text.split("\n## ")[0], re.M)


def settings_of_service():
    found = re.findall(r"\{ DEF\(\w+, (\w+)\)",
                       read("src", "service",
                            "pop3-policy-service-settings.c"))
    assert found
    return found


def settings_of_plugin():
    found = re.findall(r'plugin_getenv\((?:user,\s*)?"(\w+)"', "".join(
        read(*names) for names in (
            ("src", "plugin", "pop3-policy-settings-2.3.c"),
            ("src", "doveadm", "doveadm-pop3-policy-settings-2.3.c"))))
    # Dovecot 2.4 has descriptions of the same
    described = re.findall(r"^\tDEF\(\w+, (\w+)\)",
                           read("src", "settings",
                                "pop3-policy-setting-info.c"), re.M)
    assert sorted(found) == sorted(described)
    assert found
    return described


def settings_of_login_plugin():
    """Of Dovecot 2.4."""
    found = re.findall(r"^\tDEF\(\w+, (\w+)\)",
                       read("src", "settings",
                            "pop3-policy-login-setting-info.c"), re.M)
    assert found
    return found


def example_settings(version):
    """[(setting, value)], commented out or not."""
    return re.findall(r"^ *#?(pop3_policy_\w+) = (.*)$",
                      read("conf.d", version, "90-pop3-policy.conf"), re.M)


def without_comments(text):
    lines = (line.rstrip() for line in text.splitlines())
    return [line for line in lines
            if line and not line.lstrip().startswith("#")]


def test_service_settings_are_documented():
    assert sections("Settings of the service") == settings_of_service()


def test_service_settings_are_in_the_example():
    example = re.findall(r"^#?(\w+) = ", read("conf.d",
                                              "pop3-policy.conf.ext"), re.M)
    assert example == settings_of_service()


def test_plugin_settings_are_documented():
    assert sections("Settings of the plugin") == settings_of_plugin()


@pytest.mark.parametrize("version", VERSIONS)
def test_plugin_settings_are_in_the_example(version):
    expected = settings_of_plugin()
    if version == "dovecot-2.4":
        # on 2.3 these are in the environment
        expected += settings_of_login_plugin()
    assert [name for name, _ in example_settings(version)] == expected


def test_login_plugin_settings_are_documented():
    assert not set(settings_of_login_plugin()) - set(re.findall(
        r"^### (\S+)$", read("doc", "settings.md"), re.M))


@pytest.mark.parametrize("version", VERSIONS)
def test_example_shows_the_built_in_values(version):
    """Also where they need not be set."""
    documented = dict(re.findall(r"^### (\S+)\n.*?^Default: `([^`]+)`",
                                 read("doc", "settings.md"), re.M | re.S))
    example = dict(example_settings(version))
    assert {name: example[name] for name in settings_of_plugin()} == {
        name: documented[name] for name in settings_of_plugin()}


def test_readme_shows_the_shipped_configuration():
    blocks = re.findall(r"^```\n(.*?)^```", read("README.md"), re.M | re.S)
    for block, version in zip(blocks, VERSIONS):
        shipped = read("conf.d", version, "90-pop3-policy.conf")
        assert without_comments(block) == without_comments(
            shipped.replace("#group", "group"))
    shipped = read("conf.d", "pop3-policy.conf.ext").splitlines()
    for line in without_comments(blocks[len(VERSIONS)]):
        assert line in shipped


def test_readme_names_every_parameter():
    documented = re.findall(r"^### (\S+)$", read("doc", "parameters.md"), re.M)
    assert documented
    named = re.findall(r"`(\w+)`", read("README.md").split(
        "## Parameters")[1].split("\n## ")[0])
    assert not set(documented) - set(named)


def test_readme_names_every_report():
    views = re.findall(r"CREATE VIEW pop3\.(report_\w+)", "".join(
        read("src", "sql", "views", name)
        for name in os.listdir(os.path.join(TOP, "src", "sql", "views"))))
    named = re.findall(r"^\| `(report_\w+)`", read("README.md"), re.M)
    assert sorted(named) == sorted(views)


def test_links_lead_somewhere():
    for directory in ("", "doc"):
        for name in os.listdir(os.path.join(TOP, directory)):
            if not name.endswith(".md"):
                continue
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)",
                                   read(directory, name)):
                assert os.path.exists(os.path.join(TOP, directory, link)), \
                    "%s: %s" % (name, link)
