# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A database whose chains can be tampered with: a copy of one that a service
wrote, with the service's files, and pop3-policy-verify.

    copy = Copy(pg, "copy1", template="history", files=state_dir)
    copy.run("UPDATE pop3.audit SET uid = 7 WHERE seq = 5")
    code, findings, summaries = copy.verify()
"""

import os
import re
import shutil
import subprocess
import tempfile

from dovecot_files import built, install

FINDING = re.compile(
    r"^(?:chain (?P<chain>[0-9a-f-]{36}))?(?: ?seq (?P<first>[0-9]+)"
    r"(?: to (?P<last>[0-9]+))?)?(?: \((?P<what>[^)]*)\))?(?:: )?(?P<text>.*)$")
SUMMARY = re.compile(r"^(chain [0-9a-f-]{36}: [0-9]+ rows verified|in no chain)")


class Finding(tuple):
    """(chain, first, last, text): what verify says of numbers of a chain. .what
    is the time and the event that it names."""

    @classmethod
    def parse(cls, line):
        m = FINDING.match(line)
        first = int(m["first"] or 0)
        finding = cls((m["chain"], first, int(m["last"] or first), m["text"]))
        finding.what = m["what"]
        return finding


class Copy:
    def __init__(self, pg, dbname, template=None, files=None,
                 key_file="audit.key"):
        self.pg, self.dbname = pg, dbname
        if template is not None:
            pg.create_database(dbname, template)
        self.directory = tempfile.mkdtemp(prefix="pop3-verify-")
        os.chmod(self.directory, 0o755)
        self.state = os.path.join(self.directory, "state")
        if files is not None:
            shutil.copytree(files, self.state)
            stat = os.stat(files)
            for name in (".", *os.listdir(self.state)):
                os.chown(os.path.join(self.state, name), stat.st_uid,
                         stat.st_gid)
        self.key_file = os.path.join(self.state, key_file)
        self.config = os.path.join(self.directory, "pop3-policy.conf.ext")
        self.program = os.path.join(self.directory, "pop3-policy-verify")
        install(built("src/verify", "pop3-policy-verify"), self.program)
        self.configure()

    def configure(self, **settings):
        settings = {"connect": self.pg.uri("pop3_service", self.dbname),
                    "state_dir": self.state, **settings}
        with open(self.config, "w") as file:
            for item in settings.items():
                file.write("%s = %s\n" % item)

    def run(self, *statements):
        """As a superuser who means it."""
        for sql in statements:
            self.pg.query("SET session_replication_role = replica; " + sql +
                          "; RESET session_replication_role",
                          dbname=self.dbname)

    def rows(self, sql, args=None):
        return self.pg.query(sql, args, dbname=self.dbname)

    def value(self, sql, args=None):
        return self.rows(sql, args)[0][0]

    def call(self, *args):
        return subprocess.run([self.program, "-c", self.config, *args],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, check=False)

    def verify(self, *args):
        """(exit status, [Finding], {chain: summary})"""
        done = self.call(*args)
        assert done.stderr == "", done.stderr
        findings, summaries = [], {}
        for line in done.stdout.splitlines():
            if SUMMARY.match(line):
                name, text = line.split(": ", 1)
                summaries[name.removeprefix("chain ")] = text
            else:
                findings.append(Finding.parse(line))
        return done.returncode, findings, summaries

    def checkpoints(self, chain):
        return os.path.join(self.state, "checkpoints." + chain)

    def remove_files(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def cleanup(self):
        self.pg.drop_database(self.dbname)
        self.remove_files()
