# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""doveadm pop3-policy schema: what is installed, installing, upgrading."""

import glob
import itertools
import json
import os
import re
import shutil
import subprocess

import pytest

from dovecot import wait_until
from pg import SQL_DIR, TOP

EX_USAGE = 64
EX_NOINPUT = 66
EX_NOUSER = 67
EX_UNAVAILABLE = 69
EX_TEMPFAIL = 75

_numbers = itertools.count(1)


@pytest.fixture
def files(host):
    """The files of the schema, where any user may read them."""
    directory = host.path("sql")
    if not os.path.exists(directory):
        shutil.copytree(SQL_DIR, directory)
    return directory


@pytest.fixture
def database(postgres):
    name = "schema_%d" % next(_numbers)
    postgres.create_database(name)
    yield name
    postgres.drop_database(name)


class Schema:
    def __init__(self, host, files, dbname):
        self.host = host
        self.files = files
        self.uri = host.pg.uri(dbname=dbname)
        with open(os.path.join(files, "upgrade.sql")) as file:
            self.current = re.search(r"^\\set current (\d+)$", file.read(),
                                     re.M)[1]

    def run(self, *args, uri=None, files=None, formatter="json"):
        return self.host.run("doveadm", "-f", formatter, "pop3-policy",
                             "schema", "--connect", uri or self.uri,
                             "--sql-dir", files or self.files, *args)

    def show(self):
        done = self.run()
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)


@pytest.fixture
def schema(host, files, database):
    return Schema(host, files, database)


def versions(rows):
    return [(row["part"], row["version"]) for row in rows]


def test_install(schema, postgres, database):
    assert versions(schema.show()) == [("release", schema.current),
                                       ("database", "")]
    done = schema.run("install")
    assert done.returncode == 0, done.stderr
    assert "installed, version %s" % schema.current in done.stderr
    assert versions(schema.show()) == [("release", schema.current),
                                       ("database", schema.current)]
    assert str(postgres.value("SELECT max(version) FROM pop3.schema_version",
                              dbname=database)) == schema.current
    # another time nothing happens
    done = schema.run("install")
    assert done.returncode == EX_TEMPFAIL
    assert 'schema "pop3" already exists' in done.stderr


def test_upgrade(schema, postgres, database):
    old = sorted(glob.glob(os.path.join(TOP, "tests", "sql", "schemas",
                                        "*.sql")))[-1]
    postgres.psql_file(old, dbname=database)
    before = int(os.path.basename(old).split("-")[0])
    assert ("database", str(before)) in versions(schema.show())
    done = schema.run("upgrade")
    assert done.returncode == 0, done.stderr
    assert "Schema pop3" in done.stdout
    assert ("database", schema.current) in versions(schema.show())
    done = schema.run("upgrade", files=os.path.relpath(schema.files))
    assert done.returncode == 0
    assert "Schema pop3 has version %s; its functions and views were replaced" \
        % schema.current in done.stdout


def test_upgrade_of_nothing(schema):
    done = schema.run("upgrade")
    assert done.returncode == EX_TEMPFAIL
    assert "there is no schema pop3" in done.stderr


def test_services(host, files):
    schema = Schema(host, files, host.dbname)
    wait_until(lambda: host.value("SELECT count(*) FROM pop3.chain"))
    (row,) = [row for row in schema.show() if row["part"] == "service"]
    assert row["version"] == str(host.value(
        "SELECT service_schema FROM pop3.chain"))
    assert row["what"] == "chain %s" % host.value(
        "SELECT chain_id FROM pop3.chain")


def test_as_another_user_of_the_system(schema, postgres):
    if postgres.user is None:
        pytest.skip("only root can become another user")
    done = schema.run("--run-as", postgres.user.pw_name, "install")
    assert done.returncode == 0, done.stderr
    done = schema.run("--run-as", "nosuchuser")
    assert done.returncode == EX_NOUSER
    assert "no user nosuchuser" in done.stderr


@pytest.mark.parametrize("uri", [
    "postgresql://pop3:secret@localhost/mail", "password=secret dbname=mail",
    "postgresql:///mail?user=a&password=secret"])
def test_no_password_on_the_command_line(schema, uri):
    done = schema.run(uri=uri)
    assert done.returncode == EX_USAGE
    assert "passfile=" in done.stderr
    assert "secret" not in done.stderr


def test_no_connection(schema, host):
    done = schema.run("upgrade", uri="postgresql:///mail?host=%s" %
                      host.path("nowhere"))
    assert done.returncode == EX_TEMPFAIL
    assert "The database cannot be asked" in done.stderr


def test_without_psql(schema, host, tmp_path):
    """In a view of the files that has none."""
    directory = os.path.dirname(os.path.realpath(shutil.which("psql")))
    assert directory not in ("/usr/bin", "/bin")
    script = "mount --bind %s %s\nexec %s pop3-policy schema -c x -d %s\n" % (
        tmp_path, directory, host.path("bin", "doveadm"), schema.files)
    done = subprocess.run([host.path("bin", "in-view"), "sh", "-ec", script],
                          capture_output=True, text=True)
    assert done.returncode == EX_UNAVAILABLE
    assert "psql was not found" in done.stderr
    assert "postgresql-client" in done.stderr


def test_wrong_arguments(schema, host):
    done = schema.run("drop")
    assert done.returncode == EX_USAGE
    assert "not one of show, install, upgrade" in done.stderr
    done = host.run("doveadm", "pop3-policy", "schema")
    assert done.returncode == EX_USAGE
    assert "Say by --connect" in done.stderr
    done = schema.run("upgrade", files="/nonexistent")
    assert done.returncode == EX_NOINPUT
    assert "/nonexistent/upgrade.sql" in done.stderr and \
        "--sql-dir" in done.stderr
