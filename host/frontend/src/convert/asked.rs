//! What a guest asks of another frontend, and the answers about chains and editors. Checks what no type says.

use lapstrake_llb as llb;

use super::{Checked, all, enumeration, pairs, record};
use crate::bindings::exports::lapstrake::frontend::frontend as wit;
use crate::bindings::lapstrake::frontend::requests;
use crate::error::ResultProblem;
use crate::gateway::{BuildFailure, ImageRequest};
use crate::request::{
    Completion, CompletionKind, ContextSource, Hover, LineOrigin, NamedContext, Request, Rewritten, Role,
    TextEdit,
};

impl From<requests::ContextSource> for ContextSource {
    fn from(old: requests::ContextSource) -> Self {
        match old {
            requests::ContextSource::Local(name) => Self::Local(name),
            requests::ContextSource::Image(reference) => Self::Image(reference),
            requests::ContextSource::OciLayout(layout) => Self::OciLayout(layout.into()),
            requests::ContextSource::Git(remote) => Self::Git(remote),
            requests::ContextSource::Http(url) => Self::Http(url),
            requests::ContextSource::Target(target) => Self::Target(target),
        }
    }
}

record!(requests::NamedContext => NamedContext, old: { name: old.name, source: old.source.into() });
record!(requests::Request => Request, old: {
    sources: all(old.sources),
    target: old.target,
    platforms: all(old.platforms),
    build_platform: old.build_platform.into(),
    build_args: pairs(old.build_args),
    labels: pairs(old.labels),
    context: old.context.into(),
    named_contexts: all(old.named_contexts),
    options: pairs(old.options),
    source_date_epoch: old.source_date_epoch.map(Into::into),
});

impl From<BuildFailure> for requests::BuildError {
    fn from(new: BuildFailure) -> Self {
        match new {
            BuildFailure::Invalid(report) => Self::Invalid(report.into()),
            BuildFailure::UnknownTarget(target) => Self::UnknownTarget(target),
            BuildFailure::Failed(message) => Self::HostFailed(message),
        }
    }
}

enumeration!(wit::Role => Role {
    Builds => Builds,
    RewritesSources => RewritesSources,
    RewritesImages => RewritesImages,
    RewritesResult => RewritesResult,
});
enumeration!(wit::CompletionKind => CompletionKind {
    Keyword => Keyword,
    Flag => Flag,
    Variable => Variable,
    Value => Value,
    Target => Target,
    File => File,
    Image => Image,
});
record!(wit::TextEdit => TextEdit, old: { range: old.range.into(), text: old.text });
record!(wit::Completion => Completion, old: {
    label: old.label,
    kind: old.kind.into(),
    detail: old.detail,
    documentation: old.documentation,
    edit: old.edit.map(Into::into),
});
record!(wit::Hover => Hover, old: { text: old.text, range: old.range.map(Into::into) });
record!(wit::LineOrigin => LineOrigin, old: {
    line: old.line,
    count: old.count,
    origin: old.origin.into(),
    verbatim: old.verbatim,
});

impl Checked<Vec<Completion>> for Vec<wit::Completion> {
    fn checked(self, _: &llb::Limits) -> Result<Vec<Completion>, ResultProblem> {
        Ok(all(self))
    }
}

impl Checked<Option<Hover>> for Option<wit::Hover> {
    fn checked(self, _: &llb::Limits) -> Result<Option<Hover>, ResultProblem> {
        Ok(self.map(Into::into))
    }
}

impl Checked<Rewritten> for wit::Rewritten {
    fn checked(self, _: &llb::Limits) -> Result<Rewritten, ResultProblem> {
        let rewritten = Rewritten {
            text: self.text,
            origins: all(self.origins),
            files: all(self.files),
            warnings: self.warnings.into(),
        };
        rewritten.check()?;
        Ok(rewritten)
    }
}

impl Checked<Vec<ImageRequest>> for Vec<requests::ImageRequest> {
    fn checked(self, _: &llb::Limits) -> Result<Vec<ImageRequest>, ResultProblem> {
        Ok(all(self))
    }
}

impl Rewritten {
    /// Checks that the origins are in order, and that each is in a file.
    pub(crate) fn check(&self) -> Result<(), ResultProblem> {
        let mut free = 1;
        for (index, origin) in self.origins.iter().enumerate() {
            let file = self.files.get(origin.origin.file as usize);
            let lines = file.map_or(0, |file| file.text.split('\n').count());
            let (start, stop) = (origin.origin.start, origin.origin.stop);
            let inside = start.line >= 1 && start.column >= 1 && start <= stop && stop.line as usize <= lines;
            let fits =
                !origin.verbatim || (stop.line - start.line.min(stop.line)) >= origin.count.saturating_sub(1);
            if origin.line < free || origin.count == 0 || !inside || !fits {
                return Err(ResultProblem::Origin(index));
            }
            free = origin.line.saturating_add(origin.count);
        }
        Ok(())
    }
}
