"""Python as it is on OpenBSD, as far as that can be told on Linux: `sys.platform`, and no name that only Linux has.

        python -m tests.support.elsewhere pytest -q tests/filter_rdns
        python -m tests.support.elsewhere filter_rdns -f

What the kernel does stays Linux's. pledge(2) and unveil(2) are not there, so a filter says that it is not confined.
"""

from __future__ import annotations

import importlib
import os
import re
import runpy
import sys
import sysconfig
from typing import Final

#: By module: the names that Python has on Linux and not on OpenBSD, by a pattern of the whole name. From the
#: "Availability" of Python's library reference, and OpenBSD's own headers.
LINUX_ONLY: Final = {
    "os": (
        "sched_(?!yield|get_priority).*|SCHED_(?!FIFO|RR|OTHER$).*|(memfd|eventfd|timerfd|pidfd)_.*|eventfd"
        "|(MFD|EFD|TFD|CLONE|GRND|XATTR|SPLICE|PIDFD|RWF|POSIX_FADV|POSIX_SPAWN_CLOSEFROM)_.*|P_PIDFD"
        "|splice|copy_file_range|sendfile|posix_fallocate|posix_fadvise|getrandom|setns|unshare"
        "|(get|set|list|remove)xattr|(preadv|pwritev)2|waitid|W(EXITED|STOPPED|NOWAIT)|P_(ALL|PID|PGID)|CLD_.*"
        "|O_(TMPFILE|PATH|DIRECT|NOATIME|LARGEFILE)|SEEK_(DATA|HOLE)|RTLD_DEEPBIND|process_cpu_count"
        "|ST_(MANDLOCK|SYNCHRONOUS|WRITE|APPEND|NODIRATIME|RELATIME|NOATIME|NODEV|NOEXEC)"
    ),
    "socket": (
        "AF_(NETLINK|PACKET|ALG|CAN|VSOCK|TIPC|RDS|QIPCRTR|LLC|ASH|ATM.*|AX25|BRIDGE|ECONET|IRDA|NETBEUI|NETROM|PPPOX"
        "|ROSE|SECURITY|WANPIPE|X25|HYPERV|BLUETOOTH|DIVERT)"
        "|(PF_(PACKET|CAN|RDS)|NETLINK|PACKET|ALG|CAN|VSOCK|VMADDR|SO_VM|TIPC|RDS|UDPLITE|BT|BDADDR|HCI|SCO|L2CAP)_.*|.*J1939.*|VM_SOCKETS.*"
        "|SO_(PEERCRED|PASSCRED|PASSSEC|PEERSEC|PASSPIDFD|MARK|PRIORITY|INCOMING_CPU|BINDTODEVICE"
        "|BINDTOIFINDEX|BUSY_POLL|NO_CHECK|ATTACH_FILTER|DETACH_FILTER|ORIGINAL_DST)"
        "|MSG_(ZEROCOPY|MORE|CONFIRM|ERRQUEUE|FASTOPEN|PROXY|RST|SYN|FIN|PROBE)|SCM_CREDENTIALS"
        "|SOL_(ALG|CAN.*|TIPC|UDPLITE|RDS|ATALK|AX25|HCI|IPX|NETROM|ROSE|PACKET)|IOCTL_VM_.*"
        "|TCP_(?!NODELAY$|MAXSEG$|MD5SIG$|INFO$).*|IPPROTO_(MPTCP|UDPLITE|SCTP)"
        "|IP_(TRANSPARENT|BIND_ADDRESS_NO_PORT|MTU.*|PKTINFO|RECVERR|FREEBIND|(ADD|DROP|BLOCK|UNBLOCK)_SOURCE.*|UNBLOCK.*)"
        "|AI_(ALL|V4MAPPED)"
    ),
    "signal": "sigwaitinfo|sigtimedwait|pidfd_send_signal|SIG(PWR|STKFLT|POLL|CLD|RTMIN|RTMAX)",
    "select": "epoll|EPOLL.*|POLL(RDHUP|MSG)",
    "fcntl": (
        "F_(OFD_.*|(GET|SET|ADD)_?(LEASE|SIG|PIPE_SZ|SEALS?|OWN_EX|FILE_RW_HINT|RW_HINT)|SEAL_.*|NOTIFY|EXLCK|SHLCK"
        "|[GS]ETLK64|SETLKW64|DUPFD_QUERY)|DN_.*|FICLONE.*|LOCK_(MAND|READ|WRITE|RW)|I_.*|FASYNC"
    ),
    "resource": "prlimit|RLIMIT_(AS|OFILE|MSGQUEUE|NICE|RTPRIO|RTTIME|SIGPENDING)",
    "time": "CLOCK_(TAI|MONOTONIC_RAW)",
    "mmap": (
        "MAP_(POPULATE|DENYWRITE|EXECUTABLE|NORESERVE|HUGETLB|LOCKED|GROWSDOWN|NONBLOCK|32BIT)"
        "|MADV_(?!NORMAL|RANDOM|SEQUENTIAL|WILLNEED|DONTNEED|FREE).*"
    ),
    "errno": (
        "ENODATA|ENOSR|ENOSTR|ETIME|ENOLINK|EMULTIHOP|ECOMM|EADV|ESRMNT|EREMOTEIO|EBADFD|ENONET|ENOPKG|ECHRNG|EL\\d.*"
        "|ELNRNG|ENOCSI|EBADE|EBADR|EXFULL|ENOANO|EBADRQC|EBADSLT|EDEADLOCK|EBFONT|ELIB.*|ERESTART|ESTRPIPE|EUCLEAN"
        "|ENOTNAM|ENAVAIL|EISNAM|ENOKEY|EKEY.*|ERFKILL|EDOTDOT|ENOTUNIQ|EREMCHG|EUNATCH|EHWPOISON"
    ),
}
#: The modules in C that these take their names from.
_BELOW: Final = {"os": "posix", "socket": "_socket", "signal": "_signal"}


def become() -> None:
    """Be on OpenBSD from now on. Called before anything else is imported: many a module asks when it is loaded."""
    sysconfig.get_config_vars()  # Debian's names the platform in a module's name
    sys.platform = "openbsd7"
    for name, pattern in LINUX_ONLY.items():
        loaded = [importlib.import_module(_BELOW.get(name, name))]
        if name in sys.modules:
            loaded.append(sys.modules[name])
        for module in loaded:
            for each in [each for each in vars(module) if re.fullmatch(pattern, each)]:
                delattr(module, each)
    if hasattr(os, "cpu_count"):
        setattr(os, "process_cpu_count", os.cpu_count)  # noqa: B010 - from Python 3.13 on; what os does where there is no sched_getaffinity


if __name__ == "__main__":
    become()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
