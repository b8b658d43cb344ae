//! ESP32-C61. MbedTLS's bindings have no driver for what it computes in hardware.

super::facts::facts! {
    name: "ESP32-C61",
    heap: (63, 88),
    retained: noinit,
    brownout: lp_ana,
    accelerators: [],
}
