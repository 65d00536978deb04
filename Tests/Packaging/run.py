# SPDX-License-Identifier: MIT
"""
Runs the tests of what is packaged, as Tests/Kernel/run.py runs its own: every function test_* of the modules beside this file.

    run.py [NAME...]     only tests whose name contains one of the NAMEs

What they look at is made by `make deb container-root kubernetes-schemas`; TAILRACE is the release's executable.
"""
import importlib.util
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
KERNEL = HERE.parent / "Kernel"


def runner():
    """The other run.py, which finds, limits and counts."""
    found = importlib.util.spec_from_file_location("kernel_tests_run", KERNEL / "run.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.DIRECTORIES = [HERE]
    return module


if __name__ == "__main__":
    sys.dont_write_bytecode = True  # the tests leave nothing in the tree
    sys.path[:0] = [str(HERE), str(KERNEL), str(HERE.parent / "Scenarios")]
    sys.exit(runner().main())
