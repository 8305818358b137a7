"""Files that nobody should read: each would run code or take all memory if it were trusted."""

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np


class _Calls:
    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


def canary_pickles(canary: Path) -> dict[str, bytes]:
    """Pickles that create the canary file when loaded freely, each in its own way."""
    import os
    import subprocess

    command = f"touch '{canary}'"
    system, evaluated = _Calls(os.system, command), _Calls(eval, f"open({str(canary)!r}, 'w').close()")
    nested = {"label": (["Drama"], 2000), "path": "/a.mp4", "scenes": {"0": {"0": {"img-embeddings": system}}}}
    text = str(canary)
    return {
        "os.system": pickle.dumps(system),
        "os.system protocol 0": pickle.dumps(system, protocol=0),
        "builtins.eval": pickle.dumps(evaluated),
        "builtins.exec": pickle.dumps(_Calls(exec, f"open({text!r}, 'w').close()")),
        "subprocess": pickle.dumps(_Calls(subprocess.call, ["touch", text])),
        "nested in a record": pickle.dumps(nested, protocol=2),
        "second in the stream": pickle.dumps({"path": "a", "scenes": {}}) + pickle.dumps(system),
        "INST opcode": b"(S'touch %s'\nios\nsystem\n." % text.encode(),
        "OBJ opcode": b"(cos\nsystem\nS'touch %s'\no." % text.encode(),
        "getattr": b"cbuiltins\ngetattr\n(cos\npath\nS'join'\ntR.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x11testing._private\x93.",
        "allowed module, other name": b"cnumpy\nsave\n(S'%s'\n(lp0\ntR." % text.encode(),
        "numpy fromfile": b"cnumpy.core.multiarray\nfromfile\n(S'/etc/passwd'\ntR.",
        "extension code": b"\x80\x02\x82\x01.",
        "persistent id": b"Pcanary\n.",
        "poisons a stand-in": b"cnumpy\nndarray\n(N}S'name'\nS'x'\nsttb.",
        "calls a bare name": b"cbuiltins\nstr\n(S'x'\ntR.",
    }


def memory_pickles() -> dict[str, bytes]:
    """Pickles of a few bytes that claim terabytes."""
    tera = 1 << 42
    dtype = b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    shell = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I%d\ntS'b'\ntR"
    return {
        "string of terabytes": b"\x80\x04\x8d" + struct.pack("<Q", tera) + b"abc.",
        "bytes of terabytes": b"\x80\x04\x8e" + struct.pack("<Q", tera) + b"abc.",
        "bytearray of terabytes": b"\x80\x05\x96" + struct.pack("<Q", tera) + b"abc.",
        "frame of terabytes": b"\x80\x04\x95" + struct.pack("<Q", tera) + b"N.",
        "memo place of 4 billion": b"\x80\x02Nr" + struct.pack("<I", 0xFFFFFFF0) + b".",
        "memo place in text": b"Np9999999999999\n.",
        "array claims terabytes": shell % 0 + b"(I1\n(I%d\nt" % tera + dtype + b"I00\nC\x08abcdefghtb.",
        "array of negative size": shell % 0 + b"(I1\n(I-5\nt" + dtype + b"I00\nC\x08abcdefghtb.",
        "array of objects": shell % 0 + b"(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntRI00\n(lp0\ntb.",
        "number of gigabytes": b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"\x01.",
        "lists in lists": b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".",
        "tuples in tuples": b"\x80\x02)" + b"\x85" * 200_000 + b".",
        "tuples in tuples as a key": b"\x80\x02})" + b"\x85" * 200_000 + b"Ns.",
        "marks without end": b"\x80\x02" + b"(" * 200_000 + b".",
        "too many steps": b"\x80\x02]" + b"N0" * 10_000 + b".",
        "frozen sets in frozen sets": b"\x80\x04(" + b"(" * 3000 + b"\x91" * 3001 + b".",
    }


def lazy_array(shape: int) -> bytes:
    """An array that is allocated when it is made, before any of its bytes are looked for."""
    return b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I%d\ntS'd'\ntR." % shape


def zip_bomb(path: Path, mebibytes: int) -> None:
    """An .npz that unpacks a thousandfold."""
    header = io.BytesIO()
    rows = mebibytes * (1 << 20) // 4096
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (rows, 1024)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("clip.npy", "w") as member:
        member.write(header.getvalue())
        for _ in range(mebibytes):
            member.write(bytes(1 << 20))


def npz_with(path: Path, header: dict[str, Any], content: bytes) -> None:
    """An .npz of one member with a header of one's own making."""
    raw = io.BytesIO()
    np.lib.format.write_array_header_1_0(raw, header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ids.npy", raw.getvalue() + content)
