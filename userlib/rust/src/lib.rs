// SPDX-License-Identifier: LGPL-2.1-or-later
//! Memory on the NUMA node that was asked for, by libnumapin: there from the start, there until it
//! is freed, and shown to be there.
//!
//! ```
//! # fn main() -> Result<(), numapin::NumaError> {
//! use numapin::{allocate_on_node, locate, NumaNode, Outcome};
//!
//! let node = NumaNode::new(0);
//! let mut table = allocate_on_node::<u64>(node, 1 << 20)?;
//! table[4711] = 1;
//! assert_eq!(1, table.iter().sum::<u64>());
//!
//! if table.receipt().outcome != Outcome::Unbound {
//!     assert!(locate(&table[..])?.iter().all(|page| *page == Ok(node)));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What is guaranteed of it, and what is not, is in `numapin.h`; so are the environment variables
//! that the library reads. The crate links to `libnumapin`, 0.2 or later: found in the folder that
//! `NUMAPIN_LIB_DIR` names when it is built, or by pkg-config.

#![warn(missing_docs)]

mod error;
mod ffi;
mod mapping;
mod memory;
mod node;
mod receipt;
mod warning;
mod zeroable;

pub use error::NumaError;
pub use mapping::{mappings, Mapping};
pub use memory::{allocate_on_node, locate, numapin_alloc, probe, NumaBox};
pub use node::{nodes, use_device, NodeDescription, NumaNode};
pub use receipt::{Flags, Outcome, Reason, Receipt};
pub use warning::set_warning_handler;
pub use zeroable::Zeroable;

/// The version of the library that the program runs with: major, minor and patch.
pub fn version() -> (u32, u32, u32) {
    // SAFETY: it only returns a number.
    let version = unsafe { ffi::numapin_version() };

    (version / 1_000_000, version / 1000 % 1000, version % 1000)
}
