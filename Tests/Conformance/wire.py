"""Protobuf messages by field number, without a schema: what goes over the wire is what counts."""


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(**fields) -> bytes:
    """f1=…, f2=…: bytes and text are length-delimited, numbers varints; zero is left out.

    A list stands for a repeated field; an empty bytes object in it is written.
    """
    out = b""
    for name, value in fields.items():
        number = int(name[1:])
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, str):
                item = item.encode()
            if isinstance(item, bytes):
                if item or isinstance(value, list):
                    out += varint(number << 3 | 2) + varint(len(item)) + item
            elif item:
                out += varint(number << 3) + varint(int(item))
    return out


def decode(data: bytes) -> dict:
    """Fields by number; one that is there several times is a list."""
    fields: dict = {}
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = data[place]
            place += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    while place < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        else:
            count = number()
            value = data[place:place + count]
            place += count
        known = fields.get(tag >> 3)
        if known is None:
            fields[tag >> 3] = value
        elif isinstance(known, list):
            known.append(value)
        else:
            fields[tag >> 3] = [known, value]
    return fields
