// SPDX-License-Identifier: LGPL-2.1-or-later
//! Types whose values may be all zeroes, as memory is that comes from the kernel.

use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::num::Wrapping;
use std::sync::atomic;

/// Types of which all zeroes are a value.
///
/// # Safety
///
/// Memory of the type's size in which every byte is 0 must be a valid value of it.
pub unsafe trait Zeroable: Sized {}

macro_rules! zeroable {
    ($($type:ty)*) => {
        // SAFETY: 0, 0.0, false, '\0', and for MaybeUninit anything.
        $(unsafe impl Zeroable for $type {})*
    };
}

zeroable!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char);
zeroable!(atomic::AtomicBool atomic::AtomicUsize atomic::AtomicIsize);
zeroable!(atomic::AtomicU8 atomic::AtomicU16 atomic::AtomicU32 atomic::AtomicU64);
zeroable!(atomic::AtomicI8 atomic::AtomicI16 atomic::AtomicI32 atomic::AtomicI64);

// SAFETY: each is laid out as T is, or as several of them.
unsafe impl<T: Zeroable, const N: usize> Zeroable for [T; N] {}
unsafe impl<T: Zeroable> Zeroable for Wrapping<T> {}
unsafe impl<T: Zeroable> Zeroable for Cell<T> {}
unsafe impl<T: Zeroable> Zeroable for UnsafeCell<T> {}
// SAFETY: what is not initialized may be anything.
unsafe impl<T> Zeroable for MaybeUninit<T> {}
// SAFETY: a raw pointer may be null, and an Option of a Box or a reference is None as such.
unsafe impl<T> Zeroable for *const T {}
unsafe impl<T> Zeroable for *mut T {}
unsafe impl<T> Zeroable for Option<Box<T>> {}
unsafe impl<T> Zeroable for Option<&T> {}
