"""`esptb tb rollout`, `renew` and `anchors` on a ThingsBoard of yours, as test_thingsboard.py tells: a new version,
certificates and CAs for ten simulated devices, in waves."""

import json
import os
import secrets
import subprocess
import unittest

from peers import device
from test_thingsboard import SERVER_CA, Tenant, URL, until


@unittest.skipUnless(URL, 'ESPTB_THINGSBOARD names no server')
class Campaigns(Tenant, unittest.TestCase):
    """Something new for a fleet, wave by wave, and looked after."""

    WAVES = ('--waves', '1,50%,100%', '--soak', '2s', '--every', '500ms', '--json')

    def fleet(self, prefix, version, *more):
        """Ten devices by the code that runs on the chip."""
        anchors = ('--server-ca', SERVER_CA) if SERVER_CA else ()
        fleet = subprocess.Popen(
            [device.ESPTB, 'simulate', '--count', str(self.BOARDS), '--prefix', prefix, '--interval', '1s', *more,
             '--broker', self.broker, '--server-name', self.name, *anchors],
            cwd=self.folder, env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(self.forget_fleet, fleet, version)

    def listed(self, prefix, *keys):
        devices = self.esptb('tb', 'devices', '--profile', self.profile, '--name', prefix, '--json')
        return [tuple(one[key] for key in keys) for one in json.loads(devices)]

    def test_certificates_and_anchors_in_waves(self):
        self.setup_server()
        prefix = f'OPS-{self.mark}-C'
        self.fleet(prefix, None, '--certificate-days', '20')

        def serials():
            return self.listed(prefix, 'online', 'certificate_serial')

        before = until(serials, lambda them: len(them) == self.BOARDS and all(online and serial for online, serial in them))
        command = ('tb', 'renew', '--profile', self.profile, '--name', prefix, *self.WAVES)
        report = json.loads(self.esptb(*command))
        self.assertEqual((report['passed'], report['halted'], report['failed']), (self.BOARDS, None, []))
        self.assertEqual([wave['tried'] for wave in report['waves']], [1, 4, 5])
        after = until(serials, lambda them: all(online for online, _ in them))
        self.assertEqual(len({serial for _, serial in before + after}), 2 * self.BOARDS)
        # Nothing is left on the server of what was asked and answered, and once more changes nothing.
        for one, in self.listed(prefix, 'id'):
            left = self.server.get(f'/api/plugins/telemetry/DEVICE/{one}/values/attributes/SHARED_SCOPE')
            self.assertEqual([attribute['key'] for attribute in left], [])
        self.assertEqual(json.loads(self.esptb(*command))['waves'], report['waves'])
        self.assertEqual(serials(), after)

        self.esptb('pki', 'init', '--ca', 'next')
        command = ('tb', 'anchors', 'next/root.crt', '--profile', self.profile, '--name', prefix, *self.WAVES)
        report = json.loads(self.esptb(*command))
        self.assertEqual((report['passed'], report['halted'], report['failed']), (self.BOARDS, None, []))

    def test_a_new_version_in_waves(self):
        self.setup_server()
        self.esptb('firmware', 'key')
        # ThingsBoard has one package of a title and version in a tenant.
        version = f'1.1.{secrets.randbelow(1_000_000)}'
        self.esptb('firmware', 'sign', '--simulated', version, '--simulated-size', '8K')
        prefix = f'OPS-{self.mark}-F'
        self.fleet(prefix, version, '--firmware', '1.0.0', '--firmware-key', 'maker/firmware_key.pem')

        def listed():
            return self.listed(prefix, 'online', 'firmware')

        until(listed, lambda all: all == [(True, '1.0.0')] * self.BOARDS)
        command = ('tb', 'rollout', 'firmware.bin', '--profile', self.profile, '--name', prefix, *self.WAVES)
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
        self.forget('otaPackage', 'otaPackages', lambda package: package['version'] == version)


if __name__ == '__main__':
    unittest.main()
