//! Answers of a time server, or of somebody who is quicker: the clock never goes behind the time
//! that is certainly past, and asking ends in time.
#![no_main]

use device::sntp;
use fuzz::body::{Datagram, Net};
use fuzz::{Script, time};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut script = Script::new(data);
    let net = Net::default();
    let floor = u64::from(script.short()) << (script.byte_or_0() % 40);
    let host = if script.byte_or_0() % 2 == 0 {
        "192.0.2.1"
    } else {
        "pool.ntp.org"
    };
    while !script.is_over() {
        let kind = script.byte_or_0();
        let datagram = Datagram {
            bytes: script.short_string().to_vec(),
            is_answer: kind & 1 == 0,
            from_server: kind & 2 == 0,
        };
        net.incoming.borrow_mut().push_back(datagram);
    }
    let answer = time::run(sntp::ask(&net, host, 123, floor)).expect("it gives up in time");
    assert!(time::now_us() <= 10_000_000, "within ten seconds");
    match answer {
        Ok(ms) => assert!(ms / 1_000 >= floor, "behind the floor"),
        Err(error) => drop(error.to_string()),
    }
});
