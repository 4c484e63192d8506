;; The system that a program compiled for wasip1 finds in a frontend: none. No arguments, environment, files, sockets or time
;; that passes; the same random bytes in every run; what is written to standard output and error goes to the host's log.
;;
;; `sdk/bindings.sh` makes wasi_snapshot_preview1.wasm of it, together with adapter.wit. A component has only those of the
;; functions that its program imports. Numbers of errors are those of WASI 0.1: 8 badf, 52 nosys, 70 spipe, 76 notcapable.
(module
  (import "env" "memory" (memory 0))
  (import "lapstrake:frontend/host@0.1.0" "log" (func $log (param $level i32) (param $text i32) (param $length i32)))

  ;; ---- arguments and environment: two counts, both zero ----

  (func $nothing (param $count i32) (param $bytes i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $bytes) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $nothing))
  (export "environ_sizes_get" (func $nothing))
  (func $done (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $done))
  (export "environ_get" (func $done))

  ;; ---- time: every clock stands at one nanosecond, as Go does not take zero ----

  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (i64.store (local.get $time) (i64.const 1))
    (i32.const 0))
  (func (export "clock_res_get") (param $clock i32) (param $resolution i32) (result i32)
    (i64.store (local.get $resolution) (i64.const 1))
    (i32.const 0))
  ;; wit-bindgen's runtime for Go asks for it around its allocations.
  (func (export "adapter_monotonic_clock_set_paused") (param i32))

  ;; ---- randomness: a linear congruential generator that begins at the same place in every instance ----

  (global $seed (mut i32) (i32.const 1))
  (func (export "random_get") (param $to i32) (param $count i32) (result i32)
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $count)))
        (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1664525)) (i32.const 1013904223)))
        ;; The upper bits are the better ones.
        (i32.store8 (local.get $to) (i32.shr_u (global.get $seed) (i32.const 24)))
        (local.set $to (i32.add (local.get $to) (i32.const 1)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; ---- descriptors: 0 to 2 are a terminal that nobody types at ----

  (func (export "fd_write") (param $fd i32) (param $parts i32) (param $count i32) (param $written i32) (result i32)
    (local $sum i32)
    (if (i32.or (i32.eqz (local.get $fd)) (i32.gt_u (local.get $fd) (i32.const 2)))
      (then (return (i32.const 8))))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $count)))
        ;; As a warning: who writes there wants it to be seen.
        (call $log (i32.const 2) (i32.load (local.get $parts)) (i32.load offset=4 (local.get $parts)))
        (local.set $sum (i32.add (local.get $sum) (i32.load offset=4 (local.get $parts))))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))
  (func (export "fd_read") (param $fd i32) (param $parts i32) (param $count i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))
  (func (export "fd_fdstat_get") (param $fd i32) (param $stat i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (memory.fill (local.get $stat) (i32.const 0) (i32.const 24))
    ;; A character device.
    (i32.store8 (local.get $stat) (i32.const 2))
    (i32.const 0))
  (func (export "fd_fdstat_set_flags") (param i32 i32) (result i32) (i32.const 0))
  (func (export "fd_close") (param i32) (result i32) (i32.const 0))
  (func (export "fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 70))
  (func (export "fd_tell") (param i32 i32) (result i32) (i32.const 70))

  (func $no_descriptor_2 (param i32 i32) (result i32) (i32.const 8))
  (export "fd_prestat_get" (func $no_descriptor_2))
  (export "fd_filestat_get" (func $no_descriptor_2))
  (export "fd_renumber" (func $no_descriptor_2))
  (func (export "fd_prestat_dir_name") (param i32 i32 i32) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_size") (param i32 i64) (result i32) (i32.const 8))
  (func (export "fd_filestat_set_times") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_fdstat_set_rights") (param i32 i64 i64) (result i32) (i32.const 8))
  (func (export "fd_advise") (param i32 i64 i64 i32) (result i32) (i32.const 8))
  (func (export "fd_allocate") (param i32 i64 i64) (result i32) (i32.const 8))
  (func $no_descriptor_at (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (export "fd_pread" (func $no_descriptor_at))
  (export "fd_pwrite" (func $no_descriptor_at))
  (export "fd_readdir" (func $no_descriptor_at))
  (func $no_descriptor_1 (param i32) (result i32) (i32.const 8))
  (export "fd_sync" (func $no_descriptor_1))
  (export "fd_datasync" (func $no_descriptor_1))

  ;; ---- paths: there is no directory that one could begin at ----

  (func $no_path_3 (param i32 i32 i32) (result i32) (i32.const 76))
  (export "path_create_directory" (func $no_path_3))
  (export "path_remove_directory" (func $no_path_3))
  (export "path_unlink_file" (func $no_path_3))
  (func $no_path_5 (param i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (export "path_filestat_get" (func $no_path_5))
  (export "path_symlink" (func $no_path_5))
  (func $no_path_6 (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (export "path_readlink" (func $no_path_6))
  (export "path_rename" (func $no_path_6))
  (func (export "path_link") (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 76))
  (func (export "path_filestat_set_times") (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 76))
  (func (export "path_open") (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 76))

  ;; ---- waiting: whatever is waited for is there at once ----

  (func (export "poll_oneoff") (param $wanted i32) (param $events i32) (param $count i32) (param $found i32) (result i32)
    (i32.store (local.get $found) (local.get $count))
    (block $end
      (loop $next
        (br_if $end (i32.eqz (local.get $count)))
        (memory.fill (local.get $events) (i32.const 0) (i32.const 32))
        ;; Whose it is, and what kind it is of.
        (i64.store (local.get $events) (i64.load (local.get $wanted)))
        (i32.store8 offset=10 (local.get $events) (i32.load8_u offset=8 (local.get $wanted)))
        (local.set $wanted (i32.add (local.get $wanted) (i32.const 48)))
        (local.set $events (i32.add (local.get $events) (i32.const 32)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))
    (i32.const 0))
  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; ---- the end, and sockets ----

  (func (export "proc_exit") (param i32) (unreachable))
  (func $none_1 (param i32) (result i32) (i32.const 52))
  (export "proc_raise" (func $none_1))
  (func (export "sock_shutdown") (param i32 i32) (result i32) (i32.const 52))
  (func (export "sock_accept") (param i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_send") (param i32 i32 i32 i32 i32) (result i32) (i32.const 52))
  (func (export "sock_recv") (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 52)))
