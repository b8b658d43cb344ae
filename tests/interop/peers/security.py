"""Session security 0, 1 and 2, the client's end.

Written from ESP-IDF's documentation, docs/en/api-reference/provisioning/provisioning.rst (v5.4.1,
4c2820d), and RFC 5054 for SRP-6a. Where the document leaves a detail open (what is padded in SRP's
hashes, that the session key is the first half of the hash), components/protocomm/src/crypto/srp6a/
esp_srp.c and components/protocomm/src/security/security2.c decide.

A session is a generator of handshake messages: it yields what to send to `prov-session` and is sent
the reply. Afterwards `seal` and `open` are for requests and replies.
"""

import hashlib
import os

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from . import wire


class Security0:
    scheme = 0

    def handshake(self):
        reply = yield wire.session(0, 0, b'')
        wire.session_reply(0, 0, reply)

    def seal(self, data):
        return data

    def open(self, data):
        return data


class Security1:
    """X25519, with SHA-256 of the proof of possession mixed in by XOR; AES-256-CTR, one stream."""

    scheme = 1

    def __init__(self, proof):
        self.proof = proof

    def handshake(self):
        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        reply = wire.session_reply(1, 0, (yield wire.session(1, 0, wire.encode((1, public)))))
        device_public, device_random = wire.one(reply, 2, b''), wire.one(reply, 3, b'')
        key = private.exchange(X25519PublicKey.from_public_bytes(device_public))
        if self.proof:
            digest = hashlib.sha256(self.proof).digest()
            key = bytes(a ^ b for a, b in zip(key, digest))
        self.stream = Cipher(algorithms.AES(key), modes.CTR(device_random)).encryptor()
        verify = self.stream.update(device_public)
        reply = wire.session_reply(1, 1, (yield wire.session(1, 1, wire.encode((2, verify)))))
        if self.stream.update(wire.one(reply, 3, b'')) != public:
            raise ValueError('the device does not know the proof of possession')

    def seal(self, data):
        return self.stream.update(data)

    open = seal


# RFC 5054, appendix A, the 3072-bit group; its generator is 5.
N = int(
    'FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD'
    'EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED'
    'EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F'
    '83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B'
    'E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510'
    '15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7'
    'ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C'
    'BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF',
    16)
G = 5
WIDTH = 384


def _hash(*parts):
    return hashlib.sha512(b''.join(parts)).digest()


def _pad(number):
    return number.to_bytes(WIDTH, 'big')


def _number(digest):
    return int.from_bytes(digest, 'big')


def _shortest(number):
    return number.to_bytes((number.bit_length() + 7) // 8, 'big')


class Security2:
    """SRP-6a over the 3072-bit group with SHA-512; AES-256-GCM.

    `patch` is the device's `sec_patch_ver`: with 1 the nonce's last four bytes count up after each
    message, with 0 the nonce stays.
    """

    scheme = 2

    def __init__(self, username, proof, patch):
        self.username, self.proof, self.patch = username, proof, patch

    def handshake(self):
        secret = int.from_bytes(os.urandom(32), 'big')
        public = pow(G, secret, N)
        client_key = _pad(public)
        command = wire.encode((1, self.username), (2, client_key))
        reply = wire.session_reply(2, 0, (yield wire.session(2, 0, command)))
        device_key, salt = wire.one(reply, 2, b''), wire.one(reply, 3, b'')
        device_public = _number(device_key)
        if device_public % N == 0:
            raise ValueError('the device\'s key is a multiple of N')
        k = _number(_hash(_pad(N), _pad(G)))
        u = _number(_hash(client_key, _pad(device_public)))
        x = _number(_hash(salt, _hash(self.username, b':', self.proof)))
        shared = pow(device_public - k * pow(G, x, N), secret + u * x, N)
        key = _hash(_shortest(shared))
        n_xor_g = bytes(a ^ b for a, b in zip(_hash(_pad(N)), _hash(_pad(G))))
        proof = _hash(n_xor_g, _hash(self.username), salt, client_key, device_key, key)
        reply = wire.session_reply(2, 1, (yield wire.session(2, 1, wire.encode((1, proof)))))
        if wire.one(reply, 2, b'') != _hash(client_key, proof, key):
            raise ValueError('the device does not know the proof of possession')
        self.nonce = wire.one(reply, 3, b'')
        self.cipher = AESGCM(key[:32])

    def _next_nonce(self):
        nonce = self.nonce
        if self.patch == 1:
            count = _number(nonce[8:]) + 1
            self.nonce = nonce[:8] + count.to_bytes(4, 'big')
        return nonce

    def seal(self, data):
        return self.cipher.encrypt(self._next_nonce(), data, None)

    def open(self, data):
        return self.cipher.decrypt(self._next_nonce(), data, None)


def for_device(version, username, proof):
    """The scheme that a device's `proto-ver` asks for."""
    scheme = version['prov'].get('sec_ver', 1)
    if scheme == 2:
        return Security2(username, proof, version['prov'].get('sec_patch_ver', 0))
    return Security1(proof) if scheme == 1 else Security0()
