# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The whole test suite, stage by stage. Each stage has a log; the last line
sums up. Called by ./quickstart check."""

import collections
import concurrent.futures
import contextlib
import fcntl
import glob
import importlib.util
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree

from pg import CLUSTER, find_bindir

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(TOP, "build", "check")
CORES = len(os.sched_getaffinity(0))
JOBS = str(CORES)
# Most of the time a test waits: for a timeout, a process, a client.
WORKERS = str(4 * CORES)
TICK = 5
# where files are kept in memory, and how much of it must be free
SHM = "/dev/shm"
SHM_FREE = 4 << 30


# So many tests that fail among others, on a machine with much to do, are run
# once more by themselves. The stage's line says so.
MAX_AGAIN = 5

# For what is built to see that it can be built.
NOT_OPTIMIZED = "-O0"

# What random tests do on the older and on the newer of two versions of Dovecot,
# unless the environment says something else. The older one's sessions are as
# many as it takes to see everything happen.
RANDOM_TESTS = {"POP3_POLICY_RANDOM_SESSIONS": ("1500", "750"),
                "POP3_POLICY_RANDOM_SEED": ("1939", "1940"),
                "POP3_POLICY_FAULT_RUNS": ("120", "120"),
                "POP3_POLICY_FAULT_SEED": ("1939", "1940")}

# Directories with programs of unit tests.
UNIT = ["tests/unit", "src/service"]

# Files of system tests that are run with sanitizers on one of two versions of
# Dovecot, and without on the other, as those of the service are: what a client or
# a failure may do to the plugin, and each way through it. The others are run
# without. (All of them in both ways take too long on two Debians.)
WITH_SANITIZERS = ["system/test_%s.py" % name for name in (
    "capa", "concurrent", "doveadm", "download_daily", "evict", "expiry",
    "hold", "hostile", "kills", "large_deletion", "loading", "login_capa",
    "notice_texts", "on_dele", "on_retrieve", "others_removals", "pause",
    "quota_limits", "refuse", "retrieved", "rollback", "top_lines", "uidl",
    "uidvalidity", "update_failures", "view")]
# Sanitizers have memory of their own.
WITHOUT_SANITIZERS = ["service/test_policy_memory.py"]


class Stage:
    """One line of the report."""

    def __init__(self, name, function):
        self.name = name
        self.function = function
        self.logname = os.path.join(OUT, name.replace(" ", "-") + ".log")
        self.counts = [0, 0, 0]         # passed, failed, skipped
        self.again = 0                  # passed at the second try
        self.seconds = 0
        self._process = None
        self._stopped = False
        self._lock = threading.Lock()
        self.skips = []                 # test, reason

    def add(self, passed, failed, skipped):
        for i, count in enumerate((passed, failed, skipped)):
            self.counts[i] += count

    def run(self, *argv, cwd=TOP, **environment):
        """Run a command into the log. Returns its exit status."""
        self.log.write("$ %s\n" % " ".join(argv))
        self.log.flush()
        with self._lock:
            if self._stopped:
                return -signal.SIGKILL
            self._process = subprocess.Popen(
                argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=self.log,
                stderr=self.log, env={**os.environ, **environment})
        return self._process.wait()

    def stop(self):
        """End what another thread runs."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def perform(self):
        """Run the stage. Returns True if it is well."""
        begun = time.monotonic()
        with open(self.logname, "w") as self.log:
            well = self.function(self)
        self.seconds = time.monotonic() - begun
        return well

    def report(self, well):
        """What there is to say of it, in a line, or with its log's end."""
        text = " %s (%d s)%s" % (
            "ok" if well else "FAILED", self.seconds,
            ", %d passed, %d failed, %d skipped" % tuple(self.counts)
            if any(self.counts) else "") + (
            ", %d of them at the second try: see %s" % (
                self.again, self.logname) if self.again else "")
        if well:
            return text
        # what produced no result at all counts as one failure
        if self.counts[1] == 0:
            self.counts[1] = 1
        with open(self.logname, errors="replace") as log:
            return "%s\n%s\nThe whole log is %s" % (
                text, "".join(log.readlines()[-100:]), self.logname)


def _tick(ended):
    while not ended.wait(TICK):
        print(".", end="", flush=True)


def report(stages):
    """Run stages at the same time, and print a line for each. Returns True if
    all are well."""
    ended = threading.Event()
    ticker = threading.Thread(target=_tick, args=(ended,))
    well = []
    with concurrent.futures.ThreadPoolExecutor(len(stages)) as pool:
        ticker.start()
        try:
            futures = [pool.submit(stage.perform) for stage in stages]
            for stage, future in zip(stages, futures):
                print("%-38s " % stage.name, end="", flush=True)
                well.append(future.result())
                print(stage.report(well[-1]), flush=True)
        except BaseException:
            for stage in stages:
                stage.stop()
            raise
        finally:
            ended.set()
            ticker.join()
    return all(well)


def tree(compiler, *configure, cflags=()):
    """A stage that builds with a compiler in build/check/NAME."""
    name = "-".join([compiler] + [
        a.strip("-") for a in (*configure, *cflags)])

    def build(stage):
        directory = os.path.join(OUT, name)
        os.makedirs(directory, exist_ok=True)
        if not os.path.exists(os.path.join(directory, "Makefile")) and \
           stage.run(os.path.join(TOP, "configure"), "--enable-werror",
                     "CC=" + compiler, "PYTHON=" + sys.executable,
                     *configure, *(["CFLAGS=" + " ".join(cflags)] if cflags
                                   else []), cwd=directory) != 0:
            return False
        # all of it, so that the log shows the warnings of everything
        return stage.run("make", "-j" + JOBS, cwd=directory) == 0 and all(
            stage.run("make", "-j" + JOBS, "-C", unit, "check", "TESTS=",
                      cwd=directory) == 0 for unit in UNIT)

    build.directory = os.path.join(OUT, name)
    return build


def distcheck(build):
    """A stage that makes a distribution and builds it elsewhere, from sources
    that are read-only. Its tests of other kinds are left out (they are run by
    other stages): `true' takes the place of Python."""
    def run(stage):
        return stage.run("make", "distcheck",
                         "AM_DISTCHECK_CONFIGURE_FLAGS=PYTHON=true "
                         "CFLAGS=%s" % NOT_OPTIMIZED,
                         cwd=build.directory, NOVALGRIND="1",
                         MAKEFLAGS="-j" + JOBS) == 0
    return run


def unit(build, **environment):
    """A stage that runs the unit tests, under valgrind unless NOVALGRIND is
    in the environment."""
    def run(stage):
        status = [stage.run("make", "-j" + JOBS, "-C", directory, "check",
                            cwd=build.directory, **environment)
                  for directory in UNIT]
        # automake keeps a result and a log of each program
        for trs in itertools.chain(*(
                glob.glob(os.path.join(build.directory, directory, "*.trs"))
                for directory in UNIT)):
            with open(trs) as file:
                well = "\n:test-result: PASS" in "\n" + file.read()
            with open(trs[:-4] + ".log", errors="replace") as file:
                text = file.read()
            # the closing line of Dovecot's lib-test; a script is one test
            found = re.search(r"^(\d+) / (\d+) tests failed", text, re.M)
            failed, total = map(int, found.groups()) if found else (0, 1)
            if not well and failed == 0:
                failed = 1
            stage.add(total - failed, failed, 0)
            if not well:
                stage.log.write("--- %s\n%s\n" % (trs, text))
        return not any(status) and stage.counts[0] > 0 and \
            stage.counts[1] == 0
    return run


def fuzz(build):
    """A stage that feeds the corpora to the harnesses of tests/fuzz, and some
    seconds of what libFuzzer makes of them. Counts harnesses."""
    def run(stage):
        status = stage.run("make", "-C", "tests/fuzz", "check-fuzz",
                           cwd=build.directory)
        with open(stage.logname, errors="replace") as log:
            text = log.read()
        stage.add(len(re.findall(r"^fuzz-\w+: \d+ inputs", text, re.M)),
                  len(re.findall(r"^fuzz-\w+: FAILED", text, re.M)), 0)
        return status == 0 and stage.counts[0] > 0
    return run


def pytest(build, *directories, asan=False, parallel=True, ignore=()):
    """A stage that runs pytest on directories below tests/, but for some
    files."""
    def run(stage):
        results = stage.logname[:-4] + ".xml"
        cache = stage.logname[:-4] + ".cache"
        shutil.rmtree(cache, ignore_errors=True)
        argv = [sys.executable, "-m", "pytest", "-o", "cache_dir=" + cache,
                "-q", "-rfEs",
                *["--ignore=" + os.path.join("tests", name)
                  for name in ignore],
                *[os.path.join("tests", name) for name in directories]]
        environment = dict(
            PYTHONPATH=os.path.join(TOP, "tests", "lib"),
            POP3_POLICY_BUILDDIR=build.directory,
            POP3_POLICY_ASAN="yes" if asan else "no",
            # To compile the tests takes longer than to find them, and each
            # worker would do it anew.
            PYTHONPYCACHEPREFIX=os.path.join(OUT, "pycache"),
            PYTHONDONTWRITEBYTECODE="")
        spread = []
        if parallel and importlib.util.find_spec("xdist"):
            spread = ["-p", "spread", "-n", WORKERS, "--dist", "loadgroup"]
            # all workers begin at the same time: compile what they are to
            # find there
            stage.run(*argv, "--collect-only", "-q", **environment)
        if os.path.exists(results):
            os.unlink(results)
        status = stage.run(*argv, *spread, "--durations=10",
                           "--junitxml=" + results, **environment)
        if os.path.exists(results):
            found = xml.etree.ElementTree.parse(results)
            for case in found.iter("testcase"):
                for skip in case.iter("skipped"):
                    stage.skips.append((
                        re.sub(r"[\[@].*", "", "%s.%s" % (
                            case.get("classname"), case.get("name"))),
                        " ".join(skip.get("message").split())))
            for suite in found.iter("testsuite"):
                total, failures, errors, skipped = (
                    int(suite.get(name)) for name in
                    ("tests", "failures", "errors", "skipped"))
                bad = failures + errors
                if spread and 0 < bad <= MAX_AGAIN and stage.run(
                        *argv, "--lf", "--lfnf=none", **environment) == 0:
                    # too slow among the others, which is worth a look
                    status = 0
                    stage.again = bad
                    bad = 0
                stage.add(max(0, total - bad - skipped), bad, skipped)
        return status == 0 and stage.counts[0] > 0
    return run


def lock(directory):
    """The descriptor that locks a directory, None if another check has it."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


@contextlib.contextmanager
def files_in_memory():
    """Tests make hundreds of databases: they take half the time if those are
    not on a disk."""
    for left in glob.glob(os.path.join(SHM, "pop3-check-*")):
        # by a check that was killed
        fd = lock(left)
        if fd is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(fd)
    try:
        found = os.statvfs(SHM)
    except OSError:
        found = None
    if found is None or found.f_flag & os.ST_NOEXEC or \
       found.f_bavail * found.f_frsize < SHM_FREE:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="pop3-check-", dir=SHM,
                                     ignore_cleanup_errors=True) as directory:
        fd = lock(directory)
        # private hosts have processes of several users
        os.chmod(directory, 0o755)
        os.environ["TMPDIR"] = directory
        os.environ[CLUSTER] = os.path.join(directory, "cluster")
        yield
        os.close(fd)


def versions():
    """What the tests ran with."""
    def ask(*argv):
        return subprocess.check_output(argv, text=True).split()
    return "Dovecot %s, PostgreSQL %s" % (
        ask("dovecot", "--version")[0],
        ask(os.path.join(find_bindir(), "postgres"), "--version")[2])


def is_newer():
    """Is this the newer one of the two versions of Dovecot?"""
    return subprocess.check_output(["dovecot", "--version"],
                                   text=True) >= "2.4"


def sanitized():
    """The files that are run with sanitizers on this version: of the service's
    tests and of the system tests."""
    service = [os.path.relpath(path, os.path.join(TOP, "tests"))
               for path in glob.glob(os.path.join(TOP, "tests", "service",
                                                  "test_*.py"))]
    return [sorted(files)[is_newer()::2] for files in (
        set(service) - set(WITHOUT_SANITIZERS), WITH_SANITIZERS)]


def report_skips(stages):
    for stage in stages:
        skipped = collections.Counter(stage.skips)
        for (test, reason), count in sorted(skipped.items()):
            print("skipped in %s: %s%s: %s" % (
                stage.name, test, "" if count == 1 else " (%d times)" % count,
                reason))


def run_all(groups):
    begun = time.monotonic()
    well = True
    for stages in groups:
        well = report(stages) and well
    print("%d minutes %d seconds" % divmod(time.monotonic() - begun, 60))
    return well


def main():
    os.makedirs(OUT, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # Where these are set pytest shows all differences of what is compared,
    # which takes hours for transcripts of megabytes.
    os.environ.pop("CI", None)
    os.environ.pop("BUILD_NUMBER", None)
    for name, values in RANDOM_TESTS.items():
        os.environ.setdefault(name, values[is_newer()])
    gcc = tree("gcc")
    # What is fuzzed is the same for all versions of Dovecot, and clang needs
    # three times the time to build for it. Else it is there to warn.
    clang = tree("clang", "--enable-fuzzing") if is_newer() else \
        tree("clang", cflags=[NOT_OPTIMIZED])
    asan = tree("gcc", "--enable-asan")
    service, system = sanitized()
    # Stages of a group run at the same time: parts of them have one process.
    groups = [
        [Stage("build with gcc", gcc),
         Stage("build with clang", clang),
         Stage("build with sanitizers", asan)],
        [*([Stage("distribution", distcheck(gcc))]
           # a copy without the repository is made of one that is checked
           if os.path.exists(os.path.join(TOP, ".git")) else []),
         Stage("unit tests with sanitizers", unit(asan, NOVALGRIND="1"))],
        [Stage("tree", pytest(gcc, "tree", parallel=False)),
         Stage("unit tests with valgrind", unit(gcc))],
        *([[Stage("fuzzing", fuzz(clang))]] if is_newer() else []),
        [Stage("SQL tests", pytest(gcc, "sql"))],
        [Stage("service tests", pytest(gcc, "service", ignore=service))],
        [Stage("service tests with sanitizers", pytest(
            asan, *service, asan=True))],
        [Stage("system tests", pytest(gcc, "system", ignore=system))],
        [Stage("system tests with sanitizers", pytest(
            asan, *system, asan=True))],
        [Stage("fault tests", pytest(gcc, "faults"))],
    ]
    stages = [stage for group in groups for stage in group]
    with files_in_memory():
        well = run_all(groups)
    report_skips(stages)
    counts = [sum(stage.counts[i] for stage in stages) for i in range(3)]
    summary = "%d passed, %d failed, %d skipped" % tuple(counts)
    print("%s: %s\n%s" % (versions(), summary, summary))
    sys.exit(0 if well and counts[0] > 0 and counts[1] == 0 else 1)


if __name__ == "__main__":
    main()
