// SPDX-License-Identifier: LGPL-2.1-or-later
//! What the tests share: the kernel's own word of where memory is, and the backend that is tested.

#![allow(dead_code)] // each test uses some of it

use std::env;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use numapin::{nodes, NumaNode};

pub const EINVAL: i32 = 22;
pub const ENODEV: i32 = 19;
pub const ENOMEM: i32 = 12;
pub const EOPNOTSUPP: i32 = 95;

pub const PAGE: usize = 4096;
pub const MIB: usize = 1 << 20;

/// What `numa_maps` says of a mapping: its policy, its file, and pages by node.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Witness {
    pub policy: String,
    pub file: Option<String>,
    pub pages: Vec<(NumaNode, usize)>,
}

/// What it says of the mapping that holds some memory.
pub fn witness<T>(memory: &[T]) -> Witness {
    let maps = fs::read_to_string("/proc/self/numa_maps").unwrap();
    let addr = memory.as_ptr() as usize;
    let line = maps.lines().take_while(|line| start(line) <= addr).last().unwrap();
    let mut words = line.split_whitespace().skip(1);
    let mut seen = Witness { policy: words.next().unwrap().to_string(), ..Witness::default() };

    for word in words {
        match word.split_once('=') {
            Some(("file", file)) => seen.file = Some(file.to_string()),
            Some((node, pages)) if node.starts_with('N') => {
                let node = NumaNode::new(node[1..].parse().unwrap());

                seen.pages.push((node, pages.parse().unwrap()));
            }
            _ => (),
        }
    }
    seen
}

fn start(line: &str) -> usize {
    usize::from_str_radix(line.split(&[' ', '-']).next().unwrap(), 16).unwrap()
}

/// Whether anything is mapped at an address.
pub fn is_mapped(addr: usize) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();

    maps.lines().any(|line| {
        let end = line.split(&[' ', '-']).nth(1).unwrap();

        (start(line)..usize::from_str_radix(end, 16).unwrap()).contains(&addr)
    })
}

/// Has numactl's program take this process's pages from a node to another.
pub fn migrate(from: NumaNode, to: NumaNode) {
    let (pid, from, to) = (std::process::id().to_string(), from.to_string(), to.to_string());

    assert!(Command::new("migratepages").args([pid, from, to]).status().unwrap().success());
}

/// A test's turn: they look at what all of the process has. All of a program have the same
/// backend; the empty name is all of them.
pub fn turn(backend: &str) -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);

    env::set_var("NUMAPIN_BACKEND", backend);
    env::set_var("NUMAPIN_WARN", "always");
    turn
}

/// A node with memory.
pub fn some_node() -> NumaNode {
    *nodes().unwrap().last().unwrap()
}

pub fn number_in(path: &str) -> usize {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}
