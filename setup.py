"""Packages, and the home of the Lua scripts: lua/ at the top, ``rcollections.lua`` once installed."""

from setuptools import setup

setup(
    packages=["rcollections", "rcollections.plans", "rcollections.wire", "rcollections.lua"],
    package_dir={"rcollections.lua": "lua"},
    package_data={"rcollections": ["py.typed"], "rcollections.lua": ["*.lua", "lib/*.lua"]},
)
