//! `LABEL`: metadata of the image. Knows nothing of how pairs are written.

use crate::instructions::Command;
use crate::instructions::pairs::{self, Pairs};
use crate::lower::stage::{Cx, Stage};

/// Sets the labels.
pub fn lower(labels: &Pairs, command: &Command, stage: &mut Stage, cx: &mut Cx<'_>) {
    let pairs = labels.expand(command, stage, cx);
    let created_by = pairs::in_history("LABEL", &pairs);
    stage.image.labels.extend(pairs);
    cx.record(stage, created_by, false);
}
