"""Deflates and inflates as Python's zlib does: one request on stdin, one answer on stdout, in JSON; bytes in hex.

deflate: {"deflate": [{"level", "bits", "strategy", "flush", "takeover", "messages"}]} gives payloads.
inflate: {"inflate": [{"bits", "takeover", "payloads"}]} gives messages.
"""
import json
import sys
import zlib

TAIL = b"\x00\x00\xff\xff"


def deflate(job):
    def fresh():
        return zlib.compressobj(job["level"], zlib.DEFLATED, -job["bits"], 8, job["strategy"])

    state, payloads = fresh(), []
    for message in map(bytes.fromhex, job["messages"]):
        if job["flush"] in ("finish", "finish-0"):
            # BFINAL ends the deflate stream
            payload = state.compress(message) + state.flush(zlib.Z_FINISH)
            payload += b"\x00" if job["flush"] == "finish-0" else b""
            state = fresh()
        else:
            payload = state.compress(message)
            if job["flush"] == "partial":
                payload += state.flush(zlib.Z_PARTIAL_FLUSH)
            payload += state.flush(zlib.Z_FULL_FLUSH if job["flush"] == "full" else zlib.Z_SYNC_FLUSH)
            # it flushes nothing twice
            assert payload.endswith(TAIL) or payload == b"", payload[-8:]
            payload = payload[:-4] or b"\x00"
            if not job["takeover"]:
                state = fresh()
        payloads.append(payload.hex())
    return payloads


def inflate(job):
    state, messages = None, []
    for payload in map(bytes.fromhex, job["payloads"]):
        if state is None or not job["takeover"]:
            state = zlib.decompressobj(-job["bits"])
        rest, message = payload + TAIL, b""
        while rest:
            # little by little: zlib checks against its window what reaches back beyond one call's output
            piece = state.decompress(rest, 64)
            message += piece
            if not piece and rest == state.unconsumed_tail:
                raise ValueError("no progress")
            rest = state.unconsumed_tail
        message += state.decompress(b"")
        assert not state.eof and not state.unused_data
        messages.append(message.hex())
    return messages


def main():
    request = json.load(sys.stdin)
    answer = {
        "deflate": [deflate(job) for job in request["deflate"]],
        "inflate": [inflate(job) for job in request["inflate"]],
    }
    json.dump(answer, sys.stdout)


main()
