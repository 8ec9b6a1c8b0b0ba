# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""The directory of a private Dovecot: its configuration, the plugin and the
service under test, commands that see both. dovecot.py runs it. What differs
between Dovecot's versions is in dovecot_2_3.py and dovecot_2_4.py.
"""

import contextlib
import functools
import glob
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile

import dovecot_2_3
import dovecot_2_4

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
# Our modules in Dovecot's own directories of modules, by directory.
MODULES = {
    "doveadm": "lib20_doveadm_pop3_policy_plugin.so",
    "settings": "libpop3_policy_settings.so",
}
SBIN = "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin"

CONFIG = """\
{header}
# A private Dovecot for tests and demonstrations. Everything is below
# {dir}
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/dovecot.log
log_timestamp = "%Y-%m-%d %H:%M:%S.%{{usecs}} "
listen = 127.0.0.1
protocols = pop3 imap lmtp
ssl = no
auth_failure_delay = 0
auth_master_user_separator = *
mail_max_userip_connections = 0
first_valid_uid = 1
default_vsz_limit = {no_memory_limit}
shutdown_clients = yes
postmaster_address = postmaster@example.org
hostname = mail.example.org
mail_fsync = never
mail_plugin_dir = {dir}/modules
{mail_format}{mail_plugins}{environment}{auth}
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
  {forever}
  process_min_avail = 1
}}
service imap-login {{
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = 0
  }}
  {forever}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
service pop3 {{
  {pop3_service_count}
}}
# no delay for an address whose logins failed
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
"""

POLICY_CONFIG = """
!include {shipped}/90-pop3-policy.conf

# What differs from site to site.
service pop3-policy {{
  executable = {dir}/libexec/pop3-policy -c {dir}/pop3-policy.conf.ext
  unix_listener pop3-policy {{
    group = {group}
  }}
}}
"""

# Commands run by these find our modules where Dovecot looks for its own: in a
# mount namespace, so that nobody else does.
IN_VIEW = """\
#!/bin/sh
# Run a command as if the modules under test were installed.
{variables}exec unshare --mount --propagation unchanged sh -c '
    # a root directory that is no mount point has no propagation to change
    mount --make-rprivate / 2>/dev/null
    {mounts}
    exec "$@"' sh "$@"
"""
ON_HOST = """\
#!/bin/sh
# {name} on this host.
exec {dir}/bin/in-view {program} {option}"$@"
"""


class Failure(Exception):
    """The private host does not do what it should."""


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


def program(name):
    """The path of one of Dovecot's programs."""
    path = shutil.which(name, path=SBIN + ":" + os.environ.get("PATH", ""))
    if path is None:
        raise Failure("%s is not installed" % name)
    return path


@functools.lru_cache
def dovecot_version():
    """As in "2.3.19.1"."""
    text = subprocess.check_output([program("dovecot"), "--version"],
                                   text=True)
    return re.match(r"[\d.]+", text)[0]


def dialect():
    """The module that writes configurations for this Dovecot."""
    series = tuple(int(part) for part in dovecot_version().split(".")[:2])
    return dovecot_2_4 if series >= (2, 4) else dovecot_2_3


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


def shipped_config():
    """The directory of the shipped configuration for this Dovecot."""
    return os.path.join(TOP, "conf.d", dialect().SHIPPED)


def sanitizer_environment():
    """What processes need that load code built with sanitizers."""
    if not ASAN:
        return {}
    return {
        # it must come first
        "LD_PRELOAD": subprocess.check_output(
            ["gcc", "-print-file-name=libasan.so"], text=True).strip(),
        # Leaks: Dovecot's own processes are not instrumented, and end
        # without freeing everything.
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def built(directory, name):
    """A built module or program."""
    libs = os.path.join(BUILD, directory, ".libs", name)
    path = libs if os.path.exists(libs) else os.path.join(
        BUILD, directory, name)
    if not os.path.exists(path):
        raise Failure("%s is not built (set POP3_POLICY_BUILDDIR to the "
                      "build directory)" % path)
    return path


def install(source, target):
    """Copy a module or program: mail processes may not be able to read the
    build tree, and a running process may have the old one mapped."""
    shutil.copy(source, target + ".new")
    os.chmod(target + ".new", 0o755)
    os.rename(target + ".new", target)


def write_script(path, text):
    with open(path + ".new", "w") as file:
        file.write(text)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


class DovecotFiles:
    """directory        see work_directory()
    mail_format      sdbox, mdbox, maildir, mbox
    policy           load the pop3_policy plugin and run its service
    configured       use the shipped configuration. Without it the plugin is
                     there, and whatever Dovecot has built in then
    settings         further settings of Dovecot, as a dict
    plugin_settings  settings of plugins, as a dict
    service_settings what replaces lines of pop3-policy.conf.ext, as a dict
    mail_plugins     other plugins to load, as one string
    pop3_service_count  sessions per pop3 process, 0 for any number
    extra            text to add to dovecot.conf
    installed        root of an installed tree (DESTDIR) to take the plugin
                     and the service from, instead of the build tree

    Settings are named as in Dovecot 2.3.
    """

    # what mounts do here is the same for all hosts of a process
    _view_checked = False

    def __init__(self, directory=None, mail_format="sdbox", policy=True,
                 configured=True, settings=None, plugin_settings=None,
                 service_settings=None, mail_plugins="",
                 pop3_service_count=1, extra="", installed=None):
        self.directory = work_directory(directory)
        self.mail_format = mail_format
        self.policy = policy
        self.configured = configured
        self.settings = dict(settings or {})
        self.plugin_settings = dict(plugin_settings or {})
        self.service_settings = dict(service_settings or {})
        self.mail_plugins = mail_plugins
        self.pop3_service_count = pop3_service_count
        self.extra = extra
        self.installed = installed
        self.dialect = dialect()
        self.config = self.path("dovecot.conf")
        self.logfile = self.path("dovecot.log")
        self.pop3_port = self.imap_port = self.lmtp_port = None

    def path(self, *names):
        return os.path.join(self.directory, *names)

    # --- modules and programs ---

    def _module_directories(self):
        """Those of Dovecot's directories of modules that have one of ours."""
        return (*self.dialect.MODULE_DIRECTORIES, "doveadm")

    def _artifact(self, directory, installed_dir, name):
        """Where the plugin or the service is."""
        if self.installed is not None:
            return self.installed + os.path.join(installed_dir, name)
        return built(directory, name)

    def _prepare_files(self):
        for name in ("run", "state", "mail", "modules", "libexec", "policy",
                     "bin", "notices", *self._module_directories()):
            os.makedirs(self.path(name), exist_ok=True)
        shutil.chown(self.path("mail"), MAIL_USER, MAIL_GROUP)
        moduledir = dovecot_variable("dovecot_moduledir")
        for name in os.listdir(moduledir):
            # an installed plugin of ours must not hide the one under test
            if "pop3_policy" not in name:
                with contextlib.suppress(FileExistsError):
                    os.symlink(os.path.join(moduledir, name),
                               self.path("modules", name))
        for name in self._module_directories():
            self._prepare_modules(name, os.path.join(moduledir, name))
        self._write_commands(moduledir)
        if not self.policy:
            return
        plugin = "lib20_pop3_policy_plugin.so"
        install(self._artifact("src/plugin", moduledir, plugin),
                self.path("modules", plugin))
        for directory, name in (("src/service", "pop3-policy"),
                                ("src/verify", "pop3-policy-verify")):
            install(self._artifact(
                directory, dovecot_variable("dovecot_pkglibexecdir"), name),
                self.path("libexec", name))
        for template in glob.glob(os.path.join(TOP, "notices", "*.txt")):
            target = self.path("notices", os.path.basename(template))
            if not os.path.exists(target):
                shutil.copy(template, target)
                os.chmod(target, 0o644)
        internal = pwd.getpwnam("dovecot")
        os.chown(self.path("policy"), internal.pw_uid, internal.pw_gid)

    def _prepare_modules(self, name, system):
        """A directory to see in place of one of Dovecot's: its modules, with
        ours among them. No links, since they would lead to themselves."""
        for module in os.listdir(system):
            if "pop3_policy" not in module:
                install(os.path.join(system, module), self.path(name, module))
        if self.policy:
            module = MODULES[name]
            install(self._artifact("src/" + name, system, module),
                    self.path(name, module))

    def _write_commands(self, moduledir):
        """bin/doveadm and so on, which act on this host."""
        mounts = ["mount --bind %s %s || exit" % (
            self.path(name), os.path.join(moduledir, name))
            for name in self._module_directories()]
        write_script(self.path("bin", "in-view"), IN_VIEW.format(
            mounts="\n    ".join(mounts), variables="".join(
                "export %s=%s\n" % item
                for item in sanitizer_environment().items())))
        for name in ("dovecot", "doveadm", "doveconf"):
            write_script(self.path("bin", name), ON_HOST.format(
                name=name, dir=self.directory, program=program(name),
                option="-c %s " % self.config))
        if not DovecotFiles._view_checked:
            for name in self._module_directories():
                self._check_view(self.path(name),
                                 os.path.join(moduledir, name))
            DovecotFiles._view_checked = True

    def _check_view(self, directory, system):
        """What is mounted for a command must be seen by that command alone.
        It cannot be kept from others if the mount that holds the root
        directory is shared, and not the root directory itself."""
        subprocess.run([self.path("bin", "in-view"), "true"], check=True)
        if os.path.samefile(directory, system):
            subprocess.run(["umount", system], check=True)
            raise Failure("mounts are shared with other mount namespaces "
                          "here: run this by `unshare --mount'")

    # --- configuration ---

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

    def config_text(self):
        """dovecot.conf from the options."""
        write = self.dialect
        environment = sanitizer_environment()
        text = CONFIG.format(
            header=write.HEADER, dir=self.directory,
            no_memory_limit=write.NO_MEMORY_LIMIT,
            mail_format=write.mail_format(self.mail_format),
            mail_plugins=write.mail_plugins(self.mail_plugins.split()),
            environment=write.environment(environment) if environment else "",
            auth=write.AUTH.format(dir=self.directory, user=MAIL_USER,
                                   group=MAIL_GROUP, password=PASSWORD),
            pop3_port=self.pop3_port, imap_port=self.imap_port,
            lmtp_port=self.lmtp_port, forever=write.service_count(0),
            pop3_service_count=write.service_count(self.pop3_service_count))
        if self.policy:
            config = POLICY_CONFIG if self.configured else write.UNCONFIGURED
            text += config.format(shipped=shipped_config(),
                                  dir=self.directory, group=MAIL_GROUP)
        for item in self.settings.items():
            text += write.setting(*item)
        plugin_settings = dict(self.plugin_settings)
        if self.policy:
            plugin_settings.setdefault("pop3_policy_notice_dir",
                                       self.path("notices"))
        if plugin_settings:
            text += write.plugin_settings(plugin_settings)
        return text + self.extra

    def write_config(self):
        """The files of the configuration; reload() makes them act."""
        if self.policy and self.configured:
            self.write_service_config()
        with open(self.config, "w") as file:
            file.write(self.config_text())

    # --- commands ---

    def run(self, name, *args):
        """Run doveadm or doveconf on this Dovecot. Returns what
        subprocess.run() does, with the output as text."""
        return subprocess.run([self.path("bin", name), *args],
                              stdin=subprocess.DEVNULL, capture_output=True,
                              errors="replace")

    def doveadm(self, *args, check=True):
        """Run doveadm on this Dovecot. Returns what it printed."""
        done = self.run("doveadm", *args)
        if check and done.returncode != 0:
            raise Failure("doveadm %s failed:\n%s" % (
                " ".join(args), done.stderr))
        return done.stdout
