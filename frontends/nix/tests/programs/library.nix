# What libraries of the language are made of: fixed points, overlays, merges, folds from the right, strings.
let
  lib = rec {
    id = x: x;
    const = x: _: x;
    flip = f: a: b: f b a;
    pipe = builtins.foldl' (x: f: f x);
    fix = f: let self = f self; in self;
    extends = overlay: f: final: let prev = f final; in prev // overlay final prev;
    composeExtensions = f: g: final: prev:
      let
        first = f final prev;
        prev' = prev // first;
      in first // g final prev';
    composeMany = foldr (a: b: composeExtensions a b) (final: prev: { });

    foldr = op: nul: list:
      let
        len = builtins.length list;
        go = n: if n == len then nul else op (builtins.elemAt list n) (go (n + 1));
      in go 0;
    range = first: last: if first > last then [ ] else builtins.genList (n: first + n) (last - first + 1);
    imap = f: list: builtins.genList (n: f (n + 1) (builtins.elemAt list n)) (builtins.length list);
    unique = foldr (x: acc: if builtins.elem x acc then acc else [ x ] ++ acc) [ ];
    flatten = x: if builtins.isList x then builtins.concatMap flatten x else [ x ];
    reverse = xs: let l = builtins.length xs; in builtins.genList (n: builtins.elemAt xs (l - n - 1)) l;
    last = xs: assert xs != [ ]; builtins.elemAt xs (builtins.length xs - 1);
    zipWith = f: a: b:
      builtins.genList (n: f (builtins.elemAt a n) (builtins.elemAt b n))
        (min (builtins.length a) (builtins.length b));
    min = a: b: if a < b then a else b;

    nameValue = name: value: { inherit name value; };
    mapAttrs' = f: set: builtins.listToAttrs (map (n: f n set.${n}) (builtins.attrNames set));
    filterAttrs = pred: set:
      builtins.listToAttrs (builtins.concatMap
        (n: let v = set.${n}; in if pred n v then [ (nameValue n v) ] else [ ])
        (builtins.attrNames set));
    attrByPath = path: default: set:
      if path == [ ] then set
      else
        let head = builtins.head path; in
        if set ? ${head} then attrByPath (builtins.tail path) default set.${head} else default;
    setAttrByPath = path: value:
      foldr (name: acc: { ${name} = acc; }) value path;
    recursiveUpdate = a: b:
      a // builtins.mapAttrs
        (n: v:
          if a ? ${n} && builtins.isAttrs v && builtins.isAttrs a.${n}
          then recursiveUpdate a.${n} v else v)
        b;

    characters = s: builtins.genList (p: builtins.substring p 1 s) (builtins.stringLength s);
    concatMapStringsSep = sep: f: list: builtins.concatStringsSep sep (map f list);
    splitString = sep: s:
      builtins.filter builtins.isString (builtins.split (escapeRegex sep) (toString s));
    escapeRegex = builtins.replaceStrings
      [ "\\" "^" "$" "." "+" "*" "?" "(" ")" "[" "{" "|" ]
      [ "\\\\" "\\^" "\\$" "\\." "\\+" "\\*" "\\?" "\\(" "\\)" "\\[" "\\{" "\\|" ];
    escapeShellArg = arg: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString arg)}'";
    lower = characters "abcdefghijklmnopqrstuvwxyz";
    upper = characters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    toUpper = builtins.replaceStrings lower upper;
    hasPrefix = prefix: s: builtins.substring 0 (builtins.stringLength prefix) s == prefix;
    removeSuffix = suffix: s:
      let l = builtins.stringLength s - builtins.stringLength suffix; in
      if l >= 0 && builtins.substring l (-1) s == suffix then builtins.substring 0 l s else s;
    versionAtLeast = a: b: builtins.compareVersions a b >= 0;
    toHex = n:
      let
        digit = d: builtins.substring d 1 "0123456789abcdef";
        go = n: if n < 16 then digit n else go (n / 16) + digit (n - n / 16 * 16);
      in go n;

    makeOverridable = f: args:
      let result = f args; in
      result // { override = new: makeOverridable f (args // (if builtins.isFunction new then new args else new)); };
    callWith = auto: f: args: f (builtins.intersectAttrs (builtins.functionArgs f) auto // args);

    toposort = before: list:
      let
        without = x: builtins.filter (y: y != x);
        first = xs: builtins.head (builtins.filter (x: !builtins.any (y: before y x) (without x xs)) xs);
        go = xs: if xs == [ ] then [ ] else let x = first xs; in [ x ] ++ go (without x xs);
      in go list;
  };
  inherit (lib) fix extends composeMany;

  packages = final: {
    version = "1.0";
    base = { name = "base-${final.version}"; deps = [ ]; };
    app = { name = "app-${final.version}"; deps = [ final.base ]; };
  };
  overlays = [
    (final: prev: { version = "2.0"; })
    (final: prev: { base = prev.base // { patched = true; }; extra = lib.toUpper final.app.name; })
    (final: prev: { app = prev.app // { deps = prev.app.deps ++ [ { name = "late"; } ]; }; })
  ];
in {
  overlaid = fix (extends (composeMany overlays) packages);
  range = lib.range 1 10;
  reversed = lib.reverse (lib.range 1 5);
  imap = lib.imap (i: x: "${toString i}:${x}") [ "a" "b" ];
  unique = lib.unique [ 3 1 3 2 1 ];
  flatten = lib.flatten [ 1 [ 2 [ 3 [ ] ] ] 4 ];
  last = lib.last [ 1 2 3 ];
  zip = lib.zipWith (a: b: a * b) [ 1 2 3 ] [ 4 5 ];
  byPath = lib.attrByPath [ "a" "b" "c" ] null { a.b.c = 7; };
  noPath = lib.attrByPath [ "a" "x" ] "none" { a.b.c = 7; };
  setPath = lib.setAttrByPath [ "a" "b" ] 1;
  merged = lib.recursiveUpdate { a = { b = 1; c = 2; }; d = 3; } { a = { b = 5; e.f = 6; }; d.g = 1; };
  filtered = lib.filterAttrs (n: v: v > 1) { a = 1; b = 2; c = 3; };
  renamed = lib.mapAttrs' (n: v: lib.nameValue "x-${n}" (v + 1)) { a = 1; b = 2; };
  split = lib.splitString "." "a.b..c";
  splitPlus = lib.splitString "+" "1+2";
  quoted = lib.concatMapStringsSep " " lib.escapeShellArg [ "it's" "a b" 3 ];
  prefix = map (lib.hasPrefix "ab") [ "abc" "a" "" ];
  suffix = map (lib.removeSuffix ".nix") [ "a.nix" "nix" "" ];
  hex = map lib.toHex [ 0 255 48879 ];
  newer = lib.versionAtLeast "2.10.1" "2.9";
  overridden = (lib.makeOverridable ({ a, b ? a }: { sum = a + b; }) { a = 1; }).override (old: { b = old.a + 10; });
  called = lib.callWith { x = 1; y = 2; z = 3; } ({ x, y, w }: [ x y w ]) { w = 9; };
  sorted = lib.toposort (a: b: builtins.elem a (b.needs or [ ]) || builtins.elem a.n (b.needs or [ ]))
    [ { n = "c"; needs = [ "a" "b" ]; } { n = "b"; needs = [ "a" ]; } { n = "a"; } ];
  piped = lib.pipe 3 [ (x: x + 1) toString (s: s + "!") ];
  constant = lib.const 1 (throw "never");
}
