"""A device's certificate renewed over the air, on a ThingsBoard of yours, as test_thingsboard.py tells."""

import base64
import hashlib
import re
import ssl
import unittest
from pathlib import Path

import test_thingsboard
from peers import device
from test_thingsboard import URL, until

Server = test_thingsboard.RealThingsBoard


@unittest.skipUnless(URL, 'ESPTB_THINGSBOARD names no server')
class Renewal(unittest.TestCase):
    """Asked for, requested, signed, sent in pieces, tried, and stored by the server."""

    setUpClass = classmethod(Server.setUpClass.__func__)
    board, forget, online, sampling = Server.board, Server.forget, Server.online, Server.sampling
    samples, credentials = Server.samples, Server.credentials

    def client(self, board, key):
        return self.server.attributes(board.serial, 'CLIENT_SCOPE').get(key)

    def sign(self, board):
        """The chain that the desk's authority makes of the device's request, DER."""
        request = until(lambda: self.client(board, 'certificate_request'), lambda text: text)
        folder = Path(self.desk.name)
        (folder / 'request').write_text(request)
        device.esptb('pki', 'sign-request', 'request', '--name', board.serial, '--out', 'signed.crt',
                     cwd=folder)
        pem = (folder / 'signed.crt').read_text()
        blocks = re.findall('-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', pem, re.S)
        return b''.join(ssl.PEM_cert_to_DER_cert(block) for block in blocks)

    def send(self, board, name, der):
        text = base64.b64encode(der).decode()
        pieces = [text[at:at + 512] for at in range(0, len(text), 512)]
        for number, piece in enumerate(pieces, 1):
            self.server.share(board.serial, **{f'{name}{number}': piece})
        self.server.share(board.serial, **{name: f'{len(pieces)} {hashlib.sha256(der).hexdigest()}'})

    def test_renewal_over_the_air(self):
        board = self.board(8)
        made = self.online(board)
        self.sampling(board)
        stored = self.credentials(made)
        serial = self.client(board, 'certificate_serial')
        answer = self.server.call(board.serial, 'renewCertificate', {})
        self.assertEqual(answer, {'ok': True, 'state': 'REQUESTED'})
        self.send(board, 'renewedChain', self.sign(board))
        until(lambda: self.client(board, 'certificate_renewal'), lambda state: state == 'RENEWED')
        renewed = until(lambda: self.client(board, 'certificate_serial'), lambda now: now != serial)
        self.assertNotEqual(self.credentials(made), stored, 'the server stores the new one')
        self.sampling(board)
        # Its next life, with the new one again; asked by attribute while it is away.
        board.stop()
        self.server.share(board.serial, renewCertificate='again')
        board.boot()
        board.wait_for('cloud.online')
        until(lambda: self.client(board, 'certificate_renewal'), lambda state: state == 'REQUESTED')
        self.assertEqual(self.client(board, 'certificate_serial'), renewed)
        # A wrong chain costs nothing but the renewal.
        self.send(board, 'renewedChain', b'no certificate')
        until(lambda: self.client(board, 'certificate_renewal'), lambda state: state == 'FAILED')
        self.assertIn('renewedChain', self.client(board, 'certificate_renewal_error'))
        self.sampling(board)


if __name__ == '__main__':
    unittest.main()
