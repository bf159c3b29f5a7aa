"""Packages, the home of the Lua scripts (lua/ at the top, ``rcollections.lua`` once installed), the compiled store."""

import os

from setuptools import Extension, setup


def extensions():
    """The modules of L1. Without Cython, without a compiler, or with RCOLLECTIONS_PURE=1 those in Python serve."""
    if os.environ.get("RCOLLECTIONS_PURE"):
        return []
    try:
        from Cython.Build import cythonize
    except ImportError:
        return []
    names = ("_store", "_tier", "_hit")
    modules = [Extension(f"rcollections.l1.{name}", [f"rcollections/l1/{name}.pyx"]) for name in names]
    found = cythonize(modules, build_dir="build/cython")
    for each in found:
        each.optional = True  # cythonize loses it
    return found


setup(
    packages=["rcollections", "rcollections.l1", "rcollections.plans", "rcollections.wire", "rcollections.lua"],
    package_dir={"rcollections.lua": "lua"},
    package_data={
        "rcollections": ["py.typed"],
        "rcollections.l1": ["*.pyi", "*.pxd", "*.pyx"],
        "rcollections.lua": ["*.lua", "lib/*.lua"],
    },
    ext_modules=extensions(),
)
