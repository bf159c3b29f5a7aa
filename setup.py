"""Packages, the home of the Lua scripts (lua/ at the top, ``rcollections.lua`` once installed), the compiled store."""

import os

from setuptools import Extension, find_packages, setup

PYTHON = find_packages(include=["rcollections", "rcollections.*"])
LUA = {"rcollections.lua": "lua", "rcollections.lua.lib": "lua/lib"}


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
)
