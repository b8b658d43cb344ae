"""Ways to a device's endpoints: Bluetooth by Bumble's host, and HTTP by Python's own client."""

import asyncio
import http.client
from functools import partial

from bumble import att
from bumble.core import UUID, AdvertisingData
from bumble.device import Peer
from bumble.gatt import Characteristic, CharacteristicValue, Descriptor, Service
from bumble.hci import Address

from . import device

# components/wifi_provisioning/src/scheme_ble.c at 4c2820d.
SERVICE = UUID('1775244d-6b43-439b-877c-060f2d9bed07')
DESCRIPTION = UUID.from_16_bits(0x2901)


class Refused(Exception):
    """The device refused the request; `code` is the ATT error or the HTTP status."""

    def __init__(self, code):
        super().__init__(f'refused with {code:#04x}')
        self.code = code


class TooLong(Exception):
    """The message does not fit one Write Request, and long writes are off."""


class Bluetooth:
    """A connection to the provisioning service of the one device in the air.

    `writes`: 'plain' for Write Requests only, 'long' for Prepare and Execute Write always, 'auto'
    for long writes where a message does not fit.
    """

    def __init__(self, central, writes='auto'):
        self.central, self.writes = central, writes
        self.long_writes = self.plain_writes = 0

    async def find(self):
        """The address of a device that advertises the service."""
        found = asyncio.get_running_loop().create_future()

        def heard(advertisement):
            services = []
            kind = AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS
            services += advertisement.data.get(kind) or []
            if SERVICE in services and not found.done():
                found.set_result(advertisement.address)

        self.central.on('advertisement', heard)
        await self.central.start_scanning(active=True)
        try:
            return await asyncio.wait_for(found, device.PATIENCE)
        finally:
            await self.central.stop_scanning()
            self.central.remove_listener('advertisement', heard)

    async def connect(self, mtu):
        self.connection = await self.central.connect(Address(str(await self.find())))
        self.peer = Peer(self.connection)
        self.mtu = await self.peer.request_mtu(mtu) if mtu > 23 else 23
        await self.peer.discover_services()
        service, = (s for s in self.peer.services if s.uuid == SERVICE)
        await service.discover_characteristics()
        self.endpoints = {}
        for characteristic in service.characteristics:
            await characteristic.discover_descriptors()
            for descriptor in characteristic.descriptors:
                if descriptor.type == DESCRIPTION:
                    name = bytes(await descriptor.read_value()).decode()
                    self.endpoints[name] = characteristic

    async def exchange(self, endpoint, request):
        characteristic = self.endpoints[endpoint]
        try:
            if self.writes == 'long' or (self.writes == 'auto' and len(request) > self.mtu - 3):
                self.long_writes += 1
                await self.peer.gatt_client.write_long_value(characteristic.handle, request)
            elif len(request) > self.mtu - 3:
                raise TooLong(f'{len(request)} bytes at an MTU of {self.mtu}')
            else:
                self.plain_writes += 1
                await characteristic.write_value(request, with_response=True)
            return bytes(await characteristic.read_value())
        except att.ATT_Error as error:
            raise Refused(error.error_code) from None

    async def close(self):
        await self.connection.disconnect()


class Server:
    """The other side: a provisioning service on Bumble's GATT server, whose endpoints are `answer`'s.

    `answer(endpoint, request)` gives the reply, or raises `Refused`. `wrong` spoils endpoints:
    `{name: {'description' or 'properties' or 'uuid': …}}`. What is advertised is always `SERVICE`.
    """

    # components/wifi_provisioning/src/manager.c at 4c2820d: in this order, from 0xFF4F on.
    ENDPOINTS = ('prov-ctrl', 'prov-scan', 'prov-session', 'prov-config', 'proto-ver')
    INVALID_PDU = 0x04

    def __init__(self, host, answer, mtu, wrong=None, service=SERVICE):
        self.host, self.answer, self.replies = host, answer, {}
        characteristics = []
        for number, name in enumerate(self.ENDPOINTS, 0xFF4F):
            spoilt = (wrong or {}).get(name, {})
            uuid = spoilt.get('uuid', f'1775{number:04x}-6b43-439b-877c-060f2d9bed07')
            value = CharacteristicValue(read=partial(self._read, name), write=partial(self._write, name))
            properties = Characteristic.Properties.READ | Characteristic.Properties.WRITE
            properties = spoilt.get('properties', properties)
            permissions = Characteristic.READABLE | Characteristic.WRITEABLE
            told = spoilt.get('description', name).encode()
            description = Descriptor(DESCRIPTION, Characteristic.READABLE, told)
            characteristics.append(
                Characteristic(UUID(uuid), properties, permissions, value, [description]))
        host.add_service(Service(service, characteristics))
        host.gatt_server.max_mtu = mtu

    def _read(self, name, _connection):
        return self.replies.get(name, b'')

    async def _write(self, name, _connection, request):
        try:
            self.replies[name] = await self.answer(name, request)
        except Refused:
            raise att.ATT_Error(error_code=self.INVALID_PDU) from None

    async def advertise(self):
        kind = AdvertisingData.Type
        data = AdvertisingData([
            (kind.FLAGS, bytes([0x06])),
            (kind.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, SERVICE.to_bytes()),
        ])
        await self.host.start_advertising(advertising_data=bytes(data), auto_restart=True)


class Http:
    """ESP-IDF's SoftAP scheme: each endpoint a `POST`, the session known by a cookie."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection('127.0.0.1', port, timeout=device.PATIENCE)
        self.cookie, self.clients = None, 0

    async def connect(self, _mtu=None):
        pass

    def _post(self, asking, endpoint, request):
        headers = {'Content-Type': 'application/x-www-form-urlencoded', 'Accept': 'text/plain'}
        if self.cookie:
            headers['Cookie'] = self.cookie
        self.connection.request('POST', f'/{endpoint}', request, headers)
        response = self.connection.getresponse()
        body = response.read()
        # What a client began who is gone by now is not the next one's session.
        if asking == self.clients and (cookie := response.getheader('Set-Cookie')):
            self.cookie = cookie.split(';')[0]
        if response.status != 200:
            raise Refused(response.status)
        return body

    async def exchange(self, endpoint, request):
        return await asyncio.to_thread(self._post, self.clients, endpoint, request)

    def forget(self):
        """The next request is a new client's, and gets a session of its own."""
        self.cookie, self.clients = None, self.clients + 1

    async def close(self):
        self.connection.close()
