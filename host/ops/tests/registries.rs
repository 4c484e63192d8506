//! Images from registries: a real one, and scripted ones for what a real one does not do on demand.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use lapstrake_llb::{Digest, ResolveMode};
use lapstrake_ops::Error;
use lapstrake_ops::source::image::{ImageOptions, ImageRequest, ImageStore};
use lapstrake_ops::source::progress::{Progress, Quiet};
use lapstrake_ops::source::registry::RegistryHost;
use lapstrake_store::Store;
use serde_json::json;
use support::layout::{LayoutBuilder, Member, small};
use support::scripted::{Answer, Asked, Scripted};
use support::server::Server;
use support::{chain, images, options, platform, request};

/// A registry with `app:1`, an index of two platforms, and `app:amd64`, an image by itself.
struct Fixture {
    directory: tempfile::TempDir,
    server: Server,
    index: Digest,
    amd64: Digest,
}

fn fill(directory: &Path) -> (LayoutBuilder, Digest, Digest) {
    let mut layout = LayoutBuilder::new(&directory.join("layout"));
    let list: Vec<_> = ["linux/amd64", "linux/arm64"]
        .iter()
        .map(|name| small(&layout, name))
        .collect();
    let index = layout.image_index(&list);
    let index = layout.tag(index, Some("index"));
    let amd64 = layout.tag(list[0].clone(), Some("amd64"));
    (layout, index, amd64)
}

impl Fixture {
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start(directory.path())?;
        Some(Self::with(directory, server, None))
    }

    fn with_password() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::start_with_password(directory.path(), "user", "right")?;
        Some(Self::with(directory, server, Some("user:right")))
    }

    fn with(directory: tempfile::TempDir, server: Server, credentials: Option<&str>) -> Self {
        let (layout, index, amd64) = fill(directory.path());
        server.push(&layout.path, "index", "app:1", credentials);
        server.push(&layout.path, "amd64", "app:amd64", credentials);
        Self {
            directory,
            server,
            index,
            amd64,
        }
    }

    fn reference(&self, tail: &str) -> String {
        format!("{}/{tail}", self.server.host)
    }

    fn images(&self, options: ImageOptions) -> (Store, ImageStore) {
        images(self.directory.path(), options)
    }

    /// Options with a `config.json`; helpers are looked for beside it.
    fn with_config(&self, config: &str) -> ImageOptions {
        fs::write(self.directory.path().join("config.json"), config).unwrap();
        let mut options = options();
        options.credentials.config_dir = Some(self.directory.path().to_owned());
        options.credentials.helper_path = Some(self.directory.path().into());
        options
    }
}

fn resolve(images: &ImageStore, reference: &str) -> lapstrake_ops::Result<Digest> {
    images
        .resolve(&request(reference), &Quiet)
        .map(|image| image.digest)
}

#[test]
fn an_image_is_pulled_lazily_and_for_its_platform() {
    let Some(fixture) = Fixture::new() else { return };
    let (store, images) = fixture.images(options());
    let image = images
        .resolve(&request(&fixture.reference("app:1")), &Quiet)
        .unwrap();
    assert_eq!(image.digest, fixture.index);
    assert_eq!(image.manifest_digest, fixture.amd64);
    assert_eq!(
        image.reference,
        fixture.reference(&format!("app:1@{}", fixture.index))
    );
    let tree = images.tree(&image, None).unwrap();
    let is_layer = |line: &String| {
        image
            .layers
            .iter()
            .any(|l| line.contains(&l.descriptor.digest.hex()))
    };
    assert!(
        !fixture
            .server
            .requests()
            .iter()
            .any(|line| line.starts_with("GET") && is_layer(line))
    );

    images.ensure_unpacked(&tree, &Quiet).unwrap();
    let etc = store.layer_dir(tree.layers[0]).unwrap().join("etc/platform");
    assert_eq!(fs::read(etc).unwrap(), b"linux-amd64");
    let arm = ImageRequest {
        platform: Some(platform("linux/arm64/v8")),
        ..request(&fixture.reference("app:1"))
    };
    assert_eq!(
        images.resolve(&arm, &Quiet).unwrap().config.labels[0].1,
        "linux/arm64"
    );
}

#[test]
fn a_known_tag_costs_one_head_request_and_a_digest_none() {
    let Some(fixture) = Fixture::new() else { return };
    let tag = fixture.reference("app:1");
    let pinned = fixture
        .images(options())
        .1
        .resolve(&request(&tag), &Quiet)
        .unwrap()
        .reference
        .clone();
    let of_images = |lines: Vec<String>| {
        lines
            .into_iter()
            .filter(|line| line.contains("/app/"))
            .collect::<Vec<_>>()
    };
    let before = of_images(fixture.server.requests()).len();

    let (_, images) = fixture.images(options());
    assert_eq!(resolve(&images, &tag).unwrap(), fixture.index);
    assert_eq!(resolve(&images, &tag).unwrap(), fixture.index);
    let asked = of_images(fixture.server.requests());
    assert_eq!(asked[before..], ["HEAD /v2/app/manifests/1"]);

    let all = fixture.server.requests().len();
    assert_eq!(
        resolve(&fixture.images(options()).1, &pinned).unwrap(),
        fixture.index
    );
    let offline = ImageOptions {
        offline: true,
        ..options()
    };
    assert_eq!(
        resolve(&fixture.images(offline.clone()).1, &tag).unwrap(),
        fixture.index
    );
    let local = ImageRequest {
        mode: ResolveMode::PreferLocal,
        ..request(&tag)
    };
    assert_eq!(
        fixture
            .images(options())
            .1
            .resolve(&local, &Quiet)
            .unwrap()
            .digest,
        fixture.index
    );
    assert_eq!(fixture.server.requests().len(), all);

    let images = fixture.images(offline).1;
    let error = resolve(&images, &fixture.reference("app:amd64")).unwrap_err();
    assert!(
        matches!(&error, Error::Offline { what } if what.ends_with("app:amd64")),
        "{error}"
    );
    let image = images.resolve(&request(&tag), &Quiet).unwrap();
    let error = images
        .ensure_unpacked(&images.tree(&image, None).unwrap(), &Quiet)
        .unwrap_err();
    assert!(
        matches!(&error, Error::Offline { what } if what.contains("blob")),
        "{error}"
    );
}

#[test]
fn a_document_damaged_in_the_store_is_fetched_again() {
    let Some(fixture) = Fixture::new() else { return };
    let tag = fixture.reference("app:1");
    let (store, images) = fixture.images(options());
    let image = images.resolve(&request(&tag), &Quiet).unwrap();
    store
        .set_value("image-document", &image.manifest_digest.to_string(), b"damaged")
        .unwrap();
    drop((store, images));
    let (store, images) = fixture.images(options());
    assert_eq!(
        images.resolve(&request(&tag), &Quiet).unwrap().manifest_digest,
        image.manifest_digest
    );
    let value = store
        .get_value("image-document", &image.manifest_digest.to_string())
        .unwrap()
        .unwrap();
    assert_eq!(Digest::of(&value), image.manifest_digest);
}

#[test]
fn a_moved_tag_is_seen() {
    let Some(fixture) = Fixture::new() else { return };
    let tag = fixture.reference("app:1");
    assert_eq!(
        resolve(&fixture.images(options()).1, &tag).unwrap(),
        fixture.index
    );
    fixture
        .server
        .push(&fixture.directory.path().join("layout"), "amd64", "app:1", None);
    let (_, images) = fixture.images(options());
    assert_eq!(resolve(&images, &tag).unwrap(), fixture.amd64);
    let offline = ImageOptions {
        offline: true,
        ..options()
    };
    assert_eq!(resolve(&fixture.images(offline).1, &tag).unwrap(), fixture.amd64);
}

#[test]
fn what_is_not_there_is_said() {
    let Some(fixture) = Fixture::new() else { return };
    let (_, images) = fixture.images(options());
    for tail in ["app:9", "nothing:1", &format!("app@{}", Digest::of(b"x"))] {
        let error = resolve(&images, &fixture.reference(tail)).unwrap_err();
        assert!(
            matches!(&error, Error::NotFound { host, .. } if *host == fixture.server.host),
            "{}",
            chain(&error)
        );
        assert!(
            error.to_string().contains(tail.split('@').next().unwrap()),
            "{error}"
        );
    }
    let s390x = ImageRequest {
        platform: Some(platform("linux/s390x")),
        ..request(&fixture.reference("app:1"))
    };
    let error = images.resolve(&s390x, &Quiet).unwrap_err();
    assert!(
        matches!(&error, Error::NoPlatform { available, .. } if *available == ["linux/amd64", "linux/arm64"]),
        "{error}"
    );
    let error = resolve(&images, "Not a reference").unwrap_err();
    assert!(matches!(error, Error::BadReference { .. }));
}

#[test]
fn passwords_come_from_the_file_and_from_helpers() {
    let Some(fixture) = Fixture::with_password() else {
        return;
    };
    let host = &fixture.server.host;
    // dXNlcjpyaWdodA== is user:right
    let auths = json!({ "auths": { host: { "auth": "dXNlcjpyaWdodA==" } } }).to_string();
    let (store, images) = fixture.images(fixture.with_config(&auths));
    let image = images
        .resolve(&request(&fixture.reference("app:1")), &Quiet)
        .unwrap();
    images
        .ensure_unpacked(&images.tree(&image, None).unwrap(), &Quiet)
        .unwrap();
    drop((store, images));

    let helper = fixture.directory.path().join("docker-credential-test");
    let script = r#"#!/bin/sh
[ "$1" = get ] && printf '{"ServerURL":"%s","Username":"user","Secret":"right"}' "$(cat)"
"#;
    fs::write(&helper, script).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let config = json!({ "credHelpers": { host: "test" } }).to_string();
    let (_, images) = fixture.images(fixture.with_config(&config));
    assert_eq!(
        resolve(&images, &fixture.reference("app:amd64")).unwrap(),
        fixture.amd64
    );
}

#[test]
fn wrong_credentials_are_named_with_their_place() {
    let Some(fixture) = Fixture::with_password() else {
        return;
    };
    let (host, reference) = (&fixture.server.host, fixture.reference("app:1"));
    let error = resolve(&fixture.images(options()).1, &reference).unwrap_err();
    assert!(
        matches!(&error, Error::CredentialsNeeded { host: h, .. } if h == host),
        "{}",
        chain(&error)
    );

    // dXNlcjp3cm9uZw== is user:wrong
    let auths = json!({ "auths": { host: { "auth": "dXNlcjp3cm9uZw==" } } }).to_string();
    let error = resolve(&fixture.images(fixture.with_config(&auths)).1, &reference).unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{}", chain(&error));
    let text = error.to_string();
    assert!(
        text.contains(host) && text.contains("config.json") && !text.contains("wrong"),
        "{text}"
    );

    let helper = fixture.directory.path().join("docker-credential-test");
    fs::write(
        &helper,
        "#!/bin/sh\necho '{\"Username\":\"user\",\"Secret\":\"wrong\"}'\n",
    )
    .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let options = fixture.with_config(r#"{"credsStore":"test"}"#);
    let error = resolve(&fixture.images(options).1, &reference).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("docker-credential-test") && !text.contains("wrong"),
        "{text}"
    );
}

#[test]
fn docker_manifests_are_as_good() {
    let Some(fixture) = Fixture::new() else { return };
    let layout = fixture.directory.path().join("layout");
    fixture.server.push_as("v2s2", &layout, "index", "docker:1", None);
    let (store, images) = fixture.images(options());
    let image = images
        .resolve(&request(&fixture.reference("docker:1")), &Quiet)
        .unwrap();
    assert!(
        image.layers[0].descriptor.media_type.contains("vnd.docker"),
        "{:?}",
        image.layers
    );
    let tree = images.tree(&image, None).unwrap();
    images.ensure_unpacked(&tree, &Quiet).unwrap();
    let etc = store.layer_dir(tree.layers[0]).unwrap().join("etc/platform");
    assert_eq!(fs::read(etc).unwrap(), b"linux-amd64");
}

#[test]
fn certificates_of_other_authorities_can_be_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let Some(server) = Server::start_with_tls(directory.path()) else {
        return;
    };
    let (layout, index, _) = fill(directory.path());
    server.push(&layout.path, "index", "app:1", None);
    let reference = format!("{}/app:1", server.host);
    let with = |host: RegistryHost| {
        let mut options = options();
        options.registries.hosts.insert(
            server.host.clone(),
            RegistryHost {
                http: Some(false),
                ..host
            },
        );
        resolve(&images(directory.path(), options).1, &reference)
    };
    let error = with(RegistryHost::default()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{}", chain(&error));
    assert!(chain(&error).contains("certificate"), "{}", chain(&error));
    let ca = vec![directory.path().join("ca.pem")];
    assert_eq!(
        with(RegistryHost {
            ca,
            ..RegistryHost::default()
        })
        .unwrap(),
        index
    );
    assert_eq!(
        with(RegistryHost {
            insecure: true,
            ..RegistryHost::default()
        })
        .unwrap(),
        index
    );
    let error = with(RegistryHost {
        ca: vec!["/no/such.pem".into()],
        ..RegistryHost::default()
    })
    .unwrap_err();
    assert!(
        matches!(error, Error::ReadCertificate { .. }),
        "{}",
        chain(&error)
    );
    // Without a word about it, this machine's registries speak plain HTTP.
    let error = resolve(&images(directory.path(), options()).1, &reference).unwrap_err();
    assert!(
        matches!(
            error,
            Error::RegistryStatus { code: 400, .. } | Error::Unreachable { .. }
        ),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_registry_that_is_not_there_is_named_with_the_cause() {
    let directory = tempfile::tempdir().unwrap();
    let (_, images) = images(directory.path(), options());
    // Port 1 is nobody's.
    let error = resolve(&images, "127.0.0.1:1/app:1").unwrap_err();
    assert!(matches!(&error, Error::Unreachable { host, .. } if host == "127.0.0.1:1"));
    assert!(
        chain(&error).to_lowercase().contains("refused"),
        "{}",
        chain(&error)
    );
    let error = resolve(&images, "nobody.invalid/app:1").unwrap_err();
    assert!(
        matches!(&error, Error::Unreachable { host, .. } if host == "nobody.invalid"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_tampered_blob_is_a_digest_mismatch_and_is_not_kept() {
    let Some(fixture) = Fixture::new() else { return };
    let (store, images) = fixture.images(options());
    let image = images
        .resolve(&request(&fixture.reference("app:1")), &Quiet)
        .unwrap();
    let tree = images.tree(&image, None).unwrap();
    let digest = image.layers[1].descriptor.digest;
    let path = fixture.server.blob_file(&digest.hex());
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 6;
    bytes[end] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let error = images.ensure_unpacked(&tree, &Quiet).unwrap_err();
    assert!(
        matches!(&error, Error::DigestMismatch { digest: d, origin, .. }
            if *d == digest && origin.contains(&fixture.server.host)),
        "{}",
        chain(&error)
    );
    assert!(!store.has_blob(&digest));
    assert!(!store.layer(tree.layers[1]).unwrap().unpacked);
    bytes[end] ^= 1;
    fs::write(&path, bytes).unwrap();
    images.ensure_unpacked(&tree, &Quiet).unwrap();
}

#[test]
fn several_images_are_resolved_at_the_same_time() {
    let directory = tempfile::tempdir().unwrap();
    let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, peak) = (Arc::clone(&at_once), Arc::clone(&most));
    let registry = Scripted::start(move |asked| {
        if asked.path == "/v2/" {
            return Answer::new(200, "{}");
        }
        peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(200));
        now.fetch_sub(1, Ordering::SeqCst);
        Answer::new(404, "")
    });
    let (_, images) = images(directory.path(), options());
    let requests: Vec<_> = (0..8)
        .map(|n| request(&format!("{}/app:{n}", registry.host)))
        .collect();
    let answers = images.resolve_all(&requests, &Quiet);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(Error::NotFound { .. })))
    );
    assert!(
        answers[3].as_ref().unwrap_err().to_string().contains("app:3"),
        "the answers are in order"
    );
    assert!(most.load(Ordering::SeqCst) > 1, "{}", most.load(Ordering::SeqCst));
}

/// Answers as a registry with one image would.
struct Served {
    index: Vec<u8>,
    layout: std::path::PathBuf,
}

impl Served {
    fn new(directory: &Path, layers: &[&[Member<'_>]]) -> Self {
        let mut layout = LayoutBuilder::new(&directory.join("served"));
        let image = layout.image("linux/amd64", layers, json!({}));
        let digest = layout.tag(image, None);
        Self {
            index: fs::read(layout.blob_path(&digest)).unwrap(),
            layout: layout.path,
        }
    }

    fn blob(&self, path: &str) -> Option<Vec<u8>> {
        let hex = path.rsplit("sha256:").next()?.split('?').next()?;
        fs::read(self.layout.join("blobs/sha256").join(hex)).ok()
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let digest = Digest::of(&self.index).to_string();
        let document = |bytes: &[u8]| {
            Answer::new(200, bytes)
                .with("docker-content-digest", Digest::of(bytes).to_string())
                .with("content-type", "application/vnd.oci.image.manifest.v1+json")
        };
        match asked.path.as_str() {
            "/v2/" => Answer::new(200, "{}"),
            path if path.contains("/manifests/") && !path.contains("sha256:") => document(&self.index),
            path if path.contains("/manifests/") && path.contains(&digest) => document(&self.index),
            path if path.contains("/blobs/") => match self.blob(path) {
                Some(blob) => Answer::part(asked, &blob),
                None => Answer::new(404, ""),
            },
            _ => Answer::new(404, ""),
        }
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u64;
    let mut next = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn pull(images: &ImageStore, reference: &str) -> lapstrake_ops::Result<()> {
    let image = images.resolve(&request(reference), &Quiet)?;
    images.ensure_unpacked(&images.tree(&image, None)?, &Quiet)
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    for ranges in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let data = noise(400_000);
        let served = Served::new(directory.path(), &[&[Member::File("data", &data)]]);
        let registry = Scripted::start(move |asked| {
            let mut asked = asked.clone();
            let large = served.blob(&asked.path).is_some_and(|blob| blob.len() > 100_000);
            let first = asked.offset().unwrap_or(0) < 200_000;
            if !ranges {
                asked
                    .headers
                    .retain(|(name, _)| !name.eq_ignore_ascii_case("range"));
            }
            let mut answer = served.answer(&asked);
            static CUTS: AtomicUsize = AtomicUsize::new(0);
            let cut = if ranges {
                first
            } else {
                CUTS.fetch_add(usize::from(large), Ordering::SeqCst) < 2
            };
            if large && cut && asked.method == "GET" {
                answer.cut = Some(100_000.min(answer.body.len()));
            }
            answer
        });
        let (store, images) = images(directory.path(), options());
        pull(&images, &format!("{}/app:1", registry.host)).unwrap();
        let image = images
            .resolve(&request(&format!("{}/app:1", registry.host)), &Quiet)
            .unwrap();
        let tree = images.tree(&image, None).unwrap();
        assert!(fs::read(store.layer_dir(tree.layers[0]).unwrap().join("data")).unwrap() == data);
        let offsets: Vec<_> = registry
            .asked()
            .iter()
            .filter(|asked| asked.path.contains(&image.layers[0].descriptor.digest.hex()))
            .filter_map(Asked::offset)
            .collect();
        assert!(
            offsets.len() >= 3 && offsets[0] == 0 && offsets[1..].iter().all(|o| *o > 0),
            "{offsets:?}"
        );
    }
}

#[test]
fn a_registry_that_always_breaks_off_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::new(directory.path(), &[&[Member::File("data", &noise(100_000))]]);
    let registry = Scripted::start(move |asked| {
        let mut answer = served.answer(asked);
        if answer.body.len() > 50_000 {
            answer.cut = Some(0);
        }
        answer
    });
    let (store, images) = images(directory.path(), options());
    let error = pull(&images, &format!("{}/app:1", registry.host)).unwrap_err();
    assert!(
        matches!(&error, Error::Interrupted { host, .. } | Error::Unreachable { host, .. } if *host == registry.host),
        "{}",
        chain(&error)
    );
    assert_eq!(
        fs::read_dir(store.root().join("blobs/sha256")).unwrap().count(),
        0
    );
}

#[test]
fn a_download_that_nobody_wants_ends() {
    struct Impatient(AtomicBool);
    impl Progress for Impatient {
        fn advance(&self, _: &str, _: u64, _: Option<u64>, _: bool) {}
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::SeqCst)
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let registry = Scripted::start(|_| {
        // Longer than any server is waited for.
        std::thread::sleep(Duration::from_secs(300));
        Answer::new(404, "")
    });
    let (_, images) = images(directory.path(), options());
    let progress = Impatient(AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            progress.0.store(true, Ordering::SeqCst);
        });
        let error = images
            .resolve(&request(&format!("{}/app:1", registry.host)), &progress)
            .unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    });
}

#[test]
fn refusals_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let registry = Scripted::start(|asked| match asked.path.as_str() {
        "/v2/" => Answer::new(200, "{}"),
        path if path.contains("/limited/") => Answer::new(
            429,
            r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#,
        ),
        path if path.contains("/denied/") => {
            Answer::new(403, r#"{"errors":[{"code":"DENIED","message":"not for you"}]}"#)
        }
        path if path.contains("/broken/") => Answer::new(503, "<html>\nout of order</html>"),
        path if path.contains("/odd/") => Answer::new(200, "no manifest"),
        path if path.contains("/old/") => {
            Answer::new(200, r#"{"schemaVersion":1,"name":"old","tag":"1","fsLayers":[]}"#)
        }
        path if path.contains("/chart/") => Answer::new(
            200,
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
                "config":{"mediaType":"application/vnd.cncf.helm.config.v1+json",
                "digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#,
        ),
        _ => Answer::new(404, ""),
    });
    let (_, images) = images(directory.path(), options());
    let error = |name: &str| resolve(&images, &format!("{}/{name}/x:1", registry.host)).unwrap_err();
    let limited = error("limited");
    assert!(
        matches!(&limited, Error::RateLimited { message, .. } if message == "slow down"),
        "{}",
        chain(&limited)
    );
    let denied = error("denied");
    assert!(
        matches!(&denied, Error::CredentialsNeeded { message, .. } if message == "not for you"),
        "{}",
        chain(&denied)
    );
    let broken = error("broken");
    assert!(
        matches!(&broken, Error::RegistryStatus { code: 503, .. }),
        "{}",
        chain(&broken)
    );
    assert!(!broken.to_string().contains('\n'));
    assert!(matches!(error("odd"), Error::BadManifest { .. }));
    assert!(matches!(error("old"), Error::Schema1 { .. }));
    let chart = error("chart");
    assert!(
        matches!(&chart, Error::NotAnImage { media_type, .. } if media_type.contains("helm")),
        "{}",
        chain(&chart)
    );
}

#[test]
fn tokens_are_fetched_where_the_registry_says() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::new(directory.path(), &[&[Member::File("a", b"1")]]);
    let host = Arc::new(std::sync::OnceLock::new());
    let own = Arc::clone(&host);
    let registry = Scripted::start(move |asked| {
        let own: &String = own.get().unwrap();
        if asked.path.starts_with("/token") {
            // dTpw is u:p
            return match asked.header("authorization") {
                None | Some("Basic dTpw") if asked.path.contains("scope=repository%3Aapp%3Apull") => {
                    Answer::new(200, r#"{"token":"opaque"}"#)
                }
                _ => Answer::new(401, r#"{"details":"incorrect username or password"}"#),
            };
        }
        if asked.header("authorization") != Some("Bearer opaque") {
            let challenge = format!("Bearer realm=\"http://{own}/token\",service=\"test\"");
            return Answer::new(401, "{}").with("www-authenticate", challenge);
        }
        served.answer(asked)
    });
    host.set(registry.host.clone()).unwrap();
    let reference = format!("{}/app:1", registry.host);
    pull(&images(directory.path(), options()).1, &reference).unwrap();
    let before = registry
        .paths()
        .iter()
        .filter(|path| path.contains("/token"))
        .count();
    assert_eq!(before, 1, "one token serves all requests: {:?}", registry.paths());

    for (secret, good) in [("p", true), ("q", false)] {
        let mut options = options();
        let config = json!({ "auths": { &registry.host: { "username": "u", "password": secret } } });
        fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        options.credentials.config_dir = Some(directory.path().to_owned());
        let answer = resolve(&images(directory.path(), options).1, &reference);
        match answer {
            Ok(_) => assert!(good),
            Err(error) => {
                assert!(!good, "{}", chain(&error));
                let expected = "incorrect username or password";
                assert!(
                    matches!(&error, Error::Unauthorized { message, .. } if message == expected),
                    "{}",
                    chain(&error)
                );
            }
        }
    }
}

#[test]
fn identity_tokens_are_exchanged() {
    let directory = tempfile::tempdir().unwrap();
    let served = Served::new(directory.path(), &[&[Member::File("a", b"1")]]);
    let host = Arc::new(std::sync::OnceLock::new());
    let own = Arc::clone(&host);
    let registry = Scripted::start(move |asked| {
        let own: &String = own.get().unwrap();
        if asked.path == "/oauth2/token" {
            let right = asked.method == "POST"
                && asked.body.contains("grant_type=refresh_token")
                && asked.body.contains("refresh_token=identity%2Ftoken")
                && asked.body.contains("scope=repository%3Aapp%3Apull")
                && asked.body.contains("service=test");
            return match right {
                true => Answer::new(200, r#"{"access_token":"access","expires_in":300}"#),
                false => Answer::new(
                    401,
                    r#"{"errors":[{"code":"UNAUTHORIZED","message":"token is over"}]}"#,
                ),
            };
        }
        if asked.header("authorization") != Some("Bearer access") {
            let challenge = format!("Bearer realm=\"http://{own}/oauth2/token\",service=\"test\"");
            return Answer::new(401, "{}").with("www-authenticate", challenge);
        }
        served.answer(asked)
    });
    host.set(registry.host.clone()).unwrap();
    let reference = format!("{}/app:1", registry.host);
    let with = |token: &str| {
        let config = json!({ "auths": { &registry.host: { "identitytoken": token } } });
        fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        let mut options = options();
        options.credentials.config_dir = Some(directory.path().to_owned());
        images(directory.path(), options).1
    };
    let error = resolve(&with("old"), &reference).unwrap_err();
    assert!(
        matches!(&error, Error::Unauthorized { message, .. } if message == "token is over"),
        "{}",
        chain(&error)
    );
    pull(&with("identity/token"), &reference).unwrap();
    let exchanges = registry
        .paths()
        .iter()
        .filter(|path| path.contains("oauth2"))
        .count();
    assert_eq!(exchanges, 2, "{:?}", registry.paths());
}

#[test]
fn mirrors_are_asked_first_and_the_registry_stands_in_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let served = Arc::new(Served::new(
        directory.path(),
        &[&[Member::File("data", &noise(50_000))]],
    ));
    let for_origin = Arc::clone(&served);
    let origin = Scripted::start(move |asked| for_origin.answer(asked));
    // The mirror has the documents, and another blob than it says.
    let mirror = Scripted::start(move |asked| {
        let mut answer = served.answer(asked);
        if answer.body.len() > 20_000 {
            answer.body[10_000] ^= 1;
        }
        answer
    });
    let mut options = options();
    let mirrors = vec!["127.0.0.1:1".to_owned(), mirror.host.clone()];
    let host = RegistryHost {
        mirrors,
        ..RegistryHost::default()
    };
    options.registries.hosts.insert(origin.host.clone(), host);
    let (_, images) = images(directory.path(), options);
    pull(&images, &format!("{}/app:1", origin.host)).unwrap();
    let asked = mirror.paths();
    assert!(
        asked
            .iter()
            .any(|path| path.starts_with("HEAD /v2/app/manifests/1?ns=")),
        "{asked:?}"
    );
    let asked = origin.paths();
    assert!(
        asked
            .iter()
            .all(|path| path == "GET /v2/" || path.contains("/blobs/")),
        "{asked:?}"
    );
}
