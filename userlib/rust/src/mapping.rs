// SPDX-License-Identifier: LGPL-2.1-or-later
//! Which memory of a process is where.

use std::ffi::CStr;
use std::os::raw::{c_char, c_int, c_void};
use std::slice;

use crate::{ffi, NumaError, NumaNode, Outcome};

/// A mapping of a process, as the kernel tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mapping {
    /// Where it begins, in the process.
    pub addr: usize,
    /// Its length.
    pub bytes: usize,
    /// The size of its pages as the kernel counts them: 4096 for those that are mapped as huge
    /// pages too, but hugetlb's.
    pub page_bytes: usize,
    /// Pinned of a node device's, by its name; bound where its policy is to bind and places its
    /// pages; else unbound, as files are that are in the page cache.
    pub outcome: Outcome,
    /// Its policy in the kernel's words, as `bind:1`.
    pub policy: String,
    /// The file that is mapped, or `heap`, `stack`; empty for none.
    pub name: String,
    /// Where those of its pages are that are there, and how many bytes.
    pub nodes: Vec<(NumaNode, usize)>,
}

/// # Safety
///
/// It must be a string of C's.
unsafe fn text(string: *const c_char) -> String {
    CStr::from_ptr(string).to_string_lossy().into_owned()
}

/// # Safety
///
/// `mapping` must be one of the library's, and `arg` the address of a vector of them.
unsafe extern "C" fn collect(mapping: *const ffi::Mapping, arg: *mut c_void) -> c_int {
    let mapping = &*mapping;
    let mappings = &mut *arg.cast::<Vec<Mapping>>();
    // It may be null where there is none, which a slice's address may not be.
    let nodes = match mapping.count {
        0 => &[],
        count => slice::from_raw_parts(mapping.nodes, count),
    };

    mappings.push(Mapping {
        addr: mapping.addr as usize,
        bytes: mapping.bytes,
        page_bytes: mapping.page_bytes,
        outcome: Outcome::from_number(mapping.outcome),
        policy: text(mapping.policy),
        name: text(mapping.name),
        nodes: nodes.iter().map(|on| (NumaNode::from_raw(on.node), on.bytes)).collect(),
    });
    0
}

/// The mappings of a process, by address; of this one where `pid` is 0. Of a process that goes
/// on meanwhile, those that came or went may be missing.
///
/// # Errors
///
/// EINVAL or ENOENT where there is no such process; ESRCH or ENOENT where it has ended meanwhile;
/// ENOENT where the system does not tell of nodes; EACCES where the process is another user's;
/// ENOSYS where the system has no such thing; EMFILE, ENFILE and ENOMEM as `open(2)`.
pub fn mappings(pid: u32) -> Result<Vec<Mapping>, NumaError> {
    let mut mappings = Vec::<Mapping>::new();
    let arg = &mut mappings as *mut Vec<Mapping>;

    // What is no process's number as an int is negative then, and an error.
    // SAFETY: it calls what takes mappings, with the vector, and returns when it is done with both.
    match unsafe { ffi::numapin_mappings(pid as c_int, collect, arg.cast()) } {
        0 => Ok(mappings),
        _ => Err(NumaError::of_call()),
    }
}
