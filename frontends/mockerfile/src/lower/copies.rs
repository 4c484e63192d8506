//! Files of the build context and of other images. Knows nothing of packages and downloads.

use std::collections::BTreeSet;

use lapstrake_sdk::types::{Chown, CopyAction, FileMode, UserRef};
use lapstrake_sdk::{State, chmod, path};

use super::image::{Builder, Part, Work};
use super::label;
use crate::check::{Source, Start};
use crate::model::Copy;

impl Builder<'_> {
    /// All copies of an image, side by side.
    pub(super) fn copies(&mut self, index: usize, work: &mut Work<'_>) {
        // Images of which everything is there already.
        let mut present = BTreeSet::new();
        if let Start::Parent(parent) = self.job.links[index].start {
            present.extend(self.line(parent));
        }
        for (copy, source) in work.image.copy.iter().zip(&self.job.links[index].copies) {
            let part = match source {
                Source::Image(other) if copy.src.is_empty() => {
                    let line = self.line(*other);
                    let part = self.whole(*other, line.iter().find(|image| present.contains(image)));
                    present.extend(line);
                    part
                }
                _ => self.tree_of(source).map(|tree| self.copied(copy, &tree, work)),
            };
            work.parts.extend(part);
        }
    }

    /// The images that lie on each other in the tree of one, itself first.
    fn line(&self, mut index: usize) -> Vec<usize> {
        let mut line = vec![index];
        // What has an output lies on nothing.
        while self.job.file.images[index].output.is_empty()
            && let Start::Parent(parent) = self.job.links[index].start
        {
            line.push(parent);
            index = parent;
        }
        line
    }

    fn tree_of(&self, source: &Source) -> Option<State> {
        match source {
            Source::Context => self.context.clone(),
            Source::Outside(text) => Some(self.outside.get(&text.text)?.state.clone()),
            Source::Image(index) => Some(self.done[*index].as_ref()?.tree.clone()),
        }
    }

    /// Everything that another image has over its base, or over the image below it that is there already: what that one
    /// has would else lie once more on what was made on it.
    fn whole(&self, index: usize, below: Option<&usize>) -> Option<Part> {
        let done = self.done[index].as_ref()?;
        let name = label(&self.job.file.images[index]);
        let (lower, known) = match below {
            Some(below) if *below == index => return None,
            Some(below) => {
                let below = self.done[*below].as_ref()?;
                (&below.tree, below.layers.len())
            }
            None => (&done.base, 0),
        };
        let layers = done.layers.iter().skip(known);
        let layers = layers.map(|layer| format!("from {name}: {layer}"));
        Some(Part {
            lower: lower.clone(),
            upper: done.tree.clone(),
            layers: layers.collect(),
            path: None,
        })
    }

    fn copied(&self, copy: &Copy, tree: &State, work: &Work<'_>) -> Part {
        let owner = copy.owner.as_ref().map(|text| owner(text));
        // Names of users are looked up where packages may have made them.
        let lower = match owner.as_ref().is_some_and(has_names) {
            true => &work.stem,
            false => &work.start,
        };
        let dst = copy.dst.as_ref().map_or("/", |dst| dst.text.as_str());
        let mut destination = path::join_keeping_slash(&work.directory, dst);
        if copy.src.len() > 1 && !destination.ends_with('/') {
            destination.push('/');
        }
        let mode: Option<FileMode> = copy.mode.as_ref().and_then(|mode| chmod::parse(mode).ok());
        let mut changes = lower.file();
        for source in &copy.src {
            changes = changes.copy_with(
                tree,
                CopyAction {
                    src_path: path::join("/", source),
                    dst_path: destination.clone(),
                    owner: owner.clone(),
                    mode: mode.clone(),
                    follow_symlink: true,
                    dir_contents_only: true,
                    create_dst_path: true,
                    allow_wildcard: true,
                    allow_empty_wildcard: true,
                    exclude_patterns: copy.exclude.iter().map(|text| text.text.clone()).collect(),
                    timestamp: self.options.epoch,
                    ..CopyAction::default()
                },
            );
        }
        let sources: Vec<&str> = copy.src.iter().map(|src| src.text.as_str()).collect();
        let from = copy.from.as_ref().map(|from| format!(" from {}", from.text));
        let what = format!("copy {}{} to {dst}", sources.join(" "), from.unwrap_or_default());
        Part {
            lower: lower.clone(),
            upper: self.noted(work.image, changes.done(), &what, &copy.span),
            layers: vec![what],
            path: Some(destination),
        }
    }
}

fn has_names(owner: &Chown) -> bool {
    [&owner.user, &owner.group]
        .into_iter()
        .any(|reference| matches!(reference, Some(UserRef::Name(_))))
}

/// Reads `user[:group]`, names or numbers.
fn owner(text: &str) -> Chown {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let reference = |text: &str| match text.parse::<u32>() {
        Ok(id) => UserRef::Id(id),
        Err(_) if text.is_empty() || text == "root" => UserRef::Id(0),
        Err(_) => UserRef::Name(text.to_owned()),
    };
    Chown {
        user: Some(reference(user)),
        group: group.map(reference),
    }
}
