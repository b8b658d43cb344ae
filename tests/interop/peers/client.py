"""What a provisioning app does, over any link."""

import asyncio
import json

from . import security, wire


class Client:
    """`link` is connected. The order: `login`, then the rest."""

    def __init__(self, link):
        self.link = link

    async def version(self):
        return json.loads(await self.link.exchange('proto-ver', b'ESP'))

    async def login(self, username, proof):
        """Returns what `proto-ver` said."""
        version = await self.version()
        self.session = security.for_device(version, username, proof)
        steps = self.session.handshake()
        message = next(steps)
        while True:
            reply = await self.link.exchange('prov-session', message)
            try:
                message = steps.send(reply)
            except StopIteration:
                return version

    async def ask(self, endpoint, request):
        reply = await self.link.exchange(endpoint, self.session.seal(request))
        return self.session.open(reply)

    async def scan(self):
        """The networks that the device hears: `[(name, rssi)]`."""
        wire.scan_reply(1, await self.ask('prov-scan', wire.scan_start()))
        status = wire.scan_reply(3, await self.ask('prov-scan', wire.scan_status()))
        networks = []
        for start in range(wire.one(status, 2)):
            reply = wire.scan_reply(5, await self.ask('prov-scan', wire.scan_results(start, 1)))
            entry = wire.decode(wire.one(reply, 1, b''))
            networks.append((wire.one(entry, 1, b''), wire.signed(wire.one(entry, 3))))
        return networks

    async def provision(self, ssid, passphrase):
        """Gives a network. Returns `(station state, reason of a failure, address)`."""
        reply = wire.config_reply(3, await self.ask('prov-config', wire.set_config(ssid, passphrase)))
        if wire.one(reply, 1) != wire.SUCCESS:
            raise ValueError('the credentials were not taken')
        reply = wire.config_reply(5, await self.ask('prov-config', wire.apply_config()))
        if wire.one(reply, 1) != wire.SUCCESS:
            raise ValueError('the credentials were not applied')
        while True:
            reply = wire.config_reply(1, await self.ask('prov-config', wire.get_status()))
            state = wire.one(reply, 2)
            if state != wire.CONNECTING:
                connected = wire.decode(wire.one(reply, 11, b''))
                return state, wire.one(reply, 10), wire.one(connected, 1, b'').decode()
            await asyncio.sleep(0.1)
