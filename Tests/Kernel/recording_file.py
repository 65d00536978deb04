# SPDX-License-Identifier: MIT
"""
Reads a recording as its format is written down (Sources/TailraceCapture/RecordingFormat.swift), with no code of tailrace: what
is in the file is what it says.
"""
import collections
import struct
import zlib

HEADER = struct.Struct("<8sQHHIIIQQQQII")
MAGIC = b"\x89TRC\r\n\x1a\n"
KINDS = {1: "description", 2: "records", 3: "processes", 4: "anchor", 5: "loss", 6: "end", 7: "tasks"}

Block = collections.namedtuple("Block", "offset kind length count sequence before first last payload")


def blocks(data):
    """The blocks of a recording that is whole, or was cut; fails where one is not what it should be."""
    offset, found, identity = 0, [], None
    while len(data) - offset >= HEADER.size:
        (magic, own, version, kind, length, inflated, count, sequence, before, first, last, payload_crc,
         header_crc) = HEADER.unpack_from(data, offset)
        assert magic == MAGIC and version == 1, "no block at byte %d" % offset
        assert header_crc == zlib.crc32(data[offset:offset + 68]), "header checksum at byte %d" % offset
        if offset + length > len(data):
            break
        payload = data[offset + HEADER.size:offset + length]
        assert payload_crc == zlib.crc32(payload), "payload checksum at byte %d" % offset
        identity = identity or own
        assert own == identity and sequence == len(found), "identity and order at byte %d" % offset
        if kind in (2, 7):
            payload = zlib.decompress(payload, wbits=-15)
        assert len(payload) == inflated, "length at byte %d" % offset
        found.append(Block(offset, KINDS[kind], length, count, sequence, before, first, last, payload))
        offset += length
    return found


def records(found):
    """The wire records in these blocks: (kind, bytes)."""
    for block in found:
        if block.kind != "records":
            continue
        offset, count = 0, 0
        while offset < len(block.payload):
            kind, size = struct.unpack_from("<HH", block.payload, offset + 16)
            assert 24 <= size <= len(block.payload) - offset, "a record of %d bytes" % size
            yield kind, block.payload[offset:offset + size]
            offset += (size + 7) // 8 * 8
            count += 1
        assert count == block.count, "%d records, the header says %d" % (count, block.count)


def tasks(found):
    """What is told of tasks in these blocks: (records before it, {tag: value})."""
    for block in found:
        if block.kind != "tasks":
            continue
        offset, entries = 0, []
        while offset < len(block.payload):
            tag, length = struct.unpack_from("<HH", block.payload, offset)
            value = block.payload[offset + 4:offset + 4 + length]
            assert len(value) == length, "a field of %d bytes leads out of its block" % length
            if tag == 1:
                entries.append((int.from_bytes(value, "little"), {}))
            else:
                entries[-1][1][tag] = value
            offset += 4 + length
        assert len(entries) == block.count, "%d entries, the header says %d" % (len(entries), block.count)
        yield from entries


def check(data):
    """Of a whole recording: (blocks, how many records)."""
    found = blocks(data)
    kinds = [block.kind for block in found]
    assert kinds[:2] == ["description"] * 2 and kinds[-1] == "end" and kinds.count("end") == 1, kinds
    assert found[0].payload == found[1].payload, "the two descriptions"
    assert found[-1].offset + found[-1].length == len(data), "%d bytes behind the end" % (
        len(data) - found[-1].offset - found[-1].length)
    places = [place for place, _ in tasks(found)]
    assert places == sorted(places), "what is told of tasks is not in the order of the records"
    return found, sum(1 for _ in records(found))
