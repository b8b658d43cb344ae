"""NVS: Espressif's partition generator writes and the device reads; the device writes and an
independent reader reads."""

import asyncio
import subprocess
import sys
import unittest
from pathlib import Path

from peers import client, device, link, nvs, radio

# All types and sizes: a blob over two pages, a text as long as the device allows itself.
EVERYTHING = '''key,type,encoding,value
numbers,namespace,,
u8,data,u8,255
i8,data,i8,-128
u16,data,u16,65535
i16,data,i16,-32768
u32,data,u32,4294967295
i32,data,i32,-2147483648
u64,data,u64,18446744073709551615
texts,namespace,,
empty,data,string,
long,data,string,{text}
blob,data,hex2bin,{blob}
'''


def idf_station(ssid, password):
    """What ESP-IDF's Wi-Fi driver keeps (crates/device/src/storage.rs says from where)."""
    ssid = len(ssid).to_bytes(4, 'little') + ssid.ljust(32, b'\0')
    return f'''key,type,encoding,value
nvs.net80211,namespace,,
sta.ssid,data,hex2bin,{ssid.hex()}
sta.pswd,data,hex2bin,{password.ljust(65, bytes(1)).hex()}
'''


class Nvs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.desk = device.desk()
        cls.addClassCleanup(cls.desk.cleanup)

    def generate(self, csv):
        """The generator's partition of this CSV."""
        folder = Path(self.desk.name)
        (folder / 'nvs.csv').write_text(csv)
        size = device.NVS.stop - device.NVS.start
        subprocess.run([sys.executable, '-m', 'esp_idf_nvs_partition_gen', 'generate', 'nvs.csv',
                        'nvs.bin', hex(size)], cwd=folder, check=True, capture_output=True)
        return (folder / 'nvs.bin').read_bytes()

    def boot(self, name, security=1, partition=None, proof=device.PROOF, arguments=()):
        body = device.Device(self.desk.name, name, security, partition, proof).boot(*arguments)
        self.addCleanup(body.stop)
        return body

    def test_the_reader_reads_what_the_generator_writes(self):
        text, blob = 'x' * 1000, bytes(range(256)) * 20
        found = nvs.read(self.generate(EVERYTHING.format(text=text, blob=blob.hex())))
        self.assertEqual(found['numbers', 'u64'], (1 << 64) - 1)
        self.assertEqual(found['numbers', 'i8'], -128)
        self.assertEqual(found['numbers', 'i32'], -(1 << 31))
        self.assertEqual(found['texts', 'long'], text)
        self.assertEqual(found['texts', 'blob'], blob)
        self.assertEqual(len(found), 10)

    def test_the_reader_sees_damage(self):
        good = self.generate(idf_station(device.NETWORK, device.PASSPHRASE))
        for at in (4, 28, 64, 72, 88, 96, 0x1000):
            damaged = bytearray(good)
            damaged[at] ^= 0x04
            with self.assertRaises((nvs.Broken, KeyError), msg=f'byte {at}'):
                nvs.read(bytes(damaged))

    def test_the_device_joins_the_network_that_esp_idf_left(self):
        partition = self.generate(idf_station(device.NETWORK, device.PASSPHRASE))
        body = self.boot('idf', partition=partition)
        body.wait_for(r'192\.168\.4\.\d+')
        body.stop()
        # What it wrote itself went into the same partition, and nothing was lost.
        kept = nvs.read(body.nvs())
        self.assertEqual(kept['nvs.net80211', 'sta.pswd'][:13], device.PASSPHRASE)

    def test_the_tools_see_every_type_that_the_generator_writes(self):
        partition = self.generate(EVERYTHING.format(text='t', blob='00ff' * 2500))
        body = device.Device(self.desk.name, 'types', 1, partition)
        shown = subprocess.run([device.ESPTB, 'image', '--inspect', str(body.flash)],
                               check=True, capture_output=True, text=True).stdout
        for key, kind in (('u8', 'u8'), ('i8', 'i8'), ('u16', 'u16'), ('i16', 'i16'), ('u32', 'u32'),
                          ('i32', 'i32'), ('u64', 'u64'), ('long', 'text'), ('blob', 'blob')):
            self.assertRegex(shown, rf'(?m)\b{key}\b.*\b{kind}\b')

    def provisioned(self, name, partition=None):
        """Everything in the partition of a device that a phone has provisioned over Bluetooth."""
        async def provision():
            air = await radio.Radio.open()
            body = self.boot(name, 1, partition, arguments=('--hci', f'tcp:127.0.0.1:{air.port}'))
            way = link.Bluetooth(air.central)
            await way.connect(247)
            phone = client.Client(way)
            await phone.login(device.USERNAME, device.PROOF)
            state, _, _ = await phone.provision(device.NETWORK, device.PASSPHRASE)
            self.assertEqual(state, client.wire.CONNECTED)
            body.stop()
            await air.close()
            return body

        found = nvs.read(asyncio.run(provision()).nvs())
        wifi = bytes([len(device.NETWORK)]) + device.NETWORK + device.PASSPHRASE
        self.assertEqual(found['esptb', 'wifi'], wifi)
        return found

    def test_what_provisioning_leaves_in_a_blank_partition_is_in_order(self):
        self.provisioned('blank')

    def test_the_reader_reads_what_the_tools_write(self):
        network = (device.NETWORK + b':' + device.PASSPHRASE).decode()
        body = device.Device(self.desk.name, 'tools', 1, image=('--wifi', network))
        found = nvs.read(body.nvs())
        wifi = bytes([len(device.NETWORK)]) + device.NETWORK + device.PASSPHRASE
        self.assertEqual(found, {('esptb', 'wifi'): wifi})

    def test_the_device_writes_beside_what_others_have_stored(self):
        # More than two of the four pages are taken, one is always kept free.
        csv = EVERYTHING.format(text='t' * 1500, blob='00ff' * 3000)
        partition = self.generate(csv)
        before = nvs.read(partition)
        found = self.provisioned('beside', partition)
        self.assertEqual({key: found.get(key) for key in before}, before)

    @unittest.skipUnless(nvs.IDF, 'nvs_tool.py is ESP-IDF\'s: set IDF_PATH')
    def test_espressifs_tool_reads_what_this_project_writes(self):
        folder = Path(self.desk.name)

        def judge(partition):
            (folder / 'judged.bin').write_bytes(partition)
            return nvs.espressif(str(folder / 'judged.bin'))

        network = (device.NETWORK + b':' + device.PASSPHRASE).decode()
        body = device.Device(self.desk.name, 'judged-tools', 1, image=('--wifi', network))
        wifi = f' esptb:wifi[0] = {bytes([len(device.NETWORK)]) + device.NETWORK + device.PASSPHRASE}'
        faults, found = judge(body.nvs())
        self.assertEqual(faults, [])
        self.assertIn(wifi, found)

        full = self.generate(EVERYTHING.format(text='t' * 1500, blob='00ff' * 3000))
        for name, partition in (('judged-blank', None), ('judged-beside', full)):
            self.provisioned(name, partition)
            written = (folder / f'{name}.bin').read_bytes()[device.NVS]
            faults, found = judge(written)
            self.assertEqual(faults, [], name)
            self.assertIn(wifi, found, name)

        damaged = bytearray(body.nvs())
        damaged[72] ^= 0x04
        self.assertNotEqual(judge(bytes(damaged))[0], [])

    def test_the_device_reads_its_own_keys_from_the_generator(self):
        wifi = bytes([len(device.NETWORK)]) + device.NETWORK + device.PASSPHRASE
        csv = f'''key,type,encoding,value
esptb,namespace,,
wifi,data,hex2bin,{wifi.hex()}
interval_ms,data,u32,60000
last_good_time,data,u64,1700000000
'''
        body = self.boot('own', partition=self.generate(csv))
        body.wait_for(r'192\.168\.4\.\d+')


if __name__ == '__main__':
    unittest.main()
