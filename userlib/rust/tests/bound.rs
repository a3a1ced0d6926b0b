// SPDX-License-Identifier: LGPL-2.1-or-later
//! Where there is no module: memory that is bound by mbind(2); and all of ownership.

mod witness;

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};

use numapin::*;
use witness::*;

#[test]
fn is_bound_to_each_node() {
    let _turn = turn("mbind");
    for node in nodes().unwrap() {
        let memory = allocate_on_node::<u32>(node, MIB).unwrap();
        let receipt = *memory.receipt();
        let seen = witness(&memory);

        assert_eq!((node, Outcome::Bound), (receipt.node, receipt.outcome));
        assert_eq!((Reason::Forced, false), (receipt.reason, receipt.shared));
        assert_eq!((4 * MIB, 0), (receipt.bytes, receipt.huge_bytes));
        assert_eq!(format!("bind:{node}"), seen.policy);
        assert_eq!(vec![(node, 4 * MIB / PAGE)], seen.pages);
        assert_eq!(vec![Ok(node); 4 * MIB / PAGE], locate(&memory[..]).unwrap());
        assert_eq!(vec![Ok(node); 2], locate(&memory[PAGE / 4 - 1..PAGE / 4 + 1]).unwrap());
        assert!(memory.iter().all(|&value| value == 0));
    }
}

/// What migrate_pages does to it, which it does not to memory that is pinned.
#[test]
#[ignore = "needs two nodes"]
fn can_be_taken_away() {
    let (node, other) = (NumaNode::new(1), NumaNode::new(0));

    let _turn = turn("mbind");
    let memory = allocate_on_node::<u8>(node, 4 * MIB).unwrap();
    assert_eq!(vec![(node, 4 * MIB / PAGE)], witness(&memory).pages);
    migrate(node, other);
    assert_eq!(vec![(other, 4 * MIB / PAGE)], witness(&memory).pages);
}

#[test]
fn bad_sizes_are_refused() {
    let _turn = turn("mbind");
    let node = some_node();
    let none = allocate_on_node::<u64>(node, 0).unwrap_err();
    assert_eq!((EINVAL, "the size is 0"), (none.errno(), none.to_string().as_str()));
    assert_eq!(EINVAL, allocate_on_node::<[u8; 0]>(node, usize::MAX).unwrap_err().errno());

    for len in [usize::MAX, usize::MAX / 8 + 1, usize::MAX / 8 + 2, isize::MAX as usize / 8 + 1] {
        let error = allocate_on_node::<u64>(node, len).unwrap_err();

        assert_eq!((ENOMEM, Reason::TooLarge), (error.errno(), error.reason()), "{len}");
        assert!(error.to_string().contains("9223372036854775808"), "{error}");
    }
}

#[test]
fn flags_that_make_no_sense_are_refused() {
    let _turn = turn("mbind");
    let refused = |flags| numapin_alloc::<u8>(some_node(), 2 * MIB, flags).unwrap_err();
    let mut both = Flags::HUGE;

    both |= Flags::NO_HUGE;
    assert_eq!(EINVAL, refused(both).errno());
    assert_eq!(EINVAL, refused(Flags::SHARED | Flags::RESERVE).errno());
    assert_eq!(Reason::NoHugePromise, refused(Flags::HUGE).reason());
    assert_eq!(Reason::NoReserve, refused(Flags::RESERVE).reason());
    assert_eq!(EOPNOTSUPP, refused(Flags::RESERVE).errno());
    assert_eq!(Reason::Forced, refused(Flags::REGION).reason());
    assert!(refused(both).to_string().contains("exclude each other"));
    assert_eq!(EINVAL, probe(some_node(), both).unwrap_err().errno());
}

#[test]
fn errors_are_those_of_io_too() {
    let _turn = turn("mbind");
    let error = allocate_on_node::<u8>(some_node(), 0).unwrap_err();
    let words = error.to_string();
    let error = io::Error::from(error);

    assert_eq!(io::ErrorKind::InvalidInput, error.kind());
    assert_eq!(words, error.to_string());
}

#[test]
fn a_probe_tells_before() {
    let _turn = turn("mbind");
    let receipt = probe(some_node(), Flags::default()).unwrap();

    assert_eq!((Outcome::Bound, Reason::Forced), (receipt.outcome, receipt.reason));
}

#[test]
fn is_freed_when_it_is_dropped() {
    let _turn = turn("mbind");
    let memory = allocate_on_node::<u8>(some_node(), 4 * MIB).unwrap();
    let addr = memory.as_ptr() as usize;

    assert!(is_mapped(addr) && is_mapped(addr + 4 * MIB - 1));
    drop(memory);
    assert!(!is_mapped(addr) && !is_mapped(addr + 4 * MIB - 1));
}

#[test]
fn is_aligned_up_to_a_page() {
    #[repr(align(4096))]
    struct Aligned(Cell<u8>);
    // SAFETY: it is an integer.
    unsafe impl Zeroable for Aligned {}

    let _turn = turn("mbind");
    let memory = allocate_on_node::<Aligned>(some_node(), 3).unwrap();
    assert_eq!(3 * PAGE, memory.receipt().bytes);
    for value in memory.iter() {
        assert_eq!(0, value as *const _ as usize % PAGE);
        value.0.set(value.0.get() + 1);
    }
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Counted(Option<Box<u8>>);

// SAFETY: an Option of a Box is None as zeroes.
unsafe impl Zeroable for Counted {}

impl Drop for Counted {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
        assert_ne!(Some(13), self.0.as_deref().copied());
    }
}

#[test]
fn each_value_is_dropped_once() {
    let _turn = turn("mbind");
    let mut memory = allocate_on_node::<Counted>(some_node(), 5).unwrap();
    let before = DROPPED.load(Ordering::Relaxed);

    memory[1] = Counted(Some(Box::new(1)));
    assert_eq!(before + 1, DROPPED.load(Ordering::Relaxed));
    drop(memory);
    assert_eq!(before + 6, DROPPED.load(Ordering::Relaxed));
}

#[test]
fn is_freed_though_a_value_panics() {
    let _turn = turn("mbind");
    let mut memory = allocate_on_node::<Counted>(some_node(), MIB / 8).unwrap();
    let addr = memory.as_ptr() as usize;

    memory[7] = Counted(Some(Box::new(13)));
    assert!(is_mapped(addr));
    assert!(panic::catch_unwind(panic::AssertUnwindSafe(|| drop(memory))).is_err());
    assert!(!is_mapped(addr));
}

#[test]
fn looks_like_its_values() {
    let _turn = turn("mbind");
    let mut memory = allocate_on_node::<i16>(some_node(), 3).unwrap();

    memory.as_mut()[2] = -1;
    assert_eq!("[0, 0, -1]", format!("{memory:?}"));
    assert_eq!(memory.as_ref(), [0, 0, -1]);
}

/// What a type is, for what has no such bound; and what it is for what has.
struct Is<T: ?Sized>(PhantomData<T>);

trait Otherwise {
    const SEND: bool = false;
    const SYNC: bool = false;
}

impl<T: ?Sized> Otherwise for Is<T> {}

impl<T: ?Sized + Send> Is<T> {
    const SEND: bool = true;
}

impl<T: ?Sized + Sync> Is<T> {
    const SYNC: bool = true;
}

#[test]
fn goes_between_threads_as_a_box_does() {
    macro_rules! same {
        ($type:ty) => {
            assert_eq!(Is::<Box<[$type]>>::SEND, Is::<NumaBox<[$type]>>::SEND);
            assert_eq!(Is::<Box<[$type]>>::SYNC, Is::<NumaBox<[$type]>>::SYNC);
        };
    }

    type OfCells = NumaBox<[Cell<u8>]>;
    assert_eq!((true, false), (Is::<OfCells>::SEND, Is::<OfCells>::SYNC));
    same!(u8);
    same!(Cell<u8>);
    same!(*mut u8);
}
