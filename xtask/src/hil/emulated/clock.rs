//! A time server on a free port of this computer: what SNTP asks of one (RFC 4330), and no more.
//!
//! `simulator::ntp` is one, too; but with it this program, which all others are built by, would be built with the
//! whole device.

use std::{
    net::{Ipv4Addr, UdpSocket},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::Result;

/// Seconds from 1900, where NTP counts from, to 1970.
const ERA: u64 = 2_208_988_800;
/// Version 4, a server's answer; of a clock that is set by hand, one step from its own time.
const HEAD: [u8; 2] = [0x24, 1];

/// Starts it, for as long as this program runs; returns its port.
pub(super) fn serve() -> Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = socket.local_addr()?.port();
    thread::spawn(move || {
        let mut request = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut request) {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            if let (Some(asked), Ok(now)) = (request[..length].get(40..48), since) {
                let _ = socket.send_to(&answer(asked, now), from);
            }
        }
    });
    Ok(port)
}

/// The answer to a request that was sent at `asked`, by the client's clock.
fn answer(asked: &[u8], now: Duration) -> Vec<u8> {
    let seconds = u32::try_from((now.as_secs() + ERA) % (1 << 32)).unwrap_or_default();
    let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
    let time = (u64::from(seconds) << 32 | fraction).to_be_bytes();
    // Since when the clock is right, what was asked, when that came, and when this goes.
    let mut answer = HEAD.to_vec();
    answer.resize(16, 0);
    for part in [&time[..], asked, &time, &time] {
        answer.extend_from_slice(part);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_the_time_and_what_was_asked() {
        // RFC 4330, section 3: an era ends in 2036; and half a second.
        let now = Duration::from_millis((1 << 31) * 1000 + 500);
        let answer = answer(&[7; 8], now);
        assert_eq!(answer.len(), 48);
        assert_eq!(answer[24..32], [7; 8]);
        // 2038-01-19 03:14:08, in the era that began in 2036.
        assert_eq!(
            answer[40..44],
            (2_147_483_648_u64 + ERA - (1 << 32)).to_be_bytes()[4..]
        );
        assert_eq!(answer[44..48], [0x80, 0, 0, 0]);
    }
}
