;; A frontend for a later, incompatible version of the contract.
(component
  (import "lapstrake:frontend/host@0.2.0" (instance (export "log" (func (param "message" string)))))
  (core module $code (func (export "f") (result i32) i32.const 0))
  (core instance $code (instantiate $code))
  (func $f (result u32) (canon lift (core func $code "f")))
  (instance $frontend (export "describe" (func $f)) (export "build" (func $f)))
  (export "lapstrake:frontend/frontend@0.2.0" (instance $frontend)))
