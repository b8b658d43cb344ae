"""The part of bleak's API that ESP-IDF's `esp_prov` uses (tools/esp_prov/transport/transport_ble.py,
v5.4.1), over Bumble and a controller that speaks H4 over TCP.

With this folder on `PYTHONPATH`, `esp_prov` runs unmodified and without a Bluetooth adapter. The
environment says how: `BUMBLE_HCI`, the controller; `MTU`, the ATT MTU to ask for, 23 for none;
`SCAN_S`, how many seconds to look for devices.
"""

import asyncio
import os
from types import SimpleNamespace

from bumble.core import AdvertisingData
from bumble.device import Device, Peer
from bumble.hci import Address
from bumble.transport import open_transport

exc = SimpleNamespace(BleakDBusError=type('BleakDBusError', (Exception,), {}))

CONTROLLER = os.environ.get('BUMBLE_HCI', 'tcp-client:127.0.0.1:6403')
MTU = int(os.environ.get('MTU', '517'))
DEFAULT_MTU = 23

NAMES = (AdvertisingData.Type.COMPLETE_LOCAL_NAME, AdvertisingData.Type.SHORTENED_LOCAL_NAME)
SERVICES = (
    AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)

_host = None


async def _device():
    """The one Bluetooth host; esp_prov makes a scanner and a client, which share it."""
    global _host
    if _host is None:
        transport = await open_transport(CONTROLLER)
        device = Device.with_hci('central', Address('F0:F1:F2:F3:F4:F5'), transport.source, transport.sink)
        await device.power_on()
        # The transport has to stay.
        _host = transport, device
    return _host[1]


def _shown(uuid):
    """As bleak shows it: 128 bits, lower case, with dashes."""
    digits = uuid.to_bytes(force_128=True)[::-1].hex()
    return '-'.join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class BleakScanner:
    @staticmethod
    async def discover(timeout=3.0, return_adv=False, **_):
        device, found = await _device(), {}

        def heard(advertisement):
            address, data = str(advertisement.address), advertisement.data
            seen = SimpleNamespace(address=address, name=None), SimpleNamespace(service_uuids=[])
            known, advertised = found.setdefault(address, seen)
            known.name = next((name for kind in NAMES if (name := data.get(kind))), known.name)
            services = {_shown(uuid) for kind in SERVICES for uuid in data.get(kind) or []}
            advertised.service_uuids = sorted(services | set(advertised.service_uuids))

        device.on('advertisement', heard)
        await device.start_scanning(active=True)
        await asyncio.sleep(float(os.environ.get('SCAN_S', timeout)))
        await device.stop_scanning()
        return found if return_adv else [known for known, _ in found.values()]


class _Services(dict):
    """bleak answers None where there is no such service."""

    def __getitem__(self, uuid):
        return self.get(uuid)


class BleakClient:
    def __init__(self, address, *_, **__):
        self.address, self.services = address, _Services()
        self.characteristics, self.descriptors = {}, {}

    async def connect(self, **_):
        device = await _device()
        self.connection = await device.connect(Address(self.address))
        peer = Peer(self.connection)
        if MTU > DEFAULT_MTU:
            await peer.request_mtu(MTU)
        await peer.discover_services()
        for service in peer.services:
            await service.discover_characteristics()
            shown = [await self._look_into(characteristic) for characteristic in service.characteristics]
            uuid = _shown(service.uuid)
            self.services[uuid] = SimpleNamespace(uuid=uuid, characteristics=shown)
        return True

    async def _look_into(self, characteristic):
        await characteristic.discover_descriptors()
        self.descriptors |= {one.handle: one for one in characteristic.descriptors}
        descriptors = [SimpleNamespace(uuid=_shown(one.type), handle=one.handle) for one in characteristic.descriptors]
        uuid = _shown(characteristic.uuid)
        self.characteristics[uuid] = characteristic
        return SimpleNamespace(uuid=uuid, handle=characteristic.handle, descriptors=descriptors)

    async def disconnect(self):
        await self.connection.disconnect()

    async def pair(self):
        """Provisioning wants no pairing."""

    async def unpair(self):
        """As above."""

    async def read_gatt_descriptor(self, handle):
        return bytearray(await self.descriptors[handle].read_value())

    async def write_gatt_char(self, uuid, data, response=True):
        await self.characteristics[uuid].write_value(bytes(data), with_response=response)

    async def read_gatt_char(self, uuid):
        return bytearray(await self.characteristics[uuid].read_value())
