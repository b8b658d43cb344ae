"""A computer whose Bluetooth is BlueZ's, without one: `org.bluez` on a bus of its own, over Bumble's host.

What programs see of BlueZ on D-Bus is written from its documents (doc/adapter-api.txt, device-api.txt,
gatt-api.txt and src/error.c of BlueZ 5.66), as far as a GATT client needs it: it remembers devices,
those in the air have an RSSI, a connection is there before its services are resolved, values that do
not fit the MTU go as long writes, and ATT errors are in a sentence. No code is BlueZ's.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from xml.sax.saxutils import quoteattr

from bumble import att
from bumble.core import AdvertisingData, ProtocolError
from bumble.device import Device, Peer
from bumble.hci import Address
from bumble.transport import open_transport
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from . import device

NAMES = (AdvertisingData.Type.COMPLETE_LOCAL_NAME, AdvertisingData.Type.SHORTENED_LOCAL_NAME)
SERVICES = (
    AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
    AdvertisingData.Type.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
)
ADAPTER, DEVICE = 'org.bluez.Adapter1', 'org.bluez.Device1'
SERVICE, CHARACTERISTIC = 'org.bluez.GattService1', 'org.bluez.GattCharacteristic1'
DESCRIPTOR, PROPERTIES = 'org.bluez.GattDescriptor1', 'org.freedesktop.DBus.Properties'
OBJECTS, HCI = 'org.freedesktop.DBus.ObjectManager', '/org/bluez/hci0'
DOCTYPE = ('<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"\n'
           '"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">\n')
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>
"""


class Failed(Exception):
    """BlueZ's answer to a call that failed: the name of the error, and its sentence."""

    def __init__(self, name, text):
        super().__init__(text)
        self.name = name


class Bus:
    """A system bus of its own: the reference daemon, in a folder of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix='bus-')
        socket = Path(self.folder.name, 'socket')
        self.address = f'unix:path={socket}'
        self.config = Path(self.folder.name, 'bus.conf')
        self.config.write_text(CONFIG.format(socket))

    async def __aenter__(self):
        self.daemon = await asyncio.create_subprocess_exec(
            'dbus-daemon', '--nofork', '--nopidfile', '--print-address', f'--config-file={self.config}',
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL)
        # It prints its address when it listens.
        await asyncio.wait_for(self.daemon.stdout.readline(), device.PATIENCE)
        return self

    async def __aexit__(self, *_):
        self.daemon.terminate()
        await self.daemon.wait()
        self.folder.cleanup()


def uuid_text(uuid):
    digits = uuid.to_bytes(force_128=True)[::-1].hex()
    return '-'.join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class Bluez:
    """The daemon. `adapters`: whether the computer has one; `blocked`: whether it is switched off for
    good; `mtu`: the ATT MTU that is asked for."""

    def __init__(self, bus, adapters=True, blocked=False, mtu=517):
        self.bus_address, self.blocked, self.mtu = bus.address, blocked, mtu
        # path: {interface: {property: Variant}}
        self.objects = {'/org/bluez': {}}
        self.peers, self.values, self.addresses = {}, {}, {}
        self.long_writes, self.tasks = 0, set()
        if adapters:
            self.objects[HCI] = {ADAPTER: {
                'Address': Variant('s', 'F0:F1:F2:F3:F4:F5'), 'AddressType': Variant('s', 'public'),
                'Name': Variant('s', 'laptop'), 'Alias': Variant('s', 'laptop'),
                'Class': Variant('u', 0x6c010c), 'Powered': Variant('b', False),
                'Discoverable': Variant('b', False), 'DiscoverableTimeout': Variant('u', 180),
                'Pairable': Variant('b', False), 'PairableTimeout': Variant('u', 0),
                'Discovering': Variant('b', False), 'UUIDs': Variant('as', []),
                'Modalias': Variant('s', 'usb:v1D6Bp0246d0542'),
            }}

    async def start(self, controller=None):
        """Takes its name on the bus; the adapter is the controller at this port, H4."""
        if controller:
            self.transport = await open_transport(f'tcp-client:127.0.0.1:{controller}')
            self.host = Device.with_hci('laptop', Address('F0:F1:F2:F3:F4:F5'), self.transport.source,
                                        self.transport.sink)
            await self.host.power_on()
            self.host.on('advertisement', self.heard)
        self.bus = await MessageBus(bus_address=self.bus_address).connect()
        self.bus.add_message_handler(self.message)
        await self.bus.request_name('org.bluez')
        return self

    async def close(self):
        for peer in self.peers.values():
            with contextlib.suppress(Exception):
                await peer.connection.disconnect()
        for task in self.tasks:
            task.cancel()
        self.bus.disconnect()
        if transport := getattr(self, 'transport', None):
            await transport.close()

    # What is on the bus.

    def message(self, message):
        if message.message_type == MessageType.METHOD_CALL and message.path in self.paths():
            self.spawn(self.answer(message))
            return True
        return None

    def spawn(self, work):
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def paths(self):
        """Also those above an object."""
        return {'/', '/org'} | set(self.objects)

    async def answer(self, message):
        try:
            signature, body = await self.call(message)
            reply = Message.new_method_return(message, signature, body)
        except Failed as error:
            reply = Message.new_error(message, error.name, str(error))
        await self.bus.send(reply)

    async def call(self, message):
        path, interface, member, body = message.path, message.interface, message.member, message.body
        there = self.objects.get(path, {})
        if member == 'Introspect':
            return 's', [self.introspect(path)]
        if (interface, member, path) == (OBJECTS, 'GetManagedObjects', '/'):
            return 'a{oa{sa{sv}}}', [{path: object for path, object in self.objects.items() if object}]
        if interface == PROPERTIES and body[0] in there:
            properties = there[body[0]]
            if member == 'GetAll':
                return 'a{sv}', [properties]
            if member == 'Get' and body[1] in properties:
                return 'v', [properties[body[1]]]
            if member == 'Set' and (body[0], body[1]) == (ADAPTER, 'Powered'):
                if self.blocked:
                    raise Failed('org.bluez.Error.Failed', 'Failed')
                self.change(path, ADAPTER, Powered=body[2])
                return '', []
            raise Failed('org.freedesktop.DBus.Error.InvalidArgs', f'No such property {body[1:]}')
        does = getattr(self, f'{interface.rsplit(".", 1)[-1]}_{member}', None)
        if interface in there and does:
            return await does(path, *body)
        raise Failed('org.freedesktop.DBus.Error.UnknownMethod', f'{interface}.{member} of {path}')

    def introspect(self, path):
        start = '/' if path == '/' else path + '/'
        below = sorted({one[len(start):].split('/')[0] for one in self.paths() if one.startswith(start)} - {''})
        nodes = ''.join(f'<node name={quoteattr(name)}/>' for name in below)
        interfaces = ''.join(f'<interface name={quoteattr(name)}></interface>' for name in self.objects.get(path, {}))
        return f'{DOCTYPE}<node>{interfaces}{nodes}</node>'

    def signal(self, path, interface, member, signature, body):
        self.spawn(self.bus.send(Message.new_signal(path, interface, member, signature, body)))

    def change(self, path, interface, gone=(), **properties):
        there = self.objects[path][interface]
        there |= properties
        for name in gone:
            there.pop(name, None)
        self.signal(path, PROPERTIES, 'PropertiesChanged', 'sa{sv}as', [interface, properties, list(gone)])

    def add(self, path, interface, **properties):
        self.objects[path] = {interface: properties}
        self.signal('/', OBJECTS, 'InterfacesAdded', 'oa{sa{sv}}', [path, self.objects[path]])

    # The adapter.

    async def Adapter1_SetDiscoveryFilter(self, _path, _filter):
        return '', []

    async def Adapter1_StartDiscovery(self, path):
        if not self.objects[path][ADAPTER]['Powered'].value:
            raise Failed('org.bluez.Error.NotReady', 'Resource Not Ready')
        await self.host.start_scanning(active=True, filter_duplicates=False)
        self.change(path, ADAPTER, Discovering=Variant('b', True))
        return '', []

    async def Adapter1_StopDiscovery(self, path):
        await self.host.stop_scanning()
        self.change(path, ADAPTER, Discovering=Variant('b', False))
        for one, object in self.objects.items():
            if 'RSSI' in object.get(DEVICE, {}):
                self.change(one, DEVICE, gone=['RSSI'])
        return '', []

    def heard(self, advertisement):
        # The type of an address is no part of how BlueZ writes it.
        address = str(advertisement.address).split('/')[0]
        path = f'{HCI}/dev_{address.replace(":", "_")}'
        data = advertisement.data
        told = {'RSSI': Variant('n', advertisement.rssi)}
        if name := next((name for kind in NAMES if (name := data.get(kind))), None):
            told |= {'Name': Variant('s', name), 'Alias': Variant('s', name)}
        if services := [uuid_text(uuid) for kind in SERVICES for uuid in data.get(kind) or []]:
            told['UUIDs'] = Variant('as', services)
        if path in self.objects:
            self.change(path, DEVICE, **told)
            return
        self.addresses[path] = advertisement.address
        known = {
            'Address': Variant('s', address), 'AddressType': Variant('s', 'random'),
            'Alias': Variant('s', address.replace(':', '-')), 'UUIDs': Variant('as', []),
            'Adapter': Variant('o', HCI), 'LegacyPairing': Variant('b', False),
        }
        flags = ('Paired', 'Bonded', 'Trusted', 'Blocked', 'Connected', 'ServicesResolved')
        known |= {flag: Variant('b', False) for flag in flags}
        self.add(path, DEVICE, **known | told)

    # A device.

    async def Device1_Connect(self, path):
        try:
            connection = await asyncio.wait_for(self.host.connect(self.addresses[path]), 20)
        except (asyncio.TimeoutError, ProtocolError):
            raise Failed('org.bluez.Error.Failed', 'le-connection-abort-by-local') from None
        peer = self.peers[path] = Peer(connection)
        connection.on('disconnection', lambda _reason: self.gone(path))
        self.change(path, DEVICE, Connected=Variant('b', True))
        self.spawn(self.resolve(path, peer))
        return '', []

    async def resolve(self, path, peer):
        mtu = await peer.request_mtu(self.mtu) if self.mtu > 23 else 23
        peer.mtu = mtu
        await peer.discover_services()
        for service in peer.services:
            at = f'{path}/service{service.handle:04x}'
            self.add(at, SERVICE, UUID=Variant('s', uuid_text(service.uuid)), Primary=Variant('b', True),
                     Device=Variant('o', path), Includes=Variant('ao', []))
            await service.discover_characteristics()
            for one in service.characteristics:
                await self.show(at, peer, one, mtu)
        self.change(path, DEVICE, ServicesResolved=Variant('b', True))

    async def show(self, service, peer, characteristic, mtu):
        at = f'{service}/char{characteristic.handle - 1:04x}'
        names = ('broadcast', 'read', 'write-without-response', 'write', 'notify', 'indicate')
        flags = [name for bit, name in enumerate(names) if characteristic.properties & 1 << bit]
        self.values[at] = peer, characteristic
        self.add(at, CHARACTERISTIC, UUID=Variant('s', uuid_text(characteristic.uuid)),
                 Service=Variant('o', service), Value=Variant('ay', b''), Flags=Variant('as', flags),
                 MTU=Variant('q', mtu))
        await characteristic.discover_descriptors()
        for one in characteristic.descriptors:
            below = f'{at}/desc{one.handle:04x}'
            self.values[below] = peer, one
            self.add(below, DESCRIPTOR, UUID=Variant('s', uuid_text(one.type)), Value=Variant('ay', b''),
                     Characteristic=Variant('o', at))

    def gone(self, path):
        self.peers.pop(path, None)
        for one in [one for one in self.objects if one.startswith(path + '/')]:
            interfaces = list(self.objects.pop(one))
            self.values.pop(one, None)
            self.signal('/', OBJECTS, 'InterfacesRemoved', 'oas', [one, interfaces])
        self.change(path, DEVICE, Connected=Variant('b', False), ServicesResolved=Variant('b', False))

    async def Device1_Disconnect(self, path):
        if peer := self.peers.get(path):
            await peer.connection.disconnect()
        return '', []

    # Values.

    async def attempt(self, work):
        try:
            return await work
        except att.ATT_Error as error:
            text = f'Operation failed with ATT error: {error.error_code:#04x}'
            raise Failed('org.bluez.Error.Failed', text) from None
        except Exception:
            raise Failed('org.bluez.Error.Failed', 'Not connected') from None

    async def GattCharacteristic1_ReadValue(self, path, _options):
        _, characteristic = self.values[path]
        return 'ay', [bytes(await self.attempt(characteristic.read_value()))]

    async def GattCharacteristic1_WriteValue(self, path, value, options):
        peer, characteristic = self.values[path]
        if options.get('type') and options['type'].value != 'request':
            raise Failed('org.bluez.Error.NotSupported', 'Operation is not supported')
        if len(value) > peer.mtu - 3:
            self.long_writes += 1
            await self.attempt(peer.gatt_client.write_long_value(characteristic.handle, bytes(value)))
        else:
            await self.attempt(characteristic.write_value(bytes(value), with_response=True))
        return '', []

    async def GattDescriptor1_ReadValue(self, path, _options):
        _, descriptor = self.values[path]
        return 'ay', [bytes(await self.attempt(descriptor.read_value()))]
