# A module system in miniature: options with types and defaults, definitions from several modules, merged to a fixed point.
let
  types = {
    int = { name = "int"; check = builtins.isInt; merge = defs: builtins.head defs; };
    str = { name = "str"; check = builtins.isString; merge = defs: builtins.head defs; };
    listOf = type: {
      name = "list of ${type.name}";
      check = v: builtins.isList v && builtins.all type.check v;
      merge = builtins.concatLists;
    };
    attrsOf = type: {
      name = "set of ${type.name}";
      check = v: builtins.isAttrs v && builtins.all type.check (builtins.attrValues v);
      merge = builtins.foldl' (a: b: a // b) { };
    };
  };
  isOption = v: v ? _type && v._type == "option";
  mkOption = { type, default ? null, ... }@args: args // { _type = "option"; };
  mkIf = condition: content: { _type = "if"; inherit condition content; };
  mkForce = content: { _type = "force"; inherit content; };

  # A condition is looked at only where what it guards has a definition.
  collect = path: builtins.concatMap
    (m:
      let
        go = p: v:
          if v ? _type && v._type == "if" then
            (if go p v.content == [ ] then [ ] else if v.condition then go p v.content else [ ])
          else if p == [ ] then [ v ]
          else if builtins.isAttrs v && v ? ${builtins.head p} then go (builtins.tail p) v.${builtins.head p}
          else [ ];
      in go path (m.config or { }));

  eval = modules:
    let
      loaded = map (m: if builtins.isFunction m then m { inherit config; } else m) modules;
      options = builtins.foldl' merge { } (map (m: m.options or { }) loaded);
      merge = a: b: a // builtins.mapAttrs (n: v: if a ? ${n} && !isOption v then merge a.${n} v else v) b;
      walk = path: opts: builtins.mapAttrs
        (n: opt:
          let
            here = path ++ [ n ];
            where = builtins.concatStringsSep "." here;
            defs = collect here loaded;
            forced = builtins.filter (d: d ? _type && d._type == "force") (map (d: if builtins.isAttrs d then d else { }) defs);
            used = if forced != [ ] then map (d: d.content) forced else defs;
            value = if used == [ ] then opt.default else opt.type.merge used;
          in
          if !isOption opt then walk here opt
          else if opt.type.check value then value
          else throw "option ${where} is not of type ${opt.type.name}")
        opts;
      config = walk [ ] options;
    in config;

  result = eval [
    {
      options.name = mkOption { type = types.str; default = "nobody"; };
      options.service.port = mkOption { type = types.int; default = 80; };
      options.service.enable = mkOption { type = { name = "bool"; check = builtins.isBool; merge = builtins.head; }; default = false; };
      options.packages = mkOption { type = types.listOf types.str; default = [ ]; };
      options.env = mkOption { type = types.attrsOf types.str; default = { }; };
    }
    ({ config }: {
      config.packages = [ "base" ] ++ (if config.service.enable then [ "server" ] else [ ]);
      config.env = { PORT = toString config.service.port; };
    })
    ({ config }: mkIfEnabled config { packages = [ "extra-${config.name}" ]; env.EXTRA = "1"; })
    { config.service.enable = true; config.name = "web"; }
    { config.service.port = mkForce 8080; }
    { config.service.port = 90; }
  ];
  mkIfEnabled = config: content: { config = mkIf config.service.enable content; };
in {
  inherit (result) name service packages env;
  wrong = (builtins.tryEval (eval [ { options.a = mkOption { type = types.int; }; config.a = "x"; } ]).a).success;
}
