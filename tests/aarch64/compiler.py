"""LLVM outside of the emulation, where it takes a tenth of the time: the same passes of the same version, for the emulated CPU.

`serve` is the side of this machine. `python -m tests.aarch64.compiler SOCKET MODULE ARGUMENTS...` is the emulated one: it lets
numba send there what it makes, and runs a Python module. Typing, lowering and linking stay where they are.
"""

from __future__ import annotations

import pickle
import runpy
import socket
import socketserver
import sys
import threading
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
from numba.core import codegen
from numba.core.registry import cpu_target


class ForeignCodegen(codegen.JITCPUCodegen):
    """numba's code generator with the target machine of another CPU, and without an engine to run code."""

    def __init__(self, triple: str, cpu: str, features: str):
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        target = llvm.Target.from_triple(triple)
        self._tm = target.create_target_machine(
            cpu, features, codegen.config.OPT, reloc="default", codemodel="jitdefault", jit=True
        )
        self._data_layout = str(self._tm.target_data)
        self._loopvect, self._opt_level = codegen.config.OPT.is_opt_max, 3 if codegen.config.OPT.is_opt_max else 0

    def optimize_functions(self, bitcode: bytes) -> bytes:
        library = self._library("functions", bitcode)
        library._optimize_functions(library._final_module)
        return library._final_module.as_bitcode()

    def optimize_module(self, bitcode: bytes) -> tuple[bytes, bytes]:
        """Return the module once optimised, and its object code."""
        library = self._library("module", bitcode)
        library._optimize_final_module()
        return library._final_module.as_bitcode(), self._tm.emit_object(library._final_module)

    def _library(self, name: str, bitcode: bytes) -> Any:
        library = codegen.JITCodeLibrary(self, name)
        library._final_module = llvm.parse_bitcode(bitcode)
        return library


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        foreign = ForeignCodegen(*pickle.load(self.rfile))
        while True:
            try:
                task, bitcode = pickle.load(self.rfile)
            except EOFError:
                return
            pickle.dump(getattr(foreign, task)(bitcode), self.wfile)
            self.wfile.flush()


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Compiles for whoever connects, each in a process of its own."""


def serve(path: Path) -> Server:
    """Start to compile for those who connect to this socket."""
    server = Server(str(path), _Connection)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def send_there(path: str) -> None:
    """Let numba, in this process, send its modules to the server."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    file = connection.makefile("rwb")
    here = cpu_target.target_context.codegen()

    def ask(*message: Any) -> Any:
        pickle.dump(message, file)
        file.flush()
        return pickle.load(file)

    def add_module(library: Any, module: Any) -> None:
        module.data_layout = here._data_layout
        library._final_module.link_in(llvm.parse_bitcode(ask("optimize_functions", module.as_bitcode())))

    def optimize(library: Any) -> None:
        name = library._final_module.name
        bitcode, code = ask("optimize_module", library._final_module.as_bitcode())
        library._final_module = llvm.parse_bitcode(bitcode)
        library._final_module.name, library._final_module.code = name, code

    def code_of(module: Any) -> bytes | None:
        code = getattr(module, "code", None)
        if code is None:
            return library_class._object_getbuffer_hook(module)
        library_class._object_compiled_hook(module, code)
        return code

    library_class = here._library_class
    library_class.add_llvm_module, library_class._optimize_final_module = add_module, optimize
    here._engine.set_object_cache(library_class._object_compiled_hook, code_of)
    pickle.dump(here.magic_tuple(), file)


if __name__ == "__main__":
    send_there(sys.argv[1])
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
