# SPDX-License-Identifier: MIT
"""Messages with every field set, from the schema alone, and programs that decode and encode them again."""
import random
import struct
import subprocess

import reference  # noqa: F401  (puts the harness on the module path)
from harness import pb

# the messages that travel or lie on disk by themselves
NAMES = ("Frame", "Hello", "HelloReply", "Negotiated", "Refused", "AdminRequest", "AdminReply", "HandoffOffer",
         "HandoffAck", "Endpoint", "DaemonProcess", "LifecycleControl", "LifecycleControlAck", "ServiceDefinition",
         "CacheManifest", "LifecycleEvent")
WITH_MAPS = {"HelloReply", "Refused", "ServiceDefinition", "CacheManifest", "LifecycleEvent"}
LETTERS = "abcxyz-_./:0189 \t\nÄß€😀\"\\"
EDGES = {"uint32": (0, 1, 127, 128, 1 << 31, (1 << 32) - 1), "uint64": (0, 1, 300, 1 << 63, (1 << 64) - 1)}


def _scalar(field, rng):
    kind = {field.TYPE_UINT32: "uint32", field.TYPE_UINT64: "uint64", field.TYPE_BOOL: "bool", field.TYPE_ENUM: "enum",
            field.TYPE_STRING: "string", field.TYPE_BYTES: "bytes"}[field.type]
    if kind in EDGES:
        return rng.choice(EDGES[kind] + (rng.randrange(1 << 20),))
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "enum":    # open: numbers that have no name yet pass through
        return rng.choice([value.number for value in field.enum_type.values] + [77, 1 << 20])
    size = rng.choice((0, 1, 16, 64, 200))
    return "".join(rng.choice(LETTERS) for _ in range(size)) if kind == "string" else rng.randbytes(size)


def _is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _set(message, field, rng, likely):
    value = getattr(message, field.name)
    repeated = hasattr(value, "extend") or _is_map(field)
    for _ in range(rng.randrange(1, 4) if repeated else 1):
        if _is_map(field):
            key = _scalar(field.message_type.fields_by_name["key"], rng)
            value[key] = _scalar(field.message_type.fields_by_name["value"], rng)
        elif field.message_type is not None:
            part = value.add() if repeated else value
            if not repeated:
                part.SetInParent()
            fill(part, rng, likely)
        elif repeated:
            value.append(_scalar(field, rng))
        else:
            setattr(message, field.name, _scalar(field, rng))


def fill(message, rng, likely=0.7, without=()):
    """Sets each field with that likelihood; of a oneof, the last one counts."""
    for field in message.DESCRIPTOR.fields:
        if field.name not in without and rng.random() < likely:
            _set(message, field, rng, likely)
    return message


def samples(name, count=200, without=()):
    """The empty message, one with everything, one for each field alone, and `count` at random: always the same."""
    rng = random.Random(name)
    kind = getattr(pb, name)
    yield kind()
    yield fill(kind(), rng, 1, without)
    for field in kind.DESCRIPTOR.fields:
        if field.name not in without:
            alone = kind()
            _set(alone, field, rng, 1)
            yield alone
    for _ in range(count):
        yield fill(kind(), rng, without=without)


def packed(message):
    return message.SerializeToString(deterministic=True)


def recode(program, name, inputs):
    """What `program recode-as name` makes of each of the byte strings; None where it finds no such message."""
    stdin = b"".join(struct.pack("<I", len(data)) + data for data in inputs)
    out = subprocess.run(list(program) + [name], input=stdin, stdout=subprocess.PIPE, check=True, timeout=120).stdout
    results, at = [], 0
    while at < len(out):
        size, = struct.unpack_from("<I", out, at)
        at += 4
        results.append(None if size == 0xFFFFFFFF else out[at:at + size])
        at += 0 if size == 0xFFFFFFFF else size
    if len(results) != len(inputs):
        raise AssertionError("%d answers to %d records" % (len(results), len(inputs)))
    return results
