//! Which frontends may run: the policy, the registries that they may come from, and whose signatures they must have.
//! Pure: fetches nothing and reads no file.

use std::fmt;
use std::str::FromStr;

use lapstrake_frontend::{FrontendPlace, FrontendSource};
use lapstrake_llb::Digest;
use lapstrake_ops::source::component::{PublicKey, Signed};
use lapstrake_ops::source::{reference, remote};

use crate::lock::LockedFrontend;

/// Which frontends may run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FrontendPolicy {
    /// Built-in ones only.
    Embedded,
    /// Also those whose digest the reference or the lock file says.
    Locked,
    /// All.
    #[default]
    Any,
}

impl FromStr for FrontendPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "embedded" => Ok(Self::Embedded),
            "locked" => Ok(Self::Locked),
            "any" => Ok(Self::Any),
            _ => Err(format!("{text:?} is no policy; it is embedded, locked or any")),
        }
    }
}

impl fmt::Display for FrontendPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Embedded => "embedded",
            Self::Locked => "locked",
            Self::Any => "any",
        })
    }
}

/// What is trusted.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Which frontends may run.
    pub policy: FrontendPolicy,
    /// Registries that frontends may come from, each a host or the beginning of a name, such as `ghcr.io/me`.
    /// None: any.
    pub registries: Option<Vec<String>>,
    /// Keys of which one MUST have signed a frontend that is not built in, unless a person names a file or an address with
    /// its digest: only registries have signatures. Empty: no signature is asked for.
    pub keys: Vec<(String, PublicKey)>,
}

/// Why a frontend may not run.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The policy.
    #[error("{reference} is not built in, and the frontend policy is embedded")]
    NotEmbedded {
        /// Which.
        reference: String,
    },
    /// The policy.
    #[error(
        "neither the reference {reference} nor the lock file says its digest, and the frontend policy is locked"
    )]
    NotLocked {
        /// Which.
        reference: String,
    },
    /// Its registry.
    #[error("frontends may not come from {place}; they may from {}", allowed(registries))]
    Registry {
        /// The registry and the name.
        place: String,
        /// From where they may.
        registries: Vec<String>,
    },
    /// Nobody can have signed it.
    #[error("{reference} comes from no registry, so that it has no signature, and frontends must have one")]
    NotSignable {
        /// Which.
        reference: String,
    },
    /// Nobody has signed it.
    #[error("{reference} has no signature by any of {}", keys.join(", "))]
    NotSigned {
        /// Which.
        reference: String,
        /// Files of the keys.
        keys: Vec<String>,
    },
    /// Another component than the lock file says.
    #[error("{reference} is {found}, but the lock file has {locked}")]
    OtherThanLocked {
        /// Which.
        reference: String,
        /// Its digest.
        found: Digest,
        /// The locked one.
        locked: String,
    },
    /// Not in the lock file.
    #[error("{reference} is not in the lock file")]
    NotInLock {
        /// Which.
        reference: String,
    },
}

fn allowed(registries: &[String]) -> String {
    match registries {
        [] => "none".to_owned(),
        some => some.join(", "),
    }
}

impl TrustError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotEmbedded { .. } => {
                "use a built-in frontend, or allow others with --frontend-policy locked or any"
            }
            Self::NotLocked { .. } => "write NAME@sha256:… in the syntax line, or pin it with lapstrake lock",
            Self::Registry { .. } => {
                "name its registry in registries under [frontend] in the configuration file"
            }
            Self::NotSignable { .. } => {
                "push and sign it, or name it on the command line with --frontend; the keys stand in keys under [frontend]"
            }
            Self::NotSigned { .. } => {
                "cosign sign --key cosign.key --new-bundle-format=false signs it; the keys stand in keys under [frontend]"
            }
            Self::OtherThanLocked { .. } | Self::NotInLock { .. } => {
                "if that is meant, lapstrake lock writes the file anew"
            }
        }
    }
}

/// A frontend that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// How it is named.
    pub reference: &'a str,
    /// Where that leads.
    pub place: &'a FrontendPlace,
    /// Whether the lock file says its digest.
    pub pinned: bool,
    /// Whether a person names it, not a build file.
    pub by_person: bool,
}

impl Trust {
    /// Whether a frontend may be fetched at all, by what is known before.
    ///
    /// # Errors
    /// Why not.
    pub fn before(&self, asked: Asked<'_>) -> Result<(), TrustError> {
        let reference = || asked.reference.to_owned();
        let has_digest = match asked.place {
            FrontendPlace::Here(FrontendSource::BuiltIn(_)) => return Ok(()),
            FrontendPlace::Here(_) => false,
            FrontendPlace::Registry(name) => name.contains('@'),
            FrontendPlace::Url { .. } => true,
        };
        match self.policy {
            FrontendPolicy::Embedded => {
                return Err(TrustError::NotEmbedded {
                    reference: reference(),
                });
            }
            FrontendPolicy::Locked if !has_digest && !asked.pinned => {
                return Err(TrustError::NotLocked {
                    reference: reference(),
                });
            }
            FrontendPolicy::Locked | FrontendPolicy::Any => {}
        }
        let is_signable = matches!(asked.place, FrontendPlace::Registry(_));
        if !self.keys.is_empty() && !is_signable && !asked.by_person {
            return Err(TrustError::NotSignable {
                reference: reference(),
            });
        }
        self.registry(asked.place)
    }

    /// Whether a frontend may come from where it is. Files are from nowhere.
    fn registry(&self, place: &FrontendPlace) -> Result<(), TrustError> {
        let Some(registries) = &self.registries else {
            return Ok(());
        };
        let place = match place {
            FrontendPlace::Registry(name) => match reference::parse(name) {
                Ok(image) => format!("{}/{}", image.registry(), image.repository()),
                // It says so itself when it is fetched.
                Err(_) => return Ok(()),
            },
            FrontendPlace::Url { url, .. } => remote::place(url),
            FrontendPlace::Here(_) => return Ok(()),
        };
        if registries.iter().any(|allowed| is_below(&place, allowed)) {
            return Ok(());
        }
        let registries = registries.clone();
        Err(TrustError::Registry { place, registries })
    }

    /// Whether a frontend is the one that the lock file has, where that matters: with the policy `locked`, but for built-in
    /// ones, and where `whole` says that everything must be in the lock file.
    ///
    /// # Errors
    /// It is another one.
    pub fn same(
        &self,
        locked: Option<&LockedFrontend>,
        found: Digest,
        (reference, is_built_in, whole): (&str, bool, bool),
    ) -> Result<(), TrustError> {
        let must = whole || (self.policy == FrontendPolicy::Locked && !is_built_in);
        match locked.filter(|locked| must && locked.digest != found.to_string()) {
            None => Ok(()),
            Some(locked) => Err(TrustError::OtherThanLocked {
                reference: reference.to_owned(),
                found,
                locked: locked.digest.clone(),
            }),
        }
    }

    /// Whether one of the keys has signed the manifest of a frontend.
    ///
    /// # Errors
    /// None has.
    pub fn signed(
        &self,
        reference: &str,
        manifest: &Digest,
        signatures: &[Signed],
    ) -> Result<(), TrustError> {
        let good = |signed| self.keys.iter().any(|(_, key)| key.signed(signed, manifest));
        if self.keys.is_empty() || signatures.iter().any(good) {
            return Ok(());
        }
        Err(TrustError::NotSigned {
            reference: reference.to_owned(),
            keys: self.keys.iter().map(|(file, _)| file.clone()).collect(),
        })
    }
}

/// Whether a name is in a registry or below a folder of one: whole parts count, so `a.b/cd` is not below `a.b/c`.
pub(crate) fn is_below(name: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    name.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(name: &str) -> FrontendPlace {
        FrontendPlace::Registry(name.to_owned())
    }

    fn trust(policy: FrontendPolicy, registries: Option<&[&str]>) -> Trust {
        Trust {
            policy,
            registries: registries.map(|list| list.iter().map(|name| (*name).to_owned()).collect()),
            keys: Vec::new(),
        }
    }

    /// What a build file asks for.
    fn before(trust: &Trust, place: &FrontendPlace, pinned: bool) -> Result<(), TrustError> {
        trust.before(Asked {
            reference: "x",
            place,
            pinned,
            by_person: false,
        })
    }

    fn address(url: &str) -> FrontendPlace {
        FrontendPlace::Url {
            url: url.to_owned(),
            digest: Digest::of(b"x"),
        }
    }

    #[test]
    fn policies() {
        let built_in = FrontendPlace::Here(FrontendSource::BuiltIn("dockerfile".to_owned()));
        let file = FrontendPlace::Here(FrontendSource::File("x.wasm".into()));
        let digest = format!("a.b/c@sha256:{}", "0".repeat(64));
        let (embedded, locked, any) = (
            trust(FrontendPolicy::Embedded, None),
            trust(FrontendPolicy::Locked, None),
            trust(FrontendPolicy::Any, None),
        );
        for trust in [&embedded, &locked, &any] {
            assert!(before(trust, &built_in, false).is_ok());
        }
        assert!(matches!(
            before(&embedded, &registry(&digest), true),
            Err(TrustError::NotEmbedded { .. })
        ));
        assert!(before(&locked, &registry(&digest), false).is_ok());
        assert!(before(&locked, &file, true).is_ok());
        for place in [&file, &registry("a.b/c:1")] {
            assert!(matches!(
                before(&locked, place, false),
                Err(TrustError::NotLocked { .. })
            ));
            assert!(before(&any, place, false).is_ok());
        }
    }

    #[test]
    fn registries_are_whole_parts_of_names() {
        let trust = trust(FrontendPolicy::Any, Some(&["ghcr.io/me", "quay.io"]));
        for good in ["ghcr.io/me/x:1", "ghcr.io/me:1", "quay.io/any/thing"] {
            assert!(before(&trust, &registry(good), false).is_ok(), "{good}");
        }
        for bad in ["ghcr.io/meier/x", "quay.io.evil.com/x", "me/x"] {
            assert!(
                matches!(
                    before(&trust, &registry(bad), false),
                    Err(TrustError::Registry { .. })
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn addresses_are_held_to_the_registries_too() {
        let trust = trust(FrontendPolicy::Any, Some(&["ghcr.io/me"]));
        for good in ["https://ghcr.io/me/x.wasm", "https://user@ghcr.io/me/y"] {
            assert!(before(&trust, &address(good), false).is_ok(), "{good}");
        }
        for bad in [
            "https://ghcr.io@evil.com/me/x",
            "https://ghcr.io:8443/me/x",
            "https://ghcr.io/me/../x",
            "https://evil.com/ghcr.io/me/x",
        ] {
            let refused = before(&trust, &address(bad), true);
            assert!(matches!(refused, Err(TrustError::Registry { .. })), "{bad}");
        }
    }

    #[test]
    fn what_no_key_can_have_signed_a_person_must_name() {
        let pem = "-----BEGIN PUBLIC KEY-----\n\
                   MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEm2LZE6WC4klAYDtBMp3H5ZZqO+6n\n\
                   zTFwO0W8B5Kuxwv3f5ysJ9LzDyrp4PffK/fwR4Yj/3XpsVbGQaowMaZ0Ew==\n\
                   -----END PUBLIC KEY-----\n";
        let trust = Trust {
            keys: vec![("key.pub".to_owned(), PublicKey::from_pem(pem).unwrap())],
            ..Trust::default()
        };
        let file = FrontendPlace::Here(FrontendSource::File("x.wasm".into()));
        for place in [&file, &address("https://ghcr.io/me/x.wasm")] {
            let refused = before(&trust, place, true);
            assert!(matches!(refused, Err(TrustError::NotSignable { .. })));
            let asked = Asked {
                reference: "x",
                place,
                pinned: false,
                by_person: true,
            };
            assert!(trust.before(asked).is_ok());
        }
        assert!(before(&trust, &registry("ghcr.io/me/x"), false).is_ok());
    }
}
