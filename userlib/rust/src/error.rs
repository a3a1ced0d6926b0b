// SPDX-License-Identifier: LGPL-2.1-or-later
//! Refusals.

use std::error::Error;
use std::ffi::CStr;
use std::fmt;
use std::io;

use crate::{ffi, Reason};

/// Why there is no memory, or no answer: an errno, and of an allocation more. Its `Display` is
/// one line of English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumaError {
    errno: i32,
    reason: Reason,
    available: usize,
    words: String,
}

impl NumaError {
    /// The errno, positive, as `numapin.h` says of each function.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// Of an allocation, why it was refused; [`Reason::None`] for the errno alone.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Bytes. For [`Reason::NodeFull`] and [`Reason::NoHugePage`] those that the node has free,
    /// for [`Reason::TooLarge`] those that it has at all, for [`Reason::Memlock`] and
    /// [`Reason::Budget`] those that are left of the limit, else 0.
    pub fn available(&self) -> usize {
        self.available
    }

    /// Of an allocation that this thread was just refused.
    pub(crate) fn of_allocation(receipt: &ffi::Receipt) -> NumaError {
        let error = NumaError::of_call();
        // SAFETY: it returns a string that is there until this thread's next failure.
        let words = unsafe { CStr::from_ptr(ffi::numapin_error()) };

        NumaError {
            reason: Reason::from_number(receipt.reason),
            available: receipt.available,
            words: words.to_string_lossy().into_owned(),
            ..error
        }
    }

    /// Of another call that just failed.
    pub(crate) fn of_call() -> NumaError {
        let error = io::Error::last_os_error();

        NumaError {
            errno: error.raw_os_error().unwrap_or(0),
            reason: Reason::None,
            available: 0,
            words: error.to_string(),
        }
    }
}

impl fmt::Display for NumaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.words)
    }
}

impl Error for NumaError {}

impl From<NumaError> for io::Error {
    fn from(error: NumaError) -> io::Error {
        io::Error::new(io::Error::from_raw_os_error(error.errno).kind(), error)
    }
}
