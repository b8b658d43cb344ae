"""A reader of NVS partitions that trusts nothing: every checksum and every state is looked at.

Written from ESP-IDF's docs/en/api-reference/storage/nvs_flash.rst, "Internals" (v5.4.1, 4c2820d).

    page, 4096 bytes:  header 32 | entry states 32 | 126 entries of 32
    header:            state u32 | sequence u32 | version u8 | 19 unused | CRC u32 of bytes 4 to 27
    entry:             namespace u8 | type u8 | span u8 | chunk u8 | CRC u32 | key 16 | data 8
"""

import os
import re
import struct
import subprocess
import sys
import zlib

PAGE, ENTRY, ENTRIES = 4096, 32, 126
EMPTY, ACTIVE, FULL = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFC
NUMBERS = {0x01: '<B', 0x11: '<b', 0x02: '<H', 0x12: '<h', 0x04: '<I', 0x14: '<i', 0x08: '<Q', 0x18: '<q'}
TEXT, BLOB_DATA, BLOB_INDEX = 0x21, 0x42, 0x48
VERSION_2 = 0xFE


# Where Espressif's own tool is, which is on no package registry.
IDF = os.environ.get('IDF_PATH')


class Broken(Exception):
    """The partition is not what the document says."""


def _crc(data):
    return zlib.crc32(data, 0xFFFFFFFF)


def _entries(page):
    """The written entries of a page, as `(entry, bytes of the entries that it spans)`."""
    states = int.from_bytes(page[32:64], 'little')
    at = 0
    while at < ENTRIES:
        state = states >> 2 * at & 3
        if state != 0b10:
            if state == 0b01:
                raise Broken(f'entry {at} is in a state that does not exist')
            at += 1
            continue
        entry = page[64 + ENTRY * at:64 + ENTRY * (at + 1)]
        if struct.unpack_from('<I', entry, 4)[0] != _crc(entry[:4] + entry[8:]):
            raise Broken(f'entry {at} has a wrong checksum')
        span = entry[2]
        if not 1 <= span <= ENTRIES - at:
            raise Broken(f'entry {at} spans {span}')
        yield entry, page[64 + ENTRY * (at + 1):64 + ENTRY * (at + span)]
        at += span


def _payload(entry, spanned):
    size, _, crc = struct.unpack_from('<HHI', entry, 24)
    data = spanned[:size]
    if len(data) != size or _crc(data) != crc:
        raise Broken('a text or blob has a wrong checksum')
    return data


def read(partition):
    """Everything that is stored: `{(namespace, key): int, str or bytes}`."""
    pages = []
    for start in range(0, len(partition), PAGE):
        page = partition[start:start + PAGE]
        state, sequence, version = struct.unpack_from('<IIB', page)
        if state == EMPTY:
            if page.strip(b'\xff'):
                raise Broken(f'the empty page at {start:#x} is not empty')
            continue
        if state not in (ACTIVE, FULL):
            raise Broken(f'the page at {start:#x} is in state {state:#x}')
        if version != VERSION_2 or struct.unpack_from('<I', page, 28)[0] != _crc(page[4:28]):
            raise Broken(f'the page at {start:#x} has a wrong header')
        pages.append((sequence, state, page))
    if sum(state == ACTIVE for _, state, _ in pages) > 1:
        raise Broken('two pages are active')
    names, found, indexes, chunks = {}, {}, {}, {}
    for _, _, page in sorted(pages):
        for entry, spanned in _entries(page):
            namespace, kind, _, chunk = entry[:4]
            key = entry[8:24].split(b'\0')[0].decode('ascii')
            if namespace == 0:
                names[entry[24]] = key
            elif kind in NUMBERS:
                found[namespace, key] = struct.unpack_from(NUMBERS[kind], entry, 24)[0]
            elif kind == TEXT:
                found[namespace, key] = _payload(entry, spanned).rstrip(b'\0').decode()
            elif kind == BLOB_DATA:
                chunks[namespace, key, chunk] = _payload(entry, spanned)
            elif kind == BLOB_INDEX:
                indexes[namespace, key] = struct.unpack_from('<IBB', entry, 24)
            else:
                raise Broken(f'type {kind:#x}')
    for (namespace, key), (size, count, start) in indexes.items():
        parts = [chunks.pop((namespace, key, chunk), None) for chunk in range(start, start + count)]
        if None in parts or sum(map(len, parts)) != size:
            raise Broken(f'the blob {key!r} is not whole')
        found[namespace, key] = b''.join(parts)
    if chunks:
        raise Broken(f'parts of blobs belong to nothing: {list(chunks)}')
    return {(names[namespace], key): value for (namespace, key), value in found.items()}


def espressif(path):
    """What the integrity check of ESP-IDF's `nvs_tool.py` (IDF_PATH) finds wrong with a partition, and
    what it finds there: lines of text each."""
    tool = os.path.join(IDF, 'components/nvs_flash/nvs_partition_tool/nvs_tool.py')
    run = subprocess.run([sys.executable, tool, '--color', 'never', '-i', '-d', 'minimal', path],
                         check=True, capture_output=True, text=True)
    lines = [line for line in run.stdout.splitlines() if line]
    found = [line for line in lines if re.match(r' \S+:\S+(\[\d+\])? = ', line)]
    in_order = re.compile(r'Page (no\. \d+, Status: \w+|no\. \d+ \tCRC32: OK|Empty)')
    faults = [line for line in lines if line not in found and not in_order.fullmatch(line)]
    return faults, found
