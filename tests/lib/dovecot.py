# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""A private Dovecot in a directory of its own: its configuration, its
processes, its log. host.py adds PostgreSQL and what tests do with both.
"""

import contextlib
import ctypes
import glob
import os
import pwd
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import weakref

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("POP3_POLICY_BUILDDIR", os.path.join(TOP, "build"))
ASAN = os.environ.get("POP3_POLICY_ASAN", "no") == "yes"

PASSWORD = "test"
# The uid of all mailboxes: unprivileged, and there on every Debian.
MAIL_USER = "nobody"
MAIL_GROUP = "nogroup"
# A unix socket's path may have 107 bytes; the longest that Dovecot and
# PostgreSQL add to the directory are shorter than the rest.
MAX_DIRECTORY = 70
PR_SET_PDEATHSIG = 1

MAIL_LOCATION = {
    "sdbox": "sdbox:~/sdbox",
    "mdbox": "mdbox:~/mdbox",
    "maildir": "maildir:~/Maildir",
    "mbox": "mbox:~/mbox:INBOX=~/inbox",
}

# What the log must never show, whatever a test does.
CRASH = re.compile(
    r"Panic:|Fatal:|Raw backtrace|core dumped|killed with signal|"
    r"AddressSanitizer|LeakSanitizer|runtime error:")

CONFIG = """\
# A private Dovecot for tests and demonstrations. Everything is below
# {dir}
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S.%{{usecs}} "
listen = 127.0.0.1
protocols = pop3 imap lmtp
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_master_user_separator = *
mail_max_userip_connections = 0
first_valid_uid = 1
default_vsz_limit = 0
shutdown_clients = yes
postmaster_address = postmaster@example.org
hostname = mail.example.org
mail_fsync = never
mail_location = {mail_location}
mail_plugin_dir = {dir}/modules
mail_plugins = {mail_plugins}
import_environment = {environment}

# Any user name works. The first is for logins as "user*master".
passdb {{
  driver = static
  args = password={password}
  master = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={dir}/mail/%u allow_all_users=yes
}}

namespace inbox {{
  inbox = yes
  mailbox Trash {{
    auto = create
    special_use = \\Trash
  }}
}}

service pop3-login {{
  inet_listener pop3 {{
    port = {pop3_port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  service_count = 0
  process_min_avail = 1
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  service_count = 0
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service pop3 {{
  service_count = {pop3_service_count}
}}
# no delay for an address whose logins failed
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

POLICY_CONFIG = """
!include {conf_d}/90-pop3-policy.conf

# What differs from site to site.
service pop3-policy {{
  executable = {dir}/libexec/pop3-policy -c {dir}/pop3-policy.conf.ext
  unix_listener pop3-policy {{
    group = {group}
  }}
}}
"""


class Failure(Exception):
    """The private host does not do what it should."""


def wait_until(condition, timeout=30, what=None, interval=0.01):
    """Call condition() until it returns something true, and return that."""
    end = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure("waited %d s for %s" % (
                timeout, what or condition.__doc__ or condition.__name__))
        time.sleep(interval)


def free_ports(count):
    """Ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def reachable(path):
    """Can a process of any user get to this directory?"""
    path = os.path.realpath(path)
    while path != "/":
        if os.path.exists(path) and not os.stat(path).st_mode & stat.S_IXOTH:
            return False
        path = os.path.dirname(path)
    return True


def work_directory(directory=None):
    """Make the directory that a private host lives in. Without a name it is
    a new one in /tmp. Where other users cannot get to the directory (below
    root's home, say) or its name is too long for unix sockets, it is a new
    one in /tmp with a link from the wanted place. Returns its real name."""
    if directory is None:
        directory = tempfile.mkdtemp(prefix="pop3-host-")
    else:
        directory = os.path.abspath(directory)
        if re.search(r"[\s%$#\"'\\]", directory):
            raise Failure("%s: a private host needs a directory whose name "
                          "has none of space %% $ # \" ' \\" % directory)
        if os.path.islink(directory) and os.path.isdir(directory):
            # made by an earlier start
            directory = os.path.realpath(directory)
        elif not reachable(os.path.dirname(directory)) or \
           len(directory) > MAX_DIRECTORY:
            real = tempfile.mkdtemp(prefix="pop3-host-")
            os.makedirs(os.path.dirname(directory), exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(directory)
            os.symlink(real, directory)
            directory = real
        else:
            os.makedirs(directory, exist_ok=True)
    os.chmod(directory, 0o755)
    return directory


def dovecot_variable(name):
    """A directory from dovecot-config."""
    for path in (os.environ.get("DOVECOT_CONFIG"),
                 "/usr/local/lib/dovecot/dovecot-config",
                 "/usr/lib/dovecot/dovecot-config"):
        if path and os.path.exists(path):
            with open(path) as file:
                found = re.search(r"^%s=(.*)$" % name, file.read(), re.M)
            if found:
                return found.group(1).strip("'\"")
    raise Failure("dovecot-config has no %s: is dovecot-dev installed?" % name)


def libasan():
    """The sanitizer's library, which must come first in every process that
    loads the plugin."""
    return subprocess.check_output(["gcc", "-print-file-name=libasan.so"],
                                   text=True).strip()


class PrivateDovecot:
    """directory        see work_directory(); removed by cleanup() if None
    mail_format      a key of MAIL_LOCATION, or a mail_location
    policy           load the pop3_policy plugin and run its service
    settings         further settings of Dovecot, as a dict
    plugin_settings  settings for plugin {}, as a dict
    service_settings what replaces lines of pop3-policy.conf.ext, as a dict
    mail_plugins     other plugins to load, as one string
    pop3_service_count  sessions per pop3 process
    extra            text to add to dovecot.conf
    installed        root of an installed tree (DESTDIR) to take the plugin
                     and the service from, instead of the build tree
    """

    def __init__(self, directory=None, mail_format="sdbox", policy=True,
                 settings=None, plugin_settings=None, service_settings=None,
                 mail_plugins="", pop3_service_count=1, extra="",
                 installed=None):
        if os.geteuid() != 0:
            raise Failure("a private host has to be started by root")
        self._own_directory = directory is None
        self.directory = work_directory(directory)
        self.mail_location = MAIL_LOCATION.get(mail_format, mail_format)
        self.policy = policy
        self.settings = dict(settings or {})
        self.plugin_settings = dict(plugin_settings or {})
        self.service_settings = dict(service_settings or {})
        self.mail_plugins = mail_plugins
        self.pop3_service_count = pop3_service_count
        self.extra = extra
        self.installed = installed
        self.config = self.path("dovecot.conf")
        self.logfile = self.path("dovecot.log")
        self.process = None
        self._session = None
        self.pop3_port = self.imap_port = self.lmtp_port = None
        self._clients = weakref.WeakSet()
        self._expected = []
        self._checked = 0

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # --- files ---

    def _artifact(self, built, installed_dir, name):
        """Where the plugin or the service is."""
        if self.installed is not None:
            return self.installed + os.path.join(installed_dir, name)
        libs = os.path.join(BUILD, built, ".libs", name)
        path = libs if os.path.exists(libs) else os.path.join(
            BUILD, built, name)
        if not os.path.exists(path):
            raise Failure("%s is not built (set POP3_POLICY_BUILDDIR to the "
                          "build directory)" % path)
        return path

    def _prepare_files(self):
        for name in ("run", "state", "mail", "modules", "libexec", "policy"):
            os.makedirs(self.path(name), exist_ok=True)
        shutil.chown(self.path("mail"), MAIL_USER, MAIL_GROUP)
        moduledir = dovecot_variable("dovecot_moduledir")
        for name in os.listdir(moduledir):
            # an installed plugin of ours must not hide the one under test
            if "pop3_policy" not in name:
                with contextlib.suppress(FileExistsError):
                    os.symlink(os.path.join(moduledir, name),
                               self.path("modules", name))
        if not self.policy:
            return
        # Copies, since mail processes may not be able to read the build tree.
        plugin = "lib20_pop3_policy_plugin.so"
        self._install(self._artifact("src/plugin", moduledir, plugin),
                      self.path("modules", plugin))
        self._install(self._artifact(
            "src/service", dovecot_variable("dovecot_pkglibexecdir"),
            "pop3-policy"), self.path("libexec", "pop3-policy"))
        internal = pwd.getpwnam("dovecot")
        os.chown(self.path("policy"), internal.pw_uid, internal.pw_gid)

    @staticmethod
    def _install(source, target):
        # a running process may have the old one mapped
        shutil.copy(source, target + ".new")
        os.chmod(target + ".new", 0o755)
        os.rename(target + ".new", target)

    def write_service_config(self):
        """pop3-policy.conf.ext from the shipped file, with the values of
        service_settings put in their places."""
        with open(os.path.join(TOP, "conf.d", "pop3-policy.conf.ext")) as file:
            text = file.read()
        values = {"state_dir": self.path("policy"), **self.service_settings}
        for key, value in values.items():
            text, count = re.subn(r"(?m)^#?%s = .*$" % key,
                                  lambda m: "%s = %s" % (key, value), text)
            if count != 1:
                raise Failure("%s stands %d times in conf.d/"
                              "pop3-policy.conf.ext" % (key, count))
        with open(self.path("pop3-policy.conf.ext"), "w") as file:
            file.write(text)

    def _environment(self):
        values = {}
        if ASAN:
            values["LD_PRELOAD"] = libasan()
            # Leaks: Dovecot's own processes are not instrumented, and end
            # without freeing everything.
            values["ASAN_OPTIONS"] = "detect_leaks=0"
            values["UBSAN_OPTIONS"] = "print_stacktrace=1"
        return " ".join(["$import_environment"] + [
            "%s=%s" % item for item in values.items()])

    def write_config(self):
        """dovecot.conf from the options; reload() makes it act."""
        text = CONFIG.format(
            dir=self.directory, mail_location=self.mail_location,
            mail_plugins=self.mail_plugins, environment=self._environment(),
            user=MAIL_USER, group=MAIL_GROUP, password=PASSWORD,
            pop3_port=self.pop3_port, imap_port=self.imap_port,
            lmtp_port=self.lmtp_port,
            pop3_service_count=self.pop3_service_count)
        if self.policy:
            text += POLICY_CONFIG.format(
                conf_d=os.path.join(TOP, "conf.d"), dir=self.directory,
                group=MAIL_GROUP)
            self.write_service_config()
        for key, value in self.settings.items():
            text += "%s = %s\n" % (key, value)
        if self.plugin_settings:
            text += "plugin {\n%s}\n" % "".join(
                "  %s = %s\n" % item for item in self.plugin_settings.items())
        text += self.extra
        with open(self.config, "w") as file:
            file.write(text)

    # --- life ---

    @staticmethod
    def _in_child():
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    def start(self):
        """Start Dovecot and wait until it answers."""
        self._prepare_files()
        for attempt in range(5):
            if self.pop3_port is None or attempt > 0:
                self.pop3_port, self.imap_port, self.lmtp_port = free_ports(3)
            self.write_config()
            if self._try_start():
                return self
        raise Failure("Dovecot found no free ports:\n" + self.log())

    def _try_start(self):
        offset = self._log_size()
        with open(self.path("stdout.log"), "wb") as out:
            self.process = subprocess.Popen(
                [shutil.which("dovecot", path="/usr/local/sbin:/usr/sbin:" +
                              os.environ.get("PATH", "")) or "dovecot",
                 "-F", "-c", self.config],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                cwd="/", preexec_fn=self._in_child, start_new_session=True)
        # Its processes stay in its session, whatever becomes of the master.
        self._session = self.process.pid
        wait_until(lambda: self.process.poll() is not None or
                   self.log_contains(r"starting up for", offset),
                   what="Dovecot to start")
        if self.process.poll() is None:
            wait_until(self._answers, what="Dovecot to answer")
            return True
        self.process = None
        with open(self.path("stdout.log"), errors="replace") as file:
            text = file.read() + self.log()
        if "Address already in use" not in text:
            raise Failure("Dovecot did not start:\n" + text)
        self._checked = self._log_size()
        return False

    def _answers(self):
        """Do all three protocols greet?"""
        for port in (self.pop3_port, self.imap_port, self.lmtp_port):
            try:
                with socket.create_connection(("127.0.0.1", port), 30) as sock:
                    if not sock.recv(4096):
                        return False
            except OSError:
                return False
        return True

    def stop(self):
        """End Dovecot. Failure if a process outlives it."""
        if self.process is None:
            return
        # Dovecot lets a session go on for 30 seconds after its end.
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.close()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None
        try:
            wait_until(lambda: not self.pids(), 40, "Dovecot's processes")
        except Failure:
            left = self.pids()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise Failure("left running after Dovecot's end: %s\n%s" % (
                ", ".join("%d (%s)" % item for item in left.items()),
                self.log())) from None

    def restart(self):
        """The same configuration and ports again."""
        self.stop()
        return self.start()

    def reload(self):
        """Write the configuration again and have Dovecot read it."""
        offset = self._log_size()
        self.write_config()
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log_contains("SIGHUP received", offset),
                   what="Dovecot to reload")

    def cleanup(self):
        """stop(), and remove the directory if we made it."""
        try:
            self.stop()
        finally:
            if self._own_directory:
                shutil.rmtree(self.directory, ignore_errors=True)

    # --- processes ---

    def pids(self, name=None):
        """{pid: name} of this Dovecot's processes, of those called `name' if
        given."""
        found = {}
        for entry in glob.glob("/proc/[0-9]*"):
            try:
                with open(entry + "/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
                if int(fields[3]) != self._session or fields[0] == "Z":
                    continue
                program = os.path.basename(os.readlink(entry + "/exe"))
            except OSError:
                continue
            if name in (None, program):
                found[int(os.path.basename(entry))] = program
        return found

    def service_pids(self):
        return sorted(self.pids("pop3-policy"))

    def kill_service(self, sig=signal.SIGKILL):
        """Kill the policy service and wait for its end. The master starts
        another. Returns the dead process's id."""
        pid = wait_until(self.service_pids, what="the service to run")[-1]
        self.expect_log(r"service\(pop3-policy\): child %d killed with "
                        r"signal %d" % (pid, sig))
        os.kill(pid, sig)
        wait_until(lambda: pid not in self.service_pids(),
                   what="the service to end")
        return pid

    def pause_service(self):
        """The service stops answering, without closing anything."""
        for pid in self.service_pids():
            os.kill(pid, signal.SIGSTOP)

    def resume_service(self):
        for pid in self.service_pids():
            os.kill(pid, signal.SIGCONT)

    def add_client(self, client):
        """A connection that stop() is to close(), if it is still open."""
        self._clients.add(client)

    # --- log ---

    def _log_size(self):
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.logfile)
        return 0

    def log_position(self):
        """Where the log ends now, for log_contains()."""
        return self._log_size()

    def _log_bytes(self, offset):
        if not os.path.exists(self.logfile):
            return b""
        with open(self.logfile, "rb") as file:
            file.seek(offset)
            return file.read()

    def log_text(self, offset=0):
        return self._log_bytes(offset).decode(errors="replace")

    def log(self, lines=60):
        """The end of the log."""
        return "".join(self.log_text().splitlines(True)[-lines:])

    def log_contains(self, regex, offset=0):
        """The first match in the log from `offset' on, or None."""
        return re.search(regex, self.log_text(offset), re.M)

    def expect_log(self, regex):
        """A line like this is no crash: the test asked for it."""
        self._expected.append(re.compile(regex))

    def crashes(self):
        """Lines since the last call that tell of a crash."""
        data = self._log_bytes(self._checked)
        self._checked += len(data)
        return [line for line in data.decode(errors="replace").splitlines()
                if CRASH.search(line) and
                not any(regex.search(line) for regex in self._expected)]

    def doveadm(self, *args, check=True):
        """Run doveadm on this Dovecot. Returns what it printed."""
        done = subprocess.run(["doveadm", "-c", self.config, *args],
                              stdin=subprocess.DEVNULL, capture_output=True)
        if check and done.returncode != 0:
            raise Failure("doveadm %s failed:\n%s" % (
                " ".join(args), done.stderr.decode(errors="replace")))
        return done.stdout.decode(errors="replace")
