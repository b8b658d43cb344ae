"""`esptb provision` by the Bluetooth of this computer, which is BlueZ's on D-Bus: the whole way over
btleplug, libdbus, the reference daemon of D-Bus, GATT and a simulated device's air. BlueZ itself needs a
kernel with Bluetooth; in its place stands peers/bluez.py."""

import asyncio
import os
import sys
import unittest

from peers import bluez, device


@unittest.skipUnless(sys.platform == 'linux', 'BlueZ is of Linux')
class System(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)

    async def provision(self, bus, *arguments):
        """Runs it beside the event loop. Returns its exit code and its output."""
        environment = os.environ | {'DBUS_SYSTEM_BUS_ADDRESS': bus if isinstance(bus, str) else bus.address}
        process = await asyncio.create_subprocess_exec(
            # The device's broker is nowhere.
            device.ESPTB, 'provision', '--no-wait-online', *arguments, cwd=self.desk.name, env=environment,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)
        output, _ = await asyncio.wait_for(process.communicate(), device.PATIENCE)
        return process.returncode, output.decode()

    def boot(self, name, security, *arguments):
        """A device, and the port at which its air lends controllers."""
        body = device.Device(self.desk.name, name, security)
        body.boot('--air', '127.0.0.1:0', *arguments)
        self.addCleanup(body.stop)
        return body, int(body.wait_for(r'127\.0\.0\.1:(\d+)')[1])

    NETWORK = ('--ssid', device.NETWORK.decode(), '--passphrase', device.PASSPHRASE.decode())

    def test_a_device_is_provisioned_without_root_or_a_controller_of_ones_own(self):
        async def run(body, port, security, mtu):
            ours = (await asyncio.to_thread(body.wait_for, r'PROV_[0-9A-F]{6}'))[0]
            async with bluez.Bus() as bus:
                laptop = await bluez.Bluez(bus, mtu=mtu).start(port)
                code, output = await self.provision(bus, '--pop', device.PROOF.decode(), *self.NETWORK)
                await laptop.close()
            self.assertEqual(code, 0, output)
            for step in (f'heard {ours} at -', f'connecting to {ours}', f'security {security}'):
                self.assertIn(step, output)
            self.assertRegex(output, r'joined "interop" as 192\.168\.4\.')
            await asyncio.to_thread(body.wait_for, r'provisioning\.done|joined')
            return laptop.long_writes

        async def all_of_them():
            # One after the other: they share a folder of files.
            runs = [(*self.boot(f's{security}-{mtu}', security), security, mtu)
                    for security, mtu in ((1, 517), (2, 517), (2, 23))]
            return await asyncio.gather(*(run(*one) for one in runs))

        one, two, small = asyncio.run(all_of_them())
        self.assertEqual((one, two), (0, 0))
        self.assertGreater(small, 0, 'BlueZ makes long writes')

    def test_one_of_several_is_chosen_by_name_or_prefix(self):
        async def run():
            first, port = self.boot('first', 1)
            second = device.Device(self.desk.name, 'second', 1)
            second.boot('--hci', f'tcp:127.0.0.1:{port}', '--mac', '02:00:00:00:00:02')
            self.addCleanup(second.stop)
            names = []
            for body in (first, second):
                names.append((await asyncio.to_thread(body.wait_for, r'PROV_[0-9A-F]{6}'))[0])
            async with bluez.Bus() as bus:
                laptop = await bluez.Bluez(bus).start(port)
                code, output = await self.provision(bus, '--pop', device.PROOF.decode(), '--list')
                self.assertEqual(code, 1, output)
                for name in names:
                    self.assertIn(name, output)
                self.assertIn('name one of them by --name', output)
                code, output = await self.provision(bus, '--pop', device.PROOF.decode(), '--list',
                                                    '--name', names[1])
                self.assertEqual(code, 0, output)
                self.assertIn(f'connecting to {names[1]}', output)
                code, output = await self.provision(bus, '--timeout', '2s', '--prefix', 'ELSE_',
                                                    '--adapter', 'hci0', '--list')
                self.assertEqual(code, 1, output)
                await laptop.close()

        asyncio.run(run())

    def test_a_wrong_proof_and_then_the_right_one(self):
        async def run():
            body, port = self.boot('wrong', 2)
            await asyncio.to_thread(body.wait_for, 'PROV_')
            async with bluez.Bus() as bus:
                laptop = await bluez.Bluez(bus).start(port)
                code, output = await self.provision(bus, '--pop', 'not the proof', *self.NETWORK)
                self.assertEqual(code, 1, output)
                self.assertIn('proof of possession', output)
                code, output = await self.provision(bus, '--pop', device.PROOF.decode(), *self.NETWORK)
                self.assertEqual(code, 0, output)
                await laptop.close()

        asyncio.run(run())

    def test_what_is_missing_is_told_with_what_to_do(self):
        async def run():
            code, output = await self.provision('unix:path=/nowhere/socket', '--list')
            self.assertEqual(code, 1, output)
            self.assertIn('there is no D-Bus', output)
            async with bluez.Bus() as bus:
                code, output = await self.provision(bus, '--list')
                self.assertEqual(code, 1, output)
                self.assertIn('bluetoothd does not run', output)
                self.assertIn('systemctl start bluetooth', output)
            for told, computer in (('no Bluetooth adapter', {'adapters': False}),
                                   ('Bluetooth is switched off', {'blocked': True})):
                async with bluez.Bus() as bus:
                    laptop = await bluez.Bluez(bus, **computer).start()
                    code, output = await self.provision(bus, '--list')
                    self.assertEqual(code, 1, output)
                    self.assertIn(told, output)
                    if computer.get('blocked'):
                        code, output = await self.provision(bus, '--list', '--adapter', 'hci7')
                        self.assertIn('no Bluetooth adapter `hci7`', output)
                        self.assertIn('hci0', output)
                    await laptop.close()

        asyncio.run(run())


if __name__ == '__main__':
    unittest.main()
