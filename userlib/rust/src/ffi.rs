// SPDX-License-Identifier: LGPL-2.1-or-later
//! `numapin.h` as Rust declares it: its words are there.

use std::os::raw::{c_char, c_int, c_long, c_uint, c_void};

#[repr(C)]
#[derive(Default)]
pub struct Receipt {
    pub node: c_int,
    pub outcome: c_int,
    pub reason: c_int,
    pub shared: c_int,
    pub bytes: usize,
    pub huge_bytes: usize,
    pub available: usize,
}

#[repr(C)]
pub struct NodeBytes {
    pub node: c_int,
    pub bytes: usize,
}

#[repr(C)]
pub struct Mapping {
    pub addr: *const c_void,
    pub bytes: usize,
    pub page_bytes: usize,
    pub outcome: c_int,
    pub policy: *const c_char,
    pub name: *const c_char,
    pub nodes: *const NodeBytes,
    pub count: usize,
}

#[repr(C)]
#[derive(Default)]
pub struct Node {
    pub bytes: usize,
    pub free_bytes: usize,
    pub cpus: c_int,
}

pub const STRICT: c_uint = 1 << 0;
pub const HUGE: c_uint = 1 << 1;
pub const NO_HUGE: c_uint = 1 << 2;
pub const SHARED: c_uint = 1 << 3;
pub const RESERVE: c_uint = 1 << 4;
pub const REGION: c_uint = 1 << 5;

pub type MappingHandler = unsafe extern "C" fn(mapping: *const Mapping, arg: *mut c_void) -> c_int;
pub type WarningHandler = unsafe extern "C" fn(message: *const c_char, arg: *mut c_void);

extern "C" {
    pub fn numapin_alloc(
        node: c_int,
        size: usize,
        flags: c_uint,
        receipt: *mut Receipt,
    ) -> *mut c_void;
    pub fn free_numa_memory(ptr: *mut c_void, size: usize) -> c_int;
    pub fn numapin_probe(node: c_int, flags: c_uint, receipt: *mut Receipt) -> c_int;
    pub fn numapin_use_device(fd: c_int) -> c_int;
    pub fn numapin_locate(
        addr: *const c_void,
        size: usize,
        nodes: *mut c_int,
        count: usize,
    ) -> c_long;
    pub fn numapin_mappings(pid: c_int, handler: MappingHandler, arg: *mut c_void) -> c_int;
    pub fn numapin_nodes(nodes: *mut c_int, count: usize) -> c_int;
    pub fn numapin_describe_node(node: c_int, description: *mut Node) -> c_int;
    pub fn numapin_node_cpus(node: c_int, cpus: *mut c_int, count: usize) -> c_int;
    pub fn numapin_distance(from: c_int, to: c_int) -> c_int;
    pub fn numapin_current_node() -> c_int;
    pub fn numapin_nearest_node(from: c_int, size: usize) -> c_int;
    pub fn numapin_outcome_name(outcome: c_int) -> *const c_char;
    pub fn numapin_reason_name(reason: c_int) -> *const c_char;
    pub fn numapin_version() -> c_uint;
    pub fn numapin_error() -> *const c_char;
    pub fn numapin_set_warning_handler(handler: Option<WarningHandler>, arg: *mut c_void);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;
    use std::mem::{size_of, MaybeUninit};
    use std::process::Command;
    use std::ptr::addr_of;

    /// Lines as those of `selftests/abi.c`, of a struct here: its size, and where its fields
    /// are.
    macro_rules! layout {
        ($lines:ident, $name:literal, $type:ty, $($field:ident)*) => {
            let value = MaybeUninit::<$type>::zeroed();
            // SAFETY: integers and pointers are valid as zeroes.
            let value = unsafe { value.assume_init_ref() };
            let base = addr_of!(*value) as usize;

            writeln!($lines, "{} {}", $name, size_of::<$type>()).unwrap();
            $(writeln!(
                $lines,
                "{}.{} {} {}",
                $name,
                stringify!($field),
                addr_of!(value.$field) as usize - base,
                std::mem::size_of_val(&value.$field)
            )
            .unwrap();)*
        };
    }

    #[test]
    #[ignore = "needs selftests/abi, of NUMAPIN_ABI"]
    fn structs_and_flags_are_those_of_the_header() {
        let program = std::env::var_os("NUMAPIN_ABI").expect("NUMAPIN_ABI");
        let header = Command::new(program).output().unwrap();
        let mut lines = String::new();

        layout!(lines, "numapin_receipt", Receipt,
                node outcome reason shared bytes huge_bytes available);
        layout!(lines, "numapin_node_bytes", NodeBytes, node bytes);
        layout!(lines, "numapin_mapping", Mapping,
                addr bytes page_bytes outcome policy name nodes count);
        layout!(lines, "numapin_node", Node, bytes free_bytes cpus);
        for (name, flag) in [
            ("STRICT", STRICT),
            ("HUGE", HUGE),
            ("NO_HUGE", NO_HUGE),
            ("SHARED", SHARED),
            ("RESERVE", RESERVE),
            ("REGION", REGION),
        ] {
            writeln!(lines, "NUMAPIN_{name} {flag}").unwrap();
        }
        assert_eq!(String::from_utf8(header.stdout).unwrap(), lines);
    }
}
