#!/usr/bin/env python3
"""Writes varints, strings and byte arrays as protobuf encodes them: see README.md here. Field 1 of
the wrapper messages is one byte of tag, the value behind it is what is shown."""

import random

from google.protobuf import wrappers_pb2

MAX_INT32 = 2**31 - 1
MAX_INT64 = 2**63 - 1


def value_bytes(message) -> str:
    encoded = message.SerializeToString()
    return encoded[1:].hex() if encoded else "00"  # zero is left out of a message


def integers(value: int) -> None:
    if -MAX_INT32 - 1 <= value <= MAX_INT32:
        unsigned = wrappers_pb2.UInt32Value(value=value % 2**32)
        print("var_int", value, value_bytes(unsigned))
        print("var_long", value, value_bytes(wrappers_pb2.Int32Value(value=value)))
    print("var_long", value, value_bytes(wrappers_pb2.Int64Value(value=value)))


def main() -> None:
    generator = random.Random(1)
    values = [0, MAX_INT32, -MAX_INT32 - 1, MAX_INT64, -MAX_INT64 - 1]
    values += [sign * (2**bits + step) for bits in range(63) for step in (-1, 0) for sign in (1, -1)]
    values += [generator.getrandbits(63) >> generator.randrange(63) for _ in range(64)]
    for value in dict.fromkeys(values):
        integers(value)
    for size in (0, 1, 2, 127, 128, 300):
        text = "".join(chr(generator.randrange(32, 127)) for _ in range(size))
        shown = text.encode().hex() or "-"
        print("string", shown, value_bytes(wrappers_pb2.StringValue(value=text)))
        array = generator.randbytes(size)
        print("byte_array", array.hex() or "-", value_bytes(wrappers_pb2.BytesValue(value=array)))
    for text in ("Grüße", "日本語", "🎲"):
        print("string", text.encode().hex(), value_bytes(wrappers_pb2.StringValue(value=text)))


if __name__ == "__main__":
    main()
