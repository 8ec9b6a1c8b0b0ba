# Copyright (c) 2026 dovecot-pop3-policy authors, see the included COPYING file
"""What a crash of the whole host leaves of a directory, whose files processes
write that lost_writes.c is preloaded into.

    writes = LostWrites("/the/files", "/elsewhere", uid, gid)
    subprocess.run(command, env=writes.environment())
    ...                             # nobody writes there any more
    writes.crash()                  # only what was brought to the disk is there
    writes.crash(0.5)               # of what was not, the first half is, too

A name that was made or removed counts once its directory was synced, a file's
content once the file was. The directory must be on a file system that does not use
inodes again (tmpfs)."""

import os
import shutil
import stat
import subprocess

from dovecot_files import TOP


def library(directory):
    """lost_writes.c, compiled into a directory."""
    path = os.path.join(directory, "lost_writes.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", path, os.path.join(
        TOP, "tests", "lib", "lost_writes.c"), "-ldl"], check=True)
    return path


class LostWrites:
    """directory: of the files. kept: a directory for what is noted about them.
    uid, gid: of the processes."""

    def __init__(self, directory, kept, uid, gid):
        self.directory = directory
        self._kept = kept
        self._owner = uid, gid
        os.makedirs(kept, exist_ok=True)
        os.chmod(kept, 0o755)
        self._library = library(kept)
        self.sync()

    def environment(self, preload=""):
        """Of the processes that write. preload: what else is preloaded."""
        return {"LD_PRELOAD": ":".join(filter(None, (preload, self._library))),
                "LOST_WRITES_DIR": self.directory,
                "LOST_WRITES_KEPT": self._notes()}

    def _notes(self):
        return os.path.join(self._kept, "notes")

    # --- what is noted ---

    def sync(self):
        """All of it is on the disk."""
        shutil.rmtree(self._notes(), ignore_errors=True)
        os.makedirs(self._notes())
        os.chown(self._notes(), *self._owner)
        for path, names, files in os.walk(self.directory):
            listing = {name: os.lstat(os.path.join(path, name)).st_ino
                       for name in names + files}
            with open(self._note("d", os.stat(path).st_ino), "w") as note:
                note.writelines("%d %s\n" % (inode, name)
                                for name, inode in listing.items())
            for name in files:
                shutil.copyfile(os.path.join(path, name),
                                self._note("f", listing[name]))

    def _note(self, kind, inode):
        return os.path.join(self._notes(), "%s.%d" % (kind, inode))

    def _names(self, inode):
        """{name: inode} that are on the disk of a directory."""
        try:
            with open(self._note("d", inode)) as note:
                lines = [line.rstrip("\n").split(" ", 1) for line in note]
        except FileNotFoundError:
            return {}
        return {name: int(number) for number, name in lines}

    def _content(self, inode):
        try:
            with open(self._note("f", inode), "rb") as note:
                return note.read()
        except FileNotFoundError:
            return b""

    # --- what is left ---

    def _left(self, share, zeros):
        """[(path, mode, owner, content)] with None for directories' content."""
        there = {}
        for path, names, files in os.walk(self.directory):
            for name in names + files:
                found = os.path.join(path, name)
                there[os.lstat(found).st_ino] = found
        left = []

        def look(inode, actual, target):
            names = self._names(inode)
            if share > 0 and actual is not None:
                names = {name: os.lstat(os.path.join(actual, name)).st_ino
                         for name in os.listdir(actual)}
            for name, number in sorted(names.items()):
                path = os.path.join(target, name)
                found = there.get(number)
                status = os.lstat(found) if found else None
                mode = status.st_mode if status else stat.S_IFREG | 0o600
                owner = (status.st_uid, status.st_gid) if status else \
                    self._owner
                if stat.S_ISDIR(mode):
                    left.append((path, mode, owner, None))
                    look(number, found, path)
                    continue
                content = self._content(number)
                if found:
                    with open(found, "rb") as file:
                        content += self._more(content, file.read(), share,
                                              zeros)
                left.append((path, mode, owner, content))

        look(os.stat(self.directory).st_ino, self.directory, self.directory)
        return left

    @staticmethod
    def _more(content, written, share, zeros):
        """What is left of what was written behind the content."""
        if not written.startswith(content):
            return b""
        more = written[len(content):]
        kept = more[:int(len(more) * share)]
        return kept + bytes(len(more) - len(kept)) if zeros else kept

    def crash(self, share=0.0, zeros=False):
        """Leave what a crash does. share: of what was not synced, so much is
        there all the same, since the system wrote it in its own time; names
        are, too, if it is more than 0. zeros: the file's size reached the disk,
        the rest of its content did not."""
        left = self._left(share, zeros)
        for name in os.listdir(self.directory):
            path = os.path.join(self.directory, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        for path, mode, owner, content in left:
            if content is None:
                os.mkdir(path)
            else:
                with open(path, "wb") as file:
                    file.write(content)
            os.chown(path, *owner)
            os.chmod(path, stat.S_IMODE(mode))
        self.sync()
