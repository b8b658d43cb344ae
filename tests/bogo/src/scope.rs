//! What the runner tests and the device does not have: a reason for each flag that asks for it.
//!
//! Tests of such things that come without a flag are listed in `config.json`.

/// A reason, and the flags to which it belongs, without what says for which connection they are.
type Reason = (&'static str, &'static [&'static str]);

const REASONS: &[Reason] = &[
    (
        "the device is a client, not a server",
        &[
            "server",
            "request-server-padding",
            "require-any-client-certificate",
            "server-supported-groups-hint",
            "no-legacy-server-connect",
        ],
    ),
    ("no DTLS", &["dtls"]),
    (
        "no QUIC",
        &[
            "quic",
            "quic-transport-params",
            "expect-quic-transport-params",
        ],
    ),
    (
        "no raw public keys (RFC 7250)",
        &[
            "new-rpk-credential",
            "accepted-peer-cert-types",
            "available-client-cert-types",
        ],
    ),
    (
        "no keys agreed upon beforehand (PSK, PAKE)",
        &["psk", "new-psk-credential", "new-spake2plusv1-credential"],
    ),
    (
        "no early data",
        &[
            "enable-early-data",
            "expect-accept-early-data",
            "expect-reject-early-data",
            "expect-early-data-reason",
            "expect-ticket-supports-early-data",
        ],
    ),
    (
        "no renegotiation",
        &[
            "renegotiate-freely",
            "renegotiate-once",
            "renegotiate-explicit",
            "forbid-renegotiation-after-handshake",
            "expect-total-renegotiations",
            "expect-secure-renegotiation",
            "expect-no-secure-renegotiation",
        ],
    ),
    (
        "no stapled OCSP responses and no certificate transparency",
        &[
            "enable-ocsp-stapling",
            "ocsp-response",
            "expect-ocsp-response",
            "enable-signed-cert-timestamps",
            "signed-cert-timestamps",
        ],
    ),
    (
        "no ALPN, NPN or ALPS",
        &[
            "advertise-alpn",
            "advertise-npn",
            "select-alpn",
            "select-next-proto",
            "select-empty-next-proto",
            "application-settings",
            "alps-use-new-codepoint",
        ],
    ),
    (
        "no encrypted ClientHello",
        &[
            "ech-config-list",
            "enable-ech-grease",
            "reject-unusable-ech-config",
        ],
    ),
    (
        "no values made of the keys (exporters, channel IDs, tls-unique)",
        &[
            "export-keying-material",
            "export-traffic-secrets",
            "send-channel-id",
            "tls-unique",
            "use-exporter-between-reads",
        ],
    ),
    (
        "no other extensions (SRTP, certificate compression, delegated credentials, trust anchors, GREASE, \
         fallback)",
        &[
            "srtp-profiles",
            "install-cert-compression-algs",
            "install-one-cert-compression-alg",
            "new-delegated-credential",
            "requested-trust-anchors",
            "enable-grease",
            "permute-extensions",
            "fallback-scsv",
        ],
    ),
    (
        "the device has one certificate, and shows it to every server that asks",
        &[
            "expect-selected-credential",
            "must-match-issuer",
            "use-old-client-cert-callback",
            "fail-cert-callback",
            "expect-certificate-types",
            "expect-client-ca-list",
        ],
    ),
    (
        "what the device offers is not to be set",
        &[
            "curves",
            "cipher",
            "key-shares",
            "no-key-shares",
            "signing-prefs",
            "verify-prefs",
            "min-version",
            "max-version",
            "no-tls12",
            "no-tls13",
            "no-ticket",
            "max-cert-list",
            "fips-202205",
            "wpa-202304",
            "cnsa-202407",
            "cnsa1-202603",
            "cnsa2-202603",
            "expect-cipher-aes",
            "expect-cipher-no-aes",
        ],
    ),
    (
        "the device sends no KeyUpdate of its own",
        &["key-update", "key-update-before-read"],
    ),
    (
        "BoringSSL's own ways to be called",
        &[
            "false-start",
            "handshake-hints",
            "peek-then-read",
            "read-with-unfinished-write",
            "write-different-record-sizes",
            "reverify-on-resume",
            "resumption-delay",
            "send-alert",
            "expect-peer-cert-file",
            "expect-peer-verify-pref",
            "expect-resumable-across-names",
            "expect-not-resumable-across-names",
        ],
    ),
    (
        "credentials that the device refuses before any connection: Ed25519, P-521, ML-DSA, RSA-1024",
        &["cert-file", "trust-cert"],
    ),
];

/// Why a flag, as it stands on the command line, asks for what is not there.
pub(crate) fn reason(flag: &str) -> Option<&'static str> {
    let name = name(flag).0;
    let (reason, _) = REASONS.iter().find(|(_, flags)| flags.contains(&name))?;
    Some(reason)
}

/// Which connections a flag is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct For {
    pub(crate) initial: bool,
    pub(crate) resumed: bool,
}

/// A flag's name, and which connections it is for.
pub(crate) fn name(flag: &str) -> (&str, For) {
    let name = flag.strip_prefix('-').unwrap_or(flag);
    let (initial, resumed) = (
        name.strip_prefix("on-initial-"),
        name.strip_prefix("on-resume-"),
    );
    let meant = For {
        initial: resumed.is_none(),
        resumed: initial.is_none(),
    };
    (initial.or(resumed).unwrap_or(name), meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_has_one_reason() {
        let mut flags: Vec<_> = REASONS.iter().flat_map(|(_, flags)| *flags).collect();
        let all = flags.len();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), all);
        assert_eq!(reason("-on-resume-dtls"), Some("no DTLS"));
        assert_eq!(reason("-unheard-of"), None);
    }
}
