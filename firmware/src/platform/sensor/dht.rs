//! DHT11 and DHT22 on one wire; which of them it is, shows in what it sends.
//!
//! The device pulls the wire low to wake the sensor; the sensor then answers with 40 bits, each a
//! low of about 50 µs and a high whose length is the bit: about 26 µs for 0, 70 µs for 1. The
//! pulse receiver (RMT) measures the lengths in hardware, so no interrupt can spoil them.

use device::platform::{Reading, Sensor, SensorError};
use embassy_time::{Duration, Timer, with_timeout};
use esp_hal::{
    Async,
    gpio::{DriveMode, Flex, Level, OutputConfig, Pull},
    rmt::{Channel, PulseCode, Rx, RxChannelConfig},
};

/// From here on a high is a 1, in microseconds.
const ONE_US: u16 = 48;
/// No edge for this long is the end of the answer, in microseconds. The longest pulse within it,
/// the sensor's first, takes 80.
const IDLE_US: u16 = 250;
/// The data sheet of the DHT11 asks for at least 18 ms.
const WAKE: Duration = Duration::from_millis(20);
/// An answer takes 5 ms; none comes later than this.
const ANSWER: Duration = Duration::from_millis(20);
const BITS: usize = 40;

/// What the board connects: a wire, and a pulse receiver that listens to it.
pub(crate) struct Port {
    pub(crate) wire: Flex<'static>,
    pub(crate) receiver: Channel<'static, Async, Rx>,
}

/// The receiver counts microseconds of its 80 MHz clock.
pub(crate) fn receiver_config() -> RxChannelConfig {
    RxChannelConfig::default()
        .with_clk_divider(80)
        .with_idle_threshold(IDLE_US)
}

/// The sensor.
pub(crate) struct Dht {
    wire: Flex<'static>,
    receiver: Channel<'static, Async, Rx>,
}

impl Dht {
    pub(crate) fn new(port: Port) -> Self {
        let Port { mut wire, receiver } = port;
        // Both ends only ever pull the wire low.
        let open_drain = OutputConfig::default()
            .with_drive_mode(DriveMode::OpenDrain)
            .with_pull(Pull::Up);
        wire.apply_output_config(&open_drain);
        wire.set_high();
        wire.set_output_enable(true);
        wire.set_input_enable(true);
        Self { wire, receiver }
    }
}

impl Sensor for Dht {
    async fn read(&mut self) -> Result<Reading, SensorError> {
        // The release of the wire, two pulses of answer, two a bit, and the end: 43 codes of two
        // pulses each.
        let mut codes = [PulseCode::end_marker(); 48];
        self.wire.set_low();
        Timer::after(WAKE).await;
        // Listening starts before the wire is released, so the first edge cannot be missed.
        let answer = self.receiver.receive(&mut codes);
        self.wire.set_high();
        let received = with_timeout(ANSWER, answer).await;
        match received {
            Err(_) => Err(SensorError::Absent),
            Ok(Err(_)) => Err(SensorError::Garbled),
            Ok(Ok(length)) => decode(codes.get(..length).unwrap_or(&codes)),
        }
    }
}

fn decode(codes: &[PulseCode]) -> Result<Reading, SensorError> {
    let pulses = codes.iter().flat_map(|code| {
        [
            (code.level1(), code.length1()),
            (code.level2(), code.length2()),
        ]
    });
    // A length of zero marks the end.
    let highs = pulses
        .take_while(|(_, length)| *length > 0)
        .filter(|(level, _)| *level == Level::High)
        .map(|(_, length)| length);
    let count = highs.clone().count();
    // A wire that only rises when it is released has nobody on it.
    if count <= 1 {
        return Err(SensorError::Absent);
    }
    let Some(before) = count.checked_sub(BITS) else {
        return Err(SensorError::Garbled);
    };
    let bits = highs
        .skip(before)
        .fold(0u64, |bits, us| bits << 1 | u64::from(us >= ONE_US));
    let [_, _, _, humidity @ .., sum] = bits.to_be_bytes();
    let [
        humidity_high,
        humidity_low,
        temperature_high,
        temperature_low,
    ] = humidity;
    let expected = humidity
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    // All bits zero: a wire held low, not a sensor.
    if sum != expected || bits == 0 {
        return Err(SensorError::Garbled);
    }
    // The DHT22 sends humidity in sixteen bits of tenths, so their upper half is 3 at most; the
    // DHT11 sends whole percents there, and does not measure below 5.
    let (temperature, humidity) = if humidity_high <= 3 {
        // Sixteen bits of tenths; the top bit is the sign.
        let tenths = i16::from_be_bytes([temperature_high & 0x7f, temperature_low]);
        let humidity = u16::from_be_bytes([humidity_high, humidity_low]);
        (signed(tenths, temperature_high), humidity)
    } else {
        // Whole degrees, then tenths; the top bit of the tenths is the sign.
        let tenths = i16::from(temperature_high) * 10 + i16::from(temperature_low & 0x7f);
        let humidity = u16::from(humidity_high) * 10 + u16::from(humidity_low);
        (signed(tenths, temperature_low), humidity)
    };
    if humidity > 1000 {
        return Err(SensorError::Garbled);
    }
    Ok(Reading {
        temperature_decicelsius: temperature,
        humidity_permille: Some(humidity),
    })
}

fn signed(tenths: i16, sign: u8) -> i16 {
    if sign & 0x80 == 0 { tenths } else { -tenths }
}
