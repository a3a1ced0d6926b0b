// SPDX-License-Identifier: LGPL-2.1-or-later
//! What is told of nodes, beside what the kernel tells of them.

mod witness;

use std::fs;

use numapin::*;
use witness::*;

fn sysfs(name: &str) -> String {
    fs::read_to_string(format!("/sys/devices/system/node/{name}")).unwrap().trim().to_string()
}

/// The numbers of a list like `0-2,5`.
fn numbers(list: &str) -> Vec<usize> {
    let number = |text: &str| text.parse::<usize>().unwrap();

    list.split(',')
        .filter(|part| !part.is_empty())
        .flat_map(|part| match part.split_once('-') {
            Some((first, last)) => number(first)..=number(last),
            None => number(part)..=number(part),
        })
        .collect()
}

#[test]
fn nodes_are_those_with_memory() {
    let nodes = nodes().unwrap();
    let names: Vec<_> = nodes.iter().map(|node| node.to_string()).collect();

    assert_eq!(
        numbers(&sysfs("has_memory")).iter().map(|node| node.to_string()).collect::<Vec<_>>(),
        names
    );
    assert!(nodes.contains(&NumaNode::current().unwrap()));
}

#[test]
fn a_node_has_its_memory_and_cpus() {
    for node in nodes().unwrap() {
        let told = node.describe().unwrap();
        let meminfo = sysfs(&format!("node{node}/meminfo"));
        let total = meminfo.lines().find(|line| line.contains("MemTotal:")).unwrap();
        let kib: usize = total.split_whitespace().nth(3).unwrap().parse().unwrap();
        let cpus = numbers(&sysfs(&format!("node{node}/cpulist")));

        assert_eq!((kib * 1024, cpus.len()), (told.bytes, told.cpus));
        assert!(0 < told.free_bytes && told.free_bytes < told.bytes);
        assert_eq!(cpus, node.cpus().unwrap());
    }
}

#[test]
fn nodes_are_as_far_as_the_firmware_says() {
    for from in nodes().unwrap() {
        let distances = sysfs(&format!("node{from}/distance"));
        let told = nodes().unwrap().into_iter().map(|to| from.distance(to).unwrap().to_string());

        assert_eq!(distances, told.collect::<Vec<_>>().join(" "));
    }
}

#[test]
fn the_nearest_node_with_room() {
    for node in nodes().unwrap() {
        assert_eq!(node, node.nearest(1).unwrap());
        assert_eq!(ENOMEM, node.nearest(usize::MAX).unwrap_err().errno());
    }
}

#[test]
fn a_node_that_is_none_has_nothing() {
    let none = NumaNode::new(u16::MAX);

    assert_eq!(ENODEV, none.describe().unwrap_err().errno());
    assert_eq!(ENODEV, none.cpus().unwrap_err().errno());
    assert_eq!(ENODEV, none.distance(none).unwrap_err().errno());
    assert_eq!(ENODEV, none.nearest(1).unwrap_err().errno());
}

#[test]
fn memory_without_pages_is_told_so() {
    let nothing = locate::<[u8]>(&[]).unwrap_err();

    assert_eq!((EINVAL, Reason::None), (nothing.errno(), nothing.reason()));
}

#[test]
fn the_version_is_the_crates() {
    let (major, minor, patch) = version();

    assert_eq!(env!("CARGO_PKG_VERSION"), format!("{major}.{minor}.{patch}"));
}
