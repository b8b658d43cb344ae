//! DHT11 and DHT22 on one wire.
//!
//! The device pulls the wire low to wake the sensor; the pulse receiver (RMT) then measures the
//! answer in hardware, so no interrupt can spoil it. What it means is for [`dht`].

use climate::{
    Air, Sensor,
    dht::{self, Answers},
};
use embassy_time::{Duration, Instant, Timer, with_timeout};
use esp_hal::{
    Async,
    gpio::{DriveMode, Flex, Level, OutputConfig, Pull},
    rmt::{Channel, PulseCode, Rx, RxChannelConfig},
};
use product::Fault;

/// No edge for this long is the end of the answer, in microseconds. The longest pulse within it,
/// the sensor's first, takes 80.
const IDLE_US: u16 = 250;
/// What is shorter is no pulse but noise of the wire: 3 µs, in periods of the 80 MHz clock. The
/// shortest of an answer has 26.
const NOISE: u8 = 240;
/// The data sheet of the DHT11 asks for at least 18 ms.
const WAKE: Duration = Duration::from_millis(20);
/// An answer takes 5 ms; none comes later than this.
const ANSWER: Duration = Duration::from_millis(20);

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
        .with_filter_threshold(NOISE)
}

/// The sensor.
pub struct Dht {
    wire: Flex<'static>,
    receiver: Channel<'static, Async, Rx>,
    answers: Answers,
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
        Self {
            wire,
            receiver,
            answers: Answers::new(),
        }
    }
}

impl Sensor for Dht {
    async fn read(&mut self) -> Result<Air, Fault> {
        let asked = Instant::now();
        if let Some(before) = self.answers.while_resting(asked) {
            return before;
        }
        // The release of the wire, two pulses of answer, two a bit, and the end: 43 codes of two
        // pulses each.
        let mut codes = [PulseCode::end_marker(); 48];
        self.wire.set_low();
        Timer::after(WAKE).await;
        // Listening starts before the wire is released, so the first edge cannot be missed.
        let answer = self.receiver.receive(&mut codes);
        self.wire.set_high();
        let received = with_timeout(ANSWER, answer).await;
        let answer = match received {
            Err(_) => Err(Fault::Absent),
            Ok(Err(_)) => Err(Fault::Garbled),
            Ok(Ok(length)) => dht::decode(highs(codes.get(..length).unwrap_or(&codes))),
        };
        self.answers.take(asked, answer)
    }
}

/// The lengths of the highs, in microseconds. A length of zero marks the end.
fn highs(codes: &[PulseCode]) -> impl Iterator<Item = u16> + Clone {
    let pulses = codes.iter().flat_map(|code| {
        [
            (code.level1(), code.length1()),
            (code.level2(), code.length2()),
        ]
    });
    pulses
        .take_while(|(_, length)| *length > 0)
        .filter(|(level, _)| *level == Level::High)
        .map(|(_, length)| length)
}
