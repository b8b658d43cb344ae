"""Two Bluetooth controllers joined by a link: Bumble's, each spoken to by H4.

Bumble's controller gives its host whole L2CAP frames. A real controller has buffers of its own and
hands over at most as much as its link layer carries, 251 bytes; host stacks for small devices rely
on it. So this one fragments.

As a program, `python -m peers.radio 6402 6403` serves the two controllers on those local ports.
"""

import asyncio
import socket
import sys

from bumble import hci
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Device
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket

# Core Specification 5.4, vol. 6, part B, 4.5.10: the most that an LE link layer carries at once.
MOST = 251
FIRST, CONTINUED = 0b10, 0b01


class FragmentingController(Controller):
    le_acl_data_packet_length = MOST
    acl_data_packet_length = MOST

    def on_link_acl_data(self, sender_address, transport, data):
        links = self.le_connections if transport == PhysicalTransport.LE else self.classic_connections
        link = links.get(sender_address)
        if link is None:
            return
        for at in range(0, len(data), MOST):
            piece = data[at:at + MOST]
            boundary = CONTINUED if at else FIRST
            self.send_hci_packet(hci.HCI_AclDataPacket(link.handle, boundary, 0, len(piece), piece))


def keep_latest_client(sink):
    """Lets a controller answer its latest client, although the one before ends only now.

    Bumble 0.0.236 forgets whom it answers at the end of any connection. A program that closes one
    and opens the next may be noticed in the other order, and then never got an answer.
    """

    class LatestClient(type(sink)):
        client = None

        @property
        def transport(self):
            return self.client

        @transport.setter
        def transport(self, client):
            if client or self.client is None or self.client.is_closing():
                self.client = client

    sink.__class__ = LatestClient


class Radio:
    """The two controllers: one lent to the device over TCP, one for a host in this process."""

    def __init__(self):
        self.link, self.transports = LocalLink(), []

    def controller(self, number, source=None, sink=None):
        address = hci.Address(f'C0:00:00:00:00:{number:02X}')
        return FragmentingController(f'C{number}', host_source=source, host_sink=sink, link=self.link,
                                     public_address=address)

    @classmethod
    async def open(cls):
        """Serves the device's controller on a free port, and makes a Bluetooth host on the other."""
        radio = cls()
        radio.port = await radio.serve(1)
        controller = radio.controller(2)
        host = Host(controller, AsyncPipeSink(controller))
        radio.central = Device(name='central', address=hci.Address('F0:F1:F2:F3:F4:F5'), host=host)
        await radio.central.power_on()
        return radio

    async def serve(self, number):
        """Serves a controller on a free port, which is returned."""
        listener = socket.create_server(('127.0.0.1', 0))
        # Accepted sockets inherit it. Without it each packet waits 40 ms for the last one's receipt.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = await open_tcp_server_transport_with_socket(listener)
        keep_latest_client(transport.sink)
        self.transports.append(transport)
        self.controller(number, transport.source, transport.sink)
        return listener.getsockname()[1]

    async def close(self):
        for transport in self.transports:
            transport.server.close()
            await transport.close()
            if transport.sink.transport:
                transport.sink.transport.close()
        # Lets the closed sockets go.
        await asyncio.sleep(0)


async def main():
    radio = Radio()
    for number, port in enumerate(sys.argv[1:], 1):
        transport = await open_transport(f'tcp-server:127.0.0.1:{port}')
        radio.controller(number, transport.source, transport.sink)
    print('ready', flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == '__main__':
    asyncio.run(main())
