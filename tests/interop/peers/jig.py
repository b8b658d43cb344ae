"""Emulated boards on a jig, for `esptb factory run`: tests/jig."""

import os
import subprocess
from pathlib import Path

from . import device

PROGRAM = 'jig.exe' if os.name == 'nt' else 'jig'
JIG = os.environ.get('ESPTB_JIG', str(Path(__file__).parents[3] / 'target/debug' / PROGRAM))


class Jig:
    """So many blank boards, one after the other at `port`. Each one's flash is in the folder, by its address, as soon as
    it was taken off."""

    def __init__(self, folder, count):
        self.folder = Path(folder)
        self.process = subprocess.Popen([JIG, device.ESPTB, str(count), str(folder)], stdout=subprocess.PIPE, text=True)
        self.port = self.process.stdout.readline().strip()

    def flash(self, mac):
        return self.folder / f'{mac.replace(":", "")}.bin'

    def wait(self, patience):
        """Until the last board was taken off."""
        self.process.wait(patience)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
