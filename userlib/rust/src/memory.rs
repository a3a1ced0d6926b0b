// SPDX-License-Identifier: LGPL-2.1-or-later
//! Memory, and who owns it.

use std::fmt;
use std::marker::PhantomData;
use std::mem::{align_of, size_of, size_of_val};
use std::ops::{Deref, DerefMut};
use std::os::raw::c_void;
use std::ptr::{self, NonNull};
use std::slice;

use crate::{ffi, Flags, NumaError, NumaNode, Receipt, Zeroable};

/// The least that a page has, and so the most that an alignment may be.
const PAGE: usize = 4096;

/// More than a slice may have, and than any address space: the library refuses it.
const TOO_MANY: usize = isize::MAX as usize + 1;

/// Memory of the library's, until it is dropped.
struct Memory {
    addr: NonNull<c_void>,
    size: usize,
}

impl Drop for Memory {
    fn drop(&mut self) {
        // What munmap(2) refuses stays allocated: there is nobody to tell.
        // SAFETY: it is this memory's size, and there is no reference to it any more.
        unsafe { ffi::free_numa_memory(self.addr.as_ptr(), self.size) };
    }
}

/// Owns values on a NUMA node, as a `Box` owns them on the heap: it derefs to them, and
/// drops them and frees the memory when it is dropped.
///
/// As of a `Box`, parent and child each have their own after `fork()`, unless the memory is
/// [`Flags::SHARED`].
pub struct NumaBox<T: ?Sized> {
    values: NonNull<T>,
    receipt: Receipt,
    // Dropped after the values are, should one of them panic too.
    _memory: Memory,
    _owns: PhantomData<T>,
}

// SAFETY: as of a Box. The library's functions may be called from any thread.
unsafe impl<T: ?Sized + Send> Send for NumaBox<T> {}
// SAFETY: the same.
unsafe impl<T: ?Sized + Sync> Sync for NumaBox<T> {}

impl<T: ?Sized> NumaBox<T> {
    /// What the allocation came to.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }
}

impl<T: ?Sized> Deref for NumaBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the values are valid from the start, and owned.
        unsafe { self.values.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for NumaBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the same.
        unsafe { self.values.as_mut() }
    }
}

impl<T: ?Sized> Drop for NumaBox<T> {
    fn drop(&mut self) {
        // SAFETY: nothing has them after this.
        unsafe { ptr::drop_in_place(self.values.as_ptr()) };
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for NumaBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> AsRef<T> for NumaBox<T> {
    fn as_ref(&self) -> &T {
        self
    }
}

impl<T: ?Sized> AsMut<T> for NumaBox<T> {
    fn as_mut(&mut self) -> &mut T {
        self
    }
}

/// What is on a page.
struct Value<T>(PhantomData<T>);

impl<T> Value<T> {
    const SIZE: usize = {
        assert!(align_of::<T>() <= PAGE, "aligned to more than a page");
        size_of::<T>()
    };
}

/// `len` zeroes on a NUMA node: [`numapin_alloc`] without flags.
///
/// # Errors
///
/// As [`numapin_alloc`].
pub fn allocate_on_node<T: Zeroable>(
    node: NumaNode,
    len: usize,
) -> Result<NumaBox<[T]>, NumaError> {
    numapin_alloc(node, len, Flags::default())
}

/// `len` zeroes on a NUMA node, as flags say. [`NumaBox::receipt`] tells what it came to.
///
/// Memory that is pinned or bound is wholly on the node. Memory that is unbound, or bound
/// because the module's device may not be used, comes with a warning.
///
/// A type that is aligned to more than a page is an error of the compiler's:
///
/// ```compile_fail,E0080
/// #[repr(align(8192))]
/// struct Aligned(u8);
/// unsafe impl numapin::Zeroable for Aligned {}
/// numapin::allocate_on_node::<Aligned>(numapin::NumaNode::new(0), 1);
/// ```
///
/// # Errors
///
/// EINVAL where the size is 0, or the flags make no sense; ENOMEM where the size is more than
/// there is, or can be; else as the [`Reason`](crate::Reason) says.
pub fn numapin_alloc<T: Zeroable>(
    node: NumaNode,
    len: usize,
    flags: Flags,
) -> Result<NumaBox<[T]>, NumaError> {
    let size = len.saturating_mul(Value::<T>::SIZE).min(TOO_MANY);
    let mut receipt = ffi::Receipt::default();
    // SAFETY: it writes the receipt, and nothing else of ours.
    let addr = unsafe { ffi::numapin_alloc(node.raw(), size, flags.bits(), &mut receipt) };
    let addr = NonNull::new(addr).ok_or_else(|| NumaError::of_allocation(&receipt))?;
    // SAFETY: there is room for so many; it is aligned to a page, nobody else's, and zeroed, which
    // is valid, Zeroable says.
    let values = unsafe { slice::from_raw_parts_mut(addr.cast().as_ptr(), len) };

    Ok(NumaBox {
        values: NonNull::from(values),
        receipt: Receipt::new(&receipt),
        _memory: Memory { addr, size },
        _owns: PhantomData,
    })
}

/// What memory of a node would come to: allocates a page and frees it, without a warning.
/// With [`Flags::HUGE`] it is a 2 MiB page.
///
/// # Errors
///
/// As [`numapin_alloc`].
pub fn probe(node: NumaNode, flags: Flags) -> Result<Receipt, NumaError> {
    let mut receipt = ffi::Receipt::default();

    // SAFETY: it writes the receipt, and nothing else of ours.
    match unsafe { ffi::numapin_probe(node.raw(), flags.bits(), &mut receipt) } {
        0 => Ok(Receipt::new(&receipt)),
        _ => Err(NumaError::of_allocation(&receipt)),
    }
}

/// The nodes of the pages of any memory, as the kernel tells them: for each page that it touches
/// its node; or an errno, as ENOENT where it has no page yet.
///
/// # Errors
///
/// EINVAL where the memory has no bytes; EPERM or ENXIO where `move_pages(2)` is denied to the
/// process, as in a container, and the memory is not all from the module; ENOSYS where there
/// is no such call, nor a device.
pub fn locate<T: ?Sized>(memory: &T) -> Result<Vec<Result<NumaNode, i32>>, NumaError> {
    let size = size_of_val(memory);
    let mut nodes = vec![0; size / PAGE + 2];
    let addr = (memory as *const T).cast();
    // SAFETY: it writes as many nodes as there are.
    let pages = unsafe { ffi::numapin_locate(addr, size, nodes.as_mut_ptr(), nodes.len()) };

    if pages < 0 {
        return Err(NumaError::of_call());
    }
    Ok(nodes[..pages as usize]
        .iter()
        .map(|&node| if node < 0 { Err(-node) } else { Ok(NumaNode::from_raw(node)) })
        .collect())
}
