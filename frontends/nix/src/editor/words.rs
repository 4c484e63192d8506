//! The functions of the language and of builds: how they are called and what they give, in a line each.
//! Knows nothing of where they stand in a file. Tables, so a function is long.

/// A function or constant.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Its arguments.
    pub form: &'static str,
    /// What it gives.
    pub text: &'static str,
}

/// Keywords of the language.
pub const KEYWORDS: &[&str] = &[
    "let", "in", "rec", "with", "inherit", "if", "then", "else", "assert", "or",
];

macro_rules! known {
    ($($name:literal $form:literal $text:literal;)*) => {
        &[$(Known { name: $name, form: $form, text: $text }),*]
    };
}

/// What builds are described with; global variables all of them.
pub const BUILDS: &[Known] = known! {
    "buildEnv" "{ name, paths, postBuild ? \"\", image ? null }" "The files of several directories in one.";
    "buildImage" "{ name, fromImage ?, copyToRoot ?, config ?, runAsRoot ?, extraCommands ?, ... }" "An image of one layer over its base.";
    "buildLayeredImage" "{ name, fromImage ?, contents ?, config ?, maxLayers ? 100, ... }" "An image with a layer for each store path that its contents refer to.";
    "derivation" "{ name, system, builder, args ? [ ], outputs ? [ \"out\" ], image ? null, ... }" "Something that a builder makes; all other attributes are variables of the builder.";
    "dockerTools" "" "`buildImage`, `buildLayeredImage` and `pullImage` under nixpkgs' names.";
    "fetchGit" "{ url, rev ?, ref ?, submodules ? false, name ? }" "The files of a git repository.";
    "fetchTarball" "url | { url, sha256 ?, name ? }" "The directory in an archive by HTTP.";
    "fetchurl" "url | { url, sha256 | sha512 | hash, name ?, executable ? }" "A file by HTTP.";
    "filterSource" "predicate path" "A path of the build context without what the predicate refuses.";
    "image" "reference" "An image of a registry, or of the build context that is called so.";
    "local" "path | { path, name ?, include ?, exclude ? }" "Files of the build context.";
    "path" "{ path, name ?, filter ?, sha256 ? }" "A path of the build context in the store.";
    "runCommand" "name env script" "What a shell script makes, which runs with the attributes as variables.";
    "runCommandLocal" "name env script" "The same as `runCommand`.";
    "symlinkJoin" "{ name, paths, postBuild ? \"\", image ? null }" "The files of several directories in one.";
    "toFile" "name text" "A file with this text in the store.";
    "withImage" "image" "The builders, with this image where no other is named.";
    "writeScript" "name text" "A file that can be executed.";
    "writeScriptBin" "name text" "An executable file in `bin` of a directory.";
    "writeShellScript" "name text" "A script for /bin/sh.";
    "writeShellScriptBin" "name text" "A script for /bin/sh in `bin` of a directory.";
    "writeText" "name text" "A file with this text.";
    "writeTextDir" "path text" "A file with this text in a directory.";
    "writeTextFile" "{ name, text, executable ?, destination ? }" "A file with this text.";
};

/// The language's own. Those that are global variables without `builtins.` are in [`GLOBAL`](crate::builtins::GLOBAL).
pub const LANGUAGE: &[Known] = known! {
    "abort" "message" "Ends the evaluation; `tryEval` does not help.";
    "add" "a b" "The sum of two numbers.";
    "addDrvOutputDependencies" "string" "The string, which now depends on the outputs of a derivation instead of on it alone.";
    "addErrorContext" "text value" "The value; an error in it is told with the text.";
    "all" "predicate list" "Whether the predicate is true of all elements.";
    "any" "predicate list" "Whether the predicate is true of an element.";
    "appendContext" "string context" "The string, which depends on more.";
    "attrNames" "set" "The names of a set's attributes, sorted.";
    "attrValues" "set" "The values of a set's attributes, by the order of their names.";
    "baseNameOf" "path" "What stands behind the last slash.";
    "bitAnd" "a b" "The bits that both have.";
    "bitOr" "a b" "The bits that one of them has.";
    "bitXor" "a b" "The bits that only one of them has.";
    "break" "value" "The value.";
    "catAttrs" "name list" "The values of an attribute, of all sets in a list that have it.";
    "ceil" "number" "The number, rounded up.";
    "compareVersions" "a b" "-1, 0 or 1: which of two versions is older.";
    "concatLists" "lists" "One list of many.";
    "concatMap" "function list" "One list of those that the function gives for each element.";
    "concatStringsSep" "separator list" "One string of many, with a separator between them.";
    "convertHash" "{ hash, toHashFormat, hashAlgo ? }" "A hash in another notation.";
    "deepSeq" "a b" "The second, after all of the first was evaluated.";
    "derivationStrict" "attributes" "What `derivation` is made of.";
    "dirOf" "path" "What stands before the last slash.";
    "div" "a b" "The quotient of two numbers.";
    "elem" "value list" "Whether a value is in a list.";
    "elemAt" "list n" "An element of a list; the first one is 0.";
    "filter" "predicate list" "The elements of which the predicate is true.";
    "findFile" "paths name" "A file below one of several folders.";
    "floor" "number" "The number, rounded down.";
    "foldl'" "function start list" "What the function makes of the start and one element after another.";
    "fromJSON" "text" "The value that a JSON text stands for.";
    "fromTOML" "text" "The value that a TOML text stands for.";
    "functionArgs" "function" "The arguments of a function of a set, and whether they have defaults.";
    "genList" "function length" "A list of what the function gives for 0, 1, ...";
    "genericClosure" "{ startSet, operator }" "All that an operator leads to, each key once.";
    "getAttr" "name set" "The value of an attribute.";
    "getContext" "string" "What a string depends on.";
    "getEnv" "name" "Always the empty string: a build does not depend on the environment.";
    "groupBy" "function list" "A set of lists by the name that the function gives for each element.";
    "hasAttr" "name set" "Whether a set has an attribute.";
    "hasContext" "string" "Whether a string depends on anything.";
    "hashFile" "algorithm path" "The hash of a file.";
    "hashString" "algorithm text" "The hash of a text: md5, sha1, sha256 or sha512.";
    "head" "list" "The first element.";
    "import" "path" "The value of another file; of a folder that of its default.nix.";
    "intersectAttrs" "a b" "The attributes of the second set whose names the first one has.";
    "isAttrs" "value" "Whether it is a set.";
    "isBool" "value" "Whether it is true or false.";
    "isFloat" "value" "Whether it is a number with a fraction.";
    "isFunction" "value" "Whether it is a function.";
    "isInt" "value" "Whether it is a whole number.";
    "isList" "value" "Whether it is a list.";
    "isNull" "value" "Whether it is null.";
    "isPath" "value" "Whether it is a path.";
    "isString" "value" "Whether it is a string.";
    "length" "list" "How many elements a list has.";
    "lessThan" "a b" "Whether the first is less than the second.";
    "listToAttrs" "list" "A set of a list of `{ name, value }`.";
    "map" "function list" "A list of what the function gives for each element.";
    "mapAttrs" "function set" "A set of what the function gives for each name and value.";
    "match" "regex text" "The groups of a regular expression that fits all of a text; null where it does not fit.";
    "mul" "a b" "The product of two numbers.";
    "parseDrvName" "name" "A name and its version.";
    "partition" "predicate list" "`{ right, wrong }`: the elements of which the predicate is true, and the others.";
    "pathExists" "path" "Whether there is something at a path.";
    "placeholder" "output" "A text that stands for the path of an output of the derivation that it is in.";
    "readDir" "path" "The names in a folder, and what each is.";
    "readFile" "path" "The text of a file.";
    "readFileType" "path" "What is at a path.";
    "removeAttrs" "set names" "The set without these attributes.";
    "replaceStrings" "from to text" "The text with some parts replaced.";
    "scopedImport" "scope path" "The value of another file, for which the scope's attributes are variables.";
    "seq" "a b" "The second, after the first was evaluated.";
    "sort" "less list" "The list, sorted.";
    "split" "regex text" "The parts of a text between what a regular expression fits, and its groups.";
    "splitVersion" "version" "The parts of a version.";
    "stringLength" "text" "How many bytes a text has.";
    "sub" "a b" "The difference of two numbers.";
    "substring" "start length text" "A part of a text.";
    "tail" "list" "The list without its first element.";
    "throw" "message" "Ends the evaluation, unless `tryEval` is around it.";
    "toJSON" "value" "The value as JSON.";
    "toPath" "text" "The absolute path that a text is.";
    "toString" "value" "The value as a string.";
    "toXML" "value" "The value as XML.";
    "trace" "message value" "The value; the message is shown.";
    "traceVerbose" "message value" "The value.";
    "tryEval" "value" "`{ success, value }`: whether a value can be evaluated.";
    "typeOf" "value" "The name of a value's type.";
    "unsafeDiscardOutputDependency" "string" "The string, which now depends on a derivation alone.";
    "unsafeDiscardStringContext" "string" "The string, which depends on nothing.";
    "unsafeGetAttrPos" "name set" "Where an attribute is defined.";
    "zipAttrsWith" "function list" "A set of what the function gives for each name and the values that sets of a list have for it.";
    "true" "" "True.";
    "false" "" "False.";
    "null" "" "Nothing.";
    "currentSystem" "" "The platform that is built for, such as `x86_64-linux`.";
    "langVersion" "" "The version of the language.";
    "nixVersion" "" "The version of Nix that the language is of.";
    "nixPath" "" "Always empty: there is no search path.";
    "storeDir" "" "`/nix/store`.";
};

/// Attributes of the set that a function takes.
pub fn arguments(function: &str) -> &'static [(&'static str, &'static str)] {
    const DERIVATION: &[(&str, &str)] = &[
        ("name", "the name of what is built"),
        ("system", "the platform, such as x86_64-linux"),
        ("builder", "the program that builds"),
        ("args", "the builder's arguments"),
        ("outputs", "names of what is built"),
        ("image", "the root directory of the builder"),
        (
            "outputHash",
            "the hash of what is built; then the builder has a network",
        ),
        ("outputHashAlgo", "sha256 or sha512"),
        ("outputHashMode", "flat or recursive"),
        ("passAsFile", "attributes that the builder gets as files"),
    ];
    const IMAGE: &[(&str, &str)] = &[
        ("name", "the name of the image"),
        ("tag", "the tag of the image"),
        ("fromImage", "the image that it begins with"),
        ("copyToRoot", "what is in its root directory"),
        ("config", "what containers run"),
        ("runAsRoot", "a shell script in the image"),
        ("extraCommands", "a shell script in the directory of the layer"),
        ("created", "when it was made"),
        ("architecture", "what it is for"),
        ("image", "the image in which scripts run"),
        ("network", "whether scripts have a network"),
    ];
    const LAYERED: &[(&str, &str)] = &[
        ("name", "the name of the image"),
        ("tag", "the tag of the image"),
        ("fromImage", "the image that it begins with"),
        ("contents", "what is in its root directory"),
        ("config", "what containers run"),
        ("maxLayers", "how many layers there are at most"),
        ("extraCommands", "a shell script in the directory of the layer"),
        ("fakeRootCommands", "the same"),
        ("created", "when it was made"),
        ("architecture", "what it is for"),
        ("image", "the image in which scripts run"),
        ("network", "whether scripts have a network"),
    ];
    match function {
        "derivation" => DERIVATION,
        "buildImage" => IMAGE,
        "buildLayeredImage" => LAYERED,
        "fetchurl" => &[
            ("url", "the address"),
            ("sha256", "the file's hash"),
            ("sha512", "the file's hash"),
            ("hash", "the file's hash, as sha256-..."),
            ("name", "the name in the store"),
            ("executable", "whether it can be executed"),
        ],
        "fetchTarball" => &[
            ("url", "the address"),
            ("sha256", "the hash of the unpacked files"),
            ("name", "the name in the store"),
        ],
        "fetchGit" => &[
            ("url", "the address"),
            ("rev", "the commit"),
            ("ref", "the branch or tag"),
            ("submodules", "whether submodules come with it"),
            ("name", "the name in the store"),
        ],
        "local" => &[
            ("path", "the path in the context"),
            ("name", "the name in the store"),
            ("include", "patterns of what is taken"),
            ("exclude", "patterns of what is left out"),
            ("context", "the name of another build context"),
        ],
        "path" => &[
            ("path", "the path in the context"),
            ("name", "the name in the store"),
            ("filter", "which files are taken"),
            ("sha256", "the hash of the files"),
        ],
        "symlinkJoin" | "buildEnv" => &[
            ("name", "the name in the store"),
            ("paths", "the directories"),
            ("postBuild", "a shell script in the result"),
            ("image", "the image in which the script runs"),
        ],
        "writeTextFile" => &[
            ("name", "the name in the store"),
            ("text", "what is in it"),
            ("executable", "whether it can be executed"),
            ("destination", "its path, in a directory"),
        ],
        _ => &[],
    }
}

/// Fields of an image's configuration.
pub const CONFIG: &[(&str, &str)] = &[
    ("Cmd", "what a container runs, or the arguments of Entrypoint"),
    ("Entrypoint", "the program that a container always runs"),
    ("Env", "variables: a list of NAME=value, or a set"),
    ("User", "who runs it: user[:group]"),
    ("WorkingDir", "where it runs"),
    ("ExposedPorts", "ports on which it listens"),
    ("Volumes", "paths whose files are not the container's own"),
    ("Labels", "labels of the image"),
    ("StopSignal", "the signal that ends it"),
    ("Healthcheck", "how it is asked whether it still works"),
    ("Shell", "the shell of commands in shell form"),
    (
        "OnBuild",
        "instructions for Dockerfiles that begin with the image",
    ),
];

/// A builtin by its name.
pub fn builtin(name: &str) -> Option<&'static Known> {
    LANGUAGE.iter().chain(BUILDS).find(|known| known.name == name)
}

impl Known {
    /// How it is called.
    pub fn signature(&self) -> String {
        format!("{} {}", self.name, self.form).trim_end().to_owned()
    }

    /// Signature and meaning as Markdown.
    pub fn markdown(&self) -> String {
        format!("```nix\n{}\n```\n{}", self.signature(), self.text)
    }
}
