use std::os::unix::fs::PermissionsExt as _;

use super::*;

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn new(config: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        Self(directory)
    }

    fn helper(self, name: &str, script: &str) -> Self {
        let path = self.0.path().join(format!("docker-credential-{name}"));
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn credentials(&self) -> Credentials {
        Credentials::new(CredentialOptions {
            config_dir: Some(self.0.path().to_owned()),
            helper_path: Some(self.0.path().as_os_str().to_owned()),
        })
    }
}

fn password(user: &str, password: &str) -> Credential {
    Credential::Password {
        user: user.to_owned(),
        password: password.to_owned(),
    }
}

#[test]
fn reads_auths_by_host_and_by_url() {
    // dXNlcjpwYTpzcw== is user:pa:ss
    let fixture = Fixture::new(
        r#"{"auths":{"a.example:5000":{"auth":"dXNlcjpwYTpzcw=="},
            "https://b.example/v1/":{"auth":"dXNlcjpwYTpzcw=="},
            "https://index.docker.io/v1/":{"username":"hub","password":"p"},
            "c.example":{"identitytoken":"tok","auth":"AAAA"},
            "empty.example":{}, "odd.example":{"auth":"***"}}}"#,
    );
    let credentials = fixture.credentials();
    let find = |host: &str| credentials.find(host).map(|found| found.credential.clone());
    assert_eq!(find("a.example:5000").unwrap(), password("user", "pa:ss"));
    assert_eq!(find("b.example").unwrap(), password("user", "pa:ss"));
    assert_eq!(find("index.docker.io").unwrap(), password("hub", "p"));
    assert_eq!(find("docker.io").unwrap(), password("hub", "p"));
    assert_eq!(
        find("c.example").unwrap(),
        Credential::IdentityToken("tok".to_owned())
    );
    assert_eq!(find("empty.example").unwrap(), Credential::Anonymous);
    assert_eq!(find("other.example").unwrap(), Credential::Anonymous);
    assert!(matches!(find("odd.example"), Err(Error::BadCredential { host, .. }) if host == "odd.example"));
    let origin = credentials.find("a.example:5000").unwrap().origin.to_string();
    assert!(origin.ends_with("config.json"), "{origin}");
}

#[test]
fn a_helper_is_asked_for_its_host_and_only_once() {
    let fixture = Fixture::new(r#"{"credHelpers":{"a.example":"mine"}}"#)
        .helper("mine", r#"dir=$(dirname "$0"); echo x >> "$dir/calls"; printf '{"ServerURL":"","Username":"%s","Secret":"s"}' "$(cat)""#);
    let credentials = fixture.credentials();
    for _ in 0..2 {
        assert_eq!(
            credentials.find("a.example").unwrap().credential,
            password("a.example", "s")
        );
    }
    assert_eq!(
        credentials.find("b.example").unwrap().credential,
        Credential::Anonymous
    );
    assert_eq!(
        std::fs::read_to_string(fixture.0.path().join("calls")).unwrap(),
        "x\n"
    );
    let origin = credentials.find("a.example").unwrap().origin.to_string();
    assert!(origin.contains("docker-credential-mine"), "{origin}");
}

#[test]
fn the_store_for_all_hosts_falls_back_to_the_file() {
    let fixture =
        Fixture::new(r#"{"credsStore":"all","auths":{"b.example":{"username":"u","password":"p"}}}"#).helper(
            "all",
            r#"case $(cat) in
               https://index.docker.io/v1/) echo '{"Username":"<token>","Secret":"t"}';;
               *) echo 'credentials not found in native keychain'; exit 1;; esac"#,
        );
    let credentials = fixture.credentials();
    assert_eq!(
        credentials.find("docker.io").unwrap().credential,
        Credential::IdentityToken("t".to_owned())
    );
    assert_eq!(
        credentials.find("b.example").unwrap().credential,
        password("u", "p")
    );
    assert_eq!(
        credentials.find("c.example").unwrap().credential,
        Credential::Anonymous
    );
}

#[test]
fn a_helper_that_fails_is_named() {
    let fixture = Fixture::new(r#"{"credHelpers":{"a.example":"broken","b.example":"missing","c.example":"odd","d.example":"../x"}}"#)
        .helper("broken", "echo 'the keychain is locked'; exit 1")
        .helper("odd", "echo secret-in-odd-form");
    let credentials = fixture.credentials();
    let error = credentials.find("a.example").unwrap_err();
    assert!(matches!(&error, Error::CredentialHelper { program, message, .. }
        if program == "docker-credential-broken" && message == "the keychain is locked"));
    assert!(matches!(
        credentials.find("b.example"),
        Err(Error::StartCredentialHelper { .. })
    ));
    let error = credentials.find("c.example").unwrap_err();
    assert!(!format!("{error:?}").contains("secret-in-odd-form"), "{error:?}");
    assert!(matches!(
        credentials.find("d.example"),
        Err(Error::CredentialHelperName { .. })
    ));
}

#[test]
fn no_file_is_no_credentials_and_a_bad_one_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let options = |dir: &Path| CredentialOptions {
        config_dir: Some(dir.to_owned()),
        helper_path: None,
    };
    let missing = Credentials::new(options(directory.path()));
    assert_eq!(
        missing.find("a.example").unwrap().credential,
        Credential::Anonymous
    );
    assert_eq!(
        Credentials::default().find("a.example").unwrap().origin,
        CredentialOrigin::Nowhere
    );
    let fixture = Fixture::new("{");
    assert!(matches!(
        fixture.credentials().find("a"),
        Err(Error::BadCredentialFile { .. })
    ));
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!(
        "{:?} {:?}",
        password("u", "hush"),
        Credential::IdentityToken("hush".to_owned())
    );
    assert!(!shown.contains("hush"), "{shown}");
}
