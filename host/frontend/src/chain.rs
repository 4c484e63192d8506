//! Frontends in a row, `# syntax=include | docker/dockerfile:1 | mirror`: one builds, the others change its sources, the
//! images that it asks for, or its result. Every call is kept and limited by itself. Knows nothing of any language.

use std::sync::Arc;

use lapstrake_llb::{Position, Report, SourceFile};
use serde::Serialize;

use crate::error::FrontendError;
use crate::frontends::Frontend;
use crate::gateway::Gateway;
use crate::images::MappedImages;
use crate::limits::Limits;
use crate::origins::{Rewriting, Rewritings};
use crate::request::{
    BuildResult, CallResult, Completion, FrontendInfo, Hover, Outline, Request, Role, TargetInfo, TextEdit,
};
use crate::results::Results;
use crate::watch::Cancel;

/// A frontend of a chain, and the text behind its reference, which it gets as the option `cmdline`.
#[derive(Clone)]
pub struct Link {
    /// The frontend.
    pub frontend: Arc<Frontend>,
    /// The text.
    pub arguments: String,
}

/// What calls of a chain work with.
#[derive(Clone)]
pub struct Asking<'a> {
    /// Who answers the frontends.
    pub gateway: Arc<dyn Gateway>,
    /// Limits of each call.
    pub limits: &'a Limits,
    /// Ends the calls.
    pub cancel: &'a Cancel,
    /// What was built before; none: everything is asked anew.
    pub results: Option<&'a dyn Results>,
}

/// Frontends in a row; mostly it is one.
pub struct Chain {
    builder: Link,
    /// Change sources, in the order in which they do.
    sources: Vec<Link>,
    /// Change images, in the order in which they do.
    images: Vec<Link>,
    /// Change results, in the order in which they do.
    results: Vec<Link>,
}

/// The request as the frontend that builds gets it, and the way back.
struct Rewrote {
    request: Request,
    rewritings: Rewritings,
    warnings: Report,
}

impl Link {
    /// The request as this frontend gets it.
    fn request(&self, request: &Request) -> Request {
        let mut request = request.clone();
        request.options.retain(|(name, _)| name != "cmdline");
        if !self.arguments.is_empty() {
            let option = ("cmdline".to_owned(), self.arguments.clone());
            request.options.push(option);
        }
        request
    }
}

impl Chain {
    /// Puts frontends in order by what they say of themselves; one alone is not asked. What stands left of the one that
    /// builds is around it: the nearest changes the sources last and the result first. What stands right of it changes
    /// what comes out.
    pub fn new(links: Vec<Link>, limits: &Limits, cancel: &Cancel) -> Result<Self, FrontendError> {
        let names: Vec<String> = links.iter().map(|link| link.frontend.name().to_owned()).collect();
        let mut known = Vec::with_capacity(links.len());
        let alone = links.len() == 1;
        for link in links {
            let mut roles = match alone {
                true => Vec::new(),
                false => link.frontend.describe(limits, cancel)?.roles,
            };
            if roles.is_empty() {
                roles.push(Role::Builds);
            }
            known.push((link, roles));
        }
        let is_builder = |(_, roles): &(Link, Vec<Role>)| roles.contains(&Role::Builds);
        let place = match known.iter().filter(|link| is_builder(link)).count() {
            1 => known.iter().position(is_builder).unwrap_or_default(),
            builders => return Err(FrontendError::Chain { names, builders }),
        };
        let after = known.split_off(place + 1);
        let builder = known.pop().map(|(link, _)| link);
        let Some(builder) = builder else {
            return Err(FrontendError::Chain { names, builders: 0 });
        };
        let of = |list: &[(Link, Vec<Role>)], role: Role| -> Vec<Link> {
            let some = list.iter().filter(|(_, roles)| roles.contains(&role));
            some.map(|(link, _)| link.clone()).collect()
        };
        if let Some((late, _)) = after.iter().find(|(_, roles)| *roles == [Role::RewritesSources]) {
            return Err(FrontendError::TooLate {
                frontend: late.frontend.name().to_owned(),
                builder: builder.frontend.name().to_owned(),
            });
        }
        let mut images = of(&known, Role::RewritesImages);
        images.extend(of(&after, Role::RewritesImages));
        let mut results = of(&known, Role::RewritesResult);
        results.reverse();
        results.extend(of(&after, Role::RewritesResult));
        Ok(Self {
            sources: of(&known, Role::RewritesSources),
            builder,
            images,
            results,
        })
    }

    /// The frontend that builds.
    pub fn frontend(&self) -> &Frontend {
        &self.builder.frontend
    }

    /// What people call the frontend that builds.
    pub fn name(&self) -> &str {
        self.builder.frontend.name()
    }

    /// Asks the frontend that builds what it is.
    pub fn describe(&self, limits: &Limits, cancel: &Cancel) -> Result<FrontendInfo, FrontendError> {
        self.builder.frontend.describe(limits, cancel)
    }

    /// Compiles a build file to a graph.
    pub fn build(&self, request: &Request, asking: &Asking<'_>) -> Result<BuildResult, FrontendError> {
        let rewrote = self.rewrite(request, asking)?;
        let inner = self.asking(request, asking);
        let built = self.builder.frontend.recall_build(&rewrote.request, &inner);
        let mut built = built.map_err(|error| rewrote.error(error))?;
        rewrote.rewritings.definition(&mut built.definition);
        rewrote.rewritings.report(&mut built.warnings);
        append(&mut built.warnings, rewrote.warnings);
        for link in &self.results {
            built = link
                .frontend
                .recall_rewrite_result(&link.request(request), built, asking)?;
        }
        Ok(built)
    }

    /// Finds what may be wrong with a build file.
    pub fn lint(&self, request: &Request, asking: &Asking<'_>) -> Result<Report, FrontendError> {
        let rewrote = match self.rewrite(request, asking) {
            Err(FrontendError::Diagnostics(report)) => return Ok(report),
            rewrote => rewrote?,
        };
        let inner = self.asking(request, asking);
        let report = self.builder.frontend.lint(
            &rewrote.request,
            Arc::clone(&inner.gateway),
            inner.limits,
            inner.cancel,
        );
        let mut report = report.map_err(|error| rewrote.error(error))?;
        rewrote.rewritings.report(&mut report);
        append(&mut report, rewrote.warnings);
        Ok(report)
    }

    /// Says what a target of a build file takes.
    pub fn outline(&self, request: &Request, asking: &Asking<'_>) -> Result<Outline, FrontendError> {
        let rewrote = self.rewrite(request, asking)?;
        let inner = self.asking(request, asking);
        let outline = self.builder.frontend.outline(
            &rewrote.request,
            Arc::clone(&inner.gateway),
            inner.limits,
            inner.cancel,
        );
        let mut outline = outline.map_err(|error| rewrote.error(error))?;
        rewrote.rewritings.outline(&mut outline);
        Ok(outline)
    }

    /// Lists the targets of a build file, with the places of those that are in the request's sources.
    pub fn list_targets(
        &self,
        request: &Request,
        asking: &Asking<'_>,
    ) -> Result<Vec<TargetInfo>, FrontendError> {
        let rewrote = self.rewrite(request, asking)?;
        let inner = self.asking(request, asking);
        let targets = self.builder.frontend.list_targets(
            &rewrote.request,
            Arc::clone(&inner.gateway),
            inner.limits,
            inner.cancel,
        );
        let mut targets = targets.map_err(|error| rewrote.error(error))?;
        for target in &mut targets {
            target.range = target
                .range
                .and_then(|range| rewrote.rewritings.range(range, &request.sources));
        }
        Ok(targets)
    }

    /// Makes a named sub-request of the frontend that builds.
    pub fn call_named(
        &self,
        name: &str,
        request: &Request,
        asking: &Asking<'_>,
    ) -> Result<CallResult, FrontendError> {
        let rewrote = self.rewrite(request, asking)?;
        let inner = self.asking(request, asking);
        let answer = self.builder.frontend.call_named(
            name,
            &rewrote.request,
            Arc::clone(&inner.gateway),
            inner.limits,
            inner.cancel,
        );
        answer.map_err(|error| rewrote.error(error))
    }

    /// Says what could stand at a position of one of the request's sources: what every frontend of the chain says that
    /// changes the sources, and the one that builds.
    pub fn completions(
        &self,
        request: &Request,
        file: u32,
        at: Position,
        asking: &Asking<'_>,
    ) -> Result<Vec<Completion>, FrontendError> {
        let mut all = Vec::new();
        self.at(request, file, at, asking, |link, request, place, rewritings| {
            let found = link.frontend.completions(&link.request(request), place, asking)?;
            let moved = found.into_iter().filter_map(|mut completion| {
                if let Some(edit) = completion.edit {
                    let range = rewritings.range(edit.range, &rewritings.origin(request))?;
                    completion.edit = Some(TextEdit { range, ..edit });
                }
                Some(completion)
            });
            all.extend(moved);
            Ok(())
        })?;
        Ok(all)
    }

    /// Says what is known of a position of one of the request's sources: the first answer of the chain.
    pub fn hover(
        &self,
        request: &Request,
        file: u32,
        at: Position,
        asking: &Asking<'_>,
    ) -> Result<Option<Hover>, FrontendError> {
        let mut first = None;
        self.at(request, file, at, asking, |link, request, place, rewritings| {
            if first.is_none() {
                let found = link.frontend.hover(&link.request(request), place, asking)?;
                first = found.map(|hover| Hover {
                    range: hover
                        .range
                        .and_then(|range| rewritings.range(range, &rewritings.origin(request))),
                    ..hover
                });
            }
            Ok(())
        })?;
        Ok(first)
    }

    /// Calls `ask` with every frontend that reads the text at a position, and with the position as it finds it.
    fn at(
        &self,
        request: &Request,
        file: u32,
        at: Position,
        asking: &Asking<'_>,
        mut ask: impl FnMut(&Link, &Request, (u32, Position), &Rewritings) -> Result<(), FrontendError>,
    ) -> Result<(), FrontendError> {
        let mut rewrote = Rewrote::new(request);
        let mut place = (file, at);
        for link in &self.sources {
            ask(link, &rewrote.request, place, &rewrote.rewritings)?;
            let asked = rewrote.request.sources.get(place.0 as usize).cloned();
            rewrote.next(link, asking)?;
            let last = rewrote.rewritings.0.last();
            if let Some((rewriting, asked)) = last.zip(asked) {
                match rewriting.forward(&asked, place.1) {
                    Some(at) => place = (0, at),
                    // Of the main source nothing stayed at this place.
                    None if place.0 == 0 => return Ok(()),
                    None => {}
                }
            }
        }
        ask(&self.builder, &rewrote.request, place, &rewrote.rewritings)
    }

    fn rewrite(&self, request: &Request, asking: &Asking<'_>) -> Result<Rewrote, FrontendError> {
        let mut rewrote = Rewrote::new(request);
        for link in &self.sources {
            rewrote.next(link, asking)?;
        }
        rewrote.request = self.builder.request(&rewrote.request);
        Ok(rewrote)
    }

    /// What the frontend that builds works with: its images are those that the others want.
    fn asking<'a>(&self, request: &Request, asking: &Asking<'a>) -> Asking<'a> {
        let mut asking = asking.clone();
        // The last one that maps is the outermost: it sees what the ones before made of an image.
        for link in self.images.iter().rev() {
            asking.gateway = Arc::new(MappedImages::new(
                Arc::clone(&link.frontend),
                link.request(request),
                &asking,
            ));
        }
        asking
    }
}

impl Rewrote {
    fn new(request: &Request) -> Self {
        Self {
            request: request.clone(),
            rewritings: Rewritings::default(),
            warnings: Report::default(),
        }
    }

    /// Has the sources rewritten once more.
    fn next(&mut self, link: &Link, asking: &Asking<'_>) -> Result<(), FrontendError> {
        let made = link
            .frontend
            .recall_rewrite_sources(&link.request(&self.request), asking);
        let mut made = made.map_err(|error| self.error(error))?;
        self.rewritings.report(&mut made.warnings);
        append(&mut self.warnings, std::mem::take(&mut made.warnings));
        let Some(main) = self.request.sources.first_mut() else {
            return Ok(());
        };
        if made.text == main.text {
            return Ok(());
        }
        let after = SourceFile {
            text: made.text.clone(),
            ..main.clone()
        };
        let before = std::mem::replace(main, after.clone());
        self.rewritings.0.push(Rewriting {
            by: link.frontend.name().to_owned(),
            before,
            after,
            made,
        });
        Ok(())
    }

    /// An error of a frontend that read what was rewritten: what it says of places is moved.
    fn error(&self, error: FrontendError) -> FrontendError {
        match error {
            FrontendError::Diagnostics(mut report) => {
                self.rewritings.report(&mut report);
                append(&mut report, self.warnings.clone());
                FrontendError::Diagnostics(report)
            }
            other => other,
        }
    }
}

impl Rewritings {
    /// The sources that were there before the first rewriting.
    fn origin(&self, request: &Request) -> Vec<SourceFile> {
        let mut sources = request.sources.clone();
        if let Some((main, first)) = sources.first_mut().zip(self.0.first()) {
            *main = first.before.clone();
        }
        sources
    }
}

/// Puts one report behind another.
fn append(report: &mut Report, more: Report) {
    let places: Vec<u32> = more
        .sources
        .into_iter()
        .map(|file| {
            let known = report.sources.iter().position(|source| *source == file);
            known.unwrap_or_else(|| {
                report.sources.push(file);
                report.sources.len() - 1
            }) as u32
        })
        .collect();
    for mut item in more.items {
        let related = item.related.iter_mut().map(|related| &mut related.range);
        for range in item.ranges.iter_mut().chain(related) {
            range.file = places.get(range.file as usize).copied().unwrap_or_default();
        }
        report.items.push(item);
    }
}

/// What the key of a kept call is made of, beside the component and the function.
#[derive(Serialize)]
pub(crate) struct RewriteInput<'a> {
    pub(crate) request: &'a Request,
    pub(crate) built: &'a BuildResult,
}
