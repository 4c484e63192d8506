//! Makes the program that holds the calls which begin with a network: sockets of the internet, of packets and
//! of routes. Refuses nothing: that is the profile's, which is another filter and has the stronger word. Pure.

use super::filter::{JUMP_EQUAL, answer, audit_architecture, jump_if, load};
use super::syscalls::{Abi, SOCKET, SYSCALLS};
use super::{filter, native_abis};
use crate::exec::sys::SockFilter;

const ANSWER_HOLD: u32 = 0x7fc0_0000;

const THIRD_ARGUMENT_LOW: u32 = 32;

const INTERNET: u32 = libc::AF_INET as u32;
const INTERNET_6: u32 = libc::AF_INET6 as u32;
const PACKETS: u32 = libc::AF_PACKET as u32;
const NETLINK: u32 = libc::AF_NETLINK as u32;
/// Of netlink's protocols the one that tells of interfaces and routes.
const ROUTES: u32 = 0;
/// First argument of socketcall(2) for `socket`.
const SOCKETCALL_SOCKET: u32 = 1;

/// Compiles the program for this machine. Empty: there is no table for its architecture.
pub(crate) fn hold_network_calls() -> Vec<SockFilter> {
    let abis = native_abis();
    if abis.is_empty() {
        return Vec::new();
    }
    let mut program = vec![load(filter::ARCHITECTURE)];
    for abi in abis {
        let body = of_abi(*abi);
        program.push(jump_if(JUMP_EQUAL, audit_architecture(*abi), 0, body.len() as u8));
        program.extend(body);
    }
    program.push(answer(filter::ANSWER_ALLOW));
    program
}

fn of_abi(abi: Abi) -> Vec<SockFilter> {
    let mut body = vec![load(filter::NUMBER)];
    if let Some(number) = SOCKET.number(abi) {
        let tests = [
            load(filter::FIRST_ARGUMENT_LOW),
            jump_if(JUMP_EQUAL, INTERNET, 5, 0),
            jump_if(JUMP_EQUAL, INTERNET_6, 4, 0),
            jump_if(JUMP_EQUAL, PACKETS, 3, 0),
            jump_if(JUMP_EQUAL, NETLINK, 0, 3),
            load(THIRD_ARGUMENT_LOW),
            jump_if(JUMP_EQUAL, ROUTES, 0, 1),
            answer(ANSWER_HOLD),
            answer(filter::ANSWER_ALLOW),
        ];
        body.push(jump_if(JUMP_EQUAL, number, 0, tests.len() as u8));
        body.extend(tests);
    }
    let socketcall = SYSCALLS.iter().find(|row| row.name == "socketcall");
    if let Some(number) = socketcall.and_then(|row| row.number(abi)) {
        // What kind of socket is in memory, where a filter cannot look.
        let tests = [
            load(filter::FIRST_ARGUMENT_LOW),
            jump_if(JUMP_EQUAL, SOCKETCALL_SOCKET, 0, 1),
            answer(ANSWER_HOLD),
            answer(filter::ANSWER_ALLOW),
        ];
        body.push(jump_if(JUMP_EQUAL, number, 0, tests.len() as u8));
        body.extend(tests);
    }
    body.push(answer(filter::ANSWER_ALLOW));
    body
}

#[cfg(test)]
mod tests {
    use super::super::filter::tests::run;
    use super::*;

    #[test]
    fn holds_what_begins_with_a_network_and_nothing_else() {
        let program = hold_network_calls();
        if program.is_empty() {
            return println!("skipped: no table for this architecture");
        }
        for abi in native_abis() {
            let architecture = audit_architecture(*abi);
            let call =
                |number: u32, first: u64, third: u64| run(&program, architecture, number, &[first, 0, third]);
            let socket = SOCKET.number(*abi).unwrap();
            for (family, protocol, held) in [
                (2, 0, true),
                (2, 17, true),
                (10, 6, true),
                (17, 768, true),
                (16, 0, true),
                (16, 9, false),
                (1, 0, false),
                (0, 0, false),
                (3, 0, false),
                (40, 0, false),
            ] {
                let expected = if held { ANSWER_HOLD } else { filter::ANSWER_ALLOW };
                assert_eq!(
                    call(socket, family, protocol),
                    expected,
                    "{abi:?}: family {family}, protocol {protocol}"
                );
            }
            for number in (0..1000).filter(|n| *n != socket) {
                let is_socketcall = *abi == Abi::X86 && number == 102;
                let expected = if is_socketcall {
                    ANSWER_HOLD
                } else {
                    filter::ANSWER_ALLOW
                };
                assert_eq!(call(number, 1, 0), expected, "{abi:?} {number}");
                assert_eq!(call(number, 3, 0), filter::ANSWER_ALLOW, "{abi:?} {number}");
            }
        }
        assert_eq!(run(&program, 0x1234, 41, &[2, 0, 0]), filter::ANSWER_ALLOW);
    }
}
