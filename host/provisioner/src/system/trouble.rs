//! What a computer's Bluetooth says where it does not work, told with what to do.
//!
//! BlueZ's errors have names (doc/*-api.txt and src/error.c in BlueZ 5.66), the daemon of D-Bus has
//! its own; the other systems give a sentence.

use btleplug::Error;
use btleplug::api::CentralState;
use protocomm::refusal::Refused;

use crate::link_error::LinkError;

/// The name of what D-Bus or BlueZ says, as `org.bluez.Error.NotReady`; empty elsewhere.
#[cfg(target_os = "linux")]
fn name_of(error: &Error) -> &str {
    let Error::Other(inner) = error else {
        return "";
    };
    match inner.downcast_ref() {
        Some(bluez_async::BluetoothError::DbusError(error)) => error.name().unwrap_or_default(),
        _ => "",
    }
}

#[cfg(not(target_os = "linux"))]
fn name_of(_: &Error) -> &str {
    ""
}

/// Bluetooth cannot be used at all.
pub(super) fn unusable(error: &Error) -> LinkError {
    LinkError::NoBluetooth(remedy(name_of(error), error))
}

/// What there is to do on macOS, whose errors do not tell these apart.
const MACOS: &str = "this computer's Bluetooth cannot be used: switch it on, and allow it to the \
                     terminal in System Settings, Privacy & Security, Bluetooth";

/// Whichever of the errors by which D-Bus says that it cannot start a service.
const SPAWN: &str = "org.freedesktop.DBus.Error.Spawn.*";

fn remedy(name: &str, error: &dyn std::fmt::Display) -> String {
    let said = |what: &str| format!("{what} ({error})");
    let is_spawn = name.starts_with("org.freedesktop.DBus.Error.Spawn.");
    match if is_spawn { SPAWN } else { name } {
        "org.freedesktop.DBus.Error.FileNotFound"
        | "org.freedesktop.DBus.Error.NoServer"
        | "org.freedesktop.DBus.Error.NotSupported"
        | "org.freedesktop.DBus.Error.BadAddress"
        | "org.freedesktop.DBus.Error.Failed" => said(
            "there is no D-Bus, by which this computer's Bluetooth is spoken to: start it \
             (`sudo service dbus start`), or take a controller of your own by --hci",
        ),
        "org.freedesktop.DBus.Error.ServiceUnknown"
        | "org.freedesktop.DBus.Error.NameHasNoOwner"
        | SPAWN
        | "org.freedesktop.systemd1.NoSuchUnit" => said(
            "bluetoothd does not run: start it with `sudo systemctl start bluetooth` (Debian and \
             Ubuntu: `sudo apt-get install bluez`), or take a controller of your own by --hci",
        ),
        "org.freedesktop.DBus.Error.AccessDenied" | "org.bluez.Error.NotAuthorized" => said(
            "this user may not use Bluetooth: run it as one who is logged in at this computer, or \
             add the user to the group `bluetooth` and log in anew",
        ),
        "org.bluez.Error.NotReady" | "org.bluez.Error.Blocked" | "org.bluez.Error.Failed" => {
            format!("{} ({error})", off())
        }
        "org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout" => {
            said("bluetoothd does not answer: restart it with `sudo systemctl restart bluetooth`")
        }
        "org.bluez.Error.InProgress" => {
            said("Bluetooth is busy with the same for another program: try again in a while")
        }
        _ if cfg!(target_os = "macos") => said(MACOS),
        _ => said(
            "this computer's Bluetooth cannot be used: is there an adapter, and is it switched on?",
        ),
    }
}

fn off() -> &'static str {
    if cfg!(target_os = "linux") {
        "Bluetooth is switched off: `bluetoothctl power on`, after `rfkill unblock bluetooth` if it \
         is blocked"
    } else {
        "Bluetooth is switched off: switch it on in the system's settings"
    }
}

/// Why nothing can be heard with an adapter in this state, if so.
///
/// Of macOS `btleplug` tells no more than that it is neither on nor off, also where the user has just
/// answered that the terminal may not use it.
pub(super) fn deaf(state: &CentralState, is_macos: bool) -> Option<LinkError> {
    match state {
        CentralState::PoweredOff => Some(LinkError::NoBluetooth(off().into())),
        CentralState::Unknown if is_macos => Some(LinkError::NoBluetooth(MACOS.into())),
        _ => None,
    }
}

/// There is none, or none of that name.
pub(super) fn no_adapter(wanted: Option<&str>, names: &[String]) -> LinkError {
    LinkError::NoBluetooth(match (wanted, names) {
        (Some(wanted), [_, ..]) => format!(
            "this computer has no Bluetooth adapter `{wanted}`: name one of {} by --adapter",
            names.join(", ")
        ),
        _ => {
            "this computer has no Bluetooth adapter that its system knows: plug one in, or take a \
              controller of your own by --hci; containers and virtual machines have none unless it \
              is passed through"
                .into()
        }
    })
}

/// A device cannot be connected to.
pub(super) fn not_connected(error: &Error) -> LinkError {
    log::info!("connecting: {error}");
    match (name_of(error), error) {
        // BlueZ's word for a connection that was not established, as happens over the air:
        // br-connection-… and le-connection-abort-by-local are in its message.
        ("org.bluez.Error.Failed", error) if error.to_string().contains("abort") => LinkError::Lost,
        ("org.bluez.Error.Failed" | "org.bluez.Error.AuthenticationTimeout", _)
        | ("org.bluez.Error.ConnectionAttemptFailed" | "org.bluez.Error.NotAvailable", _)
        | ("org.freedesktop.DBus.Error.UnknownObject", _)
        | ("org.freedesktop.DBus.Error.NoReply", _)
        | (_, Error::NotConnected | Error::TimedOut(_) | Error::DeviceNotFound) => {
            LinkError::Unreachable
        }
        (name, _) if name.starts_with("org.bluez.Error.") => unusable(error),
        (_, Error::PermissionDenied | Error::NoAdapterAvailable) => unusable(error),
        _ => LinkError::Unreachable,
    }
}

/// What the user can do about a device without endpoints that should have some.
pub(super) fn no_endpoints() -> String {
    let what = "none of its services has an endpoint `prov-session`";
    if cfg!(target_os = "linux") {
        format!(
            "{what}. If it should be one, `bluetoothctl remove ADDRESS` has this computer forget how \
             it was with another firmware"
        )
    } else {
        format!(
            "{what}. If it should be one, have this computer forget it in the Bluetooth settings, or \
             switch Bluetooth off and on"
        )
    }
}

/// The device refused a request.
pub(super) fn refused(endpoint: &str, error: &Error) -> LinkError {
    let reason = error.to_string();
    let code = att_error(&reason);
    LinkError::Refused {
        endpoint: endpoint.to_owned(),
        refused: code.map_or(Refused::Other, Refused::from_att_error),
        reason,
    }
}

/// The code in BlueZ's sentence, as "Operation failed with ATT error: 0x80".
fn att_error(reason: &str) -> Option<u8> {
    let (_, code) = reason.split_once("ATT error: 0x")?;
    u8::from_str_radix(code.get(..2)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_code_of_a_refusal_is_in_its_sentence() {
        let said = |text: &str| Error::RuntimeError(text.into());
        let of = |text: &str| match refused("prov-session", &said(text)) {
            LinkError::Refused { refused, .. } => refused,
            other => panic!("{other}"),
        };
        assert_eq!(
            of("Operation failed with ATT error: 0x82 (Unknown)"),
            Refused::CoolingDown(Duration::from_secs(20))
        );
        assert_eq!(of("Operation failed with ATT error: 0x9f"), Refused::Busy);
        assert_eq!(of("Operation failed with ATT error: 0x04"), Refused::Other);
        for other in [
            "ATT error: 0x",
            "ATT error: 0xzz",
            "unlikely",
            "ATT error: 0x\u{e4}",
        ] {
            assert_eq!(of(other), Refused::Other, "{other}");
        }
    }

    #[test]
    fn who_hears_nobody_is_told_why() {
        let told = |state, is_macos| deaf(&state, is_macos).map(|error| error.to_string());
        let off = told(CentralState::PoweredOff, false).unwrap();
        assert!(off.contains("switched off"), "{off}");
        let forbidden = told(CentralState::Unknown, true).unwrap();
        assert!(forbidden.contains("Privacy & Security"), "{forbidden}");
        // Windows does not know the state of each adapter that works.
        assert_eq!(told(CentralState::Unknown, false), None);
        assert_eq!(told(CentralState::PoweredOn, true), None);
    }

    #[test]
    fn what_is_missing_is_told_with_what_to_do() {
        for (name, told) in [
            (
                "org.freedesktop.DBus.Error.FileNotFound",
                "service dbus start",
            ),
            (
                "org.freedesktop.DBus.Error.ServiceUnknown",
                "apt-get install bluez",
            ),
            (
                "org.freedesktop.DBus.Error.Spawn.ExecFailed",
                "bluetoothd does not run",
            ),
            (
                "org.freedesktop.DBus.Error.AccessDenied",
                "group `bluetooth`",
            ),
            ("org.bluez.Error.NotReady", "switched off"),
            ("org.example.Unheard", "is there an adapter"),
        ] {
            let text = remedy(name, &"said so");
            assert!(text.contains("said so"), "{text}");
            assert!(text.contains(told) || !cfg!(target_os = "linux"), "{text}");
        }
    }
}
