// SPDX-License-Identifier: LGPL-2.1-or-later
//! Where the module is: memory that is pinned, and what refusals are like.

mod witness;

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::chroot;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use numapin::*;
use witness::*;

const NODES: [NumaNode; 2] = [NumaNode::new(0), NumaNode::new(1)];

fn bytes_of_node_1() -> usize {
    number_in("/sys/class/numapin/node1/bytes")
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn is_on_the_node_and_stays_there() {
    let _turn = turn("");
    for (node, other) in [(NODES[0], NODES[1]), (NODES[1], NODES[0])] {
        let mut memory = allocate_on_node::<u64>(node, 5 * MIB / 8).unwrap();
        let receipt = *memory.receipt();

        assert_eq!((node, Outcome::Pinned), (receipt.node, receipt.outcome));
        assert_eq!((Reason::None, false), (receipt.reason, receipt.shared));
        assert_eq!((5 * MIB, 4 * MIB), (receipt.bytes, receipt.huge_bytes));
        assert!(memory.iter().all(|&value| value == 0));
        for (i, value) in memory.iter_mut().enumerate() {
            *value = i as u64;
        }

        let before = witness(&memory);
        assert_eq!(format!("bind:{node}"), before.policy);
        assert_eq!(Some(format!("/dev/numapin/node{node}")), before.file);
        assert_eq!(vec![(node, 5 * MIB / PAGE)], before.pages);
        migrate(node, other);
        assert_eq!(before, witness(&memory));
        assert!(memory.iter().enumerate().all(|(i, &value)| value == i as u64));
    }
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn is_located_there() {
    let _turn = turn("");
    let memory = allocate_on_node::<u8>(NODES[1], MIB).unwrap();

    assert_eq!(vec![Ok(NODES[1]); MIB / PAGE], locate(&memory[..]).unwrap());
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn is_among_the_mappings() {
    let _turn = turn("");
    let memory = allocate_on_node::<u8>(NODES[1], 2 * MIB).unwrap();
    let addr = memory.as_ptr() as usize;

    for pid in [0, std::process::id()] {
        let mappings = mappings(pid).unwrap();
        let mapping = mappings.iter().find(|mapping| mapping.addr == addr).unwrap();

        assert_eq!((2 * MIB, PAGE), (mapping.bytes, mapping.page_bytes));
        assert_eq!(Outcome::Pinned, mapping.outcome);
        assert_eq!("bind:1", mapping.policy);
        assert_eq!("/dev/numapin/node1", mapping.name);
        assert_eq!(vec![(NODES[1], 2 * MIB)], mapping.nodes);
    }
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn is_freed_when_it_is_dropped() {
    let _turn = turn("");
    let before = bytes_of_node_1();
    let memory = allocate_on_node::<u8>(NODES[1], 2 * MIB).unwrap();

    assert_eq!(before + 2 * MIB, bytes_of_node_1());
    drop(memory);
    assert_eq!(before, bytes_of_node_1());
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn flags_do_what_they_say() {
    let _turn = turn("");
    let huge_bytes = |flags| *numapin_alloc::<u8>(NODES[1], 2 * MIB, flags).unwrap().receipt();

    assert_eq!(2 * MIB, huge_bytes(Flags::HUGE | Flags::STRICT).huge_bytes);
    assert_eq!(0, huge_bytes(Flags::NO_HUGE).huge_bytes);
    assert!(huge_bytes(Flags::SHARED).shared);
    assert!(!huge_bytes(Flags::RESERVE).shared);
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn what_the_node_does_not_have_is_refused() {
    let _turn = turn("");
    let error = allocate_on_node::<u8>(NODES[1], 1 << 40).unwrap_err();

    assert_eq!((ENOMEM, Reason::TooLarge), (error.errno(), error.reason()));
    // All of it; but what is set aside for contiguous allocations, on the one node or another
    let bytes = NODES[1].describe().unwrap().bytes;
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let set_aside = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("CmaTotal:")?.strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0)
        * 1024;
    assert!([bytes, bytes - set_aside].contains(&error.available()), "{error}");
    assert!(error.to_string().starts_with("node 1 "), "{error}");
    assert!(error.to_string().contains("1099511627776"), "{error}");
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn a_probe_tells_before() {
    let _turn = turn("");
    let receipt = probe(NODES[1], Flags::default()).unwrap();
    let huge = probe(NODES[1], Flags::HUGE).unwrap();

    assert_eq!((NODES[1], Outcome::Pinned), (receipt.node, receipt.outcome));
    assert_eq!(2 * MIB, huge.huge_bytes);
}

#[test]
#[ignore = "needs the module, and two nodes"]
fn threads_share_it_and_hand_it_on() {
    let _turn = turn("");
    let memory = allocate_on_node::<AtomicU32>(NODES[1], 16).unwrap();

    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in memory.iter() {
                    n.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    thread::spawn(move || assert!(memory.iter().all(|n| n.load(Ordering::Relaxed) == 4)))
        .join()
        .unwrap();
}

/// In a process of its own, for that is what has its root elsewhere then.
#[test]
#[ignore = "needs the module, and two nodes"]
fn a_device_that_is_used_serves_after_chroot() {
    const NAME: &str = "a_device_that_is_used_serves_after_chroot";

    if env::var_os(NAME).is_some() {
        return serve_after_chroot();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", NAME, "--include-ignored"])
        .env(NAME, "1")
        .output()
        .unwrap();

    assert!(child.status.success(), "{child:?}");
}

fn serve_after_chroot() {
    let _turn = turn("");
    let folder = env::temp_dir().join(format!("numapin-{}", std::process::id()));
    let open = |path: &str| File::options().read(true).write(true).open(path);

    let device = open("/dev/numapin/node1").unwrap();
    assert_eq!(ENODEV, use_device(open("/dev/null").unwrap()).unwrap_err().errno());
    assert_eq!(NODES[1], use_device(&device).unwrap());
    drop(device);

    fs::create_dir(&folder).unwrap();
    env::set_current_dir(&folder).unwrap();
    fs::remove_dir(&folder).unwrap();
    chroot(".").unwrap();
    assert!(open("/dev/numapin/node1").is_err());
    let memory = numapin_alloc::<u8>(NODES[1], MIB, Flags::REGION).unwrap();
    assert_eq!(vec![Ok(NODES[1]); MIB / PAGE], locate(&memory[..]).unwrap());
    assert!(numapin_alloc::<u8>(NODES[0], MIB, Flags::REGION).is_err());
}
