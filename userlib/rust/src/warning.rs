// SPDX-License-Identifier: LGPL-2.1-or-later
//! Who takes warnings.

use std::ffi::CStr;
use std::mem;
use std::os::raw::{c_char, c_void};
use std::panic;
use std::ptr;

use crate::ffi;

/// # Safety
///
/// `message` must be a string of C's, and `arg` a `fn(&str)`.
unsafe extern "C" fn take(message: *const c_char, arg: *mut c_void) {
    let handler: fn(&str) = mem::transmute(arg);
    let message = CStr::from_ptr(message).to_string_lossy();

    // C's frames are not to be unwound; and dropping what was thrown may panic again.
    if let Err(thrown) = panic::catch_unwind(|| handler(&message)) {
        mem::forget(thrown);
    }
}

/// Says who takes warnings from now on; `None`: the default, which writes to stderr.
///
/// It is given one line of English, in the thread that allocates. It may call anything. A
/// panic of it ends there. (A closure it is not: while it is replaced, another thread may
/// still be in it, and what it has captured could never be dropped.)
///
/// ```
/// numapin::set_warning_handler(Some(|message| eprintln!("placement: {message}")));
/// numapin::set_warning_handler(None);
/// ```
pub fn set_warning_handler(handler: Option<fn(&str)>) {
    // SAFETY: a function is there for as long as the program.
    unsafe {
        match handler {
            Some(handler) => {
                ffi::numapin_set_warning_handler(Some(take), handler as *mut c_void);
            }
            None => ffi::numapin_set_warning_handler(None, ptr::null_mut()),
        }
    }
}
