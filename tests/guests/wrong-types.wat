;; Every function of a frontend, none with the right type.
(component
  (core module $code (func (export "f")))
  (core instance $code (instantiate $code))
  (func $f (canon lift (core func $code "f")))
  (instance $frontend
    (export "describe" (func $f))
    (export "build" (func $f))
    (export "lint" (func $f))
    (export "get-outline" (func $f))
    (export "list-targets" (func $f))
    (export "call" (func $f))
    (export "completions" (func $f))
    (export "get-hover" (func $f))
    (export "rewrite-sources" (func $f))
    (export "rewrite-images" (func $f))
    (export "rewrite-result" (func $f)))
  (export "lapstrake:frontend/frontend@0.1.0" (instance $frontend)))
