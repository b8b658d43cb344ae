"""A simulated device: flash made by `esptb`, life by `esptb simulate`."""

import json
import os
import queue
import re
import subprocess
import tempfile
import threading
from pathlib import Path

PROGRAM = 'esptb.exe' if os.name == 'nt' else 'esptb'
ESPTB = os.environ.get('ESPTB', str(Path(__file__).parents[3] / 'target/debug' / PROGRAM))
PROOF = b'abcd1234'
USERNAME = b'wifiprov'
NETWORK, PASSPHRASE = b'interop', b'correct horse'
OPEN_NETWORK = b'o'
# What a test waits for at most, in seconds: on a busy computer all takes its time.
PATIENCE = 300
# Longer than any test: its console ends then.
LIFE = '20m'
# partitions.csv
NVS = slice(0x9000, 0xd000)


def esptb(*arguments, cwd):
    subprocess.run([ESPTB, *arguments], cwd=cwd, check=True, capture_output=True, text=True)


def desk():
    """A folder with a CA and one device's credentials; for any number of devices."""
    folder = tempfile.TemporaryDirectory(prefix='interop-')
    esptb('pki', 'init', cwd=folder.name)
    esptb('pki', 'device', 'INTEROP-1', cwd=folder.name)
    return folder


class Device:
    """A blank device with this session security; `boot` it, and `stop` it in the end."""

    networks = ((NETWORK + b':' + PASSPHRASE).decode(), OPEN_NETWORK.decode())

    def __init__(self, desk_path, name, security, nvs=None, proof=PROOF, image=()):
        self.folder = Path(desk_path)
        self.flash = self.folder / f'{name}.bin'
        provisioning = {'security': security}
        if security:
            provisioning['pop'] = proof.decode()
        settings = {'broker': 'mqtts://127.0.0.1:1', 'provisioning': provisioning}
        files = self.folder / 'devices/INTEROP-1'
        (files / 'settings.json').write_text(json.dumps(settings))
        esptb('image', '--spiffs', str(files), '--out', str(self.flash), *image, cwd=self.folder)
        if nvs is not None:
            flash = bytearray(self.flash.read_bytes())
            flash[NVS] = nvs
            self.flash.write_bytes(flash)

    def boot(self, *arguments):
        command = [ESPTB, 'simulate', '--flash', str(self.flash), '--headless', '--color', 'never',
                   '--for', LIFE]
        for network in self.networks:
            command += ['--wifi', network]
        self.process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, cwd=self.folder)
        self.lines, self.console = [], queue.SimpleQueue()
        # Read at all times: a device whose console is full stands still.
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        return self

    def _read(self):
        for line in self.process.stdout:
            self.console.put(line)
        self.console.put(None)

    def wait_for(self, pattern):
        """Reads its console up to a line that matches; returns the match."""
        while (line := self.console.get()) is not None:
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f'the device never said {pattern!r}:\n' + ''.join(self.lines))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()

    def nvs(self):
        return self.flash.read_bytes()[NVS]
