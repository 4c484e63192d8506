# Arithmetic and data structures without any library.
let
  mod = a: b: a - b * (a / b);
  range = n: builtins.genList (i: i) n;
  fib = n: builtins.elemAt (builtins.foldl' (p: _: [ (builtins.elemAt p 1) (builtins.head p + builtins.elemAt p 1) ]) [ 0 1 ] (range n)) 0;
  memo = let xs = builtins.genList (n: if n < 2 then n else builtins.elemAt xs (n - 1) + builtins.elemAt xs (n - 2)) 91; in xs;
  primes = n: builtins.filter (x: x > 1 && builtins.all (d: d * d > x || d < 2 || mod x d != 0) (range x)) (range n);
  quicksort = xs:
    if xs == [ ] then [ ]
    else
      let p = builtins.head xs; parts = builtins.partition (x: x < p) (builtins.tail xs); in
      quicksort parts.right ++ [ p ] ++ quicksort parts.wrong;
  random = seed: mod (seed * 1103515245 + 12345) 2147483648;
  numbers = n: builtins.genList (i: mod (builtins.foldl' (s: _: random s) 42 (range (i + 1))) 100) n;
  ackermann = m: n: if m == 0 then n + 1 else if n == 0 then ackermann (m - 1) 1 else ackermann (m - 1) (ackermann m (n - 1));
  hanoi = n: from: to: via: if n == 0 then 0 else hanoi (n - 1) from via to + 1 + hanoi (n - 1) via to from;
  queens = size:
    let
      safe = q: qs: builtins.all (i: let o = builtins.elemAt qs i; d = i + 1; in o != q && o != q + d && o != q - d) (range (builtins.length qs));
      place = k: if k == 0 then [ [ ] ] else builtins.concatMap (qs: map (q: [ q ] ++ qs) (builtins.filter (q: safe q qs) (range size))) (place (k - 1));
    in builtins.length (place size);
  graph = { a = [ "b" "c" ]; b = [ "d" ]; c = [ "d" ]; d = [ "e" ]; e = [ "a" ]; f = [ "f" ]; };
  reachable = from: map (x: x.key) (builtins.genericClosure { startSet = [ { key = from; } ]; operator = { key }: map (k: { key = k; }) graph.${key}; });
  church = let
    zero = f: x: x;
    succ = n: f: x: f (n f x);
    plus = m: n: f: x: m f (n f x);
    times = m: n: f: m (n f);
    number = n: if n == 0 then zero else succ (number (n - 1));
    value = n: n (x: x + 1) 0;
  in value (times (number 6) (plus (number 3) (number 4)));
  even = n: if n == 0 then true else odd (n - 1);
  odd = n: if n == 0 then false else even (n - 1);
  tokens = text: builtins.filter (t: t != "") (builtins.concatMap (t: if builtins.isList t then t else [ ]) (builtins.split "([0-9]+|[-+*/()])" text));
  calculate = text:
    let
      ts = tokens text;
      at = i: if i < builtins.length ts then builtins.elemAt ts i else "";
      expr = i: rest (term i);
      rest = { value, i }: if at i == "+" then let t = term (i + 1); in rest { value = value + t.value; i = t.i; }
        else if at i == "-" then let t = term (i + 1); in rest { value = value - t.value; i = t.i; }
        else { inherit value i; };
      term = i: more (factor i);
      more = { value, i }: if at i == "*" then let f = factor (i + 1); in more { value = value * f.value; i = f.i; }
        else if at i == "/" then let f = factor (i + 1); in more { value = value / f.value; i = f.i; }
        else { inherit value i; };
      factor = i: if at i == "(" then let e = expr (i + 1); in { inherit (e) value; i = e.i + 1; }
        else { value = builtins.fromJSON (at i); i = i + 1; };
    in (expr 0).value;
in {
  fib = map fib (range 15);
  memo = builtins.elemAt memo 90;
  primes = primes 60;
  sorted = quicksort (numbers 20);
  agrees = quicksort (numbers 30) == builtins.sort builtins.lessThan (numbers 30);
  ackermann = ackermann 2 5;
  hanoi = hanoi 8 "a" "b" "c";
  queens = queens 5;
  reachable = reachable "a";
  inherit church;
  even = even 1001;
  calculated = map calculate [ "1+2*3" "(1+2)*3" "100/7-2*(3+4)" ];
  words = builtins.mapAttrs (_: builtins.length) (builtins.groupBy (w: w) (builtins.filter builtins.isString (builtins.split " +" "the cat and the dog and the bird")));
}
