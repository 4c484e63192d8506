//! The memory of a component: blocks cut off the end of what was grown, and lists of freed ones by size.
//!
//! An instance lives for one call, so nothing is ever joined or given back; what is freed is used again for what is as
//! large, and large ones are cut up before memory that nobody has touched: the kernel zeroes that, a page at a time.
//! This costs a few instructions where the standard library's allocator searches trees. Knows nothing of who asks.
//!
//! Unsafe as every allocator is. For one thread: [`register!`](crate::register) puts it where there is no other.
#![allow(unsafe_code)]

use std::alloc::Layout;
use std::ptr::{self, NonNull};

/// What blocks are aligned to, and the step between the sizes of small ones, bytes.
const STEP: usize = 8;

/// Up to here sizes are multiples of [`STEP`]; beyond, there are four between a power of two and the next.
const SMALL: usize = 1 << SMALL_BITS;
const SMALL_BITS: u32 = 10;

/// How much memory is grown at once, bytes.
const CHUNK: usize = 1 << 20;

/// Blocks from here on are not cut off a piece of memory for small ones, and become one when they are freed.
const LARGE: usize = 8 << 10;

/// A new piece for small blocks, bytes.
const PIECE: usize = 32 << 10;

const CLASSES: usize = SMALL / STEP + 4 * (usize::BITS - SMALL_BITS) as usize;

/// Where memory comes from.
pub(crate) trait Memory {
    /// Gives at least so many bytes more, zeroed and aligned to a page: where they begin and how many they are.
    fn grow(&mut self, bytes: usize) -> Option<(NonNull<u8>, usize)>;
}

/// An allocator.
pub(crate) struct Blocks<M> {
    memory: M,
    /// Where small blocks are cut off.
    piece: Rest,
    /// What was never used.
    fresh: Rest,
    /// The freed blocks of each class; each begins with the address of the one behind it.
    free: [*mut u8; CLASSES],
}

/// Memory of which the beginning was given away.
struct Rest {
    next: *mut u8,
    end: *mut u8,
}

impl Rest {
    const NOTHING: Self = Self {
        next: ptr::null_mut(),
        end: ptr::null_mut(),
    };

    /// Cuts a block off; what is before it by its alignment is lost.
    fn cut(&mut self, size: usize, align: usize) -> Option<*mut u8> {
        let gap = self.next.addr().checked_next_multiple_of(align)? - self.next.addr();
        let left = self.end.addr() - self.next.addr();
        if self.next.is_null() || left < size || left - size < gap {
            return None;
        }
        let block = self.next.wrapping_add(gap);
        self.next = block.wrapping_add(size);
        Some(block)
    }

    /// Makes the block that was cut off last larger.
    fn extend(&mut self, block: *mut u8, old: usize, new: usize) -> bool {
        let is_last = block.wrapping_add(old) == self.next;
        let fits = is_last && new <= self.end.addr() - block.addr();
        if fits {
            self.next = block.wrapping_add(new);
        }
        fits
    }
}

/// The class of blocks for a size, and their size. None: no memory is that large.
fn class(size: usize) -> Option<(usize, usize)> {
    if size <= SMALL {
        let steps = size.div_ceil(STEP).max(1);
        return Some((steps - 1, steps * STEP));
    }
    let log = (size - 1).ilog2();
    let step = 1 << (log - 2);
    let rounded = size.checked_next_multiple_of(step)?;
    let quarter = (rounded >> (log - 2)) - 5;
    Some((SMALL / STEP + 4 * (log - SMALL_BITS) as usize + quarter, rounded))
}

/// The size of the blocks of a class.
fn size_of_class(class: usize) -> usize {
    match class.checked_sub(SMALL / STEP) {
        None => (class + 1) * STEP,
        Some(above) => (above % 4 + 5) << (SMALL_BITS as usize - 2 + above / 4),
    }
}

impl<M: Memory> Blocks<M> {
    pub(crate) const fn new(memory: M) -> Self {
        Self {
            memory,
            piece: Rest::NOTHING,
            fresh: Rest::NOTHING,
            free: [ptr::null_mut(); CLASSES],
        }
    }

    /// Gives a block; null: there is no memory.
    pub(crate) fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let Some((class, size)) = class(layout.size()) else {
            return ptr::null_mut();
        };
        if layout.align() <= STEP
            && let Some(block) = self.take(class)
        {
            return block;
        }
        self.cut(size, layout.align().max(STEP))
            .unwrap_or(ptr::null_mut())
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `block` is one of this allocator's for `layout`, and nobody uses it any more.
    pub(crate) unsafe fn free(&mut self, block: *mut u8, layout: Layout) {
        if let Some((class, _)) = class(layout.size()) {
            // SAFETY: the block is at least `STEP` bytes, aligned to it, and ours from here on.
            unsafe { block.cast::<*mut u8>().write(self.free[class]) };
            self.free[class] = block;
        }
    }

    /// Makes a block larger or smaller, in its place where it can be; null: there is no memory, and the block is as it was.
    ///
    /// # Safety
    /// `block` is one of this allocator's for `layout`; if something else is returned, nobody uses it any more.
    pub(crate) unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (Some((_, old)), Some((_, new))) = (class(layout.size()), class(size)) else {
            return ptr::null_mut();
        };
        // What stays smaller than its block loses the rest of it; that is worth a copy only where it is much.
        if new <= old && (old <= SMALL || new >= old / 2) {
            return block;
        }
        if self.piece.extend(block, old, new) || self.fresh.extend(block, old, new) {
            return block;
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        let moved = self.allocate(wanted);
        if !moved.is_null() {
            // SAFETY: both are blocks of at least this many bytes, and two different ones.
            unsafe {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.free(block, layout);
            }
        }
        moved
    }

    fn cut(&mut self, size: usize, align: usize) -> Option<*mut u8> {
        if size >= LARGE || align > STEP {
            return self.cut_fresh(size, align);
        }
        if let Some(block) = self.piece.cut(size, align) {
            return Some(block);
        }
        self.piece = self.another_piece()?;
        self.piece.cut(size, align)
    }

    /// The largest of the freed blocks, else new memory.
    fn another_piece(&mut self) -> Option<Rest> {
        let (first, _) = class(LARGE)?;
        let largest = (first..CLASSES).rev().find(|class| !self.free[*class].is_null());
        let (next, size) = match largest {
            Some(class) => (self.take(class)?, size_of_class(class)),
            None => (self.cut_fresh(PIECE, STEP)?, PIECE),
        };
        let end = next.wrapping_add(size);
        Some(Rest { next, end })
    }

    fn cut_fresh(&mut self, size: usize, align: usize) -> Option<*mut u8> {
        loop {
            if let Some(block) = self.fresh.cut(size, align) {
                return Some(block);
            }
            let (start, grown) = self.memory.grow(size.checked_add(align)?.max(CHUNK))?;
            // Somebody else may have grown the memory, too: then what is left of ours is lost.
            if start.as_ptr() != self.fresh.end {
                self.fresh.next = start.as_ptr();
            }
            self.fresh.end = start.as_ptr().wrapping_add(grown);
        }
    }

    /// Takes the first freed block of a class.
    fn take(&mut self, class: usize) -> Option<*mut u8> {
        let block = self.free[class];
        if block.is_null() {
            return None;
        }
        // SAFETY: a freed block is at least `STEP` bytes, aligned to it, nobody's, and holds what `free` wrote.
        self.free[class] = unsafe { block.cast::<*mut u8>().read() };
        Some(block)
    }
}

#[cfg(target_family = "wasm")]
pub mod component {
    use std::alloc::{GlobalAlloc, Layout};
    use std::arch::wasm32;
    use std::cell::UnsafeCell;
    use std::ptr::NonNull;

    use super::{Blocks, Memory};

    const PAGE: usize = 64 << 10;

    struct Linear;

    impl Memory for Linear {
        fn grow(&mut self, bytes: usize) -> Option<(NonNull<u8>, usize)> {
            let pages = bytes.div_ceil(PAGE);
            let before = wasm32::memory_grow::<0>(pages);
            let start = std::ptr::with_exposed_provenance_mut(before.checked_mul(PAGE)?);
            // The last page of a memory of 4 GiB is left alone: its end has no address.
            let end = before.checked_add(pages)?.checked_mul(PAGE);
            end.and_then(|_| Some((NonNull::new(start)?, pages * PAGE)))
        }
    }

    /// The allocator of a component.
    pub struct Allocator(UnsafeCell<Blocks<Linear>>);

    impl Allocator {
        /// Makes one that has nothing yet.
        #[allow(clippy::new_without_default)] // it is of use in a static alone
        pub const fn new() -> Self {
            Self(UnsafeCell::new(Blocks::new(Linear)))
        }
    }

    // SAFETY: a memory that is not shared has one thread.
    #[cfg(not(target_feature = "atomics"))]
    unsafe impl Sync for Allocator {}

    // SAFETY: see `Blocks`. No method calls code that allocates, so there is one reference to it at a time.
    unsafe impl GlobalAlloc for Allocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            unsafe { &mut *self.0.get() }.allocate(layout)
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            unsafe { (*self.0.get()).free(block, layout) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            unsafe { (*self.0.get()).resize(block, layout, size) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Memory that may be grown a few times; between its parts there is, or is not, something else.
    struct Parts {
        space: Vec<u128>,
        used: usize,
        gap: usize,
    }

    impl Parts {
        fn new(bytes: usize, gap: usize) -> Self {
            Self {
                space: vec![0; bytes / 16],
                used: 0,
                gap,
            }
        }
    }

    impl Memory for Parts {
        fn grow(&mut self, bytes: usize) -> Option<(NonNull<u8>, usize)> {
            let bytes = bytes.next_multiple_of(64 << 10);
            let start = self.used + self.gap;
            if start + bytes > self.space.len() * 16 {
                return None;
            }
            self.used = start + bytes;
            Some((
                NonNull::new(self.space.as_mut_ptr().cast::<u8>().wrapping_add(start))?,
                bytes,
            ))
        }
    }

    #[test]
    fn sizes_have_classes() {
        let (mut last, mut last_size) = (0, STEP);
        for size in 0..100_000 {
            let (class, rounded) = class(size).unwrap();
            assert!(rounded >= size && rounded % STEP == 0 && class < CLASSES);
            assert!(
                size <= SMALL || rounded - size <= size / 4,
                "{size} becomes {rounded}"
            );
            assert_eq!(size_of_class(class), rounded);
            // As many classes as sizes, in order.
            assert!(
                (class, rounded) == (last, last_size) || class == last + 1 && rounded > last_size,
                "{size}"
            );
            (last, last_size) = (class, rounded);
        }
        assert_eq!(class(usize::MAX), None);
        assert!(class(isize::MAX as usize).unwrap().0 < CLASSES);
    }

    #[test]
    fn what_is_freed_is_used_again() {
        let mut blocks = Blocks::new(Parts::new(2 << 20, 0));
        let layout = Layout::from_size_align(100, 8).unwrap();
        let first = blocks.allocate(layout);
        // SAFETY: it is a block of this layout.
        unsafe { blocks.free(first, layout) };
        assert_eq!(blocks.allocate(Layout::from_size_align(97, 1).unwrap()), first);
        assert_ne!(blocks.allocate(layout), first);
    }

    #[test]
    fn the_last_block_grows_in_its_place() {
        let mut blocks = Blocks::new(Parts::new(4 << 20, 0));
        let (mut layout, mut first) = (Layout::from_size_align(8, 1).unwrap(), None);
        for size in (100..900_000).step_by(10_000) {
            let block = blocks.allocate(layout);
            let first = *first.get_or_insert(block);
            // SAFETY: it is a block of this layout.
            unsafe {
                let grown = blocks.resize(block, layout, size);
                assert_eq!(grown, first, "{size}");
                layout = Layout::from_size_align(size, 1).unwrap();
                blocks.free(grown, layout);
            }
        }
    }

    #[test]
    fn there_is_an_end() {
        let mut blocks = Blocks::new(Parts::new(3 << 20, 0));
        let layout = |size| Layout::from_size_align(size, 1).unwrap();
        assert!(blocks.allocate(layout(4 << 20)).is_null());
        assert!(blocks.allocate(layout(isize::MAX as usize)).is_null());
        let block = blocks.allocate(layout(1 << 20));
        assert!(!block.is_null());
        // SAFETY: it is a block of this layout.
        assert!(unsafe { blocks.resize(block, layout(1 << 20), 8 << 20) }.is_null());
    }

    #[derive(Debug, Clone)]
    enum Step {
        Allocate { size: usize, align: u32 },
        Free(usize),
        Resize(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let size = || prop_oneof![0..64_usize, 0..3000_usize, 0..200_000_usize];
        prop_oneof![
            3 => (size(), 0..7_u32).prop_map(|(size, align)| Step::Allocate { size, align }),
            2 => any::<usize>().prop_map(Step::Free),
            2 => (any::<usize>(), size()).prop_map(|(at, size)| Step::Resize(at, size)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// No two blocks share a byte: each keeps what was written into it.
        #[test]
        fn blocks_are_apart(steps in prop::collection::vec(step(), 1..120), gap in prop_oneof![Just(0), Just(64 << 10)]) {
            let mut blocks = Blocks::new(Parts::new(32 << 20, gap));
            let mut held: Vec<(*mut u8, Layout, u8)> = Vec::new();
            let mut mark = 0_u8;
            let check = |block: *mut u8, size: usize, mark: u8| {
                // SAFETY: the block has this size, and was written in full.
                let bytes = unsafe { std::slice::from_raw_parts(block, size) };
                prop_assert!(bytes.iter().all(|byte| *byte == mark));
                Ok(())
            };
            for step in steps {
                mark = mark.wrapping_add(1);
                match step {
                    Step::Allocate { size, align } => {
                        let layout = Layout::from_size_align(size, 1 << align).unwrap();
                        let block = blocks.allocate(layout);
                        if !block.is_null() {
                            prop_assert_eq!(block.addr() % layout.align(), 0);
                            // SAFETY: the block has this size.
                            unsafe { block.write_bytes(mark, size) };
                            held.push((block, layout, mark));
                        }
                    }
                    Step::Free(at) if !held.is_empty() => {
                        let (block, layout, mark) = held.swap_remove(at % held.len());
                        check(block, layout.size(), mark)?;
                        // SAFETY: it is a block of this layout.
                        unsafe { blocks.free(block, layout) };
                    }
                    Step::Resize(at, size) if !held.is_empty() => {
                        let at = at % held.len();
                        let (block, layout, old) = held[at];
                        // SAFETY: it is a block of this layout.
                        let new = unsafe { blocks.resize(block, layout, size) };
                        if !new.is_null() {
                            let layout = Layout::from_size_align(size, layout.align()).unwrap();
                            prop_assert_eq!(new.addr() % layout.align(), 0);
                            check(new, size.min(held[at].1.size()), old)?;
                            // SAFETY: the block has this size.
                            unsafe { new.write_bytes(mark, size) };
                            held[at] = (new, layout, mark);
                        }
                    }
                    Step::Free(_) | Step::Resize(..) => {}
                }
            }
            for (block, layout, mark) in held {
                check(block, layout.size(), mark)?;
            }
        }
    }
}
