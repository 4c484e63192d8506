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

  built = attrs: imageTag: {
    type = "image";
    inherit (attrs) name;
    imageName = attrs.name;
    imageTag = if imageTag == null then "latest" else imageTag;
    outPath = builtins.__buildImage attrs;
    config = if attrs.config == null then { } else attrs.config;
  };

  buildImage =
    { name
    , tag ? null
    , fromImage ? null
    , copyToRoot ? null
    , contents ? null
    , config ? null
    , architecture ? null
    , created ? "1970-01-01T00:00:01Z"
    , extraCommands ? ""
    , runAsRoot ? null
    , image ? null
    , network ? false
    }:
    built {
      inherit name fromImage config architecture created extraCommands runAsRoot image network;
      contents = toList copyToRoot ++ toList contents;
    } tag;

  buildLayeredImage =
    { name
    , tag ? null
    , fromImage ? null
    , contents ? [ ]
    , config ? null
    , architecture ? null
    , created ? "1970-01-01T00:00:01Z"
    , extraCommands ? ""
    , fakeRootCommands ? ""
    , maxLayers ? 100
    , image ? null
    , network ? false
    }:
    built {
      inherit name fromImage config architecture created maxLayers image network;
      contents = toList contents;
      extraCommands = extraCommands + (if fakeRootCommands == "" then "" else "\n${fakeRootCommands}");
    } tag;

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
    pullImage = { imageName, imageDigest ? null, finalImageTag ? null, ... }:
      image (
        if imageDigest != null then "${imageName}@${imageDigest}"
        else if finalImageTag != null then "${imageName}:${finalImageTag}"
        else imageName
      );
  };
}
