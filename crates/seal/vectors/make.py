"""Makes vector.txt by Python's own HMAC and the AES-GCM of cryptography (48.0.0, OpenSSL's), from what ../README.md says."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

key, block = bytes(range(0x40, 0x60)), 3
contents = b"-----BEGIN PRIVATE KEY-----\nno key\n-----END PRIVATE KEY-----\n"
salt, nonce = bytes(range(0xA0, 0xB0)), bytes(range(0xC0, 0xCC))
head = b"\x89SEAL\r\n\x1a" + bytes([1, block]) + struct.pack("<H", len(contents)) + salt + nonce
wrapping = hmac.new(key, b"esptb seal key 1" + salt, hashlib.sha256).digest()
print((head + AESGCM(wrapping).encrypt(nonce, contents, head)).hex())
