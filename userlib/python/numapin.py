# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory on the NUMA node that was asked for, by libnumapin.

    memory = numapin.allocate_on_node(1, 64 << 20)
    table = numpy.frombuffer(memory.view, dtype=numpy.float64)

The memory is there for as long as `memory`, a view of it or an array on one is: it is
freed with the last of them. What is guaranteed of it, and what is not, is in numapin.h;
so are the environment variables that the library reads.

libnumapin.so.0, version 0.2 or later, is loaded from where the system's loader finds it,
or from the path in NUMAPIN_LIBRARY. For CPython 3.9 and later.
"""

import atexit
import ctypes
import enum
import operator
import os
import threading
import weakref
from typing import Any, Callable, List, NamedTuple, Optional, Tuple, Type

__all__ = [
    "Flags", "Mapping", "Memory", "Node", "NumapinError", "Outcome", "Reason", "Receipt",
    "allocate_on_node", "current_node", "describe_node", "distance", "locate", "mappings",
    "nearest_node", "node_cpus", "nodes", "numapin_alloc", "probe", "set_warning_handler",
    "use_device", "version",
]


class _Known(enum.IntEnum):
    """Numbers that a newer library may have more of: those have names of their own."""

    @classmethod
    def _missing_(cls, value: object) -> Optional["_Known"]:
        if not isinstance(value, int):
            return None
        member = int.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member


class Outcome(_Known):
    """How firmly memory is on its node."""

    UNBOUND = 1
    """Not placed at all."""
    BOUND = 2
    """Every page was there when the allocation returned; it can be moved later."""
    PINNED = 3
    """Every page is there until it is freed."""


class Reason(_Known):
    """Why memory is less than PINNED, or was refused: see enum numapin_reason."""

    NONE = 0
    NO_MODULE = 1
    NO_PERMISSION = 2
    WRONG_DEVICE = 3
    NO_NODE = 4
    NO_NUMA = 5
    MBIND_DENIED = 6
    NO_HUGE_PROMISE = 7
    FORCED = 8
    NODE_FULL = 9
    NO_HUGE_PAGE = 10
    TOO_LARGE = 11
    CGROUP = 12
    CPUSET = 13
    NODE_GONE = 14
    NO_MEMORY = 15
    MEMLOCK = 16
    BUDGET = 17
    ONLY_MOVABLE = 18
    NO_RESERVE = 19


class Flags(enum.IntFlag):
    """How memory is asked for: see enum numapin_flags."""

    STRICT = 1 << 0
    """Fail rather than return UNBOUND memory."""
    HUGE = 1 << 1
    """2 MiB pages only, or fail; of sizes that are multiples of that."""
    NO_HUGE = 1 << 2
    """4 KiB pages only."""
    SHARED = 1 << 3
    """Shared with children after a fork, and not private to each."""
    RESERVE = 1 << 4
    """Memory is set aside at each fork for all that may be copied."""
    REGION = 1 << 5
    """A region of its own, or fail: PINNED, and shared with nothing else."""


class Receipt(NamedTuple):
    """What an allocation came to."""

    node: int
    outcome: Outcome
    reason: Reason
    shared: bool
    bytes: int
    huge_bytes: int


class Node(NamedTuple):
    """What a node has."""

    bytes: int
    free_bytes: int
    cpus: int


class Mapping(NamedTuple):
    """A mapping of a process, as the kernel tells of it: see struct numapin_mapping."""

    addr: int
    bytes: int
    page_bytes: int
    outcome: Outcome
    policy: str
    name: str
    nodes: List[Tuple[int, int]]
    """Nodes, and how many bytes are there"""


class NumapinError(OSError):
    """A refusal: its errno; of an allocation its reason; and all of it in words."""

    def __init__(self, errno: int, words: str, reason: Reason = Reason.NONE, available: int = 0):
        super().__init__(errno, words)
        self.words = words
        self.reason = reason
        self.available = available
        """Bytes: what the node or the limit of the reason has left, or the node at all"""


class _Receipt(ctypes.Structure):
    _fields_ = [
        ("node", ctypes.c_int),
        ("outcome", ctypes.c_int),
        ("reason", ctypes.c_int),
        ("shared", ctypes.c_int),
        ("bytes", ctypes.c_size_t),
        ("huge_bytes", ctypes.c_size_t),
        ("available", ctypes.c_size_t),
    ]

    def told(self) -> Receipt:
        return Receipt(self.node, Outcome(self.outcome), Reason(self.reason), bool(self.shared),
                       self.bytes, self.huge_bytes)


class _NodeBytes(ctypes.Structure):
    _fields_ = [("node", ctypes.c_int), ("bytes", ctypes.c_size_t)]


class _Mapping(ctypes.Structure):
    _fields_ = [
        ("addr", ctypes.c_void_p),
        ("bytes", ctypes.c_size_t),
        ("page_bytes", ctypes.c_size_t),
        ("outcome", ctypes.c_int),
        ("policy", ctypes.c_char_p),
        ("name", ctypes.c_char_p),
        ("nodes", ctypes.POINTER(_NodeBytes)),
        ("count", ctypes.c_size_t),
    ]

    def told(self) -> Mapping:
        nodes = [(self.nodes[i].node, self.nodes[i].bytes) for i in range(self.count)]
        return Mapping(self.addr or 0, self.bytes, self.page_bytes, Outcome(self.outcome),
                       os.fsdecode(self.policy), os.fsdecode(self.name), nodes)


class _Node(ctypes.Structure):
    _fields_ = [
        ("bytes", ctypes.c_size_t),
        ("free_bytes", ctypes.c_size_t),
        ("cpus", ctypes.c_int),
    ]


_ints = ctypes.POINTER(ctypes.c_int)
_MappingHandler = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Mapping), ctypes.c_void_p)
_WarningHandler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)

# What numapin.h declares: what a function returns, and what it takes
_PROTOTYPES = {
    "numapin_alloc": (ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_uint,
                      ctypes.POINTER(_Receipt)),
    "free_numa_memory": (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t),
    "numapin_probe": (ctypes.c_int, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Receipt)),
    "numapin_use_device": (ctypes.c_int, ctypes.c_int),
    "numapin_locate": (ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t, _ints,
                       ctypes.c_size_t),
    "numapin_mappings": (ctypes.c_int, ctypes.c_int, _MappingHandler, ctypes.c_void_p),
    "numapin_nodes": (ctypes.c_int, _ints, ctypes.c_size_t),
    "numapin_describe_node": (ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Node)),
    "numapin_node_cpus": (ctypes.c_int, ctypes.c_int, _ints, ctypes.c_size_t),
    "numapin_distance": (ctypes.c_int, ctypes.c_int, ctypes.c_int),
    "numapin_current_node": (ctypes.c_int,),
    "numapin_nearest_node": (ctypes.c_int, ctypes.c_int, ctypes.c_size_t),
    "numapin_version": (ctypes.c_uint,),
    "numapin_error": (ctypes.c_char_p,),
    "numapin_set_warning_handler": (None, _WarningHandler, ctypes.c_void_p),
}


def _load() -> ctypes.CDLL:
    path = os.environ.get("NUMAPIN_LIBRARY", "libnumapin.so.0")
    try:
        library = ctypes.CDLL(path, use_errno=True)
        for name, prototype in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype, *function.argtypes = prototype
    except (OSError, AttributeError) as error:
        raise ImportError(f"libnumapin 0.2 is needed, where the loader finds it or "
                          f"NUMAPIN_LIBRARY says: {error}") from error
    return library


_lib = _load()

# Of CPython's own: no more of the collector of cycles' business.
_untrack = ctypes.pythonapi.PyObject_GC_UnTrack
_untrack.argtypes = [ctypes.py_object]
_untrack.restype = None


def _fit(kind: Type[Any], number: int) -> Any:
    """A number of C's, which ctypes would else cut to its size in silence."""
    fitted = kind(operator.index(number))
    if fitted.value != number:
        raise OverflowError(f"{number} is out of range")
    return fitted


def _int(number: int) -> Any:
    return _fit(ctypes.c_int, number)


def _size(number: int) -> Any:
    return _fit(ctypes.c_size_t, number)


def _failed() -> NumapinError:
    """Of a call that just failed."""
    errno = ctypes.get_errno()
    return NumapinError(errno, os.strerror(errno))


def _refused(receipt: _Receipt) -> NumapinError:
    """Of an allocation that this thread was just refused."""
    return NumapinError(ctypes.get_errno(), _lib.numapin_error().decode(),
                        Reason(receipt.reason), receipt.available)


def _number(returned: int) -> int:
    if returned < 0:
        raise _failed()
    return returned


def _list(write: Callable[[Any, int], Any]) -> List[int]:
    """All of a list that the library writes as far as there is room, and tells the length of."""
    room = 0
    while True:
        numbers = (ctypes.c_int * room)()
        count = _number(write(numbers, room))
        if count <= room:
            return list(numbers)[:count]
        room = count


def _free(addr: int, size: int) -> None:
    if _lib.free_numa_memory(addr, size):
        raise _failed()


class Memory:
    """Memory on a node, of allocate_on_node() or numapin_alloc().

    It is freed when neither this nor a view of it is left. As a context manager it is freed
    at the end; after an exception, whose traceback may have views, when the last of them is
    gone.
    """

    def __init__(self, addr: int, size: int, receipt: Receipt):
        self.addr = addr
        """Where it is"""
        self.size = size
        """The size that was asked for"""
        self.receipt = receipt
        """What the allocation came to"""
        # Views have references to this, and it has none. To the collector of cycles it would
        # be part of a cycle that has a view, and be finalized before those who use that.
        self._bytes: Optional[Any] = (ctypes.c_ubyte * size).from_address(addr)
        _untrack(self._bytes)
        self._end = weakref.finalize(self._bytes, _free, addr, size)
        # The process's end frees it. Until then whoever is finalized may use it.
        self._end.atexit = False
        self._lock = threading.RLock()

    @property
    def view(self) -> memoryview:
        """A view of its bytes, which can be written. ValueError where it was freed."""
        with self._lock:
            if self._bytes is None:
                raise ValueError("the memory was freed")
            return memoryview(self._bytes).cast("B")

    def free(self) -> None:
        """Frees it now. BufferError where there are views; nothing where it was freed."""
        with self._lock:
            self._bytes = None
            end = self._end.peek()
            if end:
                self._bytes = end[0]
                raise BufferError("there are views of the memory")

    def __enter__(self) -> "Memory":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        if kind is None:
            self.free()
        else:
            with self._lock:
                self._bytes = None

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"<numapin.Memory: {self.size} bytes, {self.receipt}>"


def numapin_alloc(node: int, size: int, flags: int = 0) -> Memory:
    """Zeroed memory on a NUMA node, as flags say.

    NumapinError where it is refused: its errno as numapin_alloc() in numapin.h says.
    """
    receipt = _Receipt()
    addr = _lib.numapin_alloc(_int(node), _size(size), _fit(ctypes.c_uint, flags),
                              ctypes.byref(receipt))
    if addr is None:
        raise _refused(receipt)
    return Memory(addr, operator.index(size), receipt.told())


def allocate_on_node(node: int, size: int) -> Memory:
    """numapin_alloc() without flags."""
    return numapin_alloc(node, size)


def probe(node: int, flags: int = 0) -> Receipt:
    """What memory of a node would come to: allocates a page and frees it, without a warning."""
    receipt = _Receipt()
    if _lib.numapin_probe(_int(node), _fit(ctypes.c_uint, flags), ctypes.byref(receipt)):
        raise _refused(receipt)
    return receipt.told()


def use_device(device: Any) -> int:
    """Has a node served by a device of it that is open from now on; returns the node.

    A file, or a descriptor, that is open for reading and writing; it may be closed. Memory of
    the node is PINNED then also after os.chroot(), in a sandbox that may open nothing, or
    without the right to open the device.
    """
    fd = device if isinstance(device, int) else device.fileno()
    return _number(_lib.numapin_use_device(_int(fd)))


def locate(buffer: Any) -> List[int]:
    """The nodes of the pages of any memory, as the kernel tells them.

    Of a Memory, or of any buffer that can be written: for each page that it touches its node,
    or a negative errno, as -errno.ENOENT where it has no page yet.
    """
    view = buffer.view if isinstance(buffer, Memory) else memoryview(buffer)
    pages = view.nbytes // 4096 + 2
    nodes = (ctypes.c_int * pages)()
    start = (ctypes.c_ubyte * view.nbytes).from_buffer(view)
    count = _number(_lib.numapin_locate(ctypes.addressof(start), view.nbytes, nodes, pages))
    return list(nodes)[:count]


def mappings(pid: int = 0) -> List[Mapping]:
    """The mappings of a process, by address; of this one where `pid` is 0.

    Of a process that goes on meanwhile, those that came or went may be missing.
    """
    found: List[Mapping] = []

    def take(mapping: Any, _: Any) -> int:
        found.append(mapping.contents.told())
        return 0

    _number(_lib.numapin_mappings(_int(pid), _MappingHandler(take), None))
    return found


def nodes() -> List[int]:
    """The nodes that have memory and that the process's cpuset has, in their order."""
    return _list(_lib.numapin_nodes)


def describe_node(node: int) -> Node:
    """What a node has."""
    raw = _Node()
    _number(_lib.numapin_describe_node(_int(node), ctypes.byref(raw)))
    return Node(raw.bytes, raw.free_bytes, raw.cpus)


def node_cpus(node: int) -> List[int]:
    """The numbers of a node's CPUs, as in os.sched_setaffinity()."""
    number = _int(node)
    return _list(lambda cpus, room: _lib.numapin_node_cpus(number, cpus, room))


def distance(start: int, end: int) -> int:
    """How far a node is from another, as the firmware tells it: 10 to itself."""
    return _number(_lib.numapin_distance(_int(start), _int(end)))


def current_node() -> int:
    """The node of the CPU that the calling thread is on; by now that may be another."""
    return _number(_lib.numapin_current_node())


def nearest_node(start: int, size: int) -> int:
    """The node nearest to one, which may be that itself, with so many bytes free."""
    return _number(_lib.numapin_nearest_node(_int(start), _size(size)))


def version() -> Tuple[int, int, int]:
    """The version of the library: major, minor and patch."""
    number = _lib.numapin_version()
    return number // 1000000, number // 1000 % 1000, number % 1000


_handler: Optional[Callable[[str], None]] = None


def _hand_over(message: bytes, _: Any) -> None:
    handler = _handler
    if handler:
        handler(message.decode(errors="replace"))


# What the library has of us is there for good: while it is replaced, a thread may be in it.
_take_warning = _WarningHandler(_hand_over)
_default_handler = _WarningHandler(0)


def set_warning_handler(handler: Optional[Callable[[str], None]]) -> None:
    """Says who takes warnings from now on; None: the default, which writes to stderr.

    He is given one line of English, in the thread that allocates.
    """
    global _handler
    _handler = handler
    _lib.numapin_set_warning_handler(_take_warning if handler else _default_handler, None)


# What is called by the library must not be once there is no interpreter.
atexit.register(set_warning_handler, None)
