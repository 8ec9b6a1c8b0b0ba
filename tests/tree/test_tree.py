# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The tree: what is run, what is distributed, what may use what."""

import filecmp
import glob
import os
import re
import shutil
import subprocess

import pytest

from dovecot import BUILD, TOP, shipped_config

PLUGIN = os.path.join(BUILD, "src", "plugin", ".libs",
                      "lib20_pop3_policy_plugin.so")


def test_every_test_file_is_run():
    """pytest takes test_*.py, and check.py names the directories; anything
    else would never run."""
    with open(os.path.join(TOP, "tests", "check.py")) as file:
        run = set(re.findall(r'pytest\(\s*\w+, "(\w+)"', file.read()))
    found = set()
    for path in glob.glob(os.path.join(TOP, "tests", "**", "*.py"),
                          recursive=True):
        with open(path) as file:
            if re.search(r"^ *def test_", file.read(), re.M):
                assert re.fullmatch(r"test_\w+\.py",
                                    os.path.basename(path)), path
                found.add(os.path.basename(os.path.dirname(path)))
    assert found and found == run
    with open(os.path.join(TOP, "tests", "unit", "Makefile.am")) as file:
        makefile = file.read()
    for path in glob.glob(os.path.join(TOP, "tests", "unit", "*.c")):
        assert os.path.basename(path) in makefile, path


def test_libraries_stay_in_the_service():
    """Mail processes map neither libpq nor OpenSSL. verify is a program of its
    own."""
    for path in glob.glob(os.path.join(TOP, "src", "*", "*.[ch]")) + \
            glob.glob(os.path.join(TOP, "include", "*.h")):
        with open(path) as file:
            uses = re.search(r'#\s*include\s*[<"](libpq-fe\.h|openssl/)',
                             file.read())
        assert not uses or "/src/service/" in path or \
            "/src/verify/" in path, path
    libraries = subprocess.check_output(["ldd", PLUGIN], text=True)
    assert "libc.so" in libraries
    assert not re.search(r"libpq|libcrypto|libssl", libraries)


def test_plugin_has_a_version():
    """Without <name>_version Dovecot skips the ABI check in silence."""
    symbols = subprocess.check_output(["nm", "-D", PLUGIN], text=True)
    for name in ("init", "deinit", "version"):
        assert re.search(r" [TDR] pop3_policy_plugin_%s$" % name, symbols,
                         re.M), name


def test_what_is_installed(tmp_path):
    subprocess.run(["make", "-C", BUILD, "install", "DESTDIR=%s" % tmp_path],
                   check=True, stdout=subprocess.DEVNULL)
    installed = [os.path.join(directory, name)[len(str(tmp_path)):]
                 for directory, _, names in os.walk(tmp_path)
                 for name in names]
    for pattern in (r"/modules/lib20_pop3_policy_plugin\.so",
                    r"/pop3-policy", r"/sql/install\.sql",
                    r"/grafana/dovecot-pop3-policy\.json",
                    r"/conf\.d/pop3-policy\.conf\.ext",
                    r"/share/dovecot-pop3-policy/notices/quota\.txt",
                    r"/settings\.md", r"/parameters\.md"):
        assert [name for name in installed
                if re.search(pattern + "$", name)], pattern
    # that of the Dovecot which the plugin is for
    (example,) = [name for name in installed
                  if name.endswith("/conf.d/90-pop3-policy.conf")]
    assert filecmp.cmp(str(tmp_path) + example, os.path.join(
        shipped_config(), "90-pop3-policy.conf"), shallow=False)
    assert not [name for name in installed if "test" in name], \
        "an installation has no schema pop3_test"


def test_distribution_is_complete():
    """A distribution holds every file of the repository."""
    if not os.path.exists(os.path.join(TOP, ".git")) or \
       shutil.which("git") is None:
        pytest.skip("no repository to compare with")
    tracked = subprocess.check_output(
        ["git", "-C", TOP, "-c", "safe.directory=*", "ls-files"],
        text=True).splitlines()
    made = subprocess.run(["make", "-C", BUILD, "distdir"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    assert made.returncode == 0, made.stdout
    (distdir,) = glob.glob(os.path.join(BUILD, "dovecot-pop3-policy-*/"))
    missing = [name for name in tracked
               if os.path.exists(os.path.join(TOP, name))
               and not os.path.exists(os.path.join(distdir, name))
               and os.path.basename(name) != ".gitignore"]
    shutil.rmtree(distdir)
    assert not missing
