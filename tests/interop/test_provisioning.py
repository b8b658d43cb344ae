"""A foreign central provisions the simulated device: Bumble's controllers and host, and a client
that was written from the protocol's documentation. Every scheme, MTU and way to write."""

import asyncio
import unittest

from peers import client, device, link, radio, wire

MTUS = (23, 185, 247, 517)
# The longest request of each scheme, in bytes, with the network that is used here. What fits a
# Write Request is provisioned without long writes; what does not, with long writes where they must
# be. Either is done once more with long writes only.
LONGEST = {0: 11, 1: 42, 2: 402}


class Provisioning(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)

    async def with_device(self, name, security, act, *arguments):
        """Boots a blank device on a radio of its own, and lets `act(central, body)` happen."""
        air = await radio.Radio.open()
        body = device.Device(self.desk.name, name, security)
        body.boot('--hci', f'tcp:127.0.0.1:{air.port}', *arguments)
        try:
            return await asyncio.wait_for(act(air.central, body), device.PATIENCE)
        finally:
            body.stop()
            await air.close()

    async def provision(self, security, mtu, writes):
        async def act(central, _):
            way = link.Bluetooth(central, writes)
            await way.connect(mtu)
            self.assertEqual(way.mtu, mtu)
            phone = client.Client(way)
            version = await phone.login(device.USERNAME, device.PROOF)
            self.assertEqual(version['prov'].get('sec_ver', 1), security)
            state, _, address = await phone.provision(device.OPEN_NETWORK, b'')
            self.assertEqual(state, wire.CONNECTED)
            self.assertRegex(address, r'^192\.168\.4\.')
            used = {'plain': way.long_writes == 0, 'long': way.plain_writes == 0,
                    'auto': way.long_writes and way.plain_writes}
            self.assertTrue(used[writes], f'{way.plain_writes} plain, {way.long_writes} long')

        await self.with_device(f's{security}-{mtu}-{writes}', security, act)

    def provision_at_every_mtu(self, security):
        def runs():
            for mtu in MTUS:
                plain = LONGEST[security] <= mtu - 3
                yield mtu, 'plain' if plain else 'auto'
                yield mtu, 'long'

        async def together():
            # Most of a run is waiting for the device's Wi-Fi.
            queue = list(runs())
            while queue:
                some, queue = queue[:4], queue[4:]
                await asyncio.gather(*(self.provision(security, *run) for run in some))

        asyncio.run(together())

    def test_security_0_at_every_mtu_with_and_without_long_writes(self):
        self.provision_at_every_mtu(0)

    def test_security_1_at_every_mtu_with_and_without_long_writes(self):
        self.provision_at_every_mtu(1)

    def test_security_2_at_every_mtu_with_and_without_long_writes(self):
        self.provision_at_every_mtu(2)

    def test_a_wrong_passphrase_is_told_and_another_try_works(self):
        async def act(central, _):
            way = link.Bluetooth(central)
            await way.connect(517)
            phone = client.Client(way)
            await phone.login(device.USERNAME, device.PROOF)
            networks = await phone.scan()
            self.assertEqual({name for name, _ in networks}, {device.NETWORK, device.OPEN_NETWORK})
            self.assertTrue(all(-100 < rssi < 0 for _, rssi in networks))
            state, reason, _ = await phone.provision(device.NETWORK, b'wrong wrong')
            self.assertEqual((state, reason), (wire.CONNECTION_FAILED, wire.AUTH_ERROR))
            state, reason, _ = await phone.provision(b'elsewhere', b'wrong wrong')
            self.assertEqual((state, reason), (wire.CONNECTION_FAILED, wire.NETWORK_NOT_FOUND))
            reply = await phone.ask('prov-ctrl', wire.control_reset())
            self.assertEqual(wire.control_status(reply), wire.SUCCESS)
            state, _, _ = await phone.provision(device.NETWORK, device.PASSPHRASE)
            self.assertEqual(state, wire.CONNECTED)

        asyncio.run(self.with_device('again', 2, act))

    def test_a_wrong_proof_of_possession_opens_nothing(self):
        async def attempt(security):
            async def act(central, _):
                way = link.Bluetooth(central)
                await way.connect(517)
                phone = client.Client(way)
                with self.assertRaises(link.Refused):
                    await phone.login(device.USERNAME, b'not the proof')
                with self.assertRaises(link.Refused):
                    await way.exchange('prov-config', wire.get_status())
                await phone.login(device.USERNAME, device.PROOF)

            await self.with_device(f'wrong-{security}', security, act)

        async def both():
            await asyncio.gather(attempt(1), attempt(2))

        asyncio.run(both())

    def test_http_with_each_security(self):
        async def attempt(security):
            async def act(_, body):
                port = (await asyncio.to_thread(body.wait_for, r'over HTTP at 127\.0\.0\.1:(\d+)'))[1]
                await asyncio.to_thread(body.wait_for, 'PROV_')
                way = link.Http(int(port))
                phone = client.Client(way)
                await phone.login(device.USERNAME, device.PROOF)
                state, _, _ = await phone.provision(device.NETWORK, device.PASSPHRASE)
                self.assertEqual(state, wire.CONNECTED)
                await way.close()

            name = f'http-{security}'
            await self.with_device(name, security, act, '--provision-http', '127.0.0.1:0')

        async def all_of_them():
            await asyncio.gather(*map(attempt, (0, 1, 2)))

        asyncio.run(all_of_them())


if __name__ == '__main__':
    unittest.main()
