//! What a DHT11 or DHT22 says on its one wire; which of the two it is, shows in what it says.
//!
//! Capturing the wire is the body's. The sensor answers with 40 bits, each a low of about 50 µs and
//! a high whose length is the bit: about 26 µs for 0, 70 µs for 1. Before them may come the high of
//! the released wire, and the sensor's own of 80 µs.
//!
//! Sources: Aosong's data sheets of the DHT11 (version 1.3) and of the AM2302, which is the DHT22.

use embassy_time::{Duration, Instant};
use product::Fault;

use crate::Air;

/// From here on a high is a 1, in microseconds.
const ONE_US: u16 = 48;

const BITS: usize = 40;

/// Tenths of a degree that neither sensor measures beyond, as neither exists for them.
const TEMPERATURES: core::ops::RangeInclusive<i16> = -400..=1_250;

/// The two sensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Whole percents, every second.
    Dht11,
    /// Tenths, every two seconds.
    Dht22,
}

impl Model {
    /// How long it rests between two answers.
    const fn rest(self) -> Duration {
        match self {
            // A little less than the second that the sheet asks for: who asks every second is now and
            // then late, and would then be early the next time.
            Self::Dht11 => Duration::from_millis(900),
            Self::Dht22 => Duration::from_secs(2),
        }
    }
}

/// Reads an answer: the lengths of its highs in microseconds, in order.
///
/// # Errors
///
/// [`Fault::Absent`] for a wire that at most rises once, when it is released;
/// [`Fault::Garbled`] for anything else that is no answer.
pub fn decode(highs_us: impl Iterator<Item = u16> + Clone) -> Result<(Model, Air), Fault> {
    let count = highs_us.clone().count();
    if count <= 1 {
        return Err(Fault::Absent);
    }
    let Some(before) = count.checked_sub(BITS) else {
        return Err(Fault::Garbled);
    };
    let bits = highs_us
        .skip(before)
        .fold(0u64, |bits, us| bits << 1 | u64::from(us >= ONE_US));
    let [_, _, _, values @ .., sum] = bits.to_be_bytes();
    let expected = values.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    // All bits zero: a wire held low, not a sensor.
    if sum != expected || bits == 0 {
        return Err(Fault::Garbled);
    }
    let [humidity @ .., warmth, warmth_low] = values;
    // The DHT22 sends humidity in sixteen bits of tenths, so their upper half is 3 at most; the
    // DHT11 sends whole percents there, and does not measure below 5.
    let (model, temperature, humidity) = if humidity[0] <= 3 {
        // Sixteen bits of tenths; the top bit is the sign.
        let tenths = i16::from_be_bytes([warmth & 0x7f, warmth_low]);
        let humidity = u16::from_be_bytes(humidity);
        (Model::Dht22, signed(tenths, warmth), humidity)
    } else {
        // Whole degrees, then tenths; the top bit of the tenths is the sign.
        let tenths = i16::from(warmth) * 10 + i16::from(warmth_low & 0x7f);
        let humidity = u16::from(humidity[0]) * 10 + u16::from(humidity[1]);
        (Model::Dht11, signed(tenths, warmth_low), humidity)
    };
    if humidity > 1000 || !TEMPERATURES.contains(&temperature) {
        return Err(Fault::Garbled);
    }
    let reading = Air {
        temperature_decicelsius: Some(temperature),
        humidity_permille: Some(humidity),
    };
    Ok((model, reading))
}

fn signed(tenths: i16, sign: u8) -> i16 {
    if sign & 0x80 == 0 { tenths } else { -tenths }
}

/// The answers of one sensor: it is not asked more often than it can answer.
#[derive(Debug, Default)]
pub struct Answers {
    /// Which sensor was last asked, when, and what came of it.
    last: Option<(Model, Instant, Result<Air, Fault>)>,
}

impl Answers {
    /// No answer yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None }
    }

    /// What the sensor said before, if it still rests; if there is nothing, it may be asked.
    #[must_use]
    pub fn while_resting(&self, now: Instant) -> Option<Result<Air, Fault>> {
        let (model, asked, outcome) = self.last?;
        (now < asked + model.rest()).then_some(outcome)
    }

    /// Takes the answer to what was asked at `asked`.
    ///
    /// # Errors
    ///
    /// As [`decode`].
    pub fn take(
        &mut self,
        asked: Instant,
        answer: Result<(Model, Air), Fault>,
    ) -> Result<Air, Fault> {
        let outcome = answer.map(|(_, reading)| reading);
        let model = match answer {
            Ok((model, _)) => Some(model),
            // It still is what it was.
            Err(Fault::Garbled | Fault::Implausible) => self.last.map(|(model, ..)| model),
            // Next there may be another.
            Err(Fault::Absent) => None,
        };
        self.last = model.map(|model| (model, asked, outcome));
        outcome
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;
    use Fault::{Absent, Garbled};

    /// The highs of an answer whose bits are given in the data sheets' way, after those `before`.
    fn highs(before: &[u16], bits: &str) -> Vec<u16> {
        let bits = bits.chars().filter(|bit| *bit != ' ');
        let bits = bits.map(|bit| if bit == '1' { 70 } else { 26 });
        before.iter().copied().chain(bits).collect()
    }

    fn decoded(highs: &[u16]) -> Result<(Model, Air), Fault> {
        decode(highs.iter().copied())
    }

    fn reading(bits: &str) -> Result<(Model, Air), Fault> {
        decoded(&highs(&[30, 80], bits))
    }

    fn measured(model: Model, temperature: i16, humidity: u16) -> Result<(Model, Air), Fault> {
        let reading = Air {
            temperature_decicelsius: Some(temperature),
            humidity_permille: Some(humidity),
        };
        Ok((model, reading))
    }

    #[test]
    fn the_examples_of_the_data_sheets() {
        // DHT11: 53 %, 24.4 °C.
        let dht11 = reading("0011 0101 0000 0000 0001 1000 0000 0100 0101 0001");
        assert_eq!(dht11, measured(Model::Dht11, 244, 530));
        // AM2302: 65.2 %, 35.1 °C.
        let dht22 = reading("0000 0010 1000 1100 0000 0001 0101 1111 1110 1110");
        assert_eq!(dht22, measured(Model::Dht22, 351, 652));
        // Below zero, with humidities and sums of ours, for the sheets give the temperature alone.
        let dht11 = reading("0011 0101 0000 0000 0000 1010 1000 0001 1100 0000");
        assert_eq!(dht11, measured(Model::Dht11, -101, 530));
        let dht22 = reading("0000 0010 1000 1100 1000 0000 0110 0101 0111 0011");
        assert_eq!(dht22, measured(Model::Dht22, -101, 652));
    }

    #[test]
    fn an_answer_of_a_real_am2302_in_the_cold() {
        // From a logic analyzer: wiki.forth-ev.de, pfw:dht22tmpformat.
        let answer = reading("00000010 00100000 10000000 10101010 01001100");
        assert_eq!(answer, measured(Model::Dht22, -170, 544));
    }

    #[test]
    fn the_highs_before_the_answer_may_be_missed() {
        let bits = "0000 0010 1000 1100 0000 0001 0101 1111 1110 1110";
        for before in [&[][..], &[80], &[30, 80], &[26, 30, 80]] {
            let answer = decoded(&highs(before, bits));
            assert_eq!(answer, measured(Model::Dht22, 351, 652), "{before:?}");
        }
        let cut = highs(&[], bits);
        assert_eq!(decoded(&cut[1..]), Err(Garbled));
    }

    #[test]
    fn a_wire_with_nobody_on_it() {
        assert_eq!(decoded(&[]), Err(Absent));
        assert_eq!(decoded(&[30]), Err(Absent));
        assert_eq!(decoded(&[30, 80]), Err(Garbled));
    }

    #[test]
    fn what_no_sensor_says() {
        let wrong_sum = "0000 0010 1000 1100 0000 0001 0101 1111 1110 1111";
        let all_zero = "0000 0000 0000 0000 0000 0000 0000 0000 0000 0000";
        let humidity_of_100_1 = "0000 0011 1110 1001 0000 0001 0101 1111 0100 1100";
        let humidity_of_101 = "0110 0101 0000 0000 0001 1000 0000 0000 0111 1101";
        // A few of the DHT22 send the temperature as a complement, against their data sheet.
        let complement = "0000 0010 0010 0000 1111 1111 1111 1111 0010 0000";
        for bits in [
            wrong_sum,
            all_zero,
            humidity_of_100_1,
            humidity_of_101,
            complement,
        ] {
            assert_eq!(reading(bits), Err(Garbled), "{bits}");
        }
        let all = |us| decoded(&[us; 42]);
        assert_eq!((all(u16::MAX), all(0)), (Err(Garbled), Err(Garbled)));
        assert_eq!(decoded(&[70; 1_000]), Err(Garbled));
    }

    #[test]
    fn a_dht22_is_asked_every_two_seconds_and_a_dht11_every_second() {
        let at = Instant::from_millis;
        let (dht22, dht11) = (
            measured(Model::Dht22, 351, 652),
            measured(Model::Dht11, 1, 530),
        );
        let said = |answer: Result<(Model, Air), _>| answer.map(|(_, reading)| reading);
        let mut answers = Answers::new();
        assert_eq!(answers.while_resting(at(0)), None);
        assert_eq!(answers.take(at(0), dht11), said(dht11));
        assert_eq!(answers.while_resting(at(899)), Some(said(dht11)));
        assert_eq!(answers.while_resting(at(900)), None);
        // Another is plugged in.
        assert_eq!(answers.take(at(1_000), dht22), said(dht22));
        assert_eq!(answers.while_resting(at(2_999)), Some(said(dht22)));
        assert_eq!(answers.while_resting(at(3_000)), None);
        // It rests after what was spoilt, too.
        assert_eq!(answers.take(at(3_000), Err(Garbled)), Err(Garbled));
        assert_eq!(answers.while_resting(at(4_999)), Some(Err(Garbled)));
        assert_eq!(answers.take(at(5_000), dht22), said(dht22));
        // Nobody is there, so nobody rests.
        assert_eq!(answers.take(at(7_000), Err(Absent)), Err(Absent));
        assert_eq!(answers.while_resting(at(7_000)), None);
        assert_eq!(answers.take(at(7_000), Err(Garbled)), Err(Garbled));
        assert_eq!(answers.while_resting(at(7_000)), None);
    }
}
