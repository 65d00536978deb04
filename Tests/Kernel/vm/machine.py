# SPDX-License-Identifier: MIT
"""A guest's hardware: QEMU's software emulation of it."""
import pathlib
import shutil
import subprocess
import time

REQUIRED = {"qemu-system-x86_64": "qemu-system-x86", "busybox": "busybox-static", "modprobe": "kmod", "xz": "xz-utils"}
# no_timer_check: without it a starved virtual CPU can fail the boot's timer test.
ARGUMENTS = "console=ttyS0 quiet panic=-1 oops=panic no_timer_check mitigations=off"


def missing_packages():
    return [package for command, package in REQUIRED.items() if not shutil.which(command)]


# Software emulation, never KVM: what a guest does must not depend on whose machine this is.
EMULATION = ("-accel", "tcg,thread=multi", "-cpu", "max")
# The guest's time is its count of instructions, a nanosecond each, and no chance comes in from outside: the same in every run.
DETERMINISTIC = ("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm",
                 "-cpu", "max,-rdrand,-rdseed", "-smp", "1")
# Two network cards, wired to each other.
# They cut no large packets: their rings of 256 fill up.
CARD = "virtio-net-pci,romfile=,csum=off,gso=off,host_tso4=off,host_tso6=off,netdev="
CARDS = ("-netdev", "hubport,hubid=0,id=one", "-netdev", "hubport,hubid=0,id=other", "-device", CARD + "one", "-device", CARD + "other")


def boot(kernel, archive, log, told, limit_s, arguments="", is_deterministic=False, processors=2):
    """Boots, and gives (the tests' exit status, or None where there was none; seconds). What the tests tell goes to `told`."""
    emulation = DETERMINISTIC if is_deterministic else (*EMULATION, "-smp", str(processors), *CARDS)
    command = ["timeout", "-k", "5", str(limit_s), "qemu-system-x86_64", "-M", "q35", *emulation, "-m", "2G", "-nodefaults",
               "-no-user-config", "-display", "none", "-serial", "stdio", "-serial", "file:" + str(told), "-no-reboot",
               "-kernel", str(kernel.image), "-initrd", str(archive), "-append", ARGUMENTS + " " + arguments]
    begin = time.monotonic()
    with open(log, "wb") as output:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
    status = None
    for line in lines_of(log):
        if line.startswith("VM-EXIT: "):
            status = int(line.split()[1])
    return status, time.monotonic() - begin


def lines_of(path):
    """A serial port's text, without its carriage returns."""
    return pathlib.Path(path).read_bytes().decode("utf-8", "replace").replace("\r", "").splitlines()
