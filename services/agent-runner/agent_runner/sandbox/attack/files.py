"""Escapes by way of files: reading the host's, writing what is to be read-only, secrets, devices."""

import os
import stat
from contextlib import suppress

from agent_runner.sandbox.attack.escape import Held, Targets, escape

_SLACK = ("PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE")  # set by shells and Python itself
_BLOCK_DEVICES = ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/nvme0n1")


def _read(path: str, text: str) -> str | None:
    with open(path) as file:
        return f"read {path}" if text in file.read() else None


def _write(path: str) -> str:
    with open(path, "w") as file:
        file.write("penstock")
    os.unlink(path)
    return f"wrote {path}"


def _overwrite(path: str) -> str:
    """Opens an existing file for writing, and leaves it as it is."""
    os.close(os.open(path, os.O_WRONLY))
    return f"opened {path} for writing"


@escape("read a file of the host")
def read_host_file(targets: Targets) -> str | None:
    return _read(targets.file, targets.text)


@escape("read a file of the host through /proc/*/root")
def read_through_proc_root(targets: Targets) -> str | None:
    return _through_processes(f"root{targets.file}", targets)


@escape("read a file of the host through /proc/*/cwd")
def read_through_proc_cwd(targets: Targets) -> str | None:
    climb = "/".join([".."] * 20)
    return _through_processes(f"cwd/{climb}{targets.file}", targets)


@escape("read a file of the host through a symbolic link")
def read_through_link(targets: Targets) -> str | None:
    link = f"{targets.scratch}/link"
    os.symlink(targets.file, link)
    return _read(link, targets.text)


@escape("read the environment of other processes")
def read_other_environments(targets: Targets) -> str | None:
    for pid in _processes():
        with suppress(OSError), open(f"/proc/{pid}/environ") as file:
            if targets.text in file.read():
                return f"read the environment of process {pid}"
    raise Held("no process shows the secret")


@escape("see a variable of the host's environment")
def see_environment(targets: Targets) -> str | None:
    strangers = set(os.environ) - {*targets.variables, *_SLACK}
    return f"found {', '.join(sorted(strangers))}" if strangers else None


@escape("inherit an open descriptor")
def inherit_descriptor(targets: Targets) -> str | None:
    for descriptor in range(3, 256):
        with suppress(OSError):
            return f"descriptor {descriptor} is open: mode {stat.filemode(os.fstat(descriptor).st_mode)}"
    raise Held("none is open")


@escape("write to /usr")
def write_usr(targets: Targets) -> str | None:
    return _write("/usr/penstock-attack")


@escape("overwrite a program of the host")
def overwrite_program(targets: Targets) -> str | None:
    return _overwrite(os.path.realpath("/usr/bin/env"))


@escape("write to /etc")
def write_etc(targets: Targets) -> str | None:
    return _write("/etc/penstock-attack")


@escape("write to the agent's own folder")
def write_agent(targets: Targets) -> str | None:
    return _write(f"{targets.agent}/penstock-attack")


@escape("write to the input")
def write_input(targets: Targets) -> str | None:
    return _write(f"{targets.input}/penstock-attack")


@escape("write to the root folder")
def write_root(targets: Targets) -> str | None:
    return _write("/penstock-attack")


@escape("make the agent's folder writable by chmod")
def change_mode(targets: Targets) -> str | None:
    before = os.stat(targets.agent).st_mode
    os.chmod(targets.agent, before ^ stat.S_IWGRP)
    if os.stat(targets.agent).st_mode == before:
        raise Held("the call had no effect")
    os.chmod(targets.agent, before)
    return "changed its mode"


@escape("change the mode of a file of the host")
def change_host_mode(targets: Targets) -> str | None:
    before = os.stat(targets.file).st_mode
    os.chmod(targets.file, 0o600)
    return None if os.stat(targets.file).st_mode == before else f"changed the mode of {targets.file}"


@escape("write to /dev")
def write_dev(targets: Targets) -> str | None:
    return _write("/dev/penstock-attack")


@escape("open a device that is the machine")
def open_devices(targets: Targets) -> str | None:
    for device in _BLOCK_DEVICES:
        with suppress(OSError):
            os.close(os.open(device, os.O_RDONLY))
            return f"opened {device}"
    raise Held("none can be opened")


@escape("make a device node")
def make_device(targets: Targets) -> str | None:
    path = f"{targets.scratch}/device"
    os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(254, 0))
    os.close(os.open(path, os.O_RDONLY))
    return "made and opened a block device"


@escape("set a setting of the kernel")
def write_sysctl(targets: Targets) -> str | None:
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/vm/drop_caches"):
        with suppress(OSError):
            return _overwrite(path)
    raise Held("none can be opened")


@escape("pull the emergency brake (sysrq)")
def write_sysrq(targets: Targets) -> str | None:
    return _overwrite("/proc/sysrq-trigger")


@escape("change the control groups")
def write_cgroup(targets: Targets) -> str | None:
    for top in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"):
        with suppress(OSError):
            os.mkdir(f"{top}/penstock-attack")
            os.rmdir(f"{top}/penstock-attack")
            return f"made a group in {top}"
    raise Held("none can be made")


@escape("write to /sys")
def write_sys(targets: Targets) -> str | None:
    for path in ("/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/mm/ksm/run"):
        with suppress(OSError):
            return _overwrite(path)
    raise Held("none can be opened")


@escape("read the kernel's memory map")
def read_kernel_addresses(targets: Targets) -> str | None:
    with open("/proc/kallsyms") as file:
        address = file.readline().split()[0]
    return f"the kernel is at {address}" if int(address, 16) else None


def _through_processes(tail: str, targets: Targets) -> str | None:
    for pid in (*_processes(), "self", "thread-self"):
        with suppress(OSError):
            if success := _read(f"/proc/{pid}/{tail}", targets.text):
                return success
    raise Held("no process leads there")


def _processes() -> list[str]:
    with suppress(OSError):
        return [name for name in os.listdir("/proc") if name.isdigit()]
    return [str(os.getppid()), "1"]
