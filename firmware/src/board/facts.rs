//! What a chip's file says, and what becomes of it.

/// The facts of a chip, as its file in `chips/` states them.
///
/// - `name`: as its maker writes it.
/// - `heap`: how many KiB the allocator gets of what the second-stage bootloader leaves behind, and how many of the
///   memory that the main stack lies in.
/// - `spare`: where memory is, from and to, that the linker script gives to nobody, for the allocator. Only where there
///   is some; the largest last. With the two of `heap` that are not 0 there are three at most: the allocator takes no more.
/// - `retained`: the file in `retained/` that has the memory which outlives a restart.
/// - `brownout`: the file in `brownout/` that lets a supply that sags reset the chip, with the host of the analog
///   part's bus where it wants one.
/// - `accelerators`: what of TLS is computed in hardware: MbedTLS's hook for each, and the peripheral that it takes.
/// - `pulse_receiver`: the first of the RMT's channels that receive; channel 0 transmits on every chip. Only where
///   there is an RMT.
macro_rules! facts {
    (
        name: $name:literal,
        heap: ($reclaimed:literal, $main:literal),
        $(spare: [$(($from:literal, $to:literal)),+],)?
        retained: $retained:ident,
        brownout: $brownout:ident $(($host:literal))?,
        accelerators: [$($hook:ident: $peripheral:ident),*],
        $(pulse_receiver: $channel:ident,)?
    ) => {
        /// As its maker writes it.
        pub(crate) const NAME: &str = $name;

        /// Gives the allocator its memory.
        pub(crate) fn claim_heap() {
            use esp_hal::ram;
            let reclaimed = || esp_alloc::heap_allocator!(#[ram(reclaimed)] size: $reclaimed * 1024);
            let main = || esp_alloc::heap_allocator!(size: $main * 1024);
            // The allocator fills one region after the other: the largest is to stay in one piece for as long as can be.
            if $reclaimed == 0 {
                main();
            } else if $reclaimed < $main {
                reclaimed();
                main();
            } else {
                main();
                reclaimed();
            }
            $($(spare::add($from, $to);)+)?
        }

        $(
            #[path = "../spare.rs"]
            mod spare;

            $(const _: () = assert!($from < $to);)+
        )?

        $crate::board::facts::retained!($retained);
        $crate::board::facts::brownout!($brownout $($host)?);
        $crate::board::facts::with_dollar! {
            ($d:tt) => {
                /// What of TLS the chip computes in hardware.
                macro_rules! accelerators {
                    ($d peripherals:ident) => {
                        $crate::board::facts::hooks!($d peripherals $(, $hook: $peripheral)*)
                    };
                }
                pub(crate) use accelerators;

                $(
                    /// The first of the channels that receive pulses.
                    #[cfg(not(feature = "lent"))]
                    macro_rules! pulse_receiver {
                        ($d pulses:ident) => {
                            $d pulses.$channel
                        };
                    }
                    #[cfg(not(feature = "lent"))]
                    pub(crate) use pulse_receiver;
                )?
            }
        }
    };
}
pub(super) use facts;

/// What has a dollar of its own: how a macro writes one with arguments.
macro_rules! with_dollar {
    ($($rule:tt)*) => {
        macro_rules! dollar { $($rule)* }
        dollar!($);
    };
}
pub(super) use with_dollar;

/// The hooks of MbedTLS with their peripherals; nothing where there are none.
macro_rules! hooks {
    ($peripherals:ident) => {
        $crate::drivers::accelerators::Port
    };
    ($peripherals:ident $(, $hook:ident: $peripheral:ident)+) => {
        mbedtls_rs_sys::hook::backend::esp::EspAccel::new()
            $(.$hook($peripherals.$peripheral))+
    };
}
pub(super) use hooks;

/// Memory that outlives a restart.
macro_rules! retained {
    (rtc) => {
        #[path = "../retained/rtc.rs"]
        mod retained;
        pub(crate) use retained::RETAINED;
    };
    (noinit) => {
        #[path = "../retained/noinit.rs"]
        mod retained;
        pub(crate) use retained::RETAINED;
    };
}
pub(super) use retained;

/// How a sagging supply is noticed.
macro_rules! brownout {
    (rtc_cntl $host:literal) => {
        #[path = "../brownout/rtc_cntl.rs"]
        mod brownout;

        /// Lets a supply that sags reset the chip.
        pub(crate) fn detect_brownout() {
            brownout::enable($host);
        }
    };
    (lp_ana) => {
        #[path = "../brownout/lp_ana.rs"]
        mod brownout;
        pub(crate) use brownout::detect_brownout;
    };
    (esp32) => {
        #[path = "../brownout/esp32.rs"]
        mod brownout;
        pub(crate) use brownout::detect_brownout;
    };
}
pub(super) use brownout;
