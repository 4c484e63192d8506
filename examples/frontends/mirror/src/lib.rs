//! Takes base images from a mirror: `# syntax=docker/dockerfile:1 | ./mirror.wasm registry.internal:5000/hub`. The text
//! behind the reference names the mirror of Docker Hub; `HOST=MIRROR` does so for another registry. Several are separated
//! by spaces.

use lapstrake_sdk::types::*;
use lapstrake_sdk::{Frontend, Host, register};

/// The frontend.
pub struct Mirror;

impl Frontend for Mirror {
    fn describe() -> FrontendInfo {
        FrontendInfo {
            name: "mirror".into(),
            version: "0.1.0".into(),
            options: vec![OptionInfo {
                name: "cmdline".into(),
                description: "mirrors: MIRROR (of docker.io) or HOST=MIRROR, separated by spaces".into(),
                default_value: None,
            }],
            roles: vec![Role::RewritesImages, Role::RewritesResult],
            ..Default::default()
        }
    }

    fn rewrite_images(
        _host: &dyn Host,
        request: Request,
        mut images: Vec<ImageRequest>,
    ) -> Result<Vec<ImageRequest>, BuildError> {
        let mirrors = Mirrors::read(&request)?;
        for image in images.iter_mut().filter(|image| image.oci_layout_store.is_none()) {
            mirrors.map(&mut image.reference);
        }
        Ok(images)
    }

    fn rewrite_result(
        _host: &dyn Host,
        request: Request,
        mut built: BuildResult,
    ) -> Result<BuildResult, BuildError> {
        let mirrors = Mirrors::read(&request)?;
        for vertex in &mut built.definition.vertices {
            if let Op::Source(SourceOp::Image(image)) = &mut vertex.op {
                mirrors.map(&mut image.reference);
            }
        }
        Ok(built)
    }
}

/// Registries and what stands in for them.
struct Mirrors(Vec<(String, String)>);

impl Mirrors {
    fn read(request: &Request) -> Result<Self, BuildError> {
        let words = request.option("cmdline").unwrap_or_default().split_whitespace();
        let pair = |word: &str| match word.split_once('=') {
            Some((host, mirror)) => (host.to_owned(), mirror.trim_end_matches('/').to_owned()),
            None => ("docker.io".to_owned(), word.trim_end_matches('/').to_owned()),
        };
        let mirrors: Vec<_> = words.map(pair).collect();
        if mirrors.is_empty() {
            let message = "a mirror without a name: `mirror registry.example` names one".to_owned();
            return Err(BuildError::Invalid(Report::new(
                vec![Diagnostic::error("NoMirror", message)],
                request.sources.clone(),
            )));
        }
        Ok(Self(mirrors))
    }

    /// The reference in the mirror. What is there already stays.
    fn map(&self, reference: &mut String) {
        let (host, path) = split(reference);
        if let Some((_, mirror)) = self.0.iter().find(|(known, _)| *known == host) {
            *reference = format!("{mirror}/{path}");
        }
    }
}

/// The registry of a reference and the rest, as Docker reads it: `debian` is `docker.io` and `library/debian`.
fn split(reference: &str) -> (String, String) {
    if let Some((host, path)) = reference.split_once('/')
        && (host.contains(['.', ':']) || host == "localhost")
    {
        let host = if host == "index.docker.io" {
            "docker.io"
        } else {
            host
        };
        return (host.to_owned(), path.to_owned());
    }
    let path = match reference.contains('/') {
        true => reference.to_owned(),
        false => format!("library/{reference}"),
    };
    ("docker.io".to_owned(), path)
}

register!(Mirror);
