"""Ways to let a broker's store fail, for the test programs about that."""

import os
import resource
import shutil
import subprocess
import tempfile

QUOTA, IMPLEMENTATION = 0x97, 0x83  # what MQTT 5 calls them


def may_mount():
    """Whether this process may mount a tmpfs."""
    folder = tempfile.mkdtemp(prefix="mqtt-mount-")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder],
                          capture_output=True, check=False)
    if done.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    os.rmdir(folder)
    return done.returncode == 0


class Fault:
    """A way to let a broker's store fail, and to end that."""

    def __init__(self, test):
        self.test = test

    def prepare(self, folder):
        """Before the broker starts."""


class FullDisk(Fault):
    reason = QUOTA

    def prepare(self, folder):
        if not may_mount():
            self.test.skipTest("needs the right to mount a tmpfs")
        self.folder = folder / "data"
        self.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=700", "none", self.folder],
                       check=True)

    def leave(self):
        subprocess.run(["umount", self.folder], check=False)
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def begin(self, _broker):
        """Fills the disk to the last block."""
        with (self.folder / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        filler.write(bytes(size))
                except OSError:
                    pass

    def end(self, _broker):
        (self.folder / "filler").unlink()


class FileLimit(Fault):
    """Files may not grow: any write beyond the limit is an error that says nothing of room."""

    reason = IMPLEMENTATION

    def leave(self):
        pass

    def begin(self, broker):
        limit = 4096  # of the database the first page, of the log none
        hard = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (limit, hard))

    def end(self, broker):
        hard = resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(broker.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
