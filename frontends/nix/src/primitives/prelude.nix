# The primitives that are made of others, in the language itself. A function of `builtins`; what it gives are global
# variables.
builtins:

let
  inherit (builtins)
    attrNames concatStringsSep filter foldl' head isAttrs isList isString length listToAttrs map removeAttrs
    stringLength toString;

  derivation = attrs:
    let
      strict = builtins.derivationStrict attrs;
      outputs = attrs.outputs or [ "out" ];
      every = listToAttrs (map (name: { inherit name; value = output name; }) outputs);
      output = name: attrs // every // {
        type = "derivation";
        outputName = name;
        outPath = strict.${name};
        inherit (strict) drvPath;
        drvAttrs = attrs;
        all = map output outputs;
      };
    in output (head outputs);

  # What is not a derivation, but is somewhere in the store.
  stored = name: outPath: { type = "derivation"; inherit name outPath; };

  local = from: stored "local" (builtins.__local (if isAttrs from && !(from ? outPath) then from else { path = from; }));

  image = reference: {
    type = "image";
    inherit reference;
    outPath = builtins.__image reference;
    config = builtins.__imageConfig reference;
  };

  # Longer ones do not fit into an argument of a command.
  longestArgument = 100000;

  toList = value: if isList value then value else if value == null then [ ] else [ value ];

  runCommand = name: env: script:
    let
      tools = toList (env.nativeBuildInputs or [ ]) ++ toList (env.buildInputs or [ ]);
      path = concatStringsSep ":" (map (tool: "${tool}/bin") tools);
      whole = if tools == [ ] then script else "export PATH=\"${path}:$PATH\"\n${script}";
      asFile = stringLength whole > longestArgument;
      command =
        if asFile then {
          args = [ "-e" "-c" ". \"$buildCommandPath\"" ];
          buildCommand = whole;
          passAsFile = toList (env.passAsFile or [ ]) ++ [ "buildCommand" ];
        } else {
          args = [ "-e" "-c" whole ];
        };
    in derivation ({
      inherit name;
      system = builtins.currentSystem;
      builder = "/bin/sh";
    } // env // command);

  writeTextFile = { name, text, executable ? false, destination ? "" }:
    stored name (builtins.__text { inherit name text executable destination; });

  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir = path: text: writeTextFile { name = builtins.baseNameOf path; destination = "/${path}"; inherit text; };
  writeScript = name: text: writeTextFile { inherit name text; executable = true; };
  writeScriptBin = name: text: writeTextFile { inherit name text; executable = true; destination = "/bin/${name}"; };
  writeShellScript = name: text: writeScript name "#!/bin/sh\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!/bin/sh\n${text}";

  symlinkJoin = { name, paths, postBuild ? "", image ? null }:
    let joined = stored name (builtins.__join name paths);
    in if postBuild == "" then joined
    else runCommand name { inherit image; } "cp -a ${joined} $out\nchmod -R u+w $out\n${postBuild}";

  buildEnv = { name, paths, postBuild ? "", image ? null }: symlinkJoin { inherit name paths postBuild image; };

  # An image; `who` was called with `args`.
  built = who: args: attrs: {
    type = "image";
    inherit (attrs) name;
    imageName = attrs.name;
    imageTag = if args.tag or null == null then "latest" else args.tag;
    outPath = builtins.seq (builtins.__checkImageArguments who args) (builtins.__buildImage attrs);
    config = if attrs.config == null then { } else attrs.config;
    passthru = args.passthru or { };
    meta = args.meta or { };
  } // args.passthru or { };

  buildImage =
    { name
    , tag ? null
    , fromImage ? null
    , fromImageName ? null
    , fromImageTag ? null
    , copyToRoot ? null
    , contents ? null
    , keepContentsDirlinks ? false
    , config ? null
    , architecture ? null
    , created ? "1970-01-01T00:00:01Z"
    , uid ? 0
    , gid ? 0
    , extraCommands ? ""
    , runAsRoot ? null
    , image ? null
    , network ? false
    , diskSize ? null
    , buildVMMemorySize ? null
    , compressor ? null
    , includeNixDB ? false
    , passthru ? { }
    , meta ? { }
    }@args:
    built "buildImage" args {
      inherit name fromImage config architecture created uid gid extraCommands runAsRoot image network;
      contents = toList copyToRoot ++ toList contents;
    };

  buildLayeredImage =
    { name
    , tag ? null
    , fromImage ? null
    , contents ? [ ]
    , config ? null
    , architecture ? null
    , created ? "1970-01-01T00:00:01Z"
    , mtime ? null
    , uid ? 0
    , gid ? 0
    , uname ? null
    , gname ? null
    , maxLayers ? 100
    , layeringPipeline ? null
    , includeStorePaths ? true
    , extraCommands ? ""
    , fakeRootCommands ? ""
    , enableFakechroot ? false
    , image ? null
    , network ? false
    , compressor ? null
    , includeNixDB ? false
    , debug ? false
    , passthru ? { }
    , meta ? { }
    }@args:
    built "buildLayeredImage" (removeAttrs args [ "includeStorePaths" ]) {
      inherit name fromImage config architecture created uid gid maxLayers includeStorePaths image network;
      contents = toList contents;
      extraCommands =
        extraCommands + (if enableFakechroot || fakeRootCommands == "" then "" else "\n${fakeRootCommands}");
      # In a chroot they see the image's root directory.
      runAsRoot = if enableFakechroot then fakeRootCommands else null;
    };

  # The primitives with an image in which commands run unless another one is named.
  withImage = image:
    let
      orImage = attrs: { inherit image; } // attrs;
    in {
      derivation = attrs: derivation (orImage attrs);
      runCommand = name: env: runCommand name (orImage env);
      runCommandLocal = name: env: runCommand name (orImage env);
      symlinkJoin = attrs: symlinkJoin (orImage attrs);
      buildEnv = attrs: buildEnv (orImage attrs);
      buildImage = attrs: buildImage (orImage attrs);
      buildLayeredImage = attrs: buildLayeredImage (orImage attrs);
    };
in
{
  inherit
    buildEnv buildImage buildLayeredImage derivation image local runCommand symlinkJoin withImage writeScript
    writeScriptBin writeShellScript writeShellScriptBin writeText writeTextDir writeTextFile;
  runCommandLocal = runCommand;
  dockerTools = {
    inherit buildImage buildLayeredImage;
    # Of an image either way: nothing is written before the build's output is.
    streamLayeredImage = buildLayeredImage;
    pullImage =
      { imageName
      , imageDigest ? null
      , finalImageName ? null
      , finalImageTag ? null
      , name ? null
      , sha256 ? null
      , hash ? null
      , os ? null
      , arch ? null
      , tlsVerify ? null
      }@args:
      builtins.seq (builtins.__checkImageArguments "pullImage" args) (image (
        if imageDigest != null then "${imageName}@${imageDigest}"
        else if finalImageTag != null then "${imageName}:${finalImageTag}"
        else imageName
      ));
    # Users and groups that programs look for in images without a distribution.
    fakeNss = symlinkJoin {
      name = "fake-nss";
      paths = [
        (writeTextDir "etc/passwd" "root:x:0:0:root user:/var/empty:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/sh\n")
        (writeTextDir "etc/group" "root:x:0:\nnobody:x:65534:\n")
        (writeTextDir "etc/nsswitch.conf" "hosts: files dns\n")
      ];
    };
  };
}
