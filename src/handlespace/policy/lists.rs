//! Where policies keep their lists: in allocated storage for a registrar, in storage of a fixed capacity for a user's
//! cache.

use core::fmt::Debug;

/// A kind of storage.
pub(crate) trait Storage: Debug + 'static {
    /// A list in it.
    type List<T: Copy + Debug + Send + 'static>: List<T>;
}

/// A list.
pub(crate) trait List<T>: Default + Debug + Send {
    /// What is in the list.
    fn items(&self) -> &[T];
    /// What is in the list.
    fn items_mut(&mut self) -> &mut [T];
    /// Adds an item behind the last one. A list that is full stays as it is.
    fn push(&mut self, item: T);
    /// Takes the last item.
    fn pop(&mut self) -> Option<T>;
}

/// Allocated storage. A list grows by half, so that many lists waste little.
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub(crate) struct Allocated;

#[cfg(feature = "alloc")]
impl Storage for Allocated {
    type List<T: Copy + Debug + Send + 'static> = alloc::vec::Vec<T>;
}

#[cfg(feature = "alloc")]
impl<T: Copy + Debug + Send> List<T> for alloc::vec::Vec<T> {
    fn items(&self) -> &[T] {
        self
    }

    fn items_mut(&mut self) -> &mut [T] {
        self
    }

    fn push(&mut self, item: T) {
        if self.len() == self.capacity() {
            self.reserve_exact((self.len() / 2).max(6));
        }
        self.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }
}

/// Room for `N` items in each list.
#[derive(Debug)]
pub(crate) struct Fixed<const N: usize>;

impl<const N: usize> Storage for Fixed<N> {
    type List<T: Copy + Debug + Send + 'static> = heapless::Vec<T, N>;
}

impl<T: Copy + Debug + Send, const N: usize> List<T> for heapless::Vec<T, N> {
    fn items(&self) -> &[T] {
        self
    }

    fn items_mut(&mut self) -> &mut [T] {
        self
    }

    fn push(&mut self, item: T) {
        // A policy's lists have room for as many members as their owner adds.
        let _ = self.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }
}
