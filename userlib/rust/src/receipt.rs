// SPDX-License-Identifier: LGPL-2.1-or-later
//! What is asked for beside memory, and what is told of it.

use std::ffi::CStr;
use std::fmt;
use std::ops::{BitOr, BitOrAssign};
use std::os::raw::{c_int, c_uint};

use crate::{ffi, NumaNode};

/// How memory is asked for; `Flags::default()` is none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(c_uint);

impl Flags {
    /// Fail rather than return memory that is [`Outcome::Unbound`].
    pub const STRICT: Flags = Flags(ffi::STRICT);
    /// 2 MiB pages only, or fail. Only the module can promise it. The size must be a multiple
    /// of 2 MiB.
    pub const HUGE: Flags = Flags(ffi::HUGE);
    /// 4 KiB pages only; copies after `fork()` are as fine.
    pub const NO_HUGE: Flags = Flags(ffi::NO_HUGE);
    /// Shared with children after `fork()`, and not private to each. Whoever forks, which is
    /// unsafe, sees to it that no process writes what another has a reference to.
    pub const SHARED: Flags = Flags(ffi::SHARED);
    /// At each `fork()`, memory is set aside for all that may be copied, or the child is
    /// without this memory. Only the module can promise it. Not with [`Flags::SHARED`].
    pub const RESERVE: Flags = Flags(ffi::RESERVE);
    /// A region of its own, or fail: never less than [`Outcome::Pinned`], and shared with no
    /// other allocation.
    pub const REGION: Flags = Flags(ffi::REGION);

    pub(crate) fn bits(self) -> c_uint {
        self.0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// An enum of the header's, and a place for numbers that a newer library may have.
macro_rules! numbers {
    (
        $(#[$doc:meta])*
        $name:ident, $c_name:ident,
        $($(#[$variant_doc:meta])* $variant:ident = $number:literal,)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// One of a newer library, by its number.
            Unknown(i32),
        }

        impl $name {
            pub(crate) fn from_number(number: c_int) -> $name {
                match number {
                    $($number => $name::$variant,)*
                    _ => $name::Unknown(number),
                }
            }

            /// Its number in `numapin.h`.
            pub fn number(self) -> i32 {
                match self {
                    $($name::$variant => $number,)*
                    $name::Unknown(number) => number,
                }
            }
        }

        /// The library's name of it: it knows those that are newer than this crate.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // SAFETY: it returns a string that is there for good.
                let name = unsafe { CStr::from_ptr(ffi::$c_name(self.number())) };

                f.pad(&name.to_string_lossy())
            }
        }
    };
}

numbers! {
    /// How firmly memory is on its node.
    Outcome, numapin_outcome_name,
    /// Not placed at all.
    Unbound = 1,
    /// Every page was on the node when the allocation returned, as the kernel told of each, and
    /// is bound there by policy. It may be swapped, and moved by those who may move it.
    Bound = 2,
    /// Every page is on the node until it is freed.
    Pinned = 3,
}

numbers! {
    /// Why memory is less than [`Outcome::Pinned`], or was refused.
    Reason, numapin_reason_name,
    /// It is pinned; or it was refused for the errno alone.
    None = 0,
    /// ENODEV: the node has no device here.
    NoModule = 1,
    /// EACCES: the device may not be opened.
    NoPermission = 2,
    /// ENODEV: the device is another node's.
    WrongDevice = 3,
    /// ENODEV: the system has no such node, or no memory on it.
    NoNode = 4,
    /// ENOSYS: the system does not place memory.
    NoNuma = 5,
    /// EPERM: the process may not place memory by `mbind(2)`, as in a container.
    MbindDenied = 6,
    /// EOPNOTSUPP: [`Flags::HUGE`] without the module.
    NoHugePromise = 7,
    /// EOPNOTSUPP: `NUMAPIN_BACKEND` leaves out the module, and for unbound memory mbind too.
    Forced = 8,
    /// ENOMEM: the node has not that much free.
    NodeFull = 9,
    /// ENOMEM: [`Flags::HUGE`], and the node has no free 2 MiB page left.
    NoHugePage = 10,
    /// ENOMEM: more than the node has, free or not.
    TooLarge = 11,
    /// ENOMEM: the memory cgroup has not that much left.
    Cgroup = 12,
    /// EPERM: the cpuset does not have the node.
    Cpuset = 13,
    /// ENODEV: the node has a device, but no memory for the kernel any more.
    NodeGone = 14,
    /// ENOMEM: the system, or the process's limits, have no memory or address space for it.
    NoMemory = 15,
    /// ENOMEM: it would exceed `RLIMIT_MEMLOCK`, which the module counts by user.
    Memlock = 16,
    /// ENOMEM: it would exceed what root has set as the most that the module gives of the node.
    Budget = 17,
    /// EOPNOTSUPP: the node has only memory that can be moved, none to pin.
    OnlyMovable = 18,
    /// EOPNOTSUPP: [`Flags::RESERVE`] without the module.
    NoReserve = 19,
}

/// What an allocation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The node that was asked for.
    pub node: NumaNode,
    /// How firmly the memory is there.
    pub outcome: Outcome,
    /// Why it is less than pinned.
    pub reason: Reason,
    /// Whether it is shared with children after `fork()`.
    pub shared: bool,
    /// The size in whole pages.
    pub bytes: usize,
    /// How many of `bytes` are known to be on 2 MiB pages: none where it is not pinned.
    pub huge_bytes: usize,
}

impl Receipt {
    pub(crate) fn new(raw: &ffi::Receipt) -> Receipt {
        Receipt {
            node: NumaNode::from_raw(raw.node),
            outcome: Outcome::from_number(raw.outcome),
            reason: Reason::from_number(raw.reason),
            shared: raw.shared != 0,
            bytes: raw.bytes,
            huge_bytes: raw.huge_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NO_MODULE` for `NoModule`.
    fn c_name(variant: &str) -> String {
        let mut name = String::new();

        for letter in variant.chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.push(letter.to_ascii_uppercase());
        }
        name
    }

    #[test]
    fn outcomes_are_those_of_the_library() {
        for number in 1..=3 {
            let outcome = Outcome::from_number(number);

            assert_eq!(c_name(&format!("{outcome:?}")), outcome.to_string());
            assert_eq!(number, outcome.number());
        }
        assert_eq!("?", Outcome::from_number(4).to_string());
    }

    #[test]
    fn reasons_are_those_of_the_library() {
        let count = (0..).take_while(|&n| Reason::Unknown(n).to_string() != "?").count();

        assert!(count >= 20);
        for number in 0..count as i32 {
            let reason = Reason::from_number(number);

            assert_eq!(c_name(&format!("{reason:?}")), reason.to_string());
            assert_eq!(number, reason.number());
        }
    }

    #[test]
    fn unknown_numbers_are_kept() {
        assert_eq!(Reason::Unknown(4711), Reason::from_number(4711));
        assert_eq!(4711, Reason::from_number(4711).number());
        assert_eq!(Outcome::Unknown(-1), Outcome::from_number(-1));
    }
}
