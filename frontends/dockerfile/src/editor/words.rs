//! The words of the language and what they mean, in one line or two each, for people who write a Dockerfile.
//! Knows nothing of where they stand in a file.

/// Docker's reference, which has a part for each instruction.
const REFERENCE: &str = "https://docs.docker.com/reference/dockerfile/#";

/// An instruction, or a flag, key or directive, and what it means.
#[derive(Debug, Clone, Copy)]
pub struct Meaning {
    /// The word.
    pub word: &'static str,
    /// How it is written.
    pub form: &'static str,
    /// What it does.
    pub text: &'static str,
    /// The part of Docker's reference.
    part: &'static str,
}

impl Meaning {
    /// The same as Markdown.
    pub fn markdown(&self) -> String {
        let Self { form, text, part, .. } = self;
        format!("```dockerfile\n{form}\n```\n{text}\n\n[Reference]({REFERENCE}{part})")
    }
}

macro_rules! meanings {
    ($($word:literal $form:literal $text:literal $part:literal;)*) => {
        &[$(Meaning { word: $word, form: $form, text: $text, part: $part }),*]
    };
}

macro_rules! mount_keys {
    ($($word:literal $form:literal $text:literal $part:literal [$($kind:literal),*];)*) => {
        &[$((Meaning { word: $word, form: $form, text: $text, part: $part }, &[$($kind),*])),*]
    };
}

/// All instructions.
pub const INSTRUCTIONS: &[Meaning] = meanings! {
    "ADD" "ADD [FLAGS] SOURCE... DESTINATION" "Adds files of the context, of an address or of a git repository. Archives of the context are unpacked." "add";
    "ARG" "ARG NAME[=DEFAULT]..." "Declares variables that whoever builds may set with `--build-arg`. Before the first `FROM` they are for `FROM` lines; a stage that wants one declares it again." "arg";
    "CMD" "CMD [\"PROGRAM\", \"ARGUMENT\"...]" "What a container runs when nothing else is said; the arguments of `ENTRYPOINT` where there is one. The last one of a stage counts." "cmd";
    "COPY" "COPY [FLAGS] SOURCE... DESTINATION" "Copies files of the context, or of another stage or image with `--from`." "copy";
    "ENTRYPOINT" "ENTRYPOINT [\"PROGRAM\", \"ARGUMENT\"...]" "The program that a container always runs." "entrypoint";
    "ENV" "ENV NAME=VALUE..." "Sets environment variables, for the steps after it and for containers." "env";
    "EXPOSE" "EXPOSE PORT[/tcp|/udp]..." "Says on which ports a container listens. Opens none." "expose";
    "FROM" "FROM [--platform=PLATFORM] IMAGE [AS NAME]" "Begins a stage with an image, an earlier stage, or nothing (`scratch`)." "from";
    "HEALTHCHECK" "HEALTHCHECK [FLAGS] CMD COMMAND" "How a container is asked whether it still works; `NONE` asks no more." "healthcheck";
    "LABEL" "LABEL NAME=VALUE..." "Adds labels to the image." "label";
    "MAINTAINER" "MAINTAINER NAME" "Says who wrote it. Outdated: write `LABEL org.opencontainers.image.authors=NAME`." "maintainer-deprecated";
    "ONBUILD" "ONBUILD INSTRUCTION" "An instruction for builds whose `FROM` is this image." "onbuild";
    "RUN" "RUN [FLAGS] COMMAND" "Runs a command and keeps what it changes. `<<EOF` begins a script of several lines." "run";
    "SHELL" "SHELL [\"PROGRAM\", \"ARGUMENT\"...]" "The shell of commands that are not written as a list." "shell";
    "STOPSIGNAL" "STOPSIGNAL SIGNAL" "The signal that ends a container." "stopsignal";
    "USER" "USER NAME[:GROUP]" "Who runs the commands after it, and containers." "user";
    "VOLUME" "VOLUME [\"PATH\"...]" "Paths whose files are not the container's own." "volume";
    "WORKDIR" "WORKDIR PATH" "The directory of the instructions after it, and of containers. It is made where it is not there." "workdir";
};

/// Flags by instruction.
const FLAGS: &[(&str, &[Meaning])] = &[
    (
        "FROM",
        meanings! {
            "platform" "FROM --platform=OS/ARCHITECTURE" "The platform of the image; `$BUILDPLATFORM` is that of the machine that builds." "from";
        },
    ),
    (
        "COPY",
        meanings! {
            "from" "COPY --from=STAGE|IMAGE" "Copies from a stage, an image or a named context instead of the context." "copy---from";
            "chown" "--chown=USER[:GROUP]" "The owner of what is copied; names are looked up in the image." "copy---chown---chmod";
            "chmod" "--chmod=MODE" "The mode of what is copied, in octal digits or as `u=rwX,go=rX`." "copy---chown---chmod";
            "link" "--link" "Makes the copy independent of what is below it, so that a new base leaves it as it is." "copy---link";
            "parents" "COPY --parents" "Keeps the directories that stand in the source's path." "copy---parents";
            "exclude" "--exclude=PATTERN" "Leaves out what matches. May stand several times." "copy---exclude";
        },
    ),
    (
        "ADD",
        meanings! {
            "chown" "--chown=USER[:GROUP]" "The owner of what is copied; names are looked up in the image." "copy---chown---chmod";
            "chmod" "--chmod=MODE" "The mode of what is copied, in octal digits or as `u=rwX,go=rX`." "copy---chown---chmod";
            "link" "--link" "Makes the copy independent of what is below it, so that a new base leaves it as it is." "copy---link";
            "checksum" "ADD --checksum=sha256:HEX" "What the file of an address, or the commit of a repository, must be." "add---checksum";
            "keep-git-dir" "ADD --keep-git-dir=true" "Keeps the `.git` of a repository." "add---keep-git-dir";
            "unpack" "ADD --unpack=true|false" "Whether an archive is unpacked, wherever it comes from." "add---unpack";
            "exclude" "--exclude=PATTERN" "Leaves out what matches. May stand several times." "copy---exclude";
        },
    ),
    (
        "RUN",
        meanings! {
            "mount" "RUN --mount=type=TYPE[,KEY=VALUE...]" "Gives the command a tree, a cache, memory, a secret or an SSH agent, which are not in the result." "run---mount";
            "network" "RUN --network=default|none|host" "The network of the command. `host` has to be allowed." "run---network";
            "security" "RUN --security=sandbox|insecure" "Whether the command is in a sandbox. `insecure` has to be allowed." "run---security";
            "device" "RUN --device=NAME[,required]" "A device of the Container Device Interface." "run---device";
        },
    ),
    (
        "HEALTHCHECK",
        meanings! {
            "interval" "HEALTHCHECK --interval=30s" "Time between two checks." "healthcheck";
            "timeout" "HEALTHCHECK --timeout=30s" "Time that a check may take." "healthcheck";
            "start-period" "HEALTHCHECK --start-period=0s" "Time that a container has to start, in which failures do not count." "healthcheck";
            "start-interval" "HEALTHCHECK --start-interval=5s" "Time between two checks while it starts." "healthcheck";
            "retries" "HEALTHCHECK --retries=3" "Failures after which it is unhealthy." "healthcheck";
        },
    ),
];

/// Keys of `RUN --mount`, and the types that have them; none: all.
pub const MOUNT_KEYS: &[(Meaning, &[&str])] = mount_keys! {
    "type" "type=bind|cache|tmpfs|secret|ssh" "What is mounted; without it `bind`." "run---mount" [];
    "target" "target=PATH" "Where it is mounted. `dst` and `destination` mean the same." "run---mount" [];
    "source" "source=PATH" "Which part of the tree. `src` means the same." "run---mount" ["bind", "cache", "secret"];
    "from" "from=STAGE|IMAGE" "The stage, image or named context that the tree is of; of a cache what it begins with." "run---mounttypebind" ["bind", "cache"];
    "rw" "rw" "The command may write; what it writes is thrown away. `readwrite` means the same." "run---mounttypebind" ["bind"];
    "ro" "ro" "The command may not write. `readonly` means the same." "run---mounttypecache" ["cache", "bind"];
    "id" "id=NAME" "The name of the cache, the secret or the agent." "run---mounttypecache" ["cache", "secret", "ssh"];
    "sharing" "sharing=shared|private|locked" "What happens when two commands want the same cache." "run---mounttypecache" ["cache"];
    "size" "size=BYTES" "How large it may become." "run---mounttypetmpfs" ["tmpfs"];
    "required" "required=true" "It is an error if it is not given." "run---mounttypesecret" ["secret", "ssh"];
    "env" "env=NAME" "The variable that the secret is in, instead of a file." "run---mounttypesecret" ["secret"];
    "mode" "mode=0400" "The mode of the file or directory." "run---mount" ["cache", "secret", "ssh"];
    "uid" "uid=0" "The owner of the file or directory." "run---mount" ["cache", "secret", "ssh"];
    "gid" "gid=0" "The group of the file or directory." "run---mount" ["cache", "secret", "ssh"];
};

/// Other spellings of keys of mounts.
const MOUNT_ALIASES: &[(&str, &str)] = &[
    ("src", "source"),
    ("dst", "target"),
    ("destination", "target"),
    ("readonly", "ro"),
    ("readwrite", "rw"),
];

/// The parser's directives.
pub const DIRECTIVES: &[Meaning] = meanings! {
    "syntax" "# syntax=REFERENCE" "The frontend that reads this file: a built-in one, a component of the context, or one in a registry." "syntax";
    "escape" "# escape=`" "The character that continues lines and escapes others: `\\` or `` ` ``." "escape";
    "check" "# check=skip=RULE,...;error=true" "Which checks are left out, and whether a finding is an error." "check";
};

/// Arguments that every build has.
pub const PREDEFINED: &[(&str, &str)] = &[
    ("BUILDPLATFORM", "platform of the machine that builds"),
    ("BUILDOS", "operating system of the machine that builds"),
    ("BUILDARCH", "architecture of the machine that builds"),
    (
        "BUILDVARIANT",
        "variant of the architecture of the machine that builds",
    ),
    ("TARGETPLATFORM", "platform that is built for"),
    ("TARGETOS", "operating system that is built for"),
    ("TARGETARCH", "architecture that is built for"),
    ("TARGETVARIANT", "variant of the architecture that is built for"),
    ("TARGETSTAGE", "name of the stage that is built"),
];

/// Arguments that commands have though no `ARG` says so.
pub const PROXIES: &[(&str, &str)] = &[
    ("HTTP_PROXY", "proxy for http; set with --build-arg"),
    ("HTTPS_PROXY", "proxy for https; set with --build-arg"),
    ("FTP_PROXY", "proxy for ftp; set with --build-arg"),
    ("ALL_PROXY", "proxy for all; set with --build-arg"),
    ("NO_PROXY", "hosts without a proxy; set with --build-arg"),
    ("SOURCE_DATE_EPOCH", "latest time of files, in seconds since 1970"),
];

/// Values that a flag or key can have; of flags the name has two dashes before it.
pub fn values(name: &str) -> &'static [&'static str] {
    match name {
        "--platform" => &["$BUILDPLATFORM", "$TARGETPLATFORM", "linux/amd64", "linux/arm64"],
        "--network" => &["default", "none", "host"],
        "--security" => &["sandbox", "insecure"],
        "--link" | "--parents" | "--keep-git-dir" | "--unpack" => &["true", "false"],
        "--chmod" => &["0644", "0755", "u=rwX,go=rX"],
        "--checksum" => &["sha256:"],
        "type" => &["bind", "cache", "secret", "ssh", "tmpfs"],
        "sharing" => &["shared", "private", "locked"],
        "required" | "ro" | "rw" | "readonly" | "readwrite" => &["true", "false"],
        "HEALTHCHECK" => &["CMD", "NONE"],
        "STOPSIGNAL" => &[
            "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2",
        ],
        "SHELL" => &[
            "[\"/bin/sh\", \"-c\"]",
            "[\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]",
        ],
        "syntax" => &["docker/dockerfile:1"],
        "escape" => &["\\", "`"],
        "check" => &["skip=", "skip=all", "error=true", "experimental="],
        _ => &[],
    }
}

/// What an instruction means.
pub fn instruction(name: &str) -> Option<&'static Meaning> {
    INSTRUCTIONS
        .iter()
        .find(|known| known.word.eq_ignore_ascii_case(name))
}

/// The flags of an instruction.
pub fn flags(instruction: &str) -> &'static [Meaning] {
    let found = FLAGS.iter().find(|(name, _)| *name == instruction);
    found.map_or(&[], |(_, flags)| flags)
}

/// What a key of a mount means, in any of its spellings.
pub fn mount_key(name: &str) -> Option<&'static Meaning> {
    let alias = MOUNT_ALIASES.iter().find(|(alias, _)| *alias == name);
    let name = alias.map_or(name, |(_, name)| name);
    let found = MOUNT_KEYS.iter().find(|(known, _)| known.word == name);
    found.map(|(known, _)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostics;
    use crate::instructions::KEYWORDS;
    use crate::parse;

    #[test]
    fn every_instruction_is_there() {
        let names: Vec<&str> = INSTRUCTIONS.iter().map(|known| known.word).collect();
        assert_eq!(names, KEYWORDS);
    }

    #[test]
    fn what_is_offered_is_known_to_the_parser() {
        let codes = |text: &str| {
            let mut diagnostics = Diagnostics::default();
            parse::file(text, &mut diagnostics);
            let items = diagnostics.items().iter();
            items.map(|item| item.code).collect::<Vec<_>>()
        };
        for (name, flags) in FLAGS {
            for flag in *flags {
                let text = format!("FROM x\n{name} --{}=0 a b\n", flag.word);
                assert!(!codes(&text).contains(&"UnknownFlag"), "{text}");
            }
        }
        let keys = MOUNT_KEYS.iter().map(|(key, _)| key.word);
        for key in keys.chain(MOUNT_ALIASES.iter().map(|(alias, _)| *alias)) {
            assert!(mount_key(key).is_some());
            let text = format!("FROM x\nRUN --mount=type=bind,{key}=0 a\n");
            assert!(!codes(&text).contains(&"UnknownMountKey"), "{text}");
        }
    }
}
