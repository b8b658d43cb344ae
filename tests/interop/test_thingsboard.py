"""A ThingsBoard of yours judges the device: `ESPTB_THINGSBOARD=http://user:password@host:port`.

A tenant administrator's login, on a server whose MQTT transport has TLS. The tests make a device
profile of their own, and devices in it, and delete both. README.md tells the rest."""

import json
import os
import queue
import re
import secrets
import socket
import subprocess
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from peers import device

URL = os.environ.get('ESPTB_THINGSBOARD')
# Where devices connect, if it is not port 8883 of the same host, and the CAs of its certificate.
MQTT = os.environ.get('ESPTB_THINGSBOARD_MQTT')
SERVER_CA = os.environ.get('ESPTB_THINGSBOARD_CA')
SERVER_NAME = os.environ.get('ESPTB_THINGSBOARD_NAME')
NETWORK = 'bench:correct horse'
PATIENCE = 60
# ThingsBoard's own limits reach a device that is online within a second or two.
STEADY = 3


class ThingsBoard:
    """Its REST API, as a tenant administrator."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.hostname
        self.base = urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition('@')[2], '', '', ''))
        login = {'username': urllib.parse.unquote(parts.username), 'password': urllib.parse.unquote(parts.password)}
        self.token = None
        self.token = self.post('/api/auth/login', login)['token']

    def _ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method)
        request.add_header('Content-Type', 'application/json')
        if self.token:
            request.add_header('X-Authorization', f'Bearer {self.token}')
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def get(self, path):
        return self._ask('GET', path)

    def post(self, path, body):
        return self._ask('POST', path, body)

    def delete(self, path):
        return self._ask('DELETE', path)

    def device(self, name):
        """The device of that name, or none."""
        try:
            return self.get('/api/tenant/devices?deviceName=' + urllib.parse.quote(name))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def history(self, name, key, since_ms=0):
        """`[(ts, value)]` of a series, oldest first."""
        path = (f'/api/plugins/telemetry/DEVICE/{self.device(name)["id"]["id"]}/values/timeseries'
                f'?keys={key}&startTs={since_ms}&endTs={now_ms() + 10_000}&limit=50000&orderBy=ASC')
        return [(point['ts'], point['value']) for point in self.get(path).get(key, [])]

    def attributes(self, name, scope):
        path = f'/api/plugins/telemetry/DEVICE/{self.device(name)["id"]["id"]}/values/attributes/{scope}'
        return {each['key']: each['value'] for each in self.get(path)}

    def share(self, name, **values):
        self.post(f'/api/plugins/telemetry/DEVICE/{self.device(name)["id"]["id"]}/SHARED_SCOPE', values)

    def call(self, name, method, params, **more):
        call = {'method': method, 'params': params, 'timeout': 30_000, **more}
        return self.post(f'/api/rpc/twoway/{self.device(name)["id"]["id"]}', call)


def now_ms():
    return int(time.time() * 1000)


def until(what, wanted, patience=PATIENCE):
    """Asks until there is an answer that is wanted; returns it."""
    end = time.monotonic() + patience
    while not wanted(answer := what()):
        if time.monotonic() > end:
            raise AssertionError(f'never in {patience} s; at last: {answer!r}')
        time.sleep(0.25)
    return answer


class Relay:
    """Stands between device and server, and can be cut."""

    def __init__(self, to):
        self.to, self.up, self.pairs = to, True, []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if not self.up:
                near.close()
                continue
            far = socket.create_connection(self.to)
            self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        self.up = False
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def mend(self):
        self.up = True

    def close(self):
        self.cut()
        self.listener.close()


class Board(device.Device):
    """A provisioned simulated device that knows the server."""

    networks = (NETWORK,)

    def __init__(self, folder, serial, port, name, ca):
        self.folder, self.serial = Path(folder), serial
        self.flash = self.folder / f'{serial}.bin'
        self.files = self.folder / 'devices' / serial
        self.settings = {'broker': f'mqtts://127.0.0.1:{port}', 'server_name': name}
        self.ca = ca
        self.certify()
        self.write()

    def certify(self):
        if self.files.exists():
            for file in self.files.iterdir():
                file.unlink()
            self.files.rmdir()
        device.esptb('pki', 'device', self.serial, cwd=self.folder)

    def write(self):
        if self.ca:
            (self.files / 'server_chain.pem').write_bytes(Path(self.ca).read_bytes())
        (self.files / 'settings.json').write_text(json.dumps(self.settings))
        device.esptb('image', '--spiffs', str(self.files), '--wifi', NETWORK, '--out', str(self.flash),
                     cwd=self.folder)

    def wait_for(self, pattern):
        """Reads its console up to a line that matches, as long as there is patience."""
        end = time.monotonic() + 2 * PATIENCE
        while True:
            try:
                line = self.console.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f'the device never said {pattern!r}:\n' + ''.join(self.lines))
            self.lines.append(line)
            if match := re.search(pattern, line):
                return match

    def stop(self):
        if self.process.poll() is None:
            super().stop()


@unittest.skipUnless(URL, 'no ThingsBoard is given: ESPTB_THINGSBOARD=http://user:password@host:port')
class RealThingsBoard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ThingsBoard(URL)
        cls.mark = secrets.token_hex(3)
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)
        host, _, port = (MQTT or f'{cls.server.host}:8883').rpartition(':')
        cls.relay = Relay((host, int(port)))
        cls.addClassCleanup(cls.relay.close)
        # Its name: what the certificate says, which the relay has not changed.
        cls.name = SERVER_NAME or host
        ca = Path(cls.desk.name, 'ca/intermediate.crt').read_text()
        cls.profile = cls.server.post('/api/deviceProfile', {
            'name': f'esptb-{cls.mark}', 'type': 'DEFAULT', 'transportType': 'DEFAULT',
            'provisionType': 'X509_CERTIFICATE_CHAIN', 'provisionDeviceKey': '',
            'profileData': {
                'configuration': {'type': 'DEFAULT'}, 'transportConfiguration': {'type': 'DEFAULT'},
                'provisionConfiguration': {
                    'type': 'X509_CERTIFICATE_CHAIN', 'provisionDeviceSecret': ca,
                    'certificateRegExPattern': '(.*)', 'allowCreateNewDevicesByX509Certificate': True},
                'alarms': []},
        })
        cls.addClassCleanup(cls.server.delete, f'/api/deviceProfile/{cls.profile["id"]["id"]}')

    def board(self, number):
        serial = f'ESPTB-{self.mark}-{number}'
        self.assertIsNone(self.server.device(serial))
        board = Board(self.desk.name, serial, self.relay.port, self.name, SERVER_CA)
        self.addCleanup(self.forget, serial)
        return board

    def forget(self, serial):
        if there := self.server.device(serial):
            self.server.delete(f'/api/device/{there["id"]["id"]}')

    def online(self, board):
        board.boot()
        self.addCleanup(board.stop)
        board.wait_for('cloud.online')
        return until(lambda: self.server.device(board.serial), lambda found: found)

    def restart(self, board):
        board.stop()
        board.boot()
        board.wait_for('cloud.online')

    def samples(self, board, since_ms=0):
        return self.server.history(board.serial, 'temperature', since_ms)

    def sampling(self, board, count=STEADY):
        since = now_ms()
        return until(lambda: self.samples(board, since), lambda points: len(points) >= count)

    def test_a_life(self):
        """Created from its CN; telemetry; attributes; calls; one that is too large."""
        board = self.board(1)
        made = self.online(board)
        self.assertEqual(made['deviceProfileId']['id'], self.profile['id']['id'])
        points = self.sampling(board, 5)
        stamps = [ts for ts, _ in points]
        self.assertEqual(stamps, sorted(set(stamps)), 'each sample once, in order')
        self.assertLess(abs(stamps[-1] - now_ms()), 30_000, 'with its own time')

        client = until(lambda: self.server.attributes(board.serial, 'CLIENT_SCOPE'), lambda all: all)
        self.assertTrue(client, 'attributes of the device')
        self.server.share(board.serial, telemetryIntervalMs=500)
        board.wait_for(r'500')
        fast = self.sampling(board, 8)
        gaps = sorted(after - before for (before, _), (after, _) in zip(fast, fast[1:]))
        self.assertLess(gaps[len(gaps) // 2], 800, f'two samples a second: {gaps}')

        status = self.server.call(board.serial, 'getStatus', {})
        self.assertIsInstance(status, dict)
        self.assertTrue(status)
        answer = self.server.call(board.serial, 'setInterval', {'ms': 1000})
        self.assertIsInstance(answer, dict, answer)
        # What takes more than a device holds is answered, and it stays online.
        large = self.server.call(board.serial, 'getStatus', {'x': 'x' * 4_000})
        self.assertIn('error', large)
        self.server.share(board.serial, large='y' * 3_000)
        self.sampling(board)

        answer = self.server.call(board.serial, 'reboot', {})
        self.assertIsInstance(answer, dict, answer)
        board.wait_for('cloud.online')
        self.sampling(board)
        answer = self.server.call(board.serial, 'factoryReset', {})
        self.assertIsInstance(answer, dict, answer)
        board.wait_for('provisioning.started|bluetooth')

    def test_renewal(self):
        """A renewed certificate takes the old one's place, and does not lock it out."""
        board = self.board(2)
        made = self.online(board)
        old = board.flash.read_bytes()
        stored = self.credentials(made)
        board.stop()
        board.certify()
        board.write()
        board.boot()
        board.wait_for('cloud.online')
        self.assertNotEqual(self.credentials(made), stored)
        self.sampling(board)
        board.stop()
        board.flash.write_bytes(old)
        board.boot()
        board.wait_for('cloud.online')
        self.assertEqual(self.credentials(made), stored)

    def credentials(self, made):
        return self.server.get(f'/api/device/{made["id"]["id"]}/credentials')['credentialsValue']

    def test_outage(self):
        """What was sampled while the server was away arrives once, with its own time."""
        board = self.board(3)
        self.online(board)
        self.sampling(board)
        begun = now_ms()
        self.relay.cut()
        time.sleep(20)
        ended = now_ms()
        self.relay.mend()
        self.sampling(board)

        def inside():
            return [ts for ts, _ in self.samples(board, begun) if ts < ended]

        stamps = until(inside, lambda found: len(found) >= 18)
        self.assertEqual(len(stamps), len(set(stamps)))
        self.assertLess(max(b - a for a, b in zip(stamps, stamps[1:])), 2_500, 'no gap')

    def test_limits(self):
        """A limit of the tenant's profile, where the login may set one."""
        sysadmin = os.environ.get('ESPTB_THINGSBOARD_SYSADMIN')
        if not sysadmin:
            self.skipTest('only a system administrator sets limits: ESPTB_THINGSBOARD_SYSADMIN=user:password')
        parts = urllib.parse.urlsplit(URL)
        place = parts.netloc.rpartition('@')[2]
        admin = ThingsBoard(f'{parts.scheme}://{sysadmin.replace("@", "%40")}@{place}')
        tenant = self.server.get('/api/auth/user')['tenantId']['id']
        profile = admin.get(f'/api/tenantProfile/{admin.get(f"/api/tenant/{tenant}")["tenantProfileId"]["id"]}')
        before = json.loads(json.dumps(profile))
        configuration = profile['profileData']['configuration']
        configuration['transportDeviceTelemetryDataPointsRateLimit'] = '60:60'

        def restore():
            # Its version has gone on.
            now = admin.get(f'/api/tenantProfile/{before["id"]["id"]}')
            now['profileData'] = before['profileData']
            admin.post('/api/tenantProfile', now)

        self.addCleanup(restore)
        admin.post('/api/tenantProfile', profile)
        board = self.board(4)
        begun = now_ms()
        self.online(board)
        # It asked, and says which limit it keeps to.
        board.wait_for(r' telemetry\.limit')
        time.sleep(45)
        stamps = [ts for ts, _ in self.samples(board, begun)]
        self.assertGreater(len(stamps), 10, 'it is not cut off for ever')
        self.assertEqual(len(stamps), len(set(stamps)))
        board.stop()
        rest = [line for line in iter(board.console.get, None)]
        connected = [line for line in board.lines + rest if 'cloud.online' in line]
        self.assertLess(len(connected), 4, 'nor again and again')


class Tenant:
    """An operator's folder, and a device profile of its own on the server."""

    BOARDS = 10

    @classmethod
    def setUpClass(cls):
        cls.server = ThingsBoard(URL)
        cls.mark = secrets.token_hex(3)
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)
        cls.folder = Path(cls.desk.name)
        parts = urllib.parse.urlsplit(URL)
        host, _, port = (MQTT or f'{parts.hostname}:8883').rpartition(':')
        cls.port, cls.name = int(port), SERVER_NAME or host
        cls.broker = f'mqtts://{host}:{port}'
        cls.profile = f'esptb-ops-{cls.mark}'
        cls.environment = {
            'XDG_CONFIG_HOME': str(cls.folder / 'configuration'), 'ESPTB_TB_USER': urllib.parse.unquote(parts.username),
            'ESPTB_TB_PASSWORD': urllib.parse.unquote(parts.password), 'ESPTB_SERVER': cls.server.base}
        cls.addClassCleanup(cls.forget_all)

    @classmethod
    def forget_all(cls):
        for number in range(cls.BOARDS):
            if there := cls.server.device(cls.serial(number)):
                cls.server.delete(f'/api/device/{there["id"]["id"]}')
        cls.forget('deviceProfile', 'deviceProfiles', lambda one: one['name'].startswith(cls.profile))
        cls.forget('dashboard', 'tenant/dashboards', lambda one: one['title'].startswith(cls.profile))

    @classmethod
    def forget(cls, kind, path, is_ours):
        for one in cls.server.get(f'/api/{path}?pageSize=100&page=0')['data']:
            if is_ours(one):
                cls.server.delete(f'/api/{kind}/{one["id"]["id"]}')

    @classmethod
    def serial(cls, number):
        return f'OPS-{cls.mark}-{number}'

    def esptb(self, *arguments, code=0):
        ran = subprocess.run([device.ESPTB, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True,
                             env={**os.environ, **self.environment}, timeout=2 * PATIENCE)
        self.assertEqual(ran.returncode, code, ran.stdout + ran.stderr)
        return ran.stdout

    def setup_server(self, *arguments):
        anchors = ('--broker-ca', SERVER_CA) if SERVER_CA else ()
        return json.loads(self.esptb('tb', 'setup', '--profile', self.profile, '--broker', self.broker, '--server-name',
                                     self.name, *anchors, '--json', *arguments))


if __name__ == '__main__':
    unittest.main()
