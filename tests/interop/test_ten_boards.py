"""From an empty tenant on a ThingsBoard of yours to ten boards, as test_thingsboard.py tells: set up, made in a factory,
provisioned, online, a new version, new certificates, and the mistakes that `esptb doctor` finds."""

import csv
import json
import secrets
import unittest

from peers import device, jig
from test_thingsboard import Board, NETWORK, PATIENCE, SERVER_CA, Tenant, URL, until


class Made(Board):
    """A board that `esptb factory run` made. It knows no network."""

    def __init__(self, folder, serial, mac, flash):
        self.folder, self.serial, self.mac, self.flash = folder, serial, mac, flash
        self.files = folder / 'devices' / serial
        self.settings = json.loads((self.files / 'settings.json').read_text())

    def boot(self):
        return super().boot('--mac', self.mac, '--air', '127.0.0.1:0')

    def provision(self, proof):
        """As an operator does who has the label in his hand."""
        air = self.wait_for(r'\(H4\) at (tcp:\S+)')[1]
        self.wait_for('provisioning.started')
        name = 'PROV_' + self.mac.replace(':', '')[6:]
        ssid, passphrase = NETWORK.split(':')
        device.esptb('provision', '--hci', air, '--name', name, '--pop', proof, '--ssid', ssid, '--passphrase', passphrase,
                     cwd=self.folder)


@unittest.skipUnless(URL, 'no ThingsBoard is given: ESPTB_THINGSBOARD=http://user:password@host:port')
class TenBoards(Tenant, unittest.TestCase):
    """An operator's way, by `esptb` alone."""

    FIRST = '1.0.0'
    WAVES = ('--waves', '1,50%,100%', '--soak', '2s', '--every', '500ms', '--json')

    def make(self):
        """The boards, from blank flash to their labels."""
        self.esptb('firmware', 'key')
        self.esptb('firmware', 'sign', '--simulated', self.FIRST, '--simulated-size', '8K', '--out', 'app.bin')
        (self.folder / 'common.json').write_text(json.dumps({'broker': self.broker, 'server_name': self.name}))
        boards = jig.Jig(self.folder / 'made', self.BOARDS)
        self.addCleanup(boards.close)
        anchors = ('--server-ca', SERVER_CA) if SERVER_CA else ()
        told = self.esptb('factory', 'run', '--app', 'app.bin', '--chip', 'esp32c3', '--settings', 'common.json', *anchors,
                          '--first', self.serial(0), '--count', self.BOARDS, '--wait', '60s', '--port', boards.port)
        self.assertEqual(told.count('done '), self.BOARDS, told)
        boards.wait(PATIENCE)
        ledger = json.loads(self.esptb('factory', 'list', '--json'))
        self.assertEqual((ledger['account']['done'], ledger['account']['unfinished']), (self.BOARDS, []))
        self.assertEqual([board['serial'] for board in ledger['boards']], [self.serial(n) for n in range(self.BOARDS)])
        return [Made(self.folder, board['serial'], board['mac'], boards.flash(board['mac'])) for board in ledger['boards']]

    def listed(self, *filters):
        return json.loads(self.esptb('tb', 'devices', '--profile', self.profile, '--json', *filters))

    def campaign(self, *command):
        """All boards pass it, in waves."""
        report = json.loads(self.esptb('tb', *command, '--profile', self.profile, '--name', f'OPS-{self.mark}', *self.WAVES))
        self.assertEqual((report['passed'], report['halted'], report['failed']), (self.BOARDS, None, []))
        self.assertEqual([wave['tried'] for wave in report['waves']], [1, 4, 5])

    def doctor(self, folder, code=0):
        found = json.loads(self.esptb('doctor', self.broker, '--device', folder, '--no-sntp', '--json', code=code))
        bad = [one['says'] for one in found if one['verdict'] == 'bad']
        if not bad:
            self.assertIn('the server tells devices its time', ' '.join(one['says'] for one in found))
        return bad

    def test_from_an_empty_tenant_to_ten_boards(self):
        dashboard, chain, profile = (step['action'] for step in self.setup_server()['steps'])
        # The rule chain is for all profiles, and may be there.
        self.assertEqual((dashboard, profile), ('create', 'create'))
        self.assertIn(chain, ('create', 'keep'))
        again = self.setup_server()
        self.assertEqual([step['action'] for step in again['steps']], ['keep'] * 3)
        self.assertIn('its sample arrived', again['trial'])

        boards = self.make()
        with open(self.folder / 'devices/labels.csv', newline='') as labels:
            proofs = {label['serial']: label['proof_of_possession'] for label in csv.DictReader(labels)}
        for board in boards:
            board.boot()
            self.addCleanup(board.stop)
        for board in boards:
            board.provision(proofs[board.serial])
        for board in boards:
            board.wait_for('cloud.online')

        told = until(lambda: self.listed('--online'), lambda them: len(them) == self.BOARDS and them[-1]['firmware'])
        self.assertTrue(all(one['certificate_expires_ms'] and one['since_ms'] for one in told), told)
        self.assertEqual({one['firmware'] for one in told}, {self.FIRST})
        self.assertIn('backlog', self.esptb('tb', 'status', boards[0].serial))

        self.campaigns()
        self.mistakes(boards)

    def campaigns(self):
        # ThingsBoard has one package of a title and version in a tenant.
        version = f'1.1.{secrets.randbelow(1_000_000)}'
        self.addClassCleanup(self.forget, 'otaPackage', 'otaPackages', lambda package: package['version'] == version)
        # Before the package that is assigned to them.
        self.addClassCleanup(self.forget, 'device', 'tenant/devices', lambda one: one['name'].startswith(self.serial('')))
        self.esptb('firmware', 'sign', '--simulated', version, '--simulated-size', '8K')
        self.campaign('rollout', 'firmware.bin')
        until(self.listed, lambda them: [one['firmware'] for one in them if one['online']] == [version] * self.BOARDS)

        # They are valid for 20 years.
        before = {one['certificate_serial'] for one in self.listed()}
        self.campaign('renew', '--expires-within', 366 * 20)
        after = until(self.listed, lambda them: all(one['online'] for one in them))
        self.assertEqual(len(before | {one['certificate_serial'] for one in after}), 2 * self.BOARDS)

    def mistakes(self, boards):
        """Each as the server itself judges it."""
        board = boards[0]
        board.stop()
        until(lambda: self.listed('--offline'), lambda them: [one['name'] for one in them] == [board.serial])
        self.assertEqual(self.doctor(board.files), [])

        there = self.server.device(board.serial)
        self.server.delete(f'/api/device/{there["id"]["id"]}')
        self.server.post('/api/device', {'name': board.serial})
        told = '\n'.join(until(lambda: self.doctor(board.files, code=1), lambda bad: len(bad) >= 2))
        self.assertRegex(told, 'refuses the device(.|\n)*another kind of credentials')
        self.server.delete(f'/api/device/{self.server.device(board.serial)["id"]["id"]}')

        self.esptb('tb', 'setup', '--profile', self.profile, '--cn-pattern', '^(GH-.*)$')
        told = '\n'.join(until(lambda: self.doctor(board.files, code=1), lambda bad: len(bad) >= 2))
        self.assertRegex(told, 'does not match the CN')
        self.setup_server()

        stranger = self.folder / 'stranger'
        self.esptb('pki', 'init', '--ca', stranger / 'ca')
        self.esptb('pki', 'device', board.serial, '--ca', stranger / 'ca', '--out', stranger)
        (stranger / board.serial / 'server_chain.pem').write_bytes((board.files / 'server_chain.pem').read_bytes())
        (stranger / board.serial / 'settings.json').write_text(json.dumps(board.settings))
        told = '\n'.join(self.doctor(stranger / board.serial, code=1))
        self.assertRegex(told, 'refuses the device(.|\n)*no device profile has a CA of this chain')


if __name__ == '__main__':
    unittest.main()
