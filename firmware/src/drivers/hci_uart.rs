//! A Bluetooth controller beside the chip, on a serial line: for chips without Bluetooth, for
//! controllers on a bench, and for emulators. In place of the chip's own, by the feature `hci-uart`.
//!
//! The pins are the board's. The line runs at `HCI_UART_BAUD` bits per second, and with flow control
//! by RTS and CTS unless `HCI_UART_FLOW` is `none`, both read from the environment when this is
//! built. The specification asks for RTS and CTS (Bluetooth Core 5.4, volume 4, part A, "RS232
//! settings"); without them bytes are lost when nobody takes them from the receiver's FIFO for a
//! millisecond.

use device::platform::{
    Bluetooth,
    h4::{H4, LineError},
};
use esp_hal::{
    Async,
    uart::{Config, CtsConfig, HwFlowControl, RtsConfig, Uart, UartRx, UartTx},
};

/// What the board connects: the line, with its pins.
pub(crate) type Port = Uart<'static, Async>;

/// What Zephyr's and Nordic's controllers speak by default.
const DEFAULT_BAUD: u32 = 1_000_000;

const BAUD: u32 = match option_env!("HCI_UART_BAUD") {
    None => DEFAULT_BAUD,
    Some(text) => match u32::from_str_radix(text, 10) {
        Ok(baud @ 9_600..=5_000_000) => baud,
        _ => panic!("HCI_UART_BAUD: write a number from 9600 to 5000000"),
    },
};

/// Whether RTS and CTS are used, too.
const FLOW_CONTROL: bool = match option_env!("HCI_UART_FLOW") {
    None => true,
    Some(text) => match text.as_bytes() {
        b"none" => false,
        b"rts-cts" => true,
        _ => panic!("HCI_UART_FLOW: write none or rts-cts"),
    },
};

/// Bytes in the receiver's FIFO, of 128, from which on the controller is asked to wait.
const ALMOST_FULL: u8 = 96;

/// The settings of the line.
pub(crate) fn line_config() -> Config {
    let flow = if FLOW_CONTROL {
        HwFlowControl {
            cts: CtsConfig::Enabled,
            rts: RtsConfig::Enabled(ALMOST_FULL),
        }
    } else {
        HwFlowControl::default()
    };
    Config::default()
        .with_baudrate(BAUD)
        .with_hw_flow_ctrl(flow)
}

/// The controller while nobody talks to it.
pub(crate) struct Controller {
    line: Port,
}

impl Controller {
    pub(crate) fn new(line: Port) -> Self {
        Self { line }
    }
}

impl Bluetooth for Controller {
    type Transport<'a> = H4<&'a mut UartRx<'static, Async>, &'a mut UartTx<'static, Async>>;
    type Error = LineError;

    async fn start(&mut self) -> Result<Self::Transport<'_>, LineError> {
        let (receiving, sending) = self.line.split_mut();
        H4::open(receiving, sending).await
    }
}
