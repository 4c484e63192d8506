# syntax=nix
# A program that counts words, the ten libraries that it is made of, and an image with just what it loads: the C library
# and these, each in a layer of its own. The compiler comes from a Debian image, and stays there.
#
#   lapstrake build examples/nix --build-context debian=oci-layout://… -t words -o type=oci,dest=words.tar
{ debian ? "debian", maxLayers ? 20 }:

let
  base = withImage (image debian);

  # What every program of the base loads, without the base.
  runtime = base.runCommand "libc-runtime" { } ''
    mkdir -p $out/lib
    cp -L "$(gcc -print-file-name=libc.so.6)" $out/lib/
    loader=$(readelf -l /bin/sh | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
    cp -L "$loader" $out/lib/ld.so
    ln -s ld.so "$out/lib/$(basename "$loader")"
  '';

  compile = { name, src, library ? "", dependencies }: base.derivation {
    inherit name src library dependencies runtime;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-e" ./build.sh ];
  };

  library = name: dependencies: compile {
    name = "lib${name}";
    library = name;
    src = ./libraries + "/${name}";
    inherit dependencies;
  };

  text = library "text" [ ];
  array = library "array" [ ];
  hash = library "hash" [ ];
  format = library "format" [ ];
  table = library "table" [ ];
  input = library "input" [ text ];
  count = library "count" [ array hash ];
  sort = library "sort" [ count ];
  sum = library "sum" [ count ];
  report = library "report" [ count format sort sum table ];

  words = compile {
    name = "words";
    src = ./program;
    dependencies = [ count input report ];
  };

  sample = writeTextDir "share/sample.txt" ''
    A plank overlaps the plank below, and the plank below that; so a boat is built.
  '';
in
rec {
  inherit words;

  # Runs in the build too: it fails if what the program prints is wrong.
  check = base.runCommand "words-check" { nativeBuildInputs = [ words ]; } ''
    words ${sample}/share/sample.txt | tee $out
    grep -q '^plank *18 %$' $out
  '';

  default = buildLayeredImage {
    name = "words";
    contents = [ words sample ];
    inherit maxLayers;
    config = {
      Entrypoint = [ "${words}/bin/words" ];
      Cmd = [ "/share/sample.txt" ];
      Labels.checked = "${check.name}";
    };
  };
}
