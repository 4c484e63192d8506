//! The frontends that are built in: what they are called. The component of each is `target/frontends/NAME.wasm`, made of
//! `frontends/NAME`; the build script reads this table too. Knows nothing of what they do.

/// A frontend that is built in.
#[derive(Debug)]
pub(crate) struct Known {
    /// Name of the component and its folder, which means it in a syntax line too.
    pub(crate) name: &'static str,
    /// Other short names.
    pub(crate) aliases: &'static [&'static str],
    /// Images in registries that mean it, without host, tag and digest; version 1 of them.
    pub(crate) images: &'static [&'static str],
}

impl Known {
    /// Whether a short name means it.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.aliases.contains(&name)
    }
}

/// All of them.
#[rustfmt::skip] // one a line
pub(crate) const KNOWN: &[Known] = &[
    Known { name: "dockerfile", aliases: &["dockerfile.v0"], images: &["docker/dockerfile", "docker/dockerfile-upstream", "lapstrake/dockerfile"] },
    Known { name: "mockerfile", aliases: &[], images: &["lapstrake/mockerfile", "r2d4/mocker"] },
    Known { name: "nix", aliases: &[], images: &["lapstrake/nix"] },
];
