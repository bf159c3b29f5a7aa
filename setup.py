"""Packages, the home of the Lua scripts (lua/ at the top, ``rcollections.lua`` once installed), the compiled store.

``RCOLLECTIONS_PURE=1`` compiles nothing. ``RCOLLECTIONS_REQUIRE_COMPILED=1`` is for packagers: what is optional
otherwise (Cython, a compiler, success) becomes an error of the build.
"""

import os
import sys

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

PURE = bool(os.environ.get("RCOLLECTIONS_PURE"))
REQUIRED = bool(os.environ.get("RCOLLECTIONS_REQUIRE_COMPILED"))

PYTHON = find_packages(include=["rcollections", "rcollections.*"])
LUA = {"rcollections.lua": "lua", "rcollections.lua.lib": "lua/lib"}


def refuse(why):
    """End the build, and say which variable wanted it so."""
    sys.exit(f"RCOLLECTIONS_REQUIRE_COMPILED is set, but {why}")


class Build(build_ext):
    """Compiles, or says why not where that must not fail in silence."""

    def run(self):
        try:
            super().run()
        except Exception as error:
            if not REQUIRED:
                raise
            refuse(f"compiling failed (a C compiler and the headers of Python are needed): {error}")


def extensions():
    """The modules of L1. Without Cython, without a compiler, or with RCOLLECTIONS_PURE=1 those in Python serve."""
    if PURE and REQUIRED:
        refuse("so is RCOLLECTIONS_PURE, which compiles nothing")
    if PURE:
        return []
    try:
        from Cython.Build import cythonize
    except ImportError as error:
        if REQUIRED:
            refuse(f"Cython cannot be imported: {error}")
        return []
    names = ["l1._store", "l1._words", "l1._tier", "l1._hit"]
    if os.name == "posix" and os.path.exists("rcollections/coherence/_ear.pyx"):
        names += ["coherence._ear", "wire._line"]
    modules = [Extension(f"rcollections.{name}", [f"rcollections/{name.replace('.', '/')}.pyx"]) for name in names]
    found = cythonize(modules, build_dir="build/cython")
    for each in found:
        each.optional = not REQUIRED  # cythonize loses it
    return found


setup(
    packages=[*PYTHON, *LUA],
    package_dir=LUA,
    py_modules=["pytest_rcollections"],
    include_package_data=False,  # what is installed stands here, not in MANIFEST.in
    package_data={
        **{name: ["*.pyi", "*.pxd", "*.pyx"] for name in PYTHON},
        **{name: ["*.lua"] for name in LUA},
        "rcollections": ["py.typed", "*.pyi"],
    },
    ext_modules=extensions(),
    cmdclass={"build_ext": Build},
)
