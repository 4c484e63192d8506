//! What a solve costs in allocations, which are the same on every machine. One test: the count is the process's.
#![allow(clippy::unwrap_used)]

mod toy;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use lapstrake_llb::Edge;
use lapstrake_solver::{Options, Session};
use toy::{definition, options, solver, source, step};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: hands everything on to the system's allocator and only counts.
#[allow(unsafe_code, reason = "there is no other way to count")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn a_cached_chain_costs_a_few_allocations_a_vertex() {
    const LENGTH: u32 = 2000;
    let solver = solver();
    solver.worker().set("src", "1");
    let mut vertices = vec![source("src")];
    vertices.extend((0..LENGTH).map(|n| step(&["constant", &n.to_string()], &[n])));
    let definition = definition(vertices);
    let digests = definition.digests();
    let root = [Edge {
        vertex: LENGTH,
        output: 0,
    }];
    let (options, _events): (Options, _) = options(4);
    let mut counts = Vec::new();
    for _ in 0..2 {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        solver
            .solve(&Session::new(), &definition, &digests, &root, &options)
            .unwrap();
        counts.push((ALLOCATIONS.load(Ordering::Relaxed) - before) / LENGTH as usize);
    }
    // The toy worker's own map, the graph's list of inputs, and the name and the inputs that the event of a skipped vertex
    // has are among them.
    assert!(
        counts[1] <= 8,
        "{counts:?} allocations a vertex, first executed and then cached"
    );
}
