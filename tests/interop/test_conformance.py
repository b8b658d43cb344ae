"""`esptb conformance` judges a provisioning service over Bluetooth that is not ours: Bumble's GATT
server. What answers behind it is a simulated device over HTTP; what discovery shows is Bumble's, and
is spoilt on purpose."""

import asyncio
import json
import unittest
from pathlib import Path

from bumble.core import UUID
from bumble.gatt import Characteristic
from peers import device, link, radio

# Bumble's controllers carry no scan responses, and so no name; what takes the device a search for
# networks that are not there has nothing to do with its Bluetooth.
EVERYTHING = {
    1: ('advertising.service', 'gatt', 'session', 'garbage', 'disconnect.handshake',
        'disconnect.session', 'disconnect.at-once', 'scan.list', 'config.status-first',
        'config.too-long', 'config.apply-nothing', 'control.reset-early'),
    2: ('advertising.service', 'gatt', 'mtu', 'write', 'version', 'session'),
}
# None of these needs `prov-ctrl`, which one of the servers has under another name.
SOME = ('advertising.service', 'gatt', 'mtu.247', 'write', 'version.always', 'session.good',
        'session.wrong-proof', 'disconnect.session')
OTHER = '1775ff60-6b43-439b-877c-060f2d9bed07'
# What is wrong with a service, and the one case that must notice.
WRONG = {
    'gatt.endpoints': {'wrong': {'prov-ctrl': {'description': 'prov-control'}}},
    'gatt.properties': {'wrong': {'prov-scan': {'properties': Characteristic.Properties.WRITE}}},
    'gatt.uuids': {'wrong': {'proto-ver': {'uuid': OTHER}}},
    'gatt.service-uuid': {'service': UUID(OTHER)},
}


class Conformance(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)

    async def judge(self, name, security, cases, **wrong):
        """How each case ended: `{case: verdict}`; what the program said, and its exit code."""
        body = device.Device(self.desk.name, name, security)
        body.boot('--provision-http', '127.0.0.1:0')
        air = await radio.Radio.open()
        try:
            port = (await asyncio.to_thread(body.wait_for, r'over HTTP at 127\.0\.0\.1:(\d+)'))[1]
            await asyncio.to_thread(body.wait_for, 'PROV_')
            behind = link.Http(int(port))
            # A session ends with its connection, as on ESP-IDF's devices.
            air.central.on('connection', lambda _: behind.forget())
            await link.Server(air.central, behind.exchange, 256, **wrong).advertise()
            process = await asyncio.create_subprocess_exec(
                device.ESPTB, 'conformance', '--hci', f'tcp:127.0.0.1:{air.port}',
                '--pop', device.PROOF.decode(), '--json', f'{name}.json', *cases,
                cwd=self.desk.name, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
            output, _ = await process.communicate()
            await behind.close()
        finally:
            body.stop()
            await air.close()
        findings = json.loads(Path(self.desk.name, f'{name}.json').read_text())
        verdicts = {case['name']: case['verdict'] for case in findings['cases']}
        return verdicts, output.decode(), process.returncode

    def test_a_foreign_gatt_server_conforms(self):
        async def together():
            return await asyncio.gather(*(self.judge(f'foreign-{security}', security, cases)
                                          for security, cases in EVERYTHING.items()))

        findings = asyncio.run(together())
        for verdicts, output, code in findings:
            self.assertEqual(code, 0, output)
            self.assertEqual(set(verdicts.values()), {'passed', 'n/a'}, output)
            self.assertGreater(list(verdicts.values()).count('passed'), 20, output)
        # At the server's largest MTU, which is not ours.
        self.assertRegex(findings[1][1], r'mtu\.517 +256 was agreed on')

    def test_what_is_wrong_with_a_foreign_server_fails_its_case_and_no_other(self):
        async def together():
            return await asyncio.gather(*(self.judge(case, 1, SOME, **wrong)
                                          for case, wrong in WRONG.items()))

        for case, (verdicts, output, code) in zip(WRONG, asyncio.run(together())):
            with self.subTest(case):
                failed = [name for name, verdict in verdicts.items() if verdict != 'passed']
                self.assertEqual(failed, [case], output)
                self.assertEqual((verdicts[case], code), ('failed', 1), output)


if __name__ == '__main__':
    unittest.main()
