//! Every error says what somebody is to do about it, or whose fault it is.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use embedded_io_async::ErrorKind;

use crate::broker::{CloudError, Phase};
use crate::credentials::{self, File};
use crate::event::{ClockError, Event, ServerClock};
use crate::settings;
use crate::storage::{FileError, StorageError};
use crate::tls::{Alert, CertificateFault, TlsError, Violation};
use crate::wifi::{AuthMode, JoinError};

/// What a text asks somebody to do.
const IMPERATIVES: &[&str] = &[
    "add",
    "allow",
    "assign",
    "build",
    "change",
    "check",
    "choose",
    "convert",
    "copy",
    "correct",
    "create",
    "erase",
    "flash",
    "give",
    "have",
    "leave",
    "let",
    "look",
    "make",
    "provision",
    "put",
    "raise",
    "remove",
    "renew",
    "replace",
    "save",
    "set",
    "take",
    "write",
];

/// What a text says where nobody has to do anything, or only we can.
const NOBODY: &[&str] = &[
    "fault of the firmware",
    "it may recover",
    "the board is faulty",
];

fn says_what_to_do(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| IMPERATIVES.contains(&word)) || NOBODY.iter().any(|said| text.contains(said))
}

/// The texts of one value for each variant; one that is missing here does not compile.
macro_rules! texts {
    ($type:ty: $($(#[$only:meta])? $pattern:pat => $value:expr),+ $(,)?) => {{
        let _ = |error: $type| match error { $($(#[$only])? $pattern => ()),+ };
        Vec::from([$($(#[$only])? <$type>::to_string(&$value)),+])
    }};
}

fn storage() -> Vec<String> {
    use StorageError as E;
    texts!(StorageError:
        E::NoPartitionTable => E::NoPartitionTable,
        E::NoPartition(_) => E::NoPartition("nvs"),
        E::OtherFiles => E::OtherFiles,
        E::PartitionOutside(_) => E::PartitionOutside("nvs"),
        E::NvsUnreadable => E::NvsUnreadable,
        E::NvsDamaged => E::NvsDamaged,
        E::NvsFull => E::NvsFull,
        E::FlashFailed => E::FlashFailed,
    )
}

fn files() -> Vec<String> {
    use FileError as E;
    texts!(FileError:
        E::NoPartition(_) => E::NoPartition(StorageError::NoPartitionTable),
        E::NoVolume => E::NoVolume,
        E::Missing => E::Missing,
        E::TooLarge { .. } => E::TooLarge { size: 9, limit: 8 },
        E::Damaged => E::Damaged,
        E::FlashFailed => E::FlashFailed,
    )
}

fn settings() -> Vec<String> {
    use settings::{Fault as E, SettingsError as S};
    let (least, most) = (1, 2);
    let mut texts = texts!(settings::Fault:
        E::NotText => E::NotText,
        E::Escaped => E::Escaped,
        E::NotAnObject => E::NotAnObject,
        E::NotANumber { .. } => E::NotANumber { least, most },
        E::OutOfRange { .. } => E::OutOfRange { least, most },
        E::Length { .. } => E::Length { least: 1, most: 2 },
        E::NoProof => E::NoProof,
        E::NotPrintable => E::NotPrintable,
        E::NotAnOrder => E::NotAnOrder,
        E::NotACountry => E::NotACountry,
        E::NotABroker => E::NotABroker,
        E::NoTls => E::NoTls,
        E::BadHost => E::Ipv6,
        E::Ipv6 => E::BadHost,
        E::BadPort => E::BadPort,
        E::UserInBroker => E::UserInBroker,
        E::TooMany(_) => E::TooMany(3),
    );
    let not_json = settings::Settings::parse(b"[").unwrap_err();
    texts.extend(texts!(settings::SettingsError:
        S::Unreadable(_) => S::Unreadable(FileError::Damaged),
        S::NotJson(_) => not_json,
        S::Value { .. } => S::Value { key: "broker", fault: E::BadHost },
        S::ProofUnreadable(_) => S::ProofUnreadable(FileError::Damaged),
        S::ProofFile => S::ProofFile,
    ));
    texts
}

fn credentials() -> Vec<String> {
    use credentials::{CredentialsError, Fault as E, Form};
    let (number, now_unix_s) = (1, 5);
    let oid = certfile::Oid::new(b"\x2b\x65\x70");
    let of = |fault| File::Certificate.has(fault);
    texts!(CredentialsError:
        CredentialsError { fault: E::Missing, .. } => of(E::Missing),
        CredentialsError { fault: E::Unreadable(_), .. } => of(E::Unreadable(FileError::Damaged)),
        CredentialsError { fault: E::Empty, .. } => of(E::Empty),
        CredentialsError { fault: E::TooLarge { .. }, .. } => of(E::TooLarge { most: 9 }),
        CredentialsError { fault: E::TooMany, .. } => of(E::TooMany),
        CredentialsError { fault: E::ChainTooLong, .. } => of(E::ChainTooLong),
        CredentialsError { fault: E::NotPem, .. } => of(E::NotPem),
        CredentialsError { fault: E::Damaged { .. }, .. } => of(E::Damaged { number }),
        CredentialsError { fault: E::Binary, .. } => of(E::Binary),
        CredentialsError { fault: E::Utf16, .. } => of(E::Utf16),
        CredentialsError { fault: E::Form { .. }, .. } => of(E::Form { form: Form::Trusted, line: 1 }),
        CredentialsError { fault: E::KeyKind { .. }, .. } => of(E::KeyKind { number, kind: oid }),
        CredentialsError { fault: E::Curve { .. }, .. } => of(E::Curve { number, curve: oid }),
        CredentialsError { fault: E::ExplicitCurve { .. }, .. } => of(E::ExplicitCurve { number }),
        CredentialsError { fault: E::Signature { .. }, .. } => of(E::Signature { number, algorithm: oid }),
        CredentialsError { fault: E::Critical { .. }, .. } => of(E::Critical { number, extension: oid }),
        CredentialsError { fault: E::RsaSize { .. }, .. } => of(E::RsaSize { number, bits: 512 }),
        CredentialsError { fault: E::Encrypted, .. } => of(E::Encrypted),
        CredentialsError { fault: E::Sealed, .. } => of(E::Sealed),
        #[cfg(feature = "seal")]
        CredentialsError { fault: E::Seal(_), .. } => of(E::Seal(seal::Fault::Another)),
        CredentialsError { fault: E::Mismatch, .. } => of(E::Mismatch),
        CredentialsError { fault: E::OutOfOrder { .. }, .. } => of(E::OutOfOrder { number }),
        CredentialsError { fault: E::NotACa { .. }, .. } => of(E::NotACa { number }),
        CredentialsError { fault: E::NotAnAnchor { .. }, .. } => of(E::NotAnAnchor { number }),
        CredentialsError { fault: E::KeyUsage, .. } => of(E::KeyUsage),
        CredentialsError { fault: E::NotForClients, .. } => of(E::NotForClients),
        CredentialsError { fault: E::NoCommonName, .. } => of(E::NoCommonName),
        CredentialsError { fault: E::CommonNameUnusable, .. } => of(E::CommonNameUnusable),
        CredentialsError { fault: E::NotYetValid { .. }, .. } =>
            of(E::NotYetValid { number, from_unix_s: 9, now_unix_s }),
        CredentialsError { fault: E::Expired { .. }, .. } =>
            of(E::Expired { number, to_unix_s: 1, now_unix_s }),
        CredentialsError { fault: E::OutOfMemory, .. } => of(E::OutOfMemory),
    )
}

/// Of a key that is sealed, each in the words of the device.
#[cfg(feature = "seal")]
fn sealed() -> Vec<String> {
    use credentials::Fault;
    use seal::Fault as E;
    let block = seal::Block::ALL[0];
    let of = |fault| File::Key.has(Fault::Seal(fault));
    let _ = |fault: E| match fault {
        E::NotSealed | E::Version(_) | E::Damaged | E::NoKey(_) | E::Another | E::TooLarge => (),
    };
    [
        E::NotSealed,
        E::Version(2),
        E::Damaged,
        E::NoKey(block),
        E::Another,
        E::TooLarge,
    ]
    .map(|fault| of(fault).to_string())
    .into()
}

fn network() -> Vec<String> {
    use product::Fault as S;
    use {ClockError as C, JoinError as J};
    let mut texts = texts!(JoinError:
        J::WrongPassphrase => J::WrongPassphrase,
        J::NetworkNotFound => J::NetworkNotFound,
        J::NoAddress => J::NoAddress,
        J::Unsupported(_) => J::Unsupported(AuthMode::Wpa3Psk),
        J::Other(_) => J::Other(202),
    );
    texts.extend(texts!(ClockError:
        C::NameNotResolved => C::NameNotResolved,
        C::Silent => C::Silent,
        C::Implausible => C::Implausible,
        C::NoSocket => C::NoSocket,
        C::Contradiction => C::Contradiction,
    ));
    let by_s = 86_400;
    for clock in [
        ServerClock::Contradicted { by_s },
        ServerClock::Refused { by_s },
    ] {
        texts.push(Event::ServerClock(clock).to_string());
    }
    for sensor in [S::Absent, S::Garbled, S::Implausible] {
        texts.push(Event::SensorFailed(sensor).to_string());
    }
    texts.push(Event::IntervalRefused.to_string());
    texts.push(
        Event::MessageSkipped {
            bytes: 1_500,
            most: 1_024,
        }
        .to_string(),
    );
    texts.push(Event::CountryRefused { country: *b"??" }.to_string());
    texts
}

fn tls() -> Vec<String> {
    use {CertificateFault as F, TlsError as E};
    let mut texts = texts!(TlsError:
        E::ServerCertificate(_) => E::ServerCertificate(F::Expired),
        E::DeviceCertificate(_) => E::DeviceCertificate(Alert(48)),
        E::Refused(_) => E::Refused(Alert(80)),
        E::NothingInCommon => E::NothingInCommon,
        E::Violation(_) => E::Violation(Violation::Malformed),
        E::RetryCookie => E::RetryCookie,
        E::MessageCut => E::MessageCut,
        E::KeyUpdate => E::KeyUpdate,
        E::NoVersion => E::NoVersion,
        E::TooWeak => E::TooWeak,
        E::NotTls => E::NotTls,
        E::Broken(_) => E::Broken(ErrorKind::ConnectionReset),
        E::OutOfMemory => E::OutOfMemory,
        E::Other(_) => E::Other(-1),
    );
    texts.extend(texts!(CertificateFault:
        F::NotTrusted => F::NotTrusted,
        F::Expired => F::Expired,
        F::NotYetValid => F::NotYetValid,
        F::WrongName => F::WrongName,
        F::WeakSignature => F::WeakSignature,
        F::WeakKey => F::WeakKey,
        F::NotForServers => F::NotForServers,
        F::KeyUsage => F::KeyUsage,
        F::ChainTooLong => F::ChainTooLong,
        F::Unusable(_) => F::Unusable(credentials::Fault::ExplicitCurve { number: 1 }),
        F::Missing => F::Missing,
    ));
    texts
}

fn cloud() -> Vec<String> {
    use CloudError as E;
    let kind = ErrorKind::ConnectionRefused;
    let mut texts = texts!(CloudError:
        E::NameNotResolved => E::NameNotResolved,
        E::Unreachable(_) => E::Unreachable(kind),
        E::TimedOut(_) => E::TimedOut(Phase::Dns),
        E::Tls(_) => E::Tls(TlsError::NotTls),
        E::Refused { .. } => E::Refused { reason: 0x80 },
        E::HungUp => E::HungUp,
        E::NotSubscribed { .. } => E::NotSubscribed { reason: 0x80 },
        E::NotTaken { .. } => E::NotTaken { reason: 0x80 },
        E::OverLimit { .. } => E::OverLimit { reason: 0x83, samples: 0, next: 1 },
        E::NoFirmware => E::NoFirmware,
        E::Kicked { .. } => E::Kicked { reason: None },
        E::Silent => E::Silent,
        E::Lost(_) => E::Lost(kind),
        E::Protocol => E::Protocol,
        E::PacketLimit => E::PacketLimit,
        E::Bug => E::Bug,
    );
    for phase in [Phase::Tcp, Phase::Tls, Phase::Mqtt] {
        texts.push(E::TimedOut(phase).to_string());
    }
    for reason in 0..=u8::MAX {
        texts.push(E::Refused { reason }.to_string());
        texts.push(E::NotSubscribed { reason }.to_string());
        texts.push(E::NotTaken { reason }.to_string());
        let reason = Some(reason);
        texts.push(E::Kicked { reason }.to_string());
    }
    texts
}

#[test]
fn every_error_says_who_must_do_what() {
    assert!(!says_what_to_do("the connection was lost (Other): "));
    let all = [
        storage(),
        files(),
        settings(),
        credentials(),
        #[cfg(feature = "seal")]
        sealed(),
        network(),
        tls(),
        cloud(),
    ];
    for text in all.into_iter().flatten() {
        assert!(says_what_to_do(&text), "{text}");
    }
}
