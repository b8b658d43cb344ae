"""`esptb tb rollout` on a ThingsBoard of yours, as test_thingsboard.py tells: a new version for ten simulated
devices, in waves."""

import json
import os
import secrets
import subprocess
import unittest

from peers import device
from test_thingsboard import SERVER_CA, Tenant, URL, until


@unittest.skipUnless(URL, 'ESPTB_THINGSBOARD names no server')
class Campaigns(Tenant, unittest.TestCase):
    """A package of the maker's, uploaded, assigned wave by wave, and looked after."""

    def test_a_new_version_in_waves(self):
        self.setup_server()
        self.esptb('firmware', 'key')
        # ThingsBoard has one package of a title and version in a tenant.
        version = f'1.1.{secrets.randbelow(1_000_000)}'
        self.esptb('firmware', 'sign', '--simulated', version, '--simulated-size', '8K')
        prefix = f'OPS-{self.mark}-F'
        anchors = ('--server-ca', SERVER_CA) if SERVER_CA else ()
        fleet = subprocess.Popen(
            [device.ESPTB, 'simulate', '--count', str(self.BOARDS), '--prefix', prefix, '--interval', '1s', '--firmware',
             '1.0.0', '--firmware-key', 'maker/firmware_key.pem', '--broker', self.broker, '--server-name', self.name,
             *anchors],
            cwd=self.folder, env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.forget_fleet, fleet, version)

        def listed():
            devices = self.esptb('tb', 'devices', '--profile', self.profile, '--name', prefix, '--json')
            return [(one['online'], one['firmware']) for one in json.loads(devices)]

        until(listed, lambda all: all == [(True, '1.0.0')] * self.BOARDS)
        command = ('tb', 'rollout', 'firmware.bin', '--profile', self.profile, '--name', prefix, '--waves', '1,50%,100%',
                   '--soak', '2s', '--every', '500ms', '--json')
        report = json.loads(self.esptb(*command))
        self.assertEqual((report['passed'], report['halted'], report['failed']), (self.BOARDS, None, []))
        self.assertEqual([wave['tried'] for wave in report['waves']], [1, 4, 5])
        self.assertEqual(until(listed, lambda all: (False, version) not in all), [(True, version)] * self.BOARDS)
        # Once more changes nothing.
        self.assertEqual(json.loads(self.esptb(*command))['waves'], report['waves'])

    def forget_fleet(self, fleet, version):
        fleet.kill()
        fleet.wait()
        for one in json.loads(self.esptb('tb', 'devices', '--profile', self.profile, '--json')):
            self.server.delete(f'/api/device/{one["id"]}')
        for package in self.server.get('/api/otaPackages?pageSize=100&page=0')['data']:
            if package['version'] == version:
                self.server.delete(f'/api/otaPackage/{package["id"]["id"]}')


if __name__ == '__main__':
    unittest.main()
