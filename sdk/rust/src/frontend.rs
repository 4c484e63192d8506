//! The trait that a frontend implements, and what turns an implementation into a component's exports.
//! Knows nothing of any build language.

use crate::Host;
use crate::types::*;

/// A build language. `describe` is what a frontend must have; `build`, too, if it is not one that
/// only changes what others read or make (`describe().roles`).
///
/// An instance of the component lives for one call, so there is no state to keep and the functions take no `self`.
/// A function MUST depend on its arguments and the host's answers alone.
pub trait Frontend {
    /// Says what the frontend is.
    fn describe() -> FrontendInfo;

    /// Turns a build file into a graph and images.
    fn build(_host: &dyn Host, _request: Request) -> Result<BuildResult, BuildError> {
        Err(BuildError::unsupported("building by itself"))
    }

    /// Finds what is wrong or doubtful without building. Unless told otherwise, that is what `build` finds.
    fn lint(host: &dyn Host, request: Request) -> Result<Report, BuildError> {
        match Self::build(host, request) {
            Ok(result) => Ok(result.warnings),
            Err(BuildError::Invalid(report)) => Ok(report),
            Err(error) => Err(error),
        }
    }

    /// Describes a target and what can be set from outside.
    fn outline(_host: &dyn Host, _request: Request) -> Result<Outline, BuildError> {
        Err(BuildError::unsupported("outlines"))
    }

    /// Lists the targets of a build file.
    fn list_targets(_host: &dyn Host, _request: Request) -> Result<Vec<TargetInfo>, BuildError> {
        Err(BuildError::unsupported("listing targets"))
    }

    /// Answers a named sub-request, one of `describe().calls`.
    fn call(_host: &dyn Host, name: &str, _request: Request) -> Result<CallResult, BuildError> {
        Err(BuildError::unsupported(format!("the call {name:?}")))
    }

    /// Says what could stand at a position; `file` indexes the request's sources. Nothing unless told otherwise.
    fn completions(
        _host: &dyn Host,
        _request: Request,
        _file: u32,
        _at: Position,
    ) -> Result<Vec<Completion>, BuildError> {
        Ok(Vec::new())
    }

    /// Says what is known of a position; `file` indexes the request's sources. Nothing unless told otherwise.
    fn hover(
        _host: &dyn Host,
        _request: Request,
        _file: u32,
        _at: Position,
    ) -> Result<Option<Hover>, BuildError> {
        Ok(None)
    }

    /// Gives the main source as the next frontend of a chain is to read it; [`Rewriting`](crate::Rewriting) helps.
    /// Asked of frontends with [`Role::RewritesSources`].
    fn rewrite_sources(_host: &dyn Host, _request: Request) -> Result<Rewritten, BuildError> {
        Err(BuildError::unsupported("rewriting sources"))
    }

    /// Gives the images that another frontend of a chain shall get instead, in order. Asked of frontends with
    /// [`Role::RewritesImages`].
    fn rewrite_images(
        _host: &dyn Host,
        _request: Request,
        _images: Vec<ImageRequest>,
    ) -> Result<Vec<ImageRequest>, BuildError> {
        Err(BuildError::unsupported("rewriting images"))
    }

    /// Changes what another frontend of a chain made. Asked of frontends with [`Role::RewritesResult`].
    fn rewrite_result(
        _host: &dyn Host,
        _request: Request,
        _built: BuildResult,
    ) -> Result<BuildResult, BuildError> {
        Err(BuildError::unsupported("rewriting results"))
    }
}

/// Makes a [`Frontend`] the exports of the component that the crate is compiled to. Does nothing on other targets.
///
/// The component gets an allocator for instances that live for one call. A crate that has a global allocator of its own
/// says so: `register!(Hello, own allocator)`.
///
/// ```
/// use lapstrake_sdk::types::*;
/// use lapstrake_sdk::{Frontend, Graph, Host, register};
///
/// struct Hello;
///
/// impl Frontend for Hello {
///     fn describe() -> FrontendInfo {
///         FrontendInfo { name: "hello".into(), version: "0.1.0".into(), ..FrontendInfo::default() }
///     }
///
///     fn build(_host: &dyn Host, request: Request) -> Result<BuildResult, BuildError> {
///         let graph = Graph::new();
///         let text = &request.main_source()?.text;
///         let root = graph.scratch().file().write("/hello.txt", text.as_bytes()).done();
///         let image = BuiltImage::new(root.edge(), ImageConfig::new(request.build_platform.clone()));
///         Ok(graph.finish(vec![image], Vec::new()))
///     }
/// }
///
/// register!(Hello);
/// ```
#[macro_export]
macro_rules! register {
    ($frontend:ty) => {
        $crate::register!($frontend, own allocator);

        #[cfg(all(target_family = "wasm", target_os = "unknown", not(target_feature = "atomics")))]
        #[global_allocator]
        static LAPSTRAKE_ALLOCATOR: $crate::component::Allocator = $crate::component::Allocator::new();
    };
    ($frontend:ty, own allocator) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $crate::component::Component<$frontend>;
    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}

/// The exports of a component, over a [`Frontend`]. What [`register!`](crate::register) uses.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod component {
    use std::marker::PhantomData;

    use super::Frontend;
    use crate::Host;
    pub use crate::allocator::component::Allocator;
    use crate::bindings::exports::lapstrake::frontend::frontend::Guest;
    use crate::imports::Imports;
    use crate::types::*;

    pub struct Component<F>(PhantomData<F>);

    /// A panic ends in a bare trap: its message has to leave before.
    fn report_panics() {
        std::panic::set_hook(Box::new(|info| {
            let message = info.payload_as_str().unwrap_or("no message");
            let text = match info.location() {
                Some(at) => format!("frontend panicked at {}:{}: {message}", at.file(), at.line()),
                None => format!("frontend panicked: {message}"),
            };
            Imports.log(LogLevel::Warn, &text);
        }));
    }

    impl<F: Frontend> Guest for Component<F> {
        fn describe() -> FrontendInfo {
            report_panics();
            F::describe()
        }

        fn build(request: Request) -> Result<BuildResult, BuildError> {
            report_panics();
            F::build(&Imports, request)
        }

        fn lint(request: Request) -> Result<Report, BuildError> {
            report_panics();
            F::lint(&Imports, request)
        }

        fn get_outline(request: Request) -> Result<Outline, BuildError> {
            report_panics();
            F::outline(&Imports, request)
        }

        fn list_targets(request: Request) -> Result<Vec<TargetInfo>, BuildError> {
            report_panics();
            F::list_targets(&Imports, request)
        }

        fn call(name: String, request: Request) -> Result<CallResult, BuildError> {
            report_panics();
            F::call(&Imports, &name, request)
        }

        fn completions(request: Request, file: u32, at: Position) -> Result<Vec<Completion>, BuildError> {
            report_panics();
            F::completions(&Imports, request, file, at)
        }

        fn get_hover(request: Request, file: u32, at: Position) -> Result<Option<Hover>, BuildError> {
            report_panics();
            F::hover(&Imports, request, file, at)
        }

        fn rewrite_sources(request: Request) -> Result<Rewritten, BuildError> {
            report_panics();
            F::rewrite_sources(&Imports, request)
        }

        fn rewrite_images(
            request: Request,
            images: Vec<ImageRequest>,
        ) -> Result<Vec<ImageRequest>, BuildError> {
            report_panics();
            F::rewrite_images(&Imports, request, images)
        }

        fn rewrite_result(request: Request, built: BuildResult) -> Result<BuildResult, BuildError> {
            report_panics();
            F::rewrite_result(&Imports, request, built)
        }
    }
}
