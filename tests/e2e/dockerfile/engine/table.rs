//! The Dockerfiles that are built twice. `BASE` stands for a base image with busybox, `PARENT` for one with triggers, `WEB`
//! for a web server.
//!
//! The engine's BuildKit is of 2021. Where a newer one does something else, that is followed, and a scenario says what the
//! old one says instead (`before`). Left out altogether:
//! - `COPY --from=IMAGE` and `FROM IMAGE` without a tag: the image was named without what is known of it now.
//! - `--chmod` with `ADD` of an address, and for a directory: the mode was not applied.
//! - mount points that were not there before: they stayed in the image.
//! - what it does not know: heredocs, `--link`, `--parents`, `--exclude`, `--network`, `--security`, `--start-interval`,
//!   `--checksum`, `--keep-git-dir`, `--unpack`.

/// A Dockerfile and the files of its context.
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// The file.
    pub dockerfile: &'static str,
    /// More options of both programs.
    pub options: &'static [&'static str],
    /// Lines of the history as the old BuildKit writes them, and as the newer one does.
    pub before: &'static [(&'static str, &'static str)],
    /// Why the ops are not compared, if they are not.
    pub other_graph: Option<&'static str>,
}

const NONE: Scenario = Scenario {
    name: "",
    dockerfile: "",
    options: &[],
    before: &[],
    other_graph: None,
};

const fn file(name: &'static str, dockerfile: &'static str) -> Scenario {
    Scenario {
        name,
        dockerfile,
        ..NONE
    }
}

/// A scenario whose history was written otherwise.
const fn since(
    name: &'static str,
    dockerfile: &'static str,
    before: &'static [(&'static str, &'static str)],
) -> Scenario {
    Scenario {
        name,
        dockerfile,
        before,
        ..NONE
    }
}

/// All of them.
pub const TABLE: &[Scenario] = &[
    file("from", "FROM BASE\n"),
    file("scratch", "FROM scratch\nCOPY a.txt /\n"),
    file(
        "env",
        "FROM BASE\nENV A=1 B=\"two words\" C='$A' D=$A\nENV LEGACY one two  three\nENV A=2 E=${A:-x}${F:-y}${A:+z} PATH=/x:$PATH\nRUN echo \"$A$B$C\"\n",
    ),
    since(
        "arg",
        "ARG BASE_TAG=latest\nFROM BASE\nARG X=1\nARG Y\nARG Z=$X-z\nARG BASE_TAG\nENV X=env\nRUN echo $X $Y $Z\nARG LATE\nRUN echo again\n",
        &[("ARG BASE_TAG", "ARG BASE_TAG=latest")],
    ),
    Scenario {
        name: "build-arg",
        dockerfile: "ARG G=g\nFROM BASE\nARG G\nARG X=1\nARG HTTP_PROXY\nRUN echo $X $G\nLABEL x=$X g=$G\n",
        options: &[
            "--build-arg",
            "X=given",
            "--build-arg",
            "G=other",
            "--build-arg",
            "NO_PROXY=nobody",
            "--label",
            "from=cli",
        ],
        before: &[("ARG G", "ARG G=other"), ("ARG X=1", "ARG X=given")],
        ..NONE
    },
    since(
        "platform-args",
        "FROM --platform=$BUILDPLATFORM BASE AS b\nARG TARGETPLATFORM\nARG TARGETOS TARGETARCH\nRUN echo $TARGETPLATFORM $TARGETARCH\nFROM BASE\nARG BUILDPLATFORM\nRUN echo $BUILDPLATFORM\nCOPY --from=b /etc/passwd /p\n",
        &[("ARG BUILDPLATFORM", "ARG BUILDPLATFORM=linux/ARCH")],
    ),
    file(
        "run",
        "FROM BASE\nRUN mkdir -p /a/b && echo text > /a/b/c && ln -s c /a/b/d && ln /a/b/c /a/b/e\nRUN [\"/bin/sh\", \"-c\", \"chmod 4711 /a/b/c; chown 12:34 /a/b\"]\nRUN rm -r /a/b && mkdir /a/b && rm /etc/group\nSHELL [\"/bin/sh\", \"-ec\"]\nRUN echo one \\\n  # comment\n  two \\\n  && true\n",
    ),
    file(
        "run-user",
        "FROM BASE\nRUN chmod 777 /home\nUSER user\nWORKDIR /home\nRUN id -un > who && id -G >> who && umask 077 && touch private\nUSER 7:8\nRUN id -u > /home/number\nUSER nobody\n",
    ),
    file(
        "run-mounts",
        "FROM BASE AS other\nRUN echo o > /o\nFROM BASE\nRUN mkdir -p /ctx /w /cache /cache2 /x && touch /x/o\nRUN --mount=target=/ctx cp /ctx/a.txt /1 && ls /ctx/dir > /2\nRUN --mount=type=bind,from=other,source=/o,target=/x/o cp /x/o /3\nRUN --mount=type=bind,source=dir,target=/w,rw echo lost > /w/new && ls /w > /4\nRUN --mount=type=cache,target=/cache,id=x --mount=type=cache,target=/cache2,sharing=locked,uid=5,gid=6,mode=0700 stat -c %u:%g:%a /cache /cache2 > /5\nRUN --mount=type=secret,id=none ls /run/secrets > /7 2>&1; true\n",
    ),
    Scenario {
        name: "run-tmpfs",
        dockerfile: "FROM BASE\nRUN mkdir /t\nRUN --mount=type=tmpfs,target=/t touch /t/x && ls -la /t | wc -l > /6\n",
        other_graph: Some("a tmpfs mount says its size now, also where it has none"),
        ..NONE
    },
    file(
        "copy",
        "FROM BASE\nCOPY a.txt /x/y/\nCOPY a.txt b.md /several/\nCOPY *.md dir /more/\nCOPY dir /dir\nCOPY dir/ /dir2/\nCOPY [\"with space\", \"/w s\"]\nWORKDIR /rel\nCOPY a.txt .\nCOPY a.txt sub/\nCOPY . all\nCOPY ./dir/../a.txt /clean\n",
    ),
    file(
        "copy-links",
        "FROM BASE\nCOPY link-to-file /1\nCOPY link-to-dir /2\nCOPY link-to-dir/in /3\nCOPY dir /4\n",
    ),
    since(
        "copy-owner",
        "FROM BASE\nRUN echo app:x:1234:1235::/:/bin/sh >> /etc/passwd\nCOPY --chown=app a.txt /0\nCOPY --chown=user a.txt /1\nCOPY --chown=user:extra dir /2\nCOPY --chown=5 a.txt /3/\nCOPY --chown=5:6 a.txt /home/\nCOPY --chown=:7 a.txt /4\nARG W=9\nCOPY --chown=$W:$W --chmod=0640 a.txt /5\n",
        &[
            ("COPY a.txt /0 # buildkit", "COPY --chown=app a.txt /0 # buildkit"),
            (
                "COPY a.txt /1 # buildkit",
                "COPY --chown=user a.txt /1 # buildkit",
            ),
            (
                "COPY dir /2 # buildkit",
                "COPY --chown=user:extra dir /2 # buildkit",
            ),
            ("COPY a.txt /3/ # buildkit", "COPY --chown=5 a.txt /3/ # buildkit"),
            (
                "COPY a.txt /home/ # buildkit",
                "COPY --chown=5:6 a.txt /home/ # buildkit",
            ),
            ("COPY a.txt /4 # buildkit", "COPY --chown=:7 a.txt /4 # buildkit"),
            (
                "COPY a.txt /5 # buildkit",
                "COPY --chown=9:9 --chmod=0640 a.txt /5 # buildkit",
            ),
        ],
    ),
    file(
        "copy-from",
        "FROM BASE AS one\nRUN mkdir /d && echo 1 > /d/f && ln -s /d/f /l && chown -R 3:4 /d\nFROM one AS Two\nRUN echo 2 > /d/g\nFROM scratch\nCOPY --from=one /d /d\nCOPY --from=1 /d/g /l /x/\nCOPY --from=two /etc/passwd /etc/group /etc/\n",
    ),
    since(
        "add",
        "FROM BASE\nADD archive.tar /plain/\nADD archive.tgz fake.tar /both/\nADD a.txt /renamed\nADD --chown=5:6 dir /owned\nCOPY archive.tar /kept\n",
        &[(
            "ADD dir /owned # buildkit",
            "ADD --chown=5:6 dir /owned # buildkit",
        )],
    ),
    file(
        "add-http",
        "FROM BASE\nADD WEB/file.bin /f\nADD WEB/file.bin /dir/\nADD WEB/archive.tar /dir/\nADD WEB/dir/ /slash\n",
    ),
    file(
        "workdir",
        "FROM BASE\nWORKDIR /a\nWORKDIR b\nRUN pwd > f\nENV D=/env\nWORKDIR $D/x\nWORKDIR ../y\nUSER user\nWORKDIR /owned/deep\nUSER 44\nWORKDIR /number\nWORKDIR /\nWORKDIR /a\n",
    ),
    since(
        "metadata",
        "FROM BASE\nMAINTAINER Some Body <a@b>\nLABEL a=1 \"b c\"=\"d e\" f='g h'\nLABEL legacy value here\nEXPOSE 80 443/tcp 53/udp 7000-7002\nVOLUME /v1 /v2\nVOLUME [\"/v 3\"]\nSTOPSIGNAL SIGKILL\nSTOPSIGNAL 9\nUSER 1000:1000\nUSER user\nHEALTHCHECK --interval=5s --timeout=3s --start-period=1m --retries=4 CMD curl -f http://x/ || exit 1\n",
        &[
            (
                "EXPOSE map[443/tcp:{} 53/udp:{} 7000/tcp:{} 7001/tcp:{} 7002/tcp:{} 80/tcp:{}]",
                "EXPOSE [443/tcp 53/udp 7000/tcp 7001/tcp 7002/tcp 80/tcp]",
            ),
            (
                "HEALTHCHECK &{[\"CMD-SHELL\" \"curl -f http://x/ || exit 1\"] \"5s\" \"3s\" \"1m0s\" '\\x04'}",
                "HEALTHCHECK {Test:[CMD-SHELL curl -f http://x/ || exit 1] Interval:5s Timeout:3s StartPeriod:1m0s StartInterval:0s Retries:4}",
            ),
        ],
    ),
    since(
        "healthcheck",
        "FROM BASE AS a\nHEALTHCHECK NONE\nFROM BASE\nHEALTHCHECK CMD [\"a\", \"b\"]\n",
        &[(
            "HEALTHCHECK &{[\"CMD\" \"a\" \"b\"] \"0s\" \"0s\" \"0s\" '\\x00'}",
            "HEALTHCHECK {Test:[CMD a b] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
        )],
    ),
    file(
        "commands",
        "FROM BASE\nCMD echo $HOME \"x\"\nENTRYPOINT [\"/bin/a\", \"b\\\"c\"]\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\nENTRYPOINT shell form\nCMD [\"x\", \"y\"]\n",
    ),
    file(
        "entrypoint-clears",
        "FROM BASE AS a\nCMD [\"from a\"]\nFROM a\nENTRYPOINT [\"e\"]\n",
    ),
    file(
        "entrypoint-keeps",
        "FROM BASE AS a\nCMD [\"from a\"]\nFROM a\nCMD [\"own\"]\nENTRYPOINT [\"e\"]\n",
    ),
    file("empty-arrays", "FROM BASE\nENTRYPOINT []\nCMD []\n"),
    file(
        "not-json",
        "FROM BASE\nRUN [ \"$(echo x)\" = x ] && echo ok > /ok\nCMD ['single']\nENTRYPOINT [\"open\n",
    ),
    file(
        "onbuild",
        "FROM BASE\nONBUILD RUN echo child > /child\nONBUILD COPY a.txt /from-child\nONBUILD ENV TRIGGERED=yes\nONBUILD COPY --from=BASE /etc/passwd /p\n",
    ),
    file("triggers", "FROM PARENT\nRUN echo own\n"),
    file(
        "onbuild-stage",
        "FROM BASE AS p\nONBUILD ENV A=1\nONBUILD RUN echo $A > /a\nFROM p AS q\nENV B=2\nFROM q\n",
    ),
    since(
        "stages",
        "FROM BASE AS unused\nRUN false\nFROM BASE AS used\nENV X=1\nARG Y=2\nLABEL l=used\nWORKDIR /u\nUSER user\nFROM used\nRUN echo $X $Y\n",
        &[(
            "RUN /bin/sh -c echo $X $Y # buildkit",
            "RUN |1 Y=2 /bin/sh -c echo $X $Y # buildkit",
        )],
    ),
    file(
        "continuations",
        "# comment\n\nFROM BASE\nRUN echo a \\\n\n  b \\   \n# inner\n c\nLABEL x=1 \\\n  y=2\nENV A=a\\ b \\\n C=\"d\\\ne\"\n",
    ),
    file(
        "escape",
        "# escape=`\nFROM BASE\nENV A=x`$B C=C:\\d\nRUN echo `\n  two\nLABEL p=\"a`\"b\"\n",
    ),
    since(
        "expansion",
        "FROM BASE\nENV A=abc E=\nENV R1=${A:-d} R2=${E:-d} R3=${U:-d} R4=${A:+p} R5=${E:+p} R6=\\$A R7='$A' R8=\"$A\" R9=\"\\$A\" R10=$A$A R11=${A}x\nLABEL x=${A}\nEXPOSE 80$E\nVOLUME /$A\nUSER ${A:+user}\nWORKDIR /${A}/$U\nSTOPSIGNAL ${A:+SIGTERM}\n",
        &[("EXPOSE map[80/tcp:{}]", "EXPOSE [80/tcp]")],
    ),
    file("ignored", "FROM BASE\nCOPY ign /ign\n"),
    since(
        "onbuild-of-everything",
        "FROM BASE AS p\nONBUILD ARG X=1\nONBUILD ENV E=$X\nONBUILD LABEL l=$E\nONBUILD WORKDIR /w$X\nONBUILD ADD archive.tar ./un/\nONBUILD RUN echo $E > e\nONBUILD EXPOSE 80\nONBUILD VOLUME /v\nONBUILD STOPSIGNAL SIGINT\nONBUILD SHELL [\"/bin/sh\", \"-ec\"]\nONBUILD USER user\nONBUILD HEALTHCHECK CMD [\"h\"]\nONBUILD ENTRYPOINT e\nONBUILD CMD [\"c\"]\nFROM p\n",
        &[
            ("EXPOSE map[80/tcp:{}]", "EXPOSE [80/tcp]"),
            (
                "HEALTHCHECK &{[\"CMD\" \"h\"] \"0s\" \"0s\" \"0s\" '\\x00'}",
                "HEALTHCHECK {Test:[CMD h] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
            ),
        ],
    ),
    since(
        "variants",
        "FROM BASE\nARG TARGETVARIANT\nARG BUILDVARIANT\nRUN echo ${TARGETVARIANT+set}\nLABEL v=${BUILDVARIANT:-unset}\n",
        &[
            ("ARG TARGETVARIANT", "ARG TARGETVARIANT="),
            ("ARG BUILDVARIANT", "ARG BUILDVARIANT="),
        ],
    ),
    file(
        "quotes",
        "FROM BASE\nARG A=\"a b\" \nARG B='c $A'\nENV C=\"$A\" D=$A$B E=\"q\\\"q\" F='s' G=a\\ b\nLABEL \"k.$A\"=\"$C\"\nRUN [\"echo\", \"$A\", \"q\\\"q\"]\nRUN echo \"$C\" '$D'\n",
    ),
    file(
        "copy-over",
        "FROM BASE\nRUN mkdir -p /real/sub /dir/sub && echo old > /real/a.txt && ln -s /real /link && chmod 700 /real && chown 4:5 /dir/sub && ln -s /real/a.txt /flink\nCOPY a.txt /link/\nCOPY dir /link/\nCOPY dir /dir\nCOPY b.md /real/a.txt\nCOPY c.md /flink\nCOPY a.txt /link/new/deep/\nRUN rm -r /dir && mkdir /dir && ls -A /dir > /left\nRUN mkdir /un && ln -s un /to-un\nADD archive.tgz /to-un\n",
    ),
    file(
        "cmd-inherited",
        "FROM BASE AS a\nCMD [\"a\"]\nENTRYPOINT [\"e\"]\nLABEL l=1 m=1\nENV E=1\nFROM a AS b\nLABEL l=2\nENV E=2\nCMD shell form\nFROM b\nVOLUME /data\nRUN mkdir -p /data && echo x > /data/f\nSTOPSIGNAL 15\n",
    ),
    Scenario {
        name: "target",
        dockerfile: "FROM BASE AS one\nRUN echo 1 > /1\nFROM one AS two\nRUN false\n",
        options: &["--target", "one"],
        ..NONE
    },
];
