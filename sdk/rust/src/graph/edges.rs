//! Which edges an op names. Knows nothing of the graph they are in.

use crate::types::*;

/// Calls `visit` with every edge that an op names, in the order of its fields.
pub(crate) fn for_each_edge(op: &mut Op, visit: &mut dyn FnMut(&mut Edge)) {
    match op {
        Op::Source(_) => {}
        Op::Exec(exec) => {
            for mount in &mut exec.mounts {
                match &mut mount.kind {
                    MountKind::Bind(bind) => bind.input.iter_mut().for_each(&mut *visit),
                    MountKind::Cache(cache) => cache.input.iter_mut().for_each(&mut *visit),
                    MountKind::Tmpfs(_) | MountKind::Secret(_) | MountKind::Ssh(_) => {}
                }
            }
        }
        Op::File(actions) => {
            for action in actions {
                for_input(&mut action.base, visit);
                if let FileActionKind::Copy(copy) = &mut action.kind {
                    for_input(&mut copy.src, visit);
                }
            }
        }
        Op::Merge(inputs) => inputs.iter_mut().for_each(visit),
        Op::Diff(diff) => {
            diff.lower.iter_mut().for_each(&mut *visit);
            diff.upper.iter_mut().for_each(visit);
        }
        Op::Build(build) => visit(&mut build.input),
    }
}

fn for_input(input: &mut FileInput, visit: &mut dyn FnMut(&mut Edge)) {
    match input {
        FileInput::Edge(edge) => visit(edge),
        FileInput::Scratch | FileInput::Action(_) => {}
    }
}
