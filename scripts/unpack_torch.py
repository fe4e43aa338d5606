"""Splits the downloaded wheels of PyTorch into what a C++ program needs and what `import torch` on a CPU needs.

The wheel of PyTorch holds both, with a gigabyte of CUDA libraries that neither needs. Files that both need are
hard links, so they take space once.
"""

import argparse
import os
import shutil
import signal
import sys
import zipfile
from pathlib import Path, PurePosixPath

CPU_LIBRARIES = {
    "torch/lib/libtorch_cpu.so",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    # libtorch_cpu.so looks for these in $ORIGIN/../../nvidia/cu13/lib, so the folders keep their places.
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
}
PYTHON_LIBRARIES = CPU_LIBRARIES | {
    "torch/lib/libtorch_python.so",
    "torch/lib/libtorch_global_deps.so",
    "torch/lib/libshm.so",
    "torch/lib/libc10_cuda.so",
}
# Of Python's side, and the wheel's libtorch.so, which names libtorch_cuda.so as a dependency: linked to a program it would
# drag in the whole of CUDA.
NEVER_IN_LIBTORCH = {"torch/lib/libtorch_python.so", "torch/lib/libshm.so", "torch/lib/libtorch.so"}
# Headers, build files and compilers; torch_shm_manager is a small program that `import torch` insists on.
NOT_FOR_PYTHON = ("torch/include/", "torch/share/", "torch/bin/", "nvidia/")
PYTHON_PROGRAMS = {"torch/bin/torch_shm_manager"}


def is_shared_library(name):
    return ".so" in PurePosixPath(name).name


def belongs_to_libtorch(name, cuda):
    if name.startswith("torch/include/") or name in CPU_LIBRARIES:
        return True
    in_library_folder = name.startswith(("torch/lib/", "nvidia/"))
    return cuda and in_library_folder and is_shared_library(name) and name not in NEVER_IN_LIBTORCH


def belongs_to_python(name):
    if name in PYTHON_LIBRARIES or name in PYTHON_PROGRAMS:
        return True
    return not name.startswith(NOT_FOR_PYTHON + ("torch/lib/",))


def link_or_copy(source, target):
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def extract(archive, member, folder):
    path = Path(archive.extract(member, folder))
    mode = member.external_attr >> 16  # zipfile drops the permissions
    if mode & 0o111:
        path.chmod(path.stat().st_mode | 0o111)
    return path


def unpack(wheel, libtorch, python, cuda):
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            wanted = []
            if libtorch and belongs_to_libtorch(member.filename, cuda):
                wanted.append(libtorch)
            if python and belongs_to_python(member.filename):
                wanted.append(python)
            if wanted:
                path = extract(archive, member, wanted[0])
                for folder in wanted[1:]:
                    link_or_copy(path, folder / member.filename)


def stand_in_for_libtorch_so(folder):
    """Programs ask for libtorch.so by name: give them the CPU library under it."""
    (folder / "torch/lib/libtorch.so").symlink_to("libtorch_cpu.so")


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C without a traceback
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", type=Path, help="folder of wheels")
    parser.add_argument("--libtorch", type=Path, help="where to put libraries and headers for C++")
    parser.add_argument("--cuda", action="store_true", help="with the CUDA libraries in it")
    parser.add_argument("--python", type=Path, help="where to put what `import torch` needs")
    parser.add_argument("--version", required=True, help="PyTorch's version, left in torch/build-version")
    arguments = parser.parse_args()

    wheels = sorted(arguments.wheels.glob("*.whl"))
    if not wheels:
        sys.exit(f"no wheels in {arguments.wheels}")
    for wheel in wheels:
        unpack(wheel, arguments.libtorch, arguments.python, arguments.cuda)
    for folder in filter(None, (arguments.libtorch, arguments.python)):
        stand_in_for_libtorch_so(folder)
    if arguments.libtorch:
        # torch-sys compares this file with the version that it was generated for.
        (arguments.libtorch / "torch/build-version").write_text(arguments.version + "\n")


if __name__ == "__main__":
    main()
