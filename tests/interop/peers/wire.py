"""The messages of Espressif's unified provisioning, in protobuf's wire format.

Written from the `.proto` files of ESP-IDF v5.4.1 (4c2820d): components/protocomm/proto/{session,
sec0,sec1,sec2,constants}.proto and components/wifi_provisioning/proto/{wifi_config,wifi_scan,
wifi_ctrl,wifi_constants}.proto. The numbers below are the field numbers there. No protobuf library:
the wire format is three lines of rules, and writing them anew is the point of an independent peer.
"""


def varint(number):
    """A number of any size, seven bits a byte, least significant first. Negative ones as 64 bits."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode(*fields):
    """A message of `(field number, int or bytes)`. Zero numbers and empty bytes are written too."""
    out = b''
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + bytes(value)
    return out


def decode(data):
    """A message as `{field number: [values]}`. Raises `ValueError` for what is no message."""
    fields, at = {}, 0

    def take_varint():
        nonlocal at
        number = shift = 0
        while True:
            if at >= len(data) or shift > 63:
                raise ValueError('a number does not end')
            byte = data[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(data):
        key = take_varint()
        if key & 7 == 0:
            value = take_varint()
        elif key & 7 == 2:
            length = take_varint()
            if at + length > len(data):
                raise ValueError('a field is longer than its message')
            value = bytes(data[at:at + length])
            at += length
        else:
            raise ValueError(f'wire type {key & 7}')
        fields.setdefault(key >> 3, []).append(value)
    return fields


def one(fields, number, default=0):
    """The last value of a field, as protobuf has it, or the default."""
    return fields.get(number, [default])[-1]


def signed(number):
    """An `int32` as it was meant."""
    return number - (1 << 64) if number >> 63 else number


# constants.proto: Status
SUCCESS = 0
INVALID_PROTO, TOO_MANY_SESSIONS, INVALID_ARGUMENT, INTERNAL_ERROR = 2, 3, 4, 5

# wifi_constants.proto: WifiStationState, WifiConnectFailedReason
CONNECTED, CONNECTING, DISCONNECTED, CONNECTION_FAILED = 0, 1, 2, 3
AUTH_ERROR, NETWORK_NOT_FOUND = 0, 1


# session.proto: SessionData { sec_ver = 2; sec0 = 10; sec1 = 11; sec2 = 12 }. In all three payloads
# `msg` is 1, and the messages are fields from 20 on, in the order command 0, response 0, command 1,
# response 1.

def session(scheme, step, command):
    """A handshake's command: `step` is 0 or 1."""
    kind = 2 * step
    payload = encode((1, kind), (20 + kind, command))
    return encode((2, scheme), (10 + scheme, payload))


def session_reply(scheme, step, reply):
    """The response's fields. Raises `ValueError` if it is of another scheme or step, or a failure."""
    data = decode(reply)
    if one(data, 2) != scheme or 10 + scheme not in data:
        raise ValueError(f'not a reply of security {scheme}')
    payload = decode(one(data, 10 + scheme))
    kind = 2 * step + 1
    if one(payload, 1) != kind or 20 + kind not in payload:
        raise ValueError(f'not the reply to step {step}')
    response = decode(one(payload, 20 + kind, b''))
    if one(response, 1) != SUCCESS:
        raise ValueError(f'status {one(response, 1)}')
    return response


# wifi_config.proto: WiFiConfigPayload { msg = 1; … }, messages 0 to 5, fields 10 to 15.

def get_status():
    return encode((1, 0), (10, b''))


def set_config(ssid, passphrase):
    return encode((1, 2), (12, encode((1, ssid), (2, passphrase))))


def apply_config():
    return encode((1, 4), (14, b''))


def config_reply(kind, reply):
    """The fields of `WiFiConfigPayload`'s response of that kind: 1, 3 or 5."""
    payload = decode(reply)
    if one(payload, 1) != kind or 10 + kind not in payload:
        raise ValueError('not the reply to this')
    return decode(one(payload, 10 + kind, b''))


# wifi_scan.proto: WiFiScanPayload { msg = 1; status = 2; … }, messages 0 to 5, fields 10 to 15.

def scan_start():
    return encode((1, 0), (10, encode((1, 1), (2, 0), (3, 0), (4, 120))))


def scan_status():
    return encode((1, 2), (12, b''))


def scan_results(start, count):
    return encode((1, 4), (14, encode((1, start), (2, count))))


def scan_reply(kind, reply):
    payload = decode(reply)
    if one(payload, 1) != kind or one(payload, 2) != SUCCESS:
        raise ValueError('not the reply to this, or a failure')
    return decode(one(payload, 10 + kind, b''))


# wifi_ctrl.proto: WiFiCtrlPayload { msg = 1; status = 2; … }, messages from 1 on, fields from 11 on.

def control_reset():
    return encode((1, 1), (11, b''))


def control_status(reply):
    return one(decode(reply), 2)
