"""This project's own clients and foreign peers: `esptb conformance` behind foreign controllers and with
foreign readers of its findings, `esptb provision` with a foreign GATT server."""

import asyncio
import json
import unittest
import xml.etree.ElementTree
from pathlib import Path

from peers import device, link, radio


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)

    async def check(self, *arguments):
        """Runs the suite beside the event loop. Returns its exit code and its output."""
        process = await asyncio.create_subprocess_exec(
            device.ESPTB, 'conformance', *arguments, cwd=self.desk.name,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        output, _ = await process.communicate()
        return process.returncode, output.decode()

    def test_the_device_conforms_behind_foreign_controllers(self):
        async def run():
            air = radio.Radio()
            first, second = await air.serve(1), await air.serve(2)
            body = device.Device(self.desk.name, 'controllers', 1)
            body.boot('--hci', f'tcp:127.0.0.1:{first}')
            try:
                # Bumble's controllers carry no scan responses, and so no name.
                groups = ('advertising.service', 'gatt', 'write', 'version', 'session', 'garbage')
                return await self.check('--hci', f'tcp:127.0.0.1:{second}',
                                        '--pop', device.PROOF.decode(), *groups)
            finally:
                body.stop()
                await air.close()

        code, output = asyncio.run(run())
        self.assertEqual(code, 0, output)
        self.assertRegex(output, r'\n.*: \d{2} passed, 0 failed, 0 advised')

    def test_findings_are_for_machines_too(self):
        body = device.Device(self.desk.name, 'http', 2).boot('--provision-http', '127.0.0.1:0')
        self.addCleanup(body.stop)
        port = body.wait_for(r'over HTTP at 127\.0\.0\.1:(\d+)')[1]
        body.wait_for('PROV_')
        way = ('--http', f'127.0.0.1:{port}', '--json', 'findings.json', '--junit', 'findings.xml')
        groups = ('version', 'session', 'garbage')

        code, output = asyncio.run(self.check(*way, '--pop', device.PROOF.decode(), *groups))
        self.assertEqual(code, 0, output)
        findings = json.loads(Path(self.desk.name, 'findings.json').read_text())
        self.assertTrue(findings['conforms'])
        self.assertEqual(findings['failed'], 0)

        nowhere = ('--ssid', 'nowhere', '--passphrase', 'correct horse', 'version', 'config.join')
        code, output = asyncio.run(self.check(*way, '--pop', device.PROOF.decode(), *nowhere))
        self.assertEqual(code, 1, output)
        suite = xml.etree.ElementTree.parse(Path(self.desk.name, 'findings.xml')).getroot()
        failed = [case.get('name') for case in suite if case.find('failure') is not None]
        self.assertEqual(failed, ['config.join'])
        self.assertEqual(int(suite.get('failures')), 1)

        code, output = asyncio.run(self.check(*way, '--pop', 'another', 'version', 'session.good'))
        self.assertEqual(code, 3, output)
        self.assertIn('your --pop is wrong', output)


class Provisioner(unittest.TestCase):
    """`esptb provision` and a GATT server that is not ours. What answers behind it is a simulated
    device over HTTP."""

    @classmethod
    def setUpClass(cls):
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)

    async def provision(self, security, mtu):
        body = device.Device(self.desk.name, f'gatt-{security}-{mtu}', security)
        body.boot('--provision-http', '127.0.0.1:0')
        air = await radio.Radio.open()
        try:
            port = (await asyncio.to_thread(body.wait_for, r'over HTTP at 127\.0\.0\.1:(\d+)'))[1]
            await asyncio.to_thread(body.wait_for, 'PROV_')
            behind = link.Http(int(port))
            await link.Server(air.central, behind.exchange, mtu).advertise()
            process = await asyncio.create_subprocess_exec(
                # This server has the endpoints of Espressif's service, and not the device's own.
                device.ESPTB, 'provision', '--no-wait-online', '--hci', f'tcp:127.0.0.1:{air.port}',
                '--pop', device.PROOF.decode(), '--ssid', device.NETWORK.decode(),
                '--passphrase', device.PASSPHRASE.decode(), cwd=self.desk.name,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
            output, _ = await asyncio.wait_for(process.communicate(), device.PATIENCE)
            await behind.close()
        finally:
            body.stop()
            await air.close()
        self.assertEqual(process.returncode, 0, output.decode())
        self.assertRegex(output.decode(), r'joined "interop" as 192\.168\.4\.')

    def test_a_foreign_gatt_server_is_provisioned_at_small_and_large_mtus(self):
        async def together():
            await asyncio.gather(*(self.provision(security, mtu)
                                   for security in (1, 2) for mtu in (23, 256, 517)))

        asyncio.run(together())


if __name__ == '__main__':
    unittest.main()
