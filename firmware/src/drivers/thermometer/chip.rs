//! The chip's own thermometer.

use esp_hal::{
    peripherals::TSENS,
    tsens::{Config, TemperatureSensor},
};

/// What the board connects.
pub(crate) type Port = TSENS<'static>;

/// The thermometer, powered up.
pub(crate) struct Thermometer(TemperatureSensor<'static>);

impl Thermometer {
    pub(crate) fn new(port: Port) -> Self {
        let sensor = TemperatureSensor::new(port, Config::default());
        Self(sensor.expect("the crystal is a clock of the thermometer"))
    }

    /// In tenths of a degree Celsius.
    pub(crate) fn decicelsius(&self) -> Option<i16> {
        let measured = self.0.get_temperature();
        // The formula of esp_hal::tsens::Temperature::to_celsius, without floating point.
        let millicelsius = i32::from(measured.raw_value) * 4386 / 10
            - i32::from(measured.offset) * 27_880
            - 20_520;
        i16::try_from(millicelsius / 100).ok()
    }
}
