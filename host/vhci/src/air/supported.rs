//! The commands that a virtual controller knows, with their place in the bit map that
//! `Read Local Supported Commands` returns (Core 5.4, Vol 4, Part E, section 6.27).

/// Opcodes: OGF in the upper 6 bits, OCF in the lower 10.
pub(crate) mod opcode {
    pub(crate) const DISCONNECT: u16 = 0x0406;
    pub(crate) const READ_REMOTE_VERSION: u16 = 0x041D;
    pub(crate) const SET_EVENT_MASK: u16 = 0x0C01;
    pub(crate) const RESET: u16 = 0x0C03;
    pub(crate) const READ_TRANSMIT_POWER: u16 = 0x0C2D;
    pub(crate) const SET_FLOW_CONTROL: u16 = 0x0C31;
    pub(crate) const HOST_BUFFER_SIZE: u16 = 0x0C33;
    pub(crate) const HOST_COMPLETED_PACKETS: u16 = 0x0C35;
    pub(crate) const SET_EVENT_MASK_PAGE_2: u16 = 0x0C63;
    pub(crate) const READ_LE_HOST_SUPPORT: u16 = 0x0C6C;
    pub(crate) const WRITE_LE_HOST_SUPPORT: u16 = 0x0C6D;
    pub(crate) const READ_VERSION: u16 = 0x1001;
    pub(crate) const READ_COMMANDS: u16 = 0x1002;
    pub(crate) const READ_FEATURES: u16 = 0x1003;
    pub(crate) const READ_BUFFER_SIZE: u16 = 0x1005;
    pub(crate) const READ_BD_ADDR: u16 = 0x1009;
    pub(crate) const READ_RSSI: u16 = 0x1405;
    pub(crate) const LE_SET_EVENT_MASK: u16 = 0x2001;
    pub(crate) const LE_READ_BUFFER_SIZE: u16 = 0x2002;
    pub(crate) const LE_READ_FEATURES: u16 = 0x2003;
    pub(crate) const LE_SET_RANDOM_ADDRESS: u16 = 0x2005;
    pub(crate) const LE_SET_ADV_PARAMETERS: u16 = 0x2006;
    pub(crate) const LE_READ_ADV_TX_POWER: u16 = 0x2007;
    pub(crate) const LE_SET_ADV_DATA: u16 = 0x2008;
    pub(crate) const LE_SET_SCAN_RESPONSE: u16 = 0x2009;
    pub(crate) const LE_SET_ADV_ENABLE: u16 = 0x200A;
    pub(crate) const LE_SET_SCAN_PARAMETERS: u16 = 0x200B;
    pub(crate) const LE_SET_SCAN_ENABLE: u16 = 0x200C;
    pub(crate) const LE_CREATE_CONNECTION: u16 = 0x200D;
    pub(crate) const LE_CREATE_CONNECTION_CANCEL: u16 = 0x200E;
    pub(crate) const LE_READ_ACCEPT_LIST_SIZE: u16 = 0x200F;
    pub(crate) const LE_CLEAR_ACCEPT_LIST: u16 = 0x2010;
    pub(crate) const LE_ADD_ACCEPT_LIST: u16 = 0x2011;
    pub(crate) const LE_REMOVE_ACCEPT_LIST: u16 = 0x2012;
    pub(crate) const LE_CONNECTION_UPDATE: u16 = 0x2013;
    pub(crate) const LE_SET_CHANNEL_CLASSIFICATION: u16 = 0x2014;
    pub(crate) const LE_READ_CHANNEL_MAP: u16 = 0x2015;
    pub(crate) const LE_READ_REMOTE_FEATURES: u16 = 0x2016;
    pub(crate) const LE_RAND: u16 = 0x2018;
    pub(crate) const LE_READ_SUPPORTED_STATES: u16 = 0x201C;
    pub(crate) const LE_PARAMETER_REQUEST_REPLY: u16 = 0x2020;
    pub(crate) const LE_PARAMETER_REQUEST_NEGATIVE: u16 = 0x2021;
    pub(crate) const LE_SET_DATA_LENGTH: u16 = 0x2022;
    pub(crate) const LE_READ_DEFAULT_DATA_LENGTH: u16 = 0x2023;
    pub(crate) const LE_WRITE_DEFAULT_DATA_LENGTH: u16 = 0x2024;
    pub(crate) const LE_READ_MAXIMUM_DATA_LENGTH: u16 = 0x202F;
    pub(crate) const LE_READ_PHY: u16 = 0x2030;
    pub(crate) const LE_SET_DEFAULT_PHY: u16 = 0x2031;
    pub(crate) const LE_SET_PHY: u16 = 0x2032;
    pub(crate) const LE_SET_ADV_SET_RANDOM_ADDRESS: u16 = 0x2035;
    pub(crate) const LE_SET_EXT_ADV_PARAMETERS: u16 = 0x2036;
    pub(crate) const LE_SET_EXT_ADV_DATA: u16 = 0x2037;
    pub(crate) const LE_SET_EXT_SCAN_RESPONSE: u16 = 0x2038;
    pub(crate) const LE_SET_EXT_ADV_ENABLE: u16 = 0x2039;
    pub(crate) const LE_READ_MAXIMUM_ADV_DATA: u16 = 0x203A;
    pub(crate) const LE_READ_ADV_SETS: u16 = 0x203B;
    pub(crate) const LE_REMOVE_ADV_SET: u16 = 0x203C;
    pub(crate) const LE_CLEAR_ADV_SETS: u16 = 0x203D;
    pub(crate) const LE_SET_EXT_SCAN_PARAMETERS: u16 = 0x2041;
    pub(crate) const LE_SET_EXT_SCAN_ENABLE: u16 = 0x2042;
    pub(crate) const LE_EXT_CREATE_CONNECTION: u16 = 0x2043;
    pub(crate) const LE_READ_TRANSMIT_POWER: u16 = 0x204B;
}

use opcode::*;

/// Opcode, octet and bit.
const COMMANDS: [(u16, u8, u8); 62] = [
    (DISCONNECT, 0, 5),
    (READ_REMOTE_VERSION, 2, 7),
    (SET_EVENT_MASK, 5, 6),
    (RESET, 5, 7),
    (READ_TRANSMIT_POWER, 10, 2),
    (SET_FLOW_CONTROL, 10, 5),
    (HOST_BUFFER_SIZE, 10, 6),
    (HOST_COMPLETED_PACKETS, 10, 7),
    (READ_VERSION, 14, 3),
    (READ_COMMANDS, 14, 4),
    (READ_FEATURES, 14, 5),
    (READ_BUFFER_SIZE, 14, 7),
    (READ_BD_ADDR, 15, 1),
    (READ_RSSI, 15, 5),
    (SET_EVENT_MASK_PAGE_2, 22, 2),
    (READ_LE_HOST_SUPPORT, 24, 5),
    (WRITE_LE_HOST_SUPPORT, 24, 6),
    (LE_SET_EVENT_MASK, 25, 0),
    (LE_READ_BUFFER_SIZE, 25, 1),
    (LE_READ_FEATURES, 25, 2),
    (LE_SET_RANDOM_ADDRESS, 25, 4),
    (LE_SET_ADV_PARAMETERS, 25, 5),
    (LE_READ_ADV_TX_POWER, 25, 6),
    (LE_SET_ADV_DATA, 25, 7),
    (LE_SET_SCAN_RESPONSE, 26, 0),
    (LE_SET_ADV_ENABLE, 26, 1),
    (LE_SET_SCAN_PARAMETERS, 26, 2),
    (LE_SET_SCAN_ENABLE, 26, 3),
    (LE_CREATE_CONNECTION, 26, 4),
    (LE_CREATE_CONNECTION_CANCEL, 26, 5),
    (LE_READ_ACCEPT_LIST_SIZE, 26, 6),
    (LE_CLEAR_ACCEPT_LIST, 26, 7),
    (LE_ADD_ACCEPT_LIST, 27, 0),
    (LE_REMOVE_ACCEPT_LIST, 27, 1),
    (LE_CONNECTION_UPDATE, 27, 2),
    (LE_SET_CHANNEL_CLASSIFICATION, 27, 3),
    (LE_READ_CHANNEL_MAP, 27, 4),
    (LE_READ_REMOTE_FEATURES, 27, 5),
    (LE_RAND, 27, 7),
    (LE_READ_SUPPORTED_STATES, 28, 3),
    (LE_PARAMETER_REQUEST_REPLY, 33, 4),
    (LE_PARAMETER_REQUEST_NEGATIVE, 33, 5),
    (LE_SET_DATA_LENGTH, 33, 6),
    (LE_READ_DEFAULT_DATA_LENGTH, 33, 7),
    (LE_WRITE_DEFAULT_DATA_LENGTH, 34, 0),
    (LE_READ_MAXIMUM_DATA_LENGTH, 35, 3),
    (LE_READ_PHY, 35, 4),
    (LE_SET_DEFAULT_PHY, 35, 5),
    (LE_SET_PHY, 35, 6),
    (LE_SET_ADV_SET_RANDOM_ADDRESS, 36, 1),
    (LE_SET_EXT_ADV_PARAMETERS, 36, 2),
    (LE_SET_EXT_ADV_DATA, 36, 3),
    (LE_SET_EXT_SCAN_RESPONSE, 36, 4),
    (LE_SET_EXT_ADV_ENABLE, 36, 5),
    (LE_READ_MAXIMUM_ADV_DATA, 36, 6),
    (LE_READ_ADV_SETS, 36, 7),
    (LE_REMOVE_ADV_SET, 37, 0),
    (LE_CLEAR_ADV_SETS, 37, 1),
    (LE_SET_EXT_SCAN_PARAMETERS, 37, 5),
    (LE_SET_EXT_SCAN_ENABLE, 37, 6),
    (LE_EXT_CREATE_CONNECTION, 37, 7),
    (LE_READ_TRANSMIT_POWER, 38, 7),
];

/// Which of the two interfaces for advertising, scanning and connecting a command belongs to.
/// A host must not mix them between two resets (Core 5.4, Vol 4, Part E, section 3.1.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Interface {
    Legacy,
    Extended,
}

/// The interface that a command commits the host to, if any.
pub(crate) fn interface(opcode: u16) -> Option<Interface> {
    match opcode {
        LE_SET_ADV_PARAMETERS..=LE_CREATE_CONNECTION => Some(Interface::Legacy),
        LE_SET_ADV_SET_RANDOM_ADDRESS..=LE_EXT_CREATE_CONNECTION => Some(Interface::Extended),
        _ => None,
    }
}

/// Whether the controller knows the command.
pub(crate) fn is_known(opcode: u16, extended: bool) -> bool {
    COMMANDS.iter().any(|(o, ..)| *o == opcode)
        && (extended || interface(opcode) != Some(Interface::Extended))
}

/// Whether the command is answered by a Command Status event (and later an event of its own)
/// rather than by a Command Complete event.
pub(crate) fn answered_by_status(opcode: u16) -> bool {
    matches!(
        opcode,
        DISCONNECT
            | READ_REMOTE_VERSION
            | LE_CREATE_CONNECTION
            | LE_CONNECTION_UPDATE
            | LE_READ_REMOTE_FEATURES
            | LE_SET_PHY
            | LE_EXT_CREATE_CONNECTION
    )
}

/// The 64-octet bit map of supported commands.
pub(crate) fn bit_map(extended: bool) -> [u8; 64] {
    let mut map = [0; 64];
    for (opcode, octet, bit) in COMMANDS {
        if is_known(opcode, extended) {
            map[usize::from(octet)] |= 1 << bit;
        }
    }
    map
}
