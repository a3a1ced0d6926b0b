// SPDX-License-Identifier: LGPL-2.1-or-later
//! Nodes, and how to choose one.

use std::convert::TryFrom;
use std::fmt;
use std::os::raw::c_int;
use std::os::unix::io::{AsFd, AsRawFd};

use crate::{ffi, NumaError};

/// A NUMA node, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumaNode(c_int);

/// What a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeDescription {
    /// The memory that it has, in bytes.
    pub bytes: usize,
    /// What of it is free now, without what the kernel would take back from page cache.
    pub free_bytes: usize,
    /// How many CPUs it has, online.
    pub cpus: usize,
}

/// A number that is not negative, or why it is.
fn number(returned: c_int) -> Result<usize, NumaError> {
    usize::try_from(returned).map_err(|_| NumaError::of_call())
}

/// All numbers of a list that the library writes, as far as there is room, and tells the length of.
fn list(write: impl Fn(*mut c_int, usize) -> c_int) -> Result<Vec<c_int>, NumaError> {
    let mut numbers = Vec::new();

    loop {
        let room = numbers.len();
        let count = number(write(numbers.as_mut_ptr(), room))?;

        numbers.resize(count, 0);
        if count <= room {
            return Ok(numbers);
        }
    }
}

/// The nodes that have memory and that the process's cpuset has, in their order.
///
/// # Errors
///
/// ENOSYS where the system does not tell of nodes; EMFILE, ENFILE and ENOMEM as `open(2)`.
pub fn nodes() -> Result<Vec<NumaNode>, NumaError> {
    // SAFETY: it writes no more than there is room.
    let numbers = list(|to, room| unsafe { ffi::numapin_nodes(to, room) })?;

    Ok(numbers.into_iter().map(NumaNode).collect())
}

/// Has the node whose device is open, for reading and writing, served by that from now on, and
/// tells which it is: memory of it is pinned also after `chroot(2)`, in a sandbox that may open
/// nothing, or without the right to open the device. It may be closed.
///
/// # Errors
///
/// EBADF where the device is not open for reading and writing; ENODEV where it is no device of
/// the module's, or of one that is too old, or the node has no memory any more; EACCES and EPERM
/// where a security module forbids it; EMFILE, ENFILE and ENOMEM as `open(2)`.
pub fn use_device(device: impl AsFd) -> Result<NumaNode, NumaError> {
    // SAFETY: the descriptor is open while it is borrowed.
    NumaNode::returned(unsafe { ffi::numapin_use_device(device.as_fd().as_raw_fd()) })
}

/// A node's questions have these errors: ENODEV where there is no such node, ENOSYS where the
/// system does not tell of nodes; EMFILE, ENFILE and ENOMEM as `open(2)`.
impl NumaNode {
    /// The node of a number. Whether there is such a node is seen when it is used.
    pub const fn new(number: u16) -> NumaNode {
        NumaNode(number as c_int)
    }

    /// The node of the CPU that the calling thread is on. By the time this returns that may be
    /// another.
    ///
    /// # Errors
    ///
    /// ENOSYS where the system does not tell.
    pub fn current() -> Result<NumaNode, NumaError> {
        // SAFETY: it only returns a number.
        NumaNode::returned(unsafe { ffi::numapin_current_node() })
    }

    /// The nearest node, which may be this one, with so many bytes free. They need not be so
    /// for long, nor be within limits.
    ///
    /// # Errors
    ///
    /// ENOMEM where no node has so much free.
    pub fn nearest(self, bytes: usize) -> Result<NumaNode, NumaError> {
        // SAFETY: it only returns a number.
        NumaNode::returned(unsafe { ffi::numapin_nearest_node(self.0, bytes) })
    }

    /// What the node has.
    pub fn describe(self) -> Result<NodeDescription, NumaError> {
        let mut raw = ffi::Node::default();
        // SAFETY: it writes the description.
        let returned = unsafe { ffi::numapin_describe_node(self.0, &mut raw) };

        number(returned)?;
        Ok(NodeDescription {
            bytes: raw.bytes,
            free_bytes: raw.free_bytes,
            cpus: number(raw.cpus)?,
        })
    }

    /// The numbers of the node's CPUs, as in `sched_setaffinity(2)`.
    pub fn cpus(self) -> Result<Vec<usize>, NumaError> {
        // SAFETY: it writes no more than there is room.
        let cpus = list(|to, room| unsafe { ffi::numapin_node_cpus(self.0, to, room) })?;

        cpus.into_iter().map(number).collect()
    }

    /// How far another node is from this one, as the firmware tells it: 10 to itself.
    pub fn distance(self, to: NumaNode) -> Result<usize, NumaError> {
        // SAFETY: it only returns a number.
        number(unsafe { ffi::numapin_distance(self.0, to.0) })
    }

    pub(crate) fn from_raw(raw: c_int) -> NumaNode {
        NumaNode(raw)
    }

    pub(crate) fn raw(self) -> c_int {
        self.0
    }

    fn returned(raw: c_int) -> Result<NumaNode, NumaError> {
        number(raw).map(|_| NumaNode(raw))
    }
}

/// Its number.
impl fmt::Display for NumaNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
